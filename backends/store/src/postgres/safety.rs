//! Bans as they are read, blocks, mutes and reports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Kind};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::safety::{Ban, Blocking, Report, Safety};
use sqlx::postgres::PgRow;
use sqlx::{Connection, FromRow, PgConnection, query, query_as, query_scalar};

use super::pool::Pool;
use super::{NAME, Postgres, outbox, unhurried, users};
use crate::calls::timed;
use crate::decisions::told;
use crate::rows::{BanRow, UserRow, limit};

#[async_trait]
impl Safety for Postgres {
    async fn banned(&self, room: &RoomId, user: &UserId) -> Result<Option<Ban>, Unavailable> {
        let read = async { Ok(bans(&self.pool, room, Some(user), 1).await?.pop()) };
        timed(NAME, "banned", read).await
    }

    async fn bans(&self, room: &RoomId, limit: usize) -> Result<Vec<Ban>, Unavailable> {
        timed(NAME, "bans", bans(&self.pool, room, None, limit)).await
    }

    async fn block(&self, by: &Actor, whom: &UserId, on: bool, limit: u32) -> Result<Blocking, Unavailable> {
        let (pool, by, whom) = (Arc::clone(&self.pool), by.clone(), whom.clone());
        let work = async move {
            let mut connection = pool.get().await?;
            let mut tx = connection.begin().await.map_err(Pool::error)?;
            let became = block(&mut tx, &by, &whom, on, limit).await.map_err(Pool::error)?;
            tx.commit().await.map_err(Pool::error)?;
            Ok(became)
        };
        timed(NAME, "block", unhurried(work)).await
    }

    async fn blocks(&self, user: &UserId, limit: usize) -> Result<Vec<Actor>, Unavailable> {
        timed(NAME, "blocks", blocks(&self.pool, user, limit)).await
    }

    async fn is_blocked(&self, room: &RoomId, sender: &UserId) -> Result<bool, Unavailable> {
        timed(NAME, "is_blocked", is_blocked(&self.pool, room, sender)).await
    }

    async fn has_blocked(&self, by: &UserId, whom: &UserId) -> Result<bool, Unavailable> {
        const READ: &str = "SELECT EXISTS (SELECT FROM blocks WHERE user_id = $1 AND blocked_id = $2)";
        let read = async {
            let mut connection = self.pool.get().await?;
            let found = query_scalar(READ).bind(by.as_str()).bind(whom.as_str());
            found.fetch_one(&mut *connection).await.map_err(Pool::error)
        };
        timed(NAME, "has_blocked", read).await
    }

    async fn mute(&self, by: &Actor, room: &RoomId, on: bool) -> Result<bool, Unavailable> {
        let (pool, by, room) = (Arc::clone(&self.pool), by.clone(), room.clone());
        let work = async move {
            let mut connection = pool.get().await?;
            let mut tx = connection.begin().await.map_err(Pool::error)?;
            let is_member = mute(&mut tx, &by, &room, on).await.map_err(Pool::error)?;
            tx.commit().await.map_err(Pool::error)?;
            Ok(is_member)
        };
        timed(NAME, "mute", unhurried(work)).await
    }

    async fn report(&self, new: &Report, per_day: u32) -> Result<Option<Duration>, Unavailable> {
        timed(NAME, "report", report(&self.pool, new, per_day)).await
    }
}

