//! Decisions about rooms and members, one at a time: a writing transaction has the file to itself.

use parlor_core::error::ChatError;
use parlor_core::event::Room;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::{Banning, Change, Decision, Known, decide};
use parlor_core::ports::store::ChangeError;
use parlor_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::pools::{Pools, error};
use crate::at::At;
use crate::decisions::{decided_pair, known, users, wanted_pair};
use crate::rows::{RoomRow, limit, member, room_columns};

/// Decides `change` and writes what it comes to.
pub(super) async fn change(pools: &Pools, room: &RoomId, change: &Change) -> Result<Decision, ChangeError> {
    let mut tx = pools.write().await.map_err(error)?;
    let found = find(&mut tx, room, change).await.map_err(error)?;
    let concerned = concerned(&mut tx, found.as_ref(), change).await.map_err(error)?;
    let mut known = known(found, &concerned, Timestamp::now()).map_err(error)?;
    if change.may_take_an_admin() {
        succession(&mut tx, &mut known, change).await.map_err(error)?;
    }
    let decision = decide(&known, change)?;
    if decision.members.is_empty() && decision.events.is_empty() {
        return Ok(decision);
    }
    let write = async {
        if !write_room(&mut tx, &decision, known.now).await? {
            return Ok(false);
        }
        super::users::make(&mut tx, users(&decision).into_iter()).await?;
        write_members(&mut tx, &decision).await?;
        write_ban(&mut tx, &decision, known.now).await?;
        super::outbox::write(&mut tx, &decision.room.id, &decision.events, known.now).await?;
        tx.commit().await?;
        Ok(true)
    };
    if write.await.map_err(error)? { Ok(decision) } else { Err(ChatError::not_found("room").into()) }
}

async fn find(tx: &mut SqliteConnection, room: &RoomId, change: &Change) -> Result<Option<Room>, sqlx::Error> {
    const ROOM: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM rooms r WHERE (r.id = ?1 OR (r.user_a = ?2 AND r.user_b = ?3)) AND r.deleted_at IS NULL AND r.is_active"
    );
    let pair = wanted_pair(change);
    let row: Option<RoomRow> = query_as(ROOM)
        .bind(room.as_str())
        .bind(pair.as_ref().map(|pair| pair.0.as_str()))
        .bind(pair.as_ref().map(|pair| pair.1.as_str()))
        .fetch_optional(tx)
        .await?;
    Ok(row.map(Room::from))
}

async fn concerned(
    tx: &mut SqliteConnection,
    room: Option<&Room>,
    change: &Change,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    const CONCERNED: &str = "\
        SELECT u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar, m.role, m.left_seq, \
            m.joined_at AS since, b.user_id IS NOT NULL AS banned, k.user_id IS NOT NULL AS blocks \
        FROM users u LEFT JOIN members m ON m.user_id = u.id AND m.room_id = ?1 \
        LEFT JOIN bans b ON b.user_id = u.id AND b.room_id = ?1 AND (b.until IS NULL OR b.until > ?4) \
        LEFT JOIN blocks k ON k.user_id = u.id AND k.blocked_id = ?3 \
        WHERE u.id = ?2";
    let mut rows = Vec::new();
    for id in change.concerned() {
        let row = query(CONCERNED)
            .bind(room.map(|room| room.id.as_str()))
            .bind(id.as_str())
            .bind(change.inviter().map(UserId::as_str))
            .bind(At(Timestamp::now()))
            .fetch_optional(&mut *tx)
            .await?;
        rows.extend(row);
    }
    Ok(rows)
}

