//! Who knows whom, and who was here when.

use async_trait::async_trait;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::contacts::Contacts;
use parlor_core::time::Timestamp;
use sqlx::{query, query_as, query_scalar};

use super::pools::{Pools, error};
use super::{NAME, Sqlite, unhurried};
use crate::at::At;
use crate::calls::timed;
use crate::contacts::{latest, told};
use crate::rows::limit;

#[async_trait]
impl Contacts for Sqlite {
    async fn rooms(&self, user: &UserId, limit: usize) -> Result<Vec<(RoomId, u32)>, Unavailable> {
        timed(NAME, "contact_rooms", rooms(&self.pools, user, limit)).await
    }

    async fn acquainted(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        timed(NAME, "acquainted", acquainted(&self.pools, user, others)).await
    }

    async fn member_ids(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        timed(NAME, "member_ids", member_ids(&self.pools, room, after, limit)).await
    }

    async fn seen(&self, users: &[(UserId, Timestamp)]) -> Result<(), Unavailable> {
        let (pools, users) = (self.pools.clone(), users.to_vec());
        timed(NAME, "seen", unhurried(async move { seen(&pools, &users).await.map_err(error) })).await
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, Unavailable> {
        timed(NAME, "last_seen", last_seen(&self.pools, users)).await
    }
}

async fn rooms(pools: &Pools, user: &UserId, rows: usize) -> Result<Vec<(RoomId, u32)>, Unavailable> {
    const READ: &str = "\
        SELECT r.id, r.member_count FROM members m JOIN rooms r ON r.id = m.room_id \
        WHERE m.user_id = ?1 AND m.role <> 'left' AND r.deleted_at IS NULL ORDER BY r.id LIMIT ?2";
    let rows: Vec<(String, i64)> =
        query_as(READ).bind(user.as_str()).bind(limit(rows)).fetch_all(&pools.readers).await.map_err(error)?;
    Ok(rows.into_iter().map(|(room, size)| (RoomId::trusted(room), u32::try_from(size).unwrap_or(0))).collect())
}

async fn acquainted(pools: &Pools, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
    const SHARES: &str = "\
        SELECT EXISTS (SELECT 1 FROM members a JOIN members b ON b.room_id = a.room_id \
            WHERE a.user_id = ?1 AND a.role <> 'left' AND b.user_id = ?2 AND b.role <> 'left')";
    let mut found = Vec::new();
    for other in others {
        let shares: bool = query_scalar(SHARES)
            .bind(user.as_str())
            .bind(other.as_str())
            .fetch_one(&pools.readers)
            .await
            .map_err(error)?;
        if shares || other == user {
            found.push(other.clone());
        }
    }
    Ok(found)
}

async fn member_ids(
    pools: &Pools,
    room: &RoomId,
    after: Option<&UserId>,
    rows: usize,
) -> Result<Vec<UserId>, Unavailable> {
    const READ: &str = "\
        SELECT user_id FROM members WHERE room_id = ?1 AND user_id > ?2 AND role <> 'left' ORDER BY user_id LIMIT ?3";
    let found: Vec<String> = query_scalar(READ)
        .bind(room.as_str())
        // No id is empty, so the empty one is before all.
        .bind(after.map_or("", UserId::as_str))
        .bind(limit(rows))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    Ok(found.into_iter().map(UserId::trusted).collect())
}

async fn seen(pools: &Pools, users: &[(UserId, Timestamp)]) -> Result<(), sqlx::Error> {
    const SEEN: &str = "UPDATE users SET last_seen = ?2 WHERE id = ?1 AND (last_seen IS NULL OR last_seen < ?2)";
    let mut tx = pools.write().await?;
    for (user, at) in latest(users) {
        query(SEEN).bind(user.as_str()).bind(At(at)).execute(&mut *tx).await?;
    }
    tx.commit().await
}

async fn last_seen(pools: &Pools, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, Unavailable> {
    const READ: &str = "SELECT id, last_seen FROM users WHERE id = ?1 AND last_seen IS NOT NULL";
    let mut found: Vec<(String, At)> = Vec::new();
    for user in users {
        let row = query_as(READ).bind(user.as_str()).fetch_optional(&pools.readers).await.map_err(error)?;
        found.extend(row);
    }
    Ok(told(users, found))
}
