//! The directory of public device keys.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::device::{Bundle, DeviceKeys, OneTimeKey};
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::keys::{Keys, MAX_DEVICES, MAX_ONE_TIME_KEYS};
use sqlx::{Connection, PgConnection, query, query_as, query_scalar};

use super::pool::Pool;
use super::{NAME, Postgres, unhurried};
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
impl Keys for Postgres {
    async fn publish(&self, user: &UserId, keys: &Bundle) -> Result<u32, Unavailable> {
        let (pool, user, keys) = (Arc::clone(&self.pool), user.clone(), keys.clone());
        timed(NAME, "publish", unhurried(async move { publish(&pool, &user, &keys).await })).await
    }

    async fn keys(&self, users: &[UserId]) -> Result<Vec<DeviceKeys>, Unavailable> {
        const READ: &str = concat!(device!(), "d.user_id = ANY($1) ORDER BY d.user_id, d.device_id");
        let work = async {
            let mut connection = self.pool.get().await?;
            let rows: Vec<DeviceRow> = query_as(READ)
                .bind(users.iter().map(UserId::as_str).collect::<Vec<_>>())
                .fetch_all(&mut *connection)
                .await
                .map_err(Pool::error)?;
            Ok::<_, Unavailable>(rows.into_iter().map(DeviceKeys::from).collect())
        };
        timed(NAME, "keys", work).await
    }

    async fn claim(&self, user: &UserId, device: &str) -> Result<Option<DeviceKeys>, Unavailable> {
        let (pool, user, device) = (Arc::clone(&self.pool), user.clone(), device.to_owned());
        timed(NAME, "claim", unhurried(async move { claim(&pool, &user, &device).await })).await
    }

    async fn forget(&self, user: &UserId, device: &str) -> Result<bool, Unavailable> {
        let work = async {
            let mut connection = self.pool.get().await?;
            let done = query("DELETE FROM device_keys WHERE user_id = $1 AND device_id = $2")
                .bind(user.as_str())
                .bind(device)
                .execute(&mut *connection)
                .await
                .map_err(Pool::error)?;
            Ok::<_, Unavailable>(done.rows_affected() > 0)
        };
        timed(NAME, "forget", work).await
    }
}

async fn publish(pool: &Pool, user: &UserId, new: &Bundle) -> Result<u32, Unavailable> {
    // One at a time for a user, so that each sees what the others added.
    const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('parlor.keys:' || $1, 0))";
    const OTHER: &str = "\
        DELETE FROM one_time_keys k USING device_keys d WHERE k.user_id = $1 AND k.device_id = $2 \
        AND d.user_id = $1 AND d.device_id = $2 AND d.identity_key <> $3";
    const SET: &str = "\
        INSERT INTO device_keys (user_id, device_id, identity_key, signed_key, signature, published_at) \
        VALUES ($1, $2, $3, $4, $5, now()) \
        ON CONFLICT (user_id, device_id) DO UPDATE SET identity_key = EXCLUDED.identity_key, \
            signed_key = EXCLUDED.signed_key, signature = EXCLUDED.signature, published_at = EXCLUDED.published_at";
    const TRIM: &str = "\
        DELETE FROM device_keys WHERE user_id = $1 AND device_id IN \
        (SELECT device_id FROM device_keys WHERE user_id = $1 \
         ORDER BY published_at DESC, device_id = $2 DESC, device_id OFFSET $3)";
    const OLD: &str = "\
        DELETE FROM one_time_keys WHERE user_id = $1 AND device_id = $2 \
        AND claimed_at < now() - $3 * interval '1 millisecond'";
    const ADD: &str = "\
        INSERT INTO one_time_keys (user_id, device_id, key_id, key) \
        SELECT $1, $2, id, key FROM UNNEST($3::text[], $4::text[]) WITH ORDINALITY AS new (id, key, place) \
        WHERE NOT EXISTS (SELECT FROM one_time_keys k WHERE k.user_id = $1 AND k.device_id = $2 AND k.key_id = new.id) \
        ORDER BY place \
        LIMIT greatest($5 - (SELECT count(*) FROM one_time_keys k \
            WHERE k.user_id = $1 AND k.device_id = $2 AND k.claimed_at IS NULL), 0) \
        ON CONFLICT DO NOTHING";
    let mut connection = pool.get().await?;
    let work = async {
        let mut tx = connection.begin().await?;
        let device = &new.device;
        query(TURN).bind(user.as_str()).execute(&mut *tx).await?;
        query(OTHER).bind(user.as_str()).bind(device).bind(&new.identity_key).execute(&mut *tx).await?;
        query(SET)
            .bind(user.as_str())
            .bind(device)
            .bind(&new.identity_key)
            .bind(&new.signed_key)
            .bind(&new.signature)
            .execute(&mut *tx)
            .await?;
        query(TRIM).bind(user.as_str()).bind(device).bind(MAX_DEVICES as i64).execute(&mut *tx).await?;
        query(OLD).bind(user.as_str()).bind(device).bind(CLAIMED_KEPT_MS as f64).execute(&mut *tx).await?;
        let one_time = distinct(&new.one_time_keys);
        query(ADD)
            .bind(user.as_str())
            .bind(device)
            .bind(one_time.iter().map(|key| &*key.id).collect::<Vec<_>>())
            .bind(one_time.iter().map(|key| &*key.key).collect::<Vec<_>>())
            .bind(MAX_ONE_TIME_KEYS as i64)
            .execute(&mut *tx)
            .await?;
        let left = left(&mut tx, user, device).await?;
        tx.commit().await?;
        Ok(left)
    };
    work.await.map_err(Pool::error)
}

async fn left(connection: &mut PgConnection, user: &UserId, device: &str) -> Result<u32, sqlx::Error> {
    let left: i64 =
        query_scalar("SELECT count(*) FROM one_time_keys WHERE user_id = $1 AND device_id = $2 AND claimed_at IS NULL")
            .bind(user.as_str())
            .bind(device)
            .fetch_one(connection)
            .await?;
    Ok(u32::try_from(left).unwrap_or(0))
}

async fn claim(pool: &Pool, user: &UserId, device: &str) -> Result<Option<DeviceKeys>, Unavailable> {
    // A row that another claimer has in hand is not waited for: the next one is as good.
    const CLAIM: &str = "\
        WITH one AS (SELECT key_id, key FROM one_time_keys \
            WHERE user_id = $1 AND device_id = $2 AND claimed_at IS NULL ORDER BY no LIMIT 1 FOR UPDATE SKIP LOCKED) \
        UPDATE one_time_keys k SET claimed_at = now(), key = '' FROM one \
        WHERE k.user_id = $1 AND k.device_id = $2 AND k.key_id = one.key_id RETURNING one.key_id, one.key";
    const READ: &str = concat!(device!(), "d.user_id = $1 AND d.device_id = $2");
    let mut connection = pool.get().await?;
    let work = async {
        let mut tx = connection.begin().await?;
        let key: Option<OneTimeRow> = query_as(CLAIM).bind(user.as_str()).bind(device).fetch_optional(&mut *tx).await?;
        let found: Option<DeviceRow> = query_as(READ).bind(user.as_str()).bind(device).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        let one_time_key = key.map(OneTimeKey::from);
        Ok(found.map(|found| DeviceKeys { one_time_key, ..found.into() }))
    };
    work.await.map_err(Pool::error)
}
