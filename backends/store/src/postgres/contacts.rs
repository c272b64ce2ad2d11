//! Who knows whom, and who was here when.

use async_trait::async_trait;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::contacts::Contacts;
use parlor_core::time::Timestamp;
use sqlx::{query, query_as, query_scalar};

use super::pool::Pool;
use super::{NAME, Postgres};
use crate::at::At;
use crate::calls::timed;
use crate::contacts::{latest, told};
use crate::rows::limit;

#[async_trait]
impl Contacts for Postgres {
    async fn rooms(&self, user: &UserId, limit: usize) -> Result<Vec<(RoomId, u32)>, Unavailable> {
        timed(NAME, "contact_rooms", rooms(&self.pool, user, limit)).await
    }

    async fn acquainted(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        timed(NAME, "acquainted", acquainted(&self.pool, user, others)).await
    }

    async fn member_ids(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        timed(NAME, "member_ids", member_ids(&self.pool, room, after, limit)).await
    }

    async fn seen(&self, users: &[(UserId, Timestamp)]) -> Result<(), Unavailable> {
        timed(NAME, "seen", seen(&self.pool, users)).await
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, Unavailable> {
        timed(NAME, "last_seen", last_seen(&self.pool, users)).await
    }
}

async fn rooms(pool: &Pool, user: &UserId, rows: usize) -> Result<Vec<(RoomId, u32)>, Unavailable> {
    const READ: &str = "\
        SELECT r.id, r.member_count FROM members m JOIN rooms r ON r.id = m.room_id \
        WHERE m.user_id = $1 AND m.role <> 'left' AND r.deleted_at IS NULL ORDER BY r.id LIMIT $2";
    let mut connection = pool.get().await?;
    let rows: Vec<(String, i64)> =
        query_as(READ).bind(user.as_str()).bind(limit(rows)).fetch_all(&mut *connection).await.map_err(Pool::error)?;
    Ok(rows.into_iter().map(|(room, size)| (RoomId::trusted(room), u32::try_from(size).unwrap_or(0))).collect())
}

async fn acquainted(pool: &Pool, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
    const READ: &str = "\
        SELECT o.id FROM UNNEST($2::text[]) AS o (id) WHERE o.id = $1 OR EXISTS ( \
            SELECT FROM members a JOIN members b ON b.room_id = a.room_id \
            WHERE a.user_id = $1 AND a.role <> 'left' AND b.user_id = o.id AND b.role <> 'left')";
    let mut connection = pool.get().await?;
    let others: Vec<&str> = others.iter().map(UserId::as_str).collect();
    let found: Vec<String> =
        query_scalar(READ).bind(user.as_str()).bind(others).fetch_all(&mut *connection).await.map_err(Pool::error)?;
    Ok(found.into_iter().map(UserId::trusted).collect())
}

async fn member_ids(
    pool: &Pool,
    room: &RoomId,
    after: Option<&UserId>,
    rows: usize,
) -> Result<Vec<UserId>, Unavailable> {
    const READ: &str = "\
        SELECT user_id FROM members WHERE room_id = $1 AND user_id > $2 AND role <> 'left' ORDER BY user_id LIMIT $3";
    let mut connection = pool.get().await?;
    let found: Vec<String> = query_scalar(READ)
        .bind(room.as_str())
        // No id is empty, so the empty one is before all.
        .bind(after.map_or("", UserId::as_str))
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(found.into_iter().map(UserId::trusted).collect())
}

/// Rows are locked in the order of their keys, as everywhere.
async fn seen(pool: &Pool, users: &[(UserId, Timestamp)]) -> Result<(), Unavailable> {
    const SEEN: &str = "\
        WITH new AS (SELECT * FROM UNNEST($1::text[], $2::timestamptz[]) AS n (id, at)), \
        held AS (SELECT u.id FROM users u JOIN new n USING (id) ORDER BY u.id FOR UPDATE OF u) \
        UPDATE users u SET last_seen = n.at FROM new n, held h \
        WHERE u.id = n.id AND h.id = u.id AND (u.last_seen IS NULL OR u.last_seen < n.at)";
    let users = latest(users);
    let mut connection = pool.get().await?;
    query(SEEN)
        .bind(users.keys().map(|user| user.as_str()).collect::<Vec<_>>())
        .bind(users.values().map(|at| At(*at)).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(())
}

async fn last_seen(pool: &Pool, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, Unavailable> {
    const READ: &str = "SELECT id, last_seen FROM users WHERE id = ANY($1) AND last_seen IS NOT NULL";
    let mut connection = pool.get().await?;
    let found: Vec<(String, At)> = query_as(READ)
        .bind(users.iter().map(UserId::as_str).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(told(users, found))
}
