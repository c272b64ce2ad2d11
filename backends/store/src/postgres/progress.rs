//! How far members have got in their rooms.
//!
//! A pointer's `no` is that of the newest message at or below it, so that unread messages are counted by subtraction.
//! Whoever sends has read up to their message: nothing is written for that, the reads look at a member's own newest
//! message instead.

use async_trait::async_trait;
use parlor_core::event::Actor;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::progress::{Asked, Mark, Progress, Reached, Unread};
use parlor_core::ports::store::StoredMessage;
use parlor_core::receipts::{Furthest, Pointers};
use sqlx::{FromRow, query, query_as};

use super::pool::Pool;
use super::{NAME, Postgres, unhurried};
use crate::at::At;
use crate::calls::timed;
use crate::progress::{PointerRow, forward, in_rooms_order, of_users};
use crate::rows::{MessageRow, UserRow, column, limit, message_columns};

#[async_trait]
impl Progress for Postgres {
    async fn raise(&self, marks: &[Mark]) -> Result<(), Unavailable> {
        let (pool, marks) = (self.pool.clone(), forward(marks));
        timed(NAME, "raise", unhurried(async move { raise(&pool, &marks).await })).await
    }

    async fn of_room(&self, room: &RoomId, limit: usize) -> Result<Vec<(Actor, Pointers)>, Unavailable> {
        timed(NAME, "progress_of_room", of_room(&self.pool, room, None, limit)).await
    }

    async fn of_users(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Pointers>, Unavailable> {
        let found = timed(NAME, "progress_of_users", of_room(&self.pool, room, Some(users), users.len())).await?;
        Ok(of_users(users, found))
    }

    async fn reached(&self, room: &RoomId, seq: Seq, except: &UserId) -> Result<Reached, Unavailable> {
        timed(NAME, "reached", reached(&self.pool, room, seq, except)).await
    }

    async fn furthest(&self, rooms: &[RoomId]) -> Result<Vec<Furthest>, Unavailable> {
        timed(NAME, "furthest", furthest(&self.pool, rooms)).await
    }

    async fn unread(&self, user: &UserId, asked: &[Asked<'_>]) -> Result<Vec<Unread>, Unavailable> {
        timed(NAME, "unread", unread(&self.pool, user, asked)).await
    }

    async fn waiting(
        &self,
        user: &UserId,
        fresher: &[(RoomId, Seq)],
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Unavailable> {
        timed(NAME, "waiting", waiting(&self.pool, user, fresher, limit)).await
    }
}

/// Rows are locked in the order of their keys, so that two writers never wait for each other in a ring.
async fn raise(pool: &Pool, marks: &[Mark]) -> Result<(), Unavailable> {
    const RAISE: &str = "\
        WITH new AS (SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bigint[], \
                $6::timestamptz[]) AS n (room_id, user_id, delivered_seq, delivered_at, read_seq, read_at)), \
        held AS (SELECT m.room_id, m.user_id FROM members m JOIN new n USING (room_id, user_id) \
                ORDER BY m.room_id, m.user_id FOR UPDATE OF m) \
        UPDATE members m SET \
            delivered_at = CASE WHEN n.delivered_seq > m.delivered_seq THEN n.delivered_at ELSE m.delivered_at END, \
            delivered_seq = greatest(m.delivered_seq, n.delivered_seq), \
            last_read_at = CASE WHEN n.read_seq > m.read_seq THEN n.read_at ELSE m.last_read_at END, \
            read_no = CASE WHEN n.read_seq > m.read_seq THEN greatest(m.read_no, coalesce((SELECT no FROM messages \
                WHERE room_id = n.room_id AND seq <= n.read_seq ORDER BY seq DESC LIMIT 1), 0)) ELSE m.read_no END, \
            read_seq = greatest(m.read_seq, n.read_seq) \
        FROM new n, held h \
        WHERE m.room_id = n.room_id AND m.user_id = n.user_id AND h.room_id = m.room_id AND h.user_id = m.user_id \
            AND (n.delivered_seq > m.delivered_seq OR n.read_seq > m.read_seq)";
    let mut connection = pool.get().await?;
    query(RAISE)
        .bind(marks.iter().map(|mark| mark.room.as_str()).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| mark.user.as_str()).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| column(mark.to.delivered.seq)).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| At(mark.to.delivered.at)).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| column(mark.to.read.seq)).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| At(mark.to.read.at)).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(())
}