/// Who is admin beside those concerned, or who would become it.
async fn succession(tx: &mut SqliteConnection, known: &mut Known, change: &Change) -> Result<(), sqlx::Error> {
    const ADMINS: &str = "SELECT user_id FROM members WHERE room_id = ?1 AND role = 'admin'";
    const HEIRS: &str = "\
        SELECT m.role, m.joined_at, u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.room_id = ?1 AND m.role IN ('moderator', 'member') \
        ORDER BY m.role <> 'moderator', m.joined_at, m.user_id LIMIT ?2";
    let Some(room) = known.room.as_ref().map(|room| room.id.clone()) else { return Ok(()) };
    let concerned = change.concerned();
    let admins: Vec<String> = query_scalar(ADMINS).bind(room.as_str()).fetch_all(&mut *tx).await?;
    let others = admins.iter().filter(|id| !concerned.iter().any(|one| one.as_str() == id.as_str())).count();
    known.other_admins = u32::try_from(others).unwrap_or(u32::MAX);
    if others == 0 {
        // One more than could all be concerned.
        let rows: Vec<SqliteRow> =
            query(HEIRS).bind(room.as_str()).bind(limit(concerned.len() + 1)).fetch_all(tx).await?;
        let heirs = rows.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        known.heir = heirs.into_iter().find(|heir| !concerned.contains(&heir.user.id));
    }
    Ok(())
}

async fn write_ban(tx: &mut SqliteConnection, decision: &Decision, now: Timestamp) -> Result<(), sqlx::Error> {
    const SET: &str = "\
        INSERT INTO bans (room_id, user_id, by_id, since, until, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
        ON CONFLICT (room_id, user_id) DO UPDATE SET by_id = excluded.by_id, since = excluded.since, \
            until = excluded.until, reason = excluded.reason";
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
            query("DELETE FROM bans WHERE room_id = ?1 AND user_id = ?2")
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
async fn write_room(tx: &mut SqliteConnection, decision: &Decision, now: Timestamp) -> Result<bool, sqlx::Error> {
    // The two users of a direct room never change, and a version only rises.
    const WRITE: &str = "\
        INSERT INTO rooms AS r (id, kind, name, description, avatar_url, is_private, created_by, created_at, \
            updated_at, version, member_count, user_a, user_b) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, \
            avatar_url = excluded.avatar_url, is_private = excluded.is_private, updated_at = excluded.updated_at, \
            version = excluded.version, member_count = excluded.member_count, \
            deleted_at = CASE WHEN ?14 THEN excluded.updated_at END, is_active = NOT ?14 \
        WHERE r.version < excluded.version";
    let room = &decision.room;
    let pair = decided_pair(decision);
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

async fn write_members(tx: &mut SqliteConnection, decision: &Decision) -> Result<(), sqlx::Error> {
    // Who comes (back) has read what was said so far: unread counts begin here. For who leaves, the time is that of the
    // leaving, and where it is in the room's order is known when the log's record of it is applied.
    const WRITE: &str = "\
        INSERT INTO members AS m (room_id, user_id, role, joined_at, left_at, version, read_seq, read_no) \
        VALUES (?1, ?2, ?3, ?4, CASE ?3 WHEN 'left' THEN ?4 END, ?5, \
            coalesce((SELECT last_seq FROM room_counters WHERE room_id = ?1), 0), \
            coalesce((SELECT last_no FROM room_counters WHERE room_id = ?1), 0)) \
        ON CONFLICT (room_id, user_id) DO UPDATE SET \
            role = excluded.role, left_at = excluded.left_at, left_seq = NULL, version = excluded.version, \
            joined_at = CASE WHEN m.role = 'left' AND excluded.role <> 'left' THEN excluded.joined_at \
                ELSE m.joined_at END, \
            read_seq = CASE WHEN m.role = 'left' THEN max(m.read_seq, excluded.read_seq) ELSE m.read_seq END, \
            read_no = CASE WHEN m.role = 'left' THEN max(m.read_no, excluded.read_no) ELSE m.read_no END";
    for member in &decision.members {
        query(WRITE)
            .bind(decision.room.id.as_str())
            .bind(member.user.id.as_str())
            .bind(member.role.as_str())
            .bind(At(member.joined_at))
            .bind(decision.room.version.cast_signed())
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
