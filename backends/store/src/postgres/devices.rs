//! Push subscriptions, and whom a message is pushed to.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::devices::{Announced, Devices, Listener, MAX_SUBSCRIPTIONS, REACHED_EVERY_MS, Subscription};
use parlor_core::time::Timestamp;
use sqlx::{Connection, query, query_as};

use super::pool::Pool;
use super::{NAME, Postgres, unhurried};
use crate::at::At;
use crate::calls::timed;
use crate::devices::{ListenerRow, SubscriptionRow, browser_keys, subscription};

#[async_trait]
impl Devices for Postgres {
    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Unavailable> {
        let (pool, subscription) = (Arc::clone(&self.pool), subscription.clone());
        timed(NAME, "subscribe", unhurried(async move { subscribe(&pool, &subscription).await })).await
    }

    async fn unsubscribe(&self, user: &UserId, address: &str) -> Result<bool, Unavailable> {
        let work = async {
            let mut connection = self.pool.get().await?;
            let done = query("DELETE FROM push_subscriptions WHERE user_id = $1 AND address = $2")
                .bind(user.as_str())
                .bind(address)
                .execute(&mut *connection)
                .await
                .map_err(Pool::error)?;
            Ok::<_, Unavailable>(done.rows_affected() > 0)
        };
        timed(NAME, "unsubscribe", work).await
    }

    async fn subscriptions(&self, users: &[UserId]) -> Result<Vec<Subscription>, Unavailable> {
        timed(NAME, "subscriptions", read(&self.pool, users)).await
    }

    async fn reached(&self, subscription: &Subscription, at: Timestamp) -> Result<(), Unavailable> {
        const REACHED: &str = "\
            UPDATE push_subscriptions SET reached_at = $3 \
            WHERE kind = $1 AND address = $2 AND (reached_at IS NULL OR reached_at <= $4)";
        let work = async {
            let mut connection = self.pool.get().await?;
            query(REACHED)
                .bind(subscription.address.kind())
                .bind(subscription.address.name())
                .bind(At(at))
                .bind(At(at.plus_millis(-REACHED_EVERY_MS)))
                .execute(&mut *connection)
                .await
                .map_err(Pool::error)?;
            Ok::<_, Unavailable>(())
        };
        timed(NAME, "reached", work).await
    }

    async fn gone(&self, subscription: &Subscription) -> Result<(), Unavailable> {
        let work = async {
            let mut connection = self.pool.get().await?;
            query("DELETE FROM push_subscriptions WHERE kind = $1 AND address = $2 AND registered_at <= $3")
                .bind(subscription.address.kind())
                .bind(subscription.address.name())
                .bind(At(subscription.registered_at))
                .execute(&mut *connection)
                .await
                .map_err(Pool::error)?;
            Ok::<_, Unavailable>(())
        };
        timed(NAME, "gone", work).await
    }

    async fn audience(&self, messages: &[Announced<'_>], big: u32) -> Result<Vec<Listener>, Unavailable> {
        timed(NAME, "audience", audience(&self.pool, messages, big)).await
    }
}

async fn subscribe(pool: &Pool, new: &Subscription) -> Result<(), Unavailable> {
    // One at a time for a user, so that each sees what the others added.
    const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('parlor.devices:' || $1, 0))";
    const KEEP: &str = "\
        INSERT INTO push_subscriptions (kind, address, user_id, p256dh, auth, registered_at) \
        VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (kind, address) DO UPDATE SET user_id = EXCLUDED.user_id, p256dh = EXCLUDED.p256dh, \
            auth = EXCLUDED.auth, registered_at = EXCLUDED.registered_at";
    const TRIM: &str = "\
        DELETE FROM push_subscriptions WHERE (kind, address) IN \
        (SELECT kind, address FROM push_subscriptions WHERE user_id = $1 \
         ORDER BY registered_at DESC, address = $2 DESC, address OFFSET $3)";
    let (p256dh, auth) = browser_keys(&new.address);
    let mut connection = pool.get().await?;
    let work = async {
        let mut tx = connection.begin().await?;
        query(TURN).bind(new.user.as_str()).execute(&mut *tx).await?;
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
    };
    work.await.map_err(Pool::error)
}

async fn read(pool: &Pool, users: &[UserId]) -> Result<Vec<Subscription>, Unavailable> {
    const READ: &str = "\
        SELECT user_id, kind, address, p256dh, auth, registered_at, reached_at FROM push_subscriptions \
        WHERE user_id = ANY($1) ORDER BY user_id, registered_at DESC, address";
    let mut connection = pool.get().await?;
    let rows: Vec<SubscriptionRow> = query_as(READ)
        .bind(users.iter().map(UserId::as_str).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(rows.into_iter().filter_map(subscription).collect())
}

async fn audience(pool: &Pool, messages: &[Announced<'_>], big: u32) -> Result<Vec<Listener>, Unavailable> {
    // Two halves, so that of a big room only the members who are named are looked at.
    const READ: &str = "\
        WITH asked AS (\
            SELECT n - 1 AS n, sender, r.id AS room, r.member_count > $3 AS big \
            FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY AS q (room, sender, n) \
            JOIN rooms r ON r.id = q.room AND r.deleted_at IS NULL AND r.kind <> 'channel'), \
        candidates AS (\
            SELECT a.n, a.sender, m.* FROM asked a JOIN members m ON m.room_id = a.room WHERE NOT a.big \
            UNION ALL \
            SELECT a.n, a.sender, m.* FROM asked a \
            JOIN (SELECT DISTINCT n, who FROM UNNEST($4::bigint[], $5::text[]) AS x (n, who)) x ON x.n = a.n \
            JOIN members m ON m.room_id = a.room AND m.user_id = x.who WHERE a.big) \
        SELECT c.n AS message, c.user_id, c.read_seq FROM candidates c \
        WHERE c.role <> 'left' AND c.notifications_enabled AND c.user_id <> c.sender \
        AND EXISTS (SELECT FROM push_subscriptions s WHERE s.user_id = c.user_id) \
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.user_id = c.user_id AND b.blocked_id = c.sender) \
        ORDER BY c.n, c.user_id";
    let named = |(n, message): (usize, &Announced<'_>)| {
        let who = message.mentions.to_vec();
        who.into_iter().map(move |who| (n as i64, who.as_str().to_owned()))
    };
    let (places, mentioned): (Vec<i64>, Vec<String>) = messages.iter().enumerate().flat_map(named).unzip();
    let mut connection = pool.get().await?;
    let rows: Vec<ListenerRow> = query_as(READ)
        .bind(messages.iter().map(|message| message.room.as_str()).collect::<Vec<_>>())
        .bind(messages.iter().map(|message| message.sender.as_str()).collect::<Vec<_>>())
        .bind(i64::from(big))
        .bind(places)
        .bind(mentioned)
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(rows.into_iter().map(Listener::from).collect())
}
