//! The directory of public device keys.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::device::{Bundle, DeviceKeys, OneTimeKey};
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::keys::{Keys, MAX_DEVICES, MAX_ONE_TIME_KEYS};
use parlor_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::pools::{Pools, error};
use super::{NAME, Sqlite, unhurried};
use crate::at::At;
use crate::calls::timed;
use crate::devices::{CLAIMED_KEPT_MS, DeviceRow, OneTimeRow, distinct};

macro_rules! device {
    () => {
        "SELECT d.user_id, d.device_id, d.identity_key, d.signed_key, d.signature, \
           (SELECT count(*) FROM one_time_keys k WHERE k.user_id = d.user_id AND k.device_id = d.device_id \
            AND k.claimed_at IS NULL) AS one_time_left \
         FROM device_keys d WHERE "
    };
}

#[async_trait]
impl Keys for Sqlite {
    async fn publish(&self, user: &UserId, keys: &Bundle) -> Result<u32, Unavailable> {
        let (pools, user, keys) = (Arc::clone(&self.pools), user.clone(), keys.clone());
        let work = async move { publish(&pools, &user, &keys).await.map_err(error) };
        timed(NAME, "publish", unhurried(work)).await
    }

    async fn keys(&self, users: &[UserId]) -> Result<Vec<DeviceKeys>, Unavailable> {
        timed(NAME, "keys", async { read(&self.pools, users).await.map_err(error) }).await
    }

    async fn claim(&self, user: &UserId, device: &str) -> Result<Option<DeviceKeys>, Unavailable> {
        let (pools, user, device) = (Arc::clone(&self.pools), user.clone(), device.to_owned());
        let work = async move { claim(&pools, &user, &device).await.map_err(error) };
        timed(NAME, "claim", unhurried(work)).await
    }

    async fn forget(&self, user: &UserId, device: &str) -> Result<bool, Unavailable> {
        let work = async {
            let mut tx = self.pools.write().await?;
            let done = query("DELETE FROM device_keys WHERE user_id = ?1 AND device_id = ?2")
                .bind(user.as_str())
                .bind(device)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        };
        timed(NAME, "forget", async { work.await.map_err(error) }).await
    }
}

async fn publish(pools: &Pools, user: &UserId, new: &Bundle) -> Result<u32, sqlx::Error> {
    const OTHER: &str = "\
        DELETE FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2 AND EXISTS \
        (SELECT 1 FROM device_keys d WHERE d.user_id = ?1 AND d.device_id = ?2 AND d.identity_key <> ?3)";
    const SET: &str = "\
        INSERT INTO device_keys (user_id, device_id, identity_key, signed_key, signature, published_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
        ON CONFLICT (user_id, device_id) DO UPDATE SET identity_key = excluded.identity_key, \
            signed_key = excluded.signed_key, signature = excluded.signature, published_at = excluded.published_at";
    const TRIM: &str = "\
        DELETE FROM device_keys WHERE user_id = ?1 AND device_id IN \
        (SELECT device_id FROM device_keys WHERE user_id = ?1 \
         ORDER BY published_at DESC, device_id = ?2 DESC, device_id LIMIT -1 OFFSET ?3)";
    const OLD: &str = "DELETE FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2 AND claimed_at < ?3";
    const ADD: &str =
        "INSERT INTO one_time_keys (user_id, device_id, key_id, key) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let (now, device) = (Timestamp::now(), &new.device);
    let mut tx = pools.write().await?;
    query(OTHER).bind(user.as_str()).bind(device).bind(&new.identity_key).execute(&mut *tx).await?;
    query(SET)
        .bind(user.as_str())
        .bind(device)
        .bind(&new.identity_key)
        .bind(&new.signed_key)
        .bind(&new.signature)
        .bind(At(now))
        .execute(&mut *tx)
        .await?;
    query(TRIM).bind(user.as_str()).bind(device).bind(MAX_DEVICES as i64).execute(&mut *tx).await?;
    query(OLD).bind(user.as_str()).bind(device).bind(At(now.plus_millis(-CLAIMED_KEPT_MS))).execute(&mut *tx).await?;
    let mut waiting = left(&mut tx, user, device).await?;
    for key in distinct(&new.one_time_keys) {
        if waiting as usize >= MAX_ONE_TIME_KEYS {
            break;
        }
        let added = query(ADD).bind(user.as_str()).bind(device).bind(&key.id).bind(&key.key).execute(&mut *tx).await?;
        waiting += u32::from(added.rows_affected() > 0);
    }
    tx.commit().await?;
    Ok(waiting)
}

async fn left(connection: &mut SqliteConnection, user: &UserId, device: &str) -> Result<u32, sqlx::Error> {
    query_scalar("SELECT count(*) FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2 AND claimed_at IS NULL")
        .bind(user.as_str())
        .bind(device)
        .fetch_one(connection)
        .await
}

async fn read(pools: &Pools, users: &[UserId]) -> Result<Vec<DeviceKeys>, sqlx::Error> {
    const READ: &str = concat!(device!(), "d.user_id = ?1 ORDER BY d.device_id");
    let mut users: Vec<&UserId> = users.iter().collect();
    users.sort();
    users.dedup();
    let mut connection = pools.readers.acquire().await?;
    let mut found = Vec::new();
    for user in users {
        let rows: Vec<DeviceRow> = query_as(READ).bind(user.as_str()).fetch_all(&mut *connection).await?;
        found.extend(rows.into_iter().map(DeviceKeys::from));
    }
    Ok(found)
}

async fn claim(pools: &Pools, user: &UserId, device: &str) -> Result<Option<DeviceKeys>, sqlx::Error> {
    const FIRST: &str = "\
        SELECT key_id, key FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2 AND claimed_at IS NULL \
        ORDER BY no LIMIT 1";
    const CLAIM: &str =
        "UPDATE one_time_keys SET claimed_at = ?4, key = '' WHERE user_id = ?1 AND device_id = ?2 AND key_id = ?3";
    const READ: &str = concat!(device!(), "d.user_id = ?1 AND d.device_id = ?2");
    // There is one writer: nobody comes in between.
    let mut tx = pools.write().await?;
    let key: Option<OneTimeRow> = query_as(FIRST).bind(user.as_str()).bind(device).fetch_optional(&mut *tx).await?;
    let key = key.map(OneTimeKey::from);
    if let Some(key) = &key {
        query(CLAIM)
            .bind(user.as_str())
            .bind(device)
            .bind(&key.id)
            .bind(At(Timestamp::now()))
            .execute(&mut *tx)
            .await?;
    }
    let found: Option<DeviceRow> = query_as(READ).bind(user.as_str()).bind(device).fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(found.map(|found| DeviceKeys { one_time_key: key, ..found.into() }))
}
