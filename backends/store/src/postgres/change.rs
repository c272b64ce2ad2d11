//! Decisions about rooms and members, one at a time for each room.

use parlor_core::error::ChatError;
use parlor_core::event::Room;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::{Banning, Change, Decision, Known, decide};
use parlor_core::ports::store::ChangeError;
use parlor_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Connection, FromRow, PgConnection, query, query_scalar};

use super::pool::Pool;
use crate::at::At;
use crate::decisions::{self, wanted_pair};
use crate::rows::{RoomRow, member, room_columns};

/// Decides `change` with the room's row locked, and writes what it comes to.
pub(super) async fn change(pool: &Pool, room: &RoomId, change: &Change) -> Result<Decision, ChangeError> {
    let mut connection = pool.get().await?;
    let mut tx = connection.begin().await.map_err(unavailable)?;
    let found = lock(&mut tx, room, change).await.map_err(unavailable)?;
    let known = known(&mut tx, found, change).await.map_err(unavailable)?;
    let decision = decide(&known, change)?;
    if decision.members.is_empty() && decision.events.is_empty() {
        tx.rollback().await.map_err(unavailable)?;
        return Ok(decision);
    }
    if !write(&mut tx, &decision, known.now).await.map_err(unavailable)? {
        return Err(ChatError::not_found("room").into());
    }
    tx.commit().await.map_err(unavailable)?;
    Ok(decision)
}

fn unavailable(error: sqlx::Error) -> ChangeError {
    Pool::error(error).into()
}

/// Finds the room and locks its row. Where there is none to lock yet, makers of the same room take turns by a lock on
/// its name; a direct room is its pair of users, whatever its id.
async fn lock(tx: &mut PgConnection, room: &RoomId, change: &Change) -> Result<Option<Room>, sqlx::Error> {
    const TURNS: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";
    const ROOM: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM rooms r WHERE (r.id = $1 OR (r.user_a = $2 AND r.user_b = $3)) AND r.deleted_at IS NULL AND r.is_active FOR UPDATE"
    );
    let pair = wanted_pair(change);
    if matches!(change, Change::Create { .. }) {
        let name = match &pair {
            Some((a, b)) => RoomId::direct(a, b),
            None => room.clone(),
        };
        query(TURNS).bind(name.as_str()).execute(&mut *tx).await?;
    }
    let row = query(ROOM)
        .bind(room.as_str())
        .bind(pair.as_ref().map(|pair| pair.0.as_str()))
        .bind(pair.as_ref().map(|pair| pair.1.as_str()))
        .fetch_optional(tx)
        .await?;
    row.map(|row| RoomRow::from_row(&row).map(Room::from)).transpose()
}

/// Who is concerned, in one look with their roles, and the time. The clock, not the transaction's beginning: decisions
/// that waited for the lock come after those that they waited for.
async fn known(tx: &mut PgConnection, room: Option<Room>, change: &Change) -> Result<Known, sqlx::Error> {
    const CONCERNED: &str = "\
        SELECT u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar, m.role, m.left_seq, \
            m.joined_at AS since, b.user_id IS NOT NULL AS banned, k.user_id IS NOT NULL AS blocks \
        FROM users u LEFT JOIN members m ON m.user_id = u.id AND m.room_id = $1 \
        LEFT JOIN bans b ON b.user_id = u.id AND b.room_id = $1 AND (b.until IS NULL OR b.until > clock_timestamp()) \
        LEFT JOIN blocks k ON k.user_id = u.id AND k.blocked_id = $3 \
        WHERE u.id = ANY($2)";
    let concerned = change.concerned();
    let rows: Vec<PgRow> = query(CONCERNED)
        .bind(room.as_ref().map(|room| room.id.as_str()))
        .bind(concerned.iter().map(UserId::as_str).collect::<Vec<_>>())
        .bind(change.inviter().map(UserId::as_str))
        .fetch_all(&mut *tx)
        .await?;
    let now: At = query_scalar("SELECT date_trunc('milliseconds', clock_timestamp())").fetch_one(&mut *tx).await?;
    let mut known = decisions::known(room, &rows, now.0)?;
    if change.may_take_an_admin()
        && let Some(room) = known.room.as_ref().map(|room| room.id.clone())
    {
        succession(tx, &mut known, &room, &concerned).await?;
    }
    Ok(known)
}

/// Who is admin beside those concerned, or who would become it.
async fn succession(
    tx: &mut PgConnection,
    known: &mut Known,
    room: &RoomId,
    concerned: &[UserId],
) -> Result<(), sqlx::Error> {
    const ADMINS: &str = "SELECT count(*) FROM members WHERE room_id = $1 AND role = 'admin' AND user_id <> ALL($2)";
    const HEIR: &str = "\
        SELECT m.role, m.joined_at, u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.room_id = $1 AND m.role IN ('moderator', 'member') AND m.user_id <> ALL($2) \
        ORDER BY m.role <> 'moderator', m.joined_at, m.user_id LIMIT 1";
    let concerned: Vec<&str> = concerned.iter().map(UserId::as_str).collect();
    let admins: i64 = query_scalar(ADMINS).bind(room.as_str()).bind(&concerned).fetch_one(&mut *tx).await?;
    known.other_admins = u32::try_from(admins).unwrap_or(u32::MAX);
    if known.other_admins == 0 {
        let row: Option<PgRow> = query(HEIR).bind(room.as_str()).bind(&concerned).fetch_optional(tx).await?;
        known.heir = row.as_ref().map(member).transpose()?;
    }
    Ok(())
}

