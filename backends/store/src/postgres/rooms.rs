//! Rooms and who is in them, as they are now.

use parlor_core::event::{Member, Room};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::{Membership, RoomSummary};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, query, query_as, query_scalar};

use super::marks;
use super::pool::Pool;
use crate::marks::lay_on;
use crate::rows::{RoleRow, RoomRow, lay_first_members, limit, member, message_columns, room_columns, summaries};

/// A room.
pub(super) async fn room(pool: &Pool, id: &RoomId) -> Result<Option<Room>, Unavailable> {
    const READ: &str =
        concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.id = $1 AND r.deleted_at IS NULL AND r.is_active");
    let mut connection = pool.get().await?;
    let row: Option<RoomRow> =
        query_as(READ).bind(id.as_str()).fetch_optional(&mut *connection).await.map_err(Pool::error)?;
    Ok(row.map(Room::from))
}

/// A room and one user's standing in it, from one snapshot.
pub(super) async fn membership(
    pool: &Pool,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<(Room, Option<Membership>)>, Unavailable> {
    const READ: &str = concat!(
        "SELECT m.role, m.left_seq, ",
        room_columns!(),
        " FROM rooms r LEFT JOIN members m ON m.room_id = r.id AND m.user_id = $2",
        " WHERE r.id = $1 AND r.deleted_at IS NULL AND r.is_active"
    );
    let mut connection = pool.get().await?;
    let row: Option<PgRow> = query(READ)
        .bind(room.as_str())
        .bind(user.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let both = |row: &PgRow| Ok((RoomRow::from_row(row)?.into(), RoleRow::from_row(row)?.into()));
    row.as_ref().map(both).transpose().map_err(Pool::error)
}

/// A user's rooms. What they have read is up to their receipts, or up to their own newest message if that is later.
pub(super) async fn of_user(
    pool: &Pool,
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
           greatest(coalesce(c.last_no, 0) - greatest(me.read_no, coalesce(own.no, 0)), 0) AS unread \
         FROM (SELECT r.*, coalesce(c.last_message_at, r.created_at) AS latest, m.role, m.joined_at, m.read_no, \
                   m.read_seq, m.notifications_enabled \
               FROM members m JOIN rooms r ON r.id = m.room_id LEFT JOIN room_counters c ON c.room_id = m.room_id \
               WHERE m.user_id = $1 AND m.role <> 'left' AND r.kind <> 'channel' AND r.deleted_at IS NULL \
                   AND r.is_active AND ($4::text IS NULL OR r.id = $4) \
               ORDER BY latest DESC, r.id LIMIT $2 OFFSET $3) me \
         JOIN rooms r ON r.id = me.id \
         LEFT JOIN room_counters c ON c.room_id = me.id \
         LEFT JOIN users p ON p.id = CASE WHEN me.user_a = $1 THEN me.user_b ELSE me.user_a END \
         LEFT JOIN LATERAL (SELECT no FROM messages WHERE sender_id = $1 AND room_id = me.id \
                            ORDER BY seq DESC LIMIT 1) own ON true \
         LEFT JOIN LATERAL (SELECT * FROM messages WHERE room_id = me.id AND deleted_at IS NULL \
                            ORDER BY seq DESC LIMIT 1) m ON true \
         ORDER BY me.latest DESC, me.id"
    );
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(READ)
        .bind(user.as_str())
        .bind(limit(rows))
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .bind(only.map(RoomId::as_str))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let (mut rooms, marked) = summaries(&rows).map_err(Pool::error)?;
    let found = marks::find(&mut connection, marked).await.map_err(Pool::error)?;
    lay_on(rooms.iter_mut().filter_map(|room| room.last_message.as_mut()), found);
    Ok(rooms)
}

/// Reads the first `named` members of each of these rooms.
pub(super) async fn name_members(pool: &Pool, rooms: &mut [RoomSummary], named: usize) -> Result<(), Unavailable> {
    const READ: &str = "\
        SELECT l.room_id AS room, m.role, m.joined_at, u.id AS user_id, u.name AS user_name, \
            u.avatar_url AS user_avatar \
        FROM UNNEST($1::text[]) AS l (room_id) \
        CROSS JOIN LATERAL (SELECT user_id, role, joined_at FROM members \
                            WHERE room_id = l.room_id AND role <> 'left' ORDER BY joined_at, user_id LIMIT $2) m \
        JOIN users u ON u.id = m.user_id ORDER BY l.room_id, m.joined_at, m.user_id";
    if named == 0 || rooms.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = rooms.iter().map(|summary| summary.room.id.as_str()).collect();
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> =
        query(READ).bind(ids).bind(limit(named)).fetch_all(&mut *connection).await.map_err(Pool::error)?;
    lay_first_members(rooms, &rows).map_err(Pool::error)
}

/// How many rooms are on that list in all.
pub(super) async fn count(pool: &Pool, user: &UserId) -> Result<u64, Unavailable> {
    const COUNT: &str = "\
        SELECT count(*) FROM members m JOIN rooms r ON r.id = m.room_id \
        WHERE m.user_id = $1 AND m.role <> 'left' AND r.kind <> 'channel' AND r.deleted_at IS NULL AND r.is_active";
    let mut connection = pool.get().await?;
    let count: i64 = query_scalar(COUNT).bind(user.as_str()).fetch_one(&mut *connection).await.map_err(Pool::error)?;
    Ok(count.unsigned_abs())
}

/// A room's members, by id.
pub(super) async fn members(
    pool: &Pool,
    room: &RoomId,
    after: Option<&UserId>,
    rows: usize,
) -> Result<Vec<Member>, Unavailable> {
    const READ: &str = "\
        SELECT m.role, m.joined_at, u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.room_id = $1 AND m.user_id > $2 AND m.role <> 'left' ORDER BY m.user_id LIMIT $3";
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(READ)
        .bind(room.as_str())
        // No id is empty, so the empty one is before all.
        .bind(after.map_or("", UserId::as_str))
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    rows.iter().map(member).collect::<Result<_, _>>().map_err(Pool::error)
}
