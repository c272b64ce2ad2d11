//! Bans as they are read, blocks, mutes and reports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Kind};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::safety::{Ban, Blocking, Report, Safety};
use parlor_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection, query, query_as, query_scalar};

use super::pools::{Pools, error};
use super::{NAME, Sqlite, outbox, unhurried, users};
use crate::at::At;
use crate::calls::timed;
use crate::decisions::told;
use crate::rows::{BanRow, UserRow, limit};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

#[async_trait]
impl Safety for Sqlite {
    async fn banned(&self, room: &RoomId, user: &UserId) -> Result<Option<Ban>, Unavailable> {
        let read = async { Ok(bans(&self.pools, room, Some(user), 1).await?.pop()) };
        timed(NAME, "banned", read).await
    }

    async fn bans(&self, room: &RoomId, limit: usize) -> Result<Vec<Ban>, Unavailable> {
        timed(NAME, "bans", bans(&self.pools, room, None, limit)).await
    }

    async fn block(&self, by: &Actor, whom: &UserId, on: bool, limit: u32) -> Result<Blocking, Unavailable> {
        let (pools, by, whom) = (Arc::clone(&self.pools), by.clone(), whom.clone());
        let work = async move {
            let mut tx = pools.write().await.map_err(error)?;
            let became = block(&mut tx, &by, &whom, on, limit).await.map_err(error)?;
            tx.commit().await.map_err(error)?;
            Ok(became)
        };
        timed(NAME, "block", unhurried(work)).await
    }

    async fn blocks(&self, user: &UserId, limit: usize) -> Result<Vec<Actor>, Unavailable> {
        timed(NAME, "blocks", blocks(&self.pools, user, limit)).await
    }

    async fn is_blocked(&self, room: &RoomId, sender: &UserId) -> Result<bool, Unavailable> {
        timed(NAME, "is_blocked", is_blocked(&self.pools, room, sender)).await
    }

    async fn has_blocked(&self, by: &UserId, whom: &UserId) -> Result<bool, Unavailable> {
        const READ: &str = "SELECT EXISTS (SELECT 1 FROM blocks WHERE user_id = ?1 AND blocked_id = ?2)";
        let found = query_scalar(READ).bind(by.as_str()).bind(whom.as_str());
        timed(NAME, "has_blocked", async { found.fetch_one(&self.pools.readers).await.map_err(error) }).await
    }

    async fn mute(&self, by: &Actor, room: &RoomId, on: bool) -> Result<bool, Unavailable> {
        let (pools, by, room) = (Arc::clone(&self.pools), by.clone(), room.clone());
        let work = async move {
            let mut tx = pools.write().await.map_err(error)?;
            let is_member = mute(&mut tx, &by, &room, on).await.map_err(error)?;
            tx.commit().await.map_err(error)?;
            Ok(is_member)
        };
        timed(NAME, "mute", unhurried(work)).await
    }

    async fn report(&self, new: &Report, per_day: u32) -> Result<Option<Duration>, Unavailable> {
        let (pools, new) = (Arc::clone(&self.pools), new.clone());
        let work = async move {
            let mut tx = pools.write().await.map_err(error)?;
            let wait = report(&mut tx, &new, per_day).await.map_err(error)?;
            tx.commit().await.map_err(error)?;
            Ok(wait)
        };
        timed(NAME, "report", unhurried(work)).await
    }
}

