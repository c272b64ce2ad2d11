//! Push subscriptions, and whom a message is pushed to.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::devices::{Announced, Devices, Listener, MAX_SUBSCRIPTIONS, REACHED_EVERY_MS, Subscription};
use parlor_core::time::Timestamp;
use sqlx::{query, query_as, query_scalar};

use super::pools::{Pools, error};
use super::{NAME, Sqlite, unhurried};
use crate::at::At;
use crate::calls::timed;
use crate::devices::{ListenerRow, SubscriptionRow, browser_keys, subscription};

#[async_trait]
impl Devices for Sqlite {
    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Unavailable> {
        let (pools, subscription) = (Arc::clone(&self.pools), subscription.clone());
        let work = async move { subscribe(&pools, &subscription).await.map_err(error) };
        timed(NAME, "subscribe", unhurried(work)).await
    }

    async fn unsubscribe(&self, user: &UserId, address: &str) -> Result<bool, Unavailable> {
        let work = async {
            let mut tx = self.pools.write().await?;
            let done = query("DELETE FROM push_subscriptions WHERE user_id = ?1 AND address = ?2")
                .bind(user.as_str())
                .bind(address)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        };
        timed(NAME, "unsubscribe", async { work.await.map_err(error) }).await
    }

    async fn subscriptions(&self, users: &[UserId]) -> Result<Vec<Subscription>, Unavailable> {
        timed(NAME, "subscriptions", async { read(&self.pools, users).await.map_err(error) }).await
    }

    async fn reached(&self, subscription: &Subscription, at: Timestamp) -> Result<(), Unavailable> {
        const REACHED: &str = "\
            UPDATE push_subscriptions SET reached_at = ?3 \
            WHERE kind = ?1 AND address = ?2 AND (reached_at IS NULL OR reached_at <= ?4)";
        let work = async {
            let mut tx = self.pools.write().await?;
            query(REACHED)
                .bind(subscription.address.kind())
                .bind(subscription.address.name())
                .bind(At(at))
                .bind(At(at.plus_millis(-REACHED_EVERY_MS)))
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        };
        timed(NAME, "reached", async { work.await.map_err(error) }).await
    }

    async fn gone(&self, subscription: &Subscription) -> Result<(), Unavailable> {
        let work = async {
            let mut tx = self.pools.write().await?;
            query("DELETE FROM push_subscriptions WHERE kind = ?1 AND address = ?2 AND registered_at <= ?3")
                .bind(subscription.address.kind())
                .bind(subscription.address.name())
                .bind(At(subscription.registered_at))
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        };
        timed(NAME, "gone", async { work.await.map_err(error) }).await
    }

    async fn audience(&self, messages: &[Announced<'_>], big: u32) -> Result<Vec<Listener>, Unavailable> {
        timed(NAME, "audience", async { audience(&self.pools, messages, big).await.map_err(error) }).await
    }
}

async fn subscribe(pools: &Pools, new: &Subscription) -> Result<(), sqlx::Error> {
    const KEEP: &str = "\
        INSERT INTO push_subscriptions (kind, address, user_id, p256dh, auth, registered_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
        ON CONFLICT (kind, address) DO UPDATE SET user_id = excluded.user_id, p256dh = excluded.p256dh, \
            auth = excluded.auth, registered_at = excluded.registered_at";
    const TRIM: &str = "\
        DELETE FROM push_subscriptions WHERE (kind, address) IN \
        (SELECT kind, address FROM push_subscriptions WHERE user_id = ?1 \
         ORDER BY registered_at DESC, address = ?2 DESC, address LIMIT -1 OFFSET ?3)";
    let (p256dh, auth) = browser_keys(&new.address);
    let mut tx = pools.write().await?;
    query(KEEP)
        .bind(new.address.kind())
        .bind(new.address.name())
        .bind(new.user.as_str())
        .bind(p256dh)
        .bind(auth)
        .bind(At(new.registered_at))
        .execute(&mut *tx)
        .await?;
    query(TRIM)
        .bind(new.user.as_str())
        .bind(new.address.name())
        .bind(MAX_SUBSCRIPTIONS as i64)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

async fn read(pools: &Pools, users: &[UserId]) -> Result<Vec<Subscription>, sqlx::Error> {
    const READ: &str = "\
        SELECT user_id, kind, address, p256dh, auth, registered_at, reached_at FROM push_subscriptions \
        WHERE user_id = ?1 ORDER BY registered_at DESC, address";
    let mut users: Vec<&UserId> = users.iter().collect();
    users.sort();
    users.dedup();
    let mut connection = pools.readers.acquire().await?;
    let mut found = Vec::new();
    for user in users {
        let rows: Vec<SubscriptionRow> = query_as(READ).bind(user.as_str()).fetch_all(&mut *connection).await?;
        found.extend(rows.into_iter().filter_map(subscription));
    }
    Ok(found)
}

async fn audience(pools: &Pools, messages: &[Announced<'_>], big: u32) -> Result<Vec<Listener>, sqlx::Error> {
    const ROOM: &str = "SELECT member_count > ?2 FROM rooms WHERE id = ?1 AND deleted_at IS NULL AND kind <> 'channel'";
    const READ: &str = "\
        SELECT ?1 AS message, m.user_id, m.read_seq FROM members m \
        WHERE m.room_id = ?2 AND m.user_id <> ?3 AND (?4 IS NULL OR m.user_id = ?4) \
        AND m.role <> 'left' AND m.notifications_enabled \
        AND EXISTS (SELECT 1 FROM push_subscriptions s WHERE s.user_id = m.user_id) \
        AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = m.user_id AND b.blocked_id = ?3) ORDER BY m.user_id";
    let mut connection = pools.readers.acquire().await?;
    let mut found = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let room: Option<bool> =
            query_scalar(ROOM).bind(message.room.as_str()).bind(big).fetch_optional(&mut *connection).await?;
        let mut mentioned: Vec<&UserId> = message.mentions.iter().collect();
        mentioned.sort();
        mentioned.dedup();
        let whom: Vec<Option<&UserId>> = match room {
            None => Vec::new(),
            Some(false) => vec![None],
            Some(true) => mentioned.into_iter().map(Some).collect(),
        };
        for who in whom {
            let rows: Vec<ListenerRow> = query_as(READ)
                .bind(n as i64)
                .bind(message.room.as_str())
                .bind(message.sender.as_str())
                .bind(who.map(UserId::as_str))
                .fetch_all(&mut *connection)
                .await?;
            found.extend(rows.into_iter().map(Listener::from));
        }
    }
    Ok(found)
}