async fn of_room(
    pool: &Pool,
    room: &RoomId,
    users: Option<&[UserId]>,
    rows: usize,
) -> Result<Vec<(Actor, Pointers)>, Unavailable> {
    const READ: &str = "\
        SELECT m.delivered_seq, m.delivered_at, m.read_seq, m.last_read_at, own.seq AS own_seq, own.time AS own_at, \
            u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM members m JOIN users u ON u.id = m.user_id \
        LEFT JOIN LATERAL (SELECT seq, time FROM messages WHERE sender_id = m.user_id AND room_id = m.room_id \
                           ORDER BY seq DESC LIMIT 1) own ON true \
        WHERE m.room_id = $1 AND m.role <> 'left' AND ($2::text[] IS NULL OR m.user_id = ANY($2)) \
        ORDER BY m.user_id LIMIT $3";
    let mut connection = pool.get().await?;
    let users = users.map(|users| users.iter().map(UserId::as_str).collect::<Vec<_>>());
    let rows: Vec<sqlx::postgres::PgRow> = query(READ)
        .bind(room.as_str())
        .bind(users)
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let read = |row: &sqlx::postgres::PgRow| -> Result<_, sqlx::Error> {
        Ok((UserRow::from_row(row)?.into(), PointerRow::from_row(row)?.into()))
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(Pool::error)
}

async fn reached(pool: &Pool, room: &RoomId, place: Seq, except: &UserId) -> Result<Reached, Unavailable> {
    const COUNT: &str = "\
        SELECT count(*) FILTER (WHERE greatest(delivered_seq, read_seq) >= $2 OR sent), \
            count(*) FILTER (WHERE read_seq >= $2 OR sent) \
        FROM (SELECT m.delivered_seq, m.read_seq, m.read_seq < $2 AND EXISTS (SELECT FROM messages \
                  WHERE sender_id = m.user_id AND room_id = m.room_id AND seq >= $2) AS sent \
              FROM members m WHERE m.room_id = $1 AND m.role <> 'left' AND m.user_id <> $3) m";
    let mut connection = pool.get().await?;
    let (delivered, read): (i64, i64) = query_as(COUNT)
        .bind(room.as_str())
        .bind(column(place))
        .bind(except.as_str())
        .fetch_one(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(crate::progress::reached(delivered, read))
}

async fn furthest(pool: &Pool, rooms: &[RoomId]) -> Result<Vec<Furthest>, Unavailable> {
    const READ: &str = "\
        SELECT room_id, user_id, delivered, read FROM (SELECT m.*, \
            row_number() OVER (PARTITION BY room_id ORDER BY delivered DESC) AS by_delivery, \
            row_number() OVER (PARTITION BY room_id ORDER BY read DESC) AS by_reading \
            FROM (SELECT m.room_id, m.user_id, greatest(m.delivered_seq, m.read_seq, own.seq) AS delivered, \
                      greatest(m.read_seq, own.seq) AS read \
                  FROM members m LEFT JOIN LATERAL (SELECT seq FROM messages \
                      WHERE sender_id = m.user_id AND room_id = m.room_id ORDER BY seq DESC LIMIT 1) own ON true \
                  WHERE m.room_id = ANY($1)) m) m \
        WHERE by_delivery <= 2 OR by_reading <= 2";
    let mut connection = pool.get().await?;
    let rows: Vec<(String, String, i64, i64)> = query_as(READ)
        .bind(rooms.iter().map(RoomId::as_str).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(crate::progress::furthest(rooms, rows))
}

async fn unread(pool: &Pool, user: &UserId, asked: &[Asked<'_>]) -> Result<Vec<Unread>, Unavailable> {
    const COUNT: &str = "\
        SELECT coalesce((SELECT off FROM applied WHERE partition = q.partition), -1), p.read, \
            greatest(coalesce((SELECT last_no FROM room_counters WHERE room_id = q.room_id), 0) - greatest( \
                coalesce((SELECT read_no FROM members WHERE room_id = q.room_id AND user_id = $1), 0), \
                coalesce((SELECT no FROM messages WHERE room_id = q.room_id AND seq <= p.read \
                    ORDER BY seq DESC LIMIT 1), 0) \
            ), 0) \
        FROM UNNEST($2::text[], $3::int[], $4::bigint[]) WITH ORDINALITY AS q (room_id, partition, told, place) \
        CROSS JOIN LATERAL (SELECT greatest(q.told, \
            coalesce((SELECT read_seq FROM members WHERE room_id = q.room_id AND user_id = $1), 0), \
            coalesce((SELECT seq FROM messages WHERE room_id = q.room_id AND sender_id = $1 \
                ORDER BY seq DESC LIMIT 1), 0) \
        ) AS read OFFSET 0) p ORDER BY q.place";
    let mut connection = pool.get().await?;
    let rows: Vec<(i64, i64, i64)> = query_as(COUNT)
        .bind(user.as_str())
        .bind(asked.iter().map(|asked| asked.room.as_str()).collect::<Vec<_>>())
        .bind(asked.iter().map(|asked| asked.partition.0.cast_signed()).collect::<Vec<_>>())
        .bind(asked.iter().map(|asked| column(asked.read)).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(rows.into_iter().map(crate::progress::unread).collect())
}

/// Rooms where nothing waits are told by their counters, and no message of theirs is looked at.
async fn waiting(
    pool: &Pool,
    user: &UserId,
    fresher: &[(RoomId, Seq)],
    rows: usize,
) -> Result<Vec<StoredMessage>, Unavailable> {
    const READ: &str = concat!(
        "SELECT ",
        message_columns!(),
        " FROM (SELECT p.room_id, greatest(p.delivered_seq, p.read_seq, f.seq) AS after FROM members p \
            LEFT JOIN UNNEST($2::text[], $3::bigint[]) AS f (room_id, seq) USING (room_id) \
            WHERE p.user_id = $1 AND p.role <> 'left') p \
         JOIN room_counters c ON c.room_id = p.room_id AND c.last_seq > p.after \
         JOIN rooms r ON r.id = p.room_id AND r.deleted_at IS NULL \
         CROSS JOIN LATERAL (SELECT * FROM messages WHERE room_id = p.room_id AND seq > p.after \
            AND sender_id <> $1 AND deleted_at IS NULL ORDER BY seq DESC LIMIT $4) m \
         ORDER BY m.time DESC, m.seq DESC LIMIT $4"
    );
    let mut connection = pool.get().await?;
    let rows: Vec<MessageRow> = query_as(READ)
        .bind(user.as_str())
        .bind(fresher.iter().map(|(room, _)| room.as_str()).collect::<Vec<_>>())
        .bind(fresher.iter().map(|(_, seq)| column(*seq)).collect::<Vec<_>>())
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(in_rooms_order(rows))
}