async fn bans(pools: &Pools, room: &RoomId, user: Option<&UserId>, rows: usize) -> Result<Vec<Ban>, Unavailable> {
    const READ: &str = "\
        SELECT b.by_id, b.since, b.until, b.reason, \
            u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM bans b JOIN users u ON u.id = b.user_id \
        WHERE b.room_id = ?1 AND (?2 IS NULL OR b.user_id = ?2) AND (b.until IS NULL OR b.until > ?4) \
        ORDER BY b.since DESC, b.user_id LIMIT ?3";
    let rows: Vec<SqliteRow> = query(READ)
        .bind(room.as_str())
        .bind(user.map(UserId::as_str))
        .bind(limit(rows))
        .bind(At(Timestamp::now()))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    let read = |row: &SqliteRow| Ok(BanRow::from_row(row)?.of(UserRow::from_row(row)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(error)
}

async fn block(
    tx: &mut SqliteConnection,
    by: &Actor,
    whom: &UserId,
    on: bool,
    limit: u32,
) -> Result<Blocking, sqlx::Error> {
    const BLOCK: &str = "INSERT INTO blocks (user_id, blocked_id, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    const UNBLOCK: &str = "DELETE FROM blocks WHERE user_id = ?1 AND blocked_id = ?2";
    let exists: bool = query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1)")
        .bind(whom.as_str())
        .fetch_one(&mut *tx)
        .await?;
    if !exists {
        return Ok(Blocking::Nobody);
    }
    users::make(tx, std::iter::once(by)).await?;
    let now = Timestamp::now();
    let sql = if on { query(BLOCK) } else { query(UNBLOCK) };
    let sql = sql.bind(by.id.as_str()).bind(whom.as_str());
    let sql = if on { sql.bind(At(now)) } else { sql };
    if sql.execute(&mut *tx).await?.rows_affected() == 0 {
        return Ok(Blocking::Same);
    }
    let count: i64 =
        query_scalar("SELECT count(*) FROM blocks WHERE user_id = ?1").bind(by.id.as_str()).fetch_one(&mut *tx).await?;
    if on && count > i64::from(limit) {
        query(UNBLOCK).bind(by.id.as_str()).bind(whom.as_str()).execute(&mut *tx).await?;
        return Ok(Blocking::TooMany);
    }
    let (inbox, event) = told(by, Kind::UserBlocked { user: whom.clone(), on });
    outbox::write(tx, &inbox, &[event], now).await?;
    Ok(Blocking::Changed)
}

async fn blocks(pools: &Pools, user: &UserId, rows: usize) -> Result<Vec<Actor>, Unavailable> {
    const READ: &str = "\
        SELECT u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM blocks b JOIN users u ON u.id = b.blocked_id WHERE b.user_id = ?1 ORDER BY u.id LIMIT ?2";
    let rows: Vec<UserRow> =
        query_as(READ).bind(user.as_str()).bind(limit(rows)).fetch_all(&pools.readers).await.map_err(error)?;
    Ok(rows.into_iter().map(Actor::from).collect())
}

async fn is_blocked(pools: &Pools, room: &RoomId, sender: &UserId) -> Result<bool, Unavailable> {
    const READ: &str = "\
        SELECT EXISTS (SELECT 1 FROM rooms r JOIN blocks b ON b.blocked_id = ?2 \
            AND b.user_id = CASE WHEN r.user_a = ?2 THEN r.user_b ELSE r.user_a END \
            WHERE r.id = ?1 AND r.kind = 'direct')";
    query_scalar(READ).bind(room.as_str()).bind(sender.as_str()).fetch_one(&pools.readers).await.map_err(error)
}

async fn mute(tx: &mut SqliteConnection, by: &Actor, room: &RoomId, on: bool) -> Result<bool, sqlx::Error> {
    const MEMBER: &str = "\
        SELECT notifications_enabled FROM members m JOIN rooms r ON r.id = m.room_id \
        WHERE m.room_id = ?1 AND m.user_id = ?2 AND m.role <> 'left' AND r.kind <> 'channel' \
            AND r.deleted_at IS NULL AND r.is_active";
    let wakes: Option<bool> =
        query_scalar(MEMBER).bind(room.as_str()).bind(by.id.as_str()).fetch_optional(&mut *tx).await?;
    let Some(wakes) = wakes else { return Ok(false) };
    if wakes == on {
        query("UPDATE members SET notifications_enabled = ?3 WHERE room_id = ?1 AND user_id = ?2")
            .bind(room.as_str())
            .bind(by.id.as_str())
            .bind(!on)
            .execute(&mut *tx)
            .await?;
        let (inbox, event) = told(by, Kind::RoomMuted { room: room.clone(), on });
        outbox::write(tx, &inbox, &[event], Timestamp::now()).await?;
    }
    Ok(true)
}

async fn report(tx: &mut SqliteConnection, report: &Report, per_day: u32) -> Result<Option<Duration>, sqlx::Error> {
    // The oldest of as many as one may make in a day: when it is a day old, the next one is taken.
    const OLDEST: &str = "\
        SELECT at FROM reports WHERE reporter_id = ?1 AND at > ?2 ORDER BY at DESC LIMIT 1 OFFSET ?3";
    const KEEP: &str = "\
        INSERT INTO reports (id, reporter_id, message_id, room_id, user_id, reason, at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let now = Timestamp::now();
    let oldest: Option<At> = query_scalar(OLDEST)
        .bind(report.by.as_str())
        .bind(At(now.plus_millis(-DAY_MILLIS)))
        .bind(i64::from(per_day.saturating_sub(1)))
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(At(oldest)) = oldest {
        let millis = u64::try_from(oldest.plus_millis(DAY_MILLIS).0.saturating_sub(now.0)).unwrap_or(0);
        return Ok(Some(Duration::from_millis(millis.max(1_000))));
    }
    query(KEEP)
        .bind(report.id)
        .bind(report.by.as_str())
        .bind(report.message.map(|message| message.0))
        .bind(report.room.as_ref().map(RoomId::as_str))
        .bind(report.user.as_ref().map(UserId::as_str))
        .bind(&report.reason)
        .bind(At(now))
        .execute(tx)
        .await?;
    Ok(None)
}