async fn bans(pool: &Pool, room: &RoomId, user: Option<&UserId>, rows: usize) -> Result<Vec<Ban>, Unavailable> {
    const READ: &str = "\
        SELECT b.by_id, b.since, b.until, b.reason, \
            u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM bans b JOIN users u ON u.id = b.user_id \
        WHERE b.room_id = $1 AND ($2::text IS NULL OR b.user_id = $2) AND (b.until IS NULL OR b.until > now()) \
        ORDER BY b.since DESC, b.user_id LIMIT $3";
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(READ)
        .bind(room.as_str())
        .bind(user.map(UserId::as_str))
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let read = |row: &PgRow| Ok(BanRow::from_row(row)?.of(UserRow::from_row(row)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(Pool::error)
}

async fn block(
    tx: &mut PgConnection,
    by: &Actor,
    whom: &UserId,
    on: bool,
    limit: u32,
) -> Result<Blocking, sqlx::Error> {
    const BLOCK: &str = "INSERT INTO blocks (user_id, blocked_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    const UNBLOCK: &str = "DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2";
    let exists: bool =
        query_scalar("SELECT EXISTS (SELECT FROM users WHERE id = $1)").bind(whom.as_str()).fetch_one(&mut *tx).await?;
    if !exists {
        return Ok(Blocking::Nobody);
    }
    users::make(tx, std::iter::once(by)).await?;
    // One's own wishes one after the other, so that none slips past the count.
    query("SELECT FROM users WHERE id = $1 FOR UPDATE").bind(by.id.as_str()).execute(&mut *tx).await?;
    let sql = if on { BLOCK } else { UNBLOCK };
    let changed = query(sql).bind(by.id.as_str()).bind(whom.as_str()).execute(&mut *tx).await?.rows_affected() == 1;
    if !changed {
        return Ok(Blocking::Same);
    }
    let count: i64 =
        query_scalar("SELECT count(*) FROM blocks WHERE user_id = $1").bind(by.id.as_str()).fetch_one(&mut *tx).await?;
    if on && count > i64::from(limit) {
        query(UNBLOCK).bind(by.id.as_str()).bind(whom.as_str()).execute(&mut *tx).await?;
        return Ok(Blocking::TooMany);
    }
    let (inbox, event) = told(by, Kind::UserBlocked { user: whom.clone(), on });
    outbox::write(tx, &inbox, &[event]).await?;
    Ok(Blocking::Changed)
}

async fn blocks(pool: &Pool, user: &UserId, rows: usize) -> Result<Vec<Actor>, Unavailable> {
    const READ: &str = "\
        SELECT u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM blocks b JOIN users u ON u.id = b.blocked_id WHERE b.user_id = $1 ORDER BY u.id LIMIT $2";
    let mut connection = pool.get().await?;
    let rows: Vec<UserRow> =
        query_as(READ).bind(user.as_str()).bind(limit(rows)).fetch_all(&mut *connection).await.map_err(Pool::error)?;
    Ok(rows.into_iter().map(Actor::from).collect())
}

async fn is_blocked(pool: &Pool, room: &RoomId, sender: &UserId) -> Result<bool, Unavailable> {
    const READ: &str = "\
        SELECT EXISTS (SELECT FROM rooms r JOIN blocks b ON b.blocked_id = $2 \
            AND b.user_id = CASE WHEN r.user_a = $2 THEN r.user_b ELSE r.user_a END \
            WHERE r.id = $1 AND r.kind = 'direct')";
    let mut connection = pool.get().await?;
    query_scalar(READ).bind(room.as_str()).bind(sender.as_str()).fetch_one(&mut *connection).await.map_err(Pool::error)
}

async fn mute(tx: &mut PgConnection, by: &Actor, room: &RoomId, on: bool) -> Result<bool, sqlx::Error> {
    const MEMBER: &str = "\
        SELECT notifications_enabled FROM members m JOIN rooms r ON r.id = m.room_id \
        WHERE m.room_id = $1 AND m.user_id = $2 AND m.role <> 'left' AND r.kind <> 'channel' \
            AND r.deleted_at IS NULL AND r.is_active FOR UPDATE OF m";
    let wakes: Option<bool> =
        query_scalar(MEMBER).bind(room.as_str()).bind(by.id.as_str()).fetch_optional(&mut *tx).await?;
    let Some(wakes) = wakes else { return Ok(false) };
    if wakes == on {
        query("UPDATE members SET notifications_enabled = $3 WHERE room_id = $1 AND user_id = $2")
            .bind(room.as_str())
            .bind(by.id.as_str())
            .bind(!on)
            .execute(&mut *tx)
            .await?;
        let (inbox, event) = told(by, Kind::RoomMuted { room: room.clone(), on });
        outbox::write(tx, &inbox, &[event]).await?;
    }
    Ok(true)
}

async fn report(pool: &Pool, report: &Report, per_day: u32) -> Result<Option<Duration>, Unavailable> {
    // The oldest of as many as one may make in a day: when it is a day old, the next one is taken. Reports that come at
    // the same moment may all pass.
    const WAIT: &str = "\
        SELECT greatest(ceil(extract(epoch FROM at + interval '1 day' - now())), 1)::bigint FROM reports \
        WHERE reporter_id = $1 AND at > now() - interval '1 day' ORDER BY at DESC OFFSET $2 LIMIT 1";
    const KEEP: &str = "\
        INSERT INTO reports (id, reporter_id, message_id, room_id, user_id, reason) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let mut connection = pool.get().await?;
    let most = i64::from(per_day.saturating_sub(1));
    let wait: Option<i64> = query_scalar(WAIT)
        .bind(report.by.as_str())
        .bind(most)
        .fetch_optional(&mut *connection)
        .await
        .map_err(Pool::error)?;
    if let Some(seconds) = wait {
        return Ok(Some(Duration::from_secs(seconds.unsigned_abs())));
    }
    query(KEEP)
        .bind(report.id)
        .bind(report.by.as_str())
        .bind(report.message.map(|message| message.0))
        .bind(report.room.as_ref().map(RoomId::as_str))
        .bind(report.user.as_ref().map(UserId::as_str))
        .bind(&report.reason)
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(None)
}