async fn write(tx: &mut PgConnection, decision: &Decision, now: Timestamp) -> Result<bool, sqlx::Error> {
    if !write_room(tx, decision, now).await? {
        return Ok(false);
    }
    super::users::make(tx, decisions::users(decision).into_iter()).await?;
    write_members(tx, decision).await?;
    write_ban(tx, decision, now).await?;
    super::outbox::write(tx, &decision.room.id, &decision.events).await?;
    Ok(true)
}

async fn write_ban(tx: &mut PgConnection, decision: &Decision, now: Timestamp) -> Result<(), sqlx::Error> {
    const SET: &str = "\
        INSERT INTO bans (room_id, user_id, by_id, since, until, reason) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (room_id, user_id) DO UPDATE SET by_id = EXCLUDED.by_id, since = EXCLUDED.since, \
            until = EXCLUDED.until, reason = EXCLUDED.reason";
    let room = decision.room.id.as_str();
    match &decision.ban {
        Some(Banning::Set { user, by, until, reason }) => {
            query(SET)
                .bind(room)
                .bind(user.as_str())
                .bind(by.as_str())
                .bind(At(now))
                .bind(until.map(At))
                .bind(reason.as_deref())
                .execute(tx)
                .await?;
        }
        Some(Banning::Lifted { user }) => {
            query("DELETE FROM bans WHERE room_id = $1 AND user_id = $2")
                .bind(room)
                .bind(user.as_str())
                .execute(tx)
                .await?;
        }
        None => {}
    }
    Ok(())
}

/// False where the row is not the one that was decided about: a room of this id was deleted, and its id is spent.
async fn write_room(tx: &mut PgConnection, decision: &Decision, now: Timestamp) -> Result<bool, sqlx::Error> {
    // The two users of a direct room never change, and a version only rises.
    const WRITE: &str = "\
        INSERT INTO rooms AS r (id, kind, name, description, avatar_url, is_private, created_by, created_at, \
            updated_at, version, member_count, user_a, user_b) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
        ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, description = EXCLUDED.description, \
            avatar_url = EXCLUDED.avatar_url, is_private = EXCLUDED.is_private, updated_at = EXCLUDED.updated_at, \
            version = EXCLUDED.version, member_count = EXCLUDED.member_count, \
            deleted_at = CASE WHEN $14 THEN EXCLUDED.updated_at END, is_active = NOT $14 \
        WHERE r.version < EXCLUDED.version";
    let room = &decision.room;
    let pair = decisions::decided_pair(decision);
    let written = query(WRITE)
        .bind(room.id.as_str())
        .bind(room.kind.as_str())
        .bind(room.name.as_deref())
        .bind(room.description.as_deref())
        .bind(room.avatar.as_deref())
        .bind(room.private)
        .bind(room.created_by.as_str())
        .bind(At(room.created_at))
        .bind(At(now))
        .bind(room.version.cast_signed())
        .bind(i64::from(room.member_count))
        .bind(pair.as_ref().map(|pair| pair.0.as_str()))
        .bind(pair.as_ref().map(|pair| pair.1.as_str()))
        .bind(decision.deleted)
        .execute(tx)
        .await?;
    Ok(written.rows_affected() == 1)
}

async fn write_members(tx: &mut PgConnection, decision: &Decision) -> Result<(), sqlx::Error> {
    // Who comes (back) has read what was said so far: unread counts begin here. For who leaves, the time is that of the
    // leaving, and where it is in the room's order is known when the log's record of it is applied.
    const WRITE: &str = "\
        INSERT INTO members AS m (room_id, user_id, role, joined_at, left_at, version, read_seq, read_no) \
        SELECT $1, new.user_id, new.role, new.at, CASE new.role WHEN 'left' THEN new.at END, $2, \
            coalesce(c.last_seq, 0), coalesce(c.last_no, 0) \
        FROM UNNEST($3::text[], $4::text[], $5::timestamptz[]) AS new (user_id, role, at) \
        LEFT JOIN room_counters c ON c.room_id = $1 \
        ON CONFLICT (room_id, user_id) DO UPDATE SET \
            role = EXCLUDED.role, left_at = EXCLUDED.left_at, left_seq = NULL, version = EXCLUDED.version, \
            joined_at = CASE WHEN m.role = 'left' AND EXCLUDED.role <> 'left' THEN EXCLUDED.joined_at \
                ELSE m.joined_at END, \
            read_seq = CASE WHEN m.role = 'left' THEN greatest(m.read_seq, EXCLUDED.read_seq) ELSE m.read_seq END, \
            read_no = CASE WHEN m.role = 'left' THEN greatest(m.read_no, EXCLUDED.read_no) ELSE m.read_no END";
    let members = &decision.members;
    query(WRITE)
        .bind(decision.room.id.as_str())
        .bind(decision.room.version.cast_signed())
        .bind(members.iter().map(|member| member.user.id.as_str()).collect::<Vec<_>>())
        .bind(members.iter().map(|member| member.role.as_str()).collect::<Vec<_>>())
        .bind(members.iter().map(|member| At(member.joined_at)).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
