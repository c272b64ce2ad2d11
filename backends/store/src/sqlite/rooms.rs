//! Rooms and who is in them, as they are now.

use parlor_core::event::{Member, Room};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::{Membership, RoomSummary};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, query, query_as, query_scalar};

use super::marks;
use super::pools::{Pools, error};
use crate::marks::lay_on;
use crate::rows::{RoleRow, RoomRow, lay_first_members, limit, member, message_columns, room_columns, summaries};

/// A room.
pub(super) async fn room(pools: &Pools, id: &RoomId) -> Result<Option<Room>, Unavailable> {
    const READ: &str =
        concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.id = ?1 AND r.deleted_at IS NULL AND r.is_active");
    let row: Option<RoomRow> = query_as(READ).bind(id.as_str()).fetch_optional(&pools.readers).await.map_err(error)?;
    Ok(row.map(Room::from))
}

/// A room and one user's standing in it, from one snapshot.
pub(super) async fn membership(
    pools: &Pools,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<(Room, Option<Membership>)>, Unavailable> {
    const READ: &str = concat!(
        "SELECT m.role, m.left_seq, ",
        room_columns!(),
        " FROM rooms r LEFT JOIN members m ON m.room_id = r.id AND m.user_id = ?2",
        " WHERE r.id = ?1 AND r.deleted_at IS NULL AND r.is_active"
    );
    let row: Option<SqliteRow> =
        query(READ).bind(room.as_str()).bind(user.as_str()).fetch_optional(&pools.readers).await.map_err(error)?;
    let both = |row: &SqliteRow| Ok((RoomRow::from_row(row)?.into(), RoleRow::from_row(row)?.into()));
    row.as_ref().map(both).transpose().map_err(error)
}

/// A user's rooms. What they have read is up to their receipts, or up to their own newest message if that is later.
pub(super) async fn of_user(
    pools: &Pools,
    user: &UserId,
    only: Option<&RoomId>,
    rows: usize,
    offset: u64,
) -> Result<Vec<RoomSummary>, Unavailable> {
    const READ: &str = concat!(
        "SELECT me.role, me.joined_at, me.read_seq, me.notifications_enabled, ",
        room_columns!(),
        ", ",
        message_columns!(),
        ", p.id AS user_id, p.name AS user_name, p.avatar_url AS user_avatar, \
           max(coalesce(c.last_no, 0) - max(me.read_no, coalesce((SELECT no FROM messages \
               WHERE sender_id = ?1 AND room_id = r.id ORDER BY seq DESC LIMIT 1), 0)), 0) AS unread \
         FROM members me JOIN rooms r ON r.id = me.room_id \
         LEFT JOIN room_counters c ON c.room_id = r.id \
         LEFT JOIN users p ON p.id = CASE WHEN r.user_a = ?1 THEN r.user_b ELSE r.user_a END \
         LEFT JOIN messages m ON m.rowid = (SELECT rowid FROM messages WHERE room_id = r.id AND deleted_at IS NULL \
                                            ORDER BY seq DESC LIMIT 1) \
         WHERE me.user_id = ?1 AND me.role <> 'left' AND r.kind <> 'channel' AND r.deleted_at IS NULL AND r.is_active \
             AND (?4 IS NULL OR r.id = ?4) \
         ORDER BY coalesce(c.last_message_at, r.created_at) DESC, r.id LIMIT ?2 OFFSET ?3"
    );
    let rows: Vec<SqliteRow> = query(READ)
        .bind(user.as_str())
        .bind(limit(rows))
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .bind(only.map(RoomId::as_str))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    let (mut rooms, marked) = summaries(&rows).map_err(error)?;
    let found = marks::find(&pools.readers, marked).await.map_err(error)?;
    lay_on(rooms.iter_mut().filter_map(|room| room.last_message.as_mut()), found);
    Ok(rooms)
}

/// Reads the first `named` members of each of these rooms.
pub(super) async fn name_members(pools: &Pools, rooms: &mut [RoomSummary], named: usize) -> Result<(), Unavailable> {
    // No join here can be bounded for each room, so a subquery picks who is read of each. CROSS JOIN keeps the order.
    const READ: &str = "\
        SELECT m.room_id AS room, m.role, m.joined_at, u.id AS user_id, u.name AS user_name, \
            u.avatar_url AS user_avatar \
        FROM json_each(?1) l CROSS JOIN members m ON m.room_id = l.value AND m.user_id IN \
            (SELECT user_id FROM members WHERE room_id = l.value AND role <> 'left' \
             ORDER BY joined_at, user_id LIMIT ?2) \
        CROSS JOIN users u ON u.id = m.user_id ORDER BY m.room_id, m.joined_at, m.user_id";
    if named == 0 || rooms.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = rooms.iter().map(|summary| summary.room.id.as_str()).collect();
    let rows: Vec<SqliteRow> = query(READ)
        .bind(serde_json::Value::from(ids).to_string())
        .bind(limit(named))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    lay_first_members(rooms, &rows).map_err(error)
}

/// How many rooms are on that list in all.
pub(super) async fn count(pools: &Pools, user: &UserId) -> Result<u64, Unavailable> {
    const COUNT: &str = "\
        SELECT count(*) FROM members m JOIN rooms r ON r.id = m.room_id \
        WHERE m.user_id = ?1 AND m.role <> 'left' AND r.kind <> 'channel' AND r.deleted_at IS NULL AND r.is_active";
    let count: i64 = query_scalar(COUNT).bind(user.as_str()).fetch_one(&pools.readers).await.map_err(error)?;
    Ok(count.unsigned_abs())
}

/// A room's members, by id.
pub(super) async fn members(
    pools: &Pools,
    room: &RoomId,
    after: Option<&UserId>,
    rows: usize,
) -> Result<Vec<Member>, Unavailable> {
    const READ: &str = "\
        SELECT m.role, m.joined_at, u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.room_id = ?1 AND m.user_id > ?2 AND m.role <> 'left' ORDER BY m.user_id LIMIT ?3";
    let rows: Vec<SqliteRow> = query(READ)
        .bind(room.as_str())
        // No id is empty, so the empty one is before all.
        .bind(after.map_or("", UserId::as_str))
        .bind(limit(rows))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    rows.iter().map(member).collect::<Result<_, _>>().map_err(error)
}
