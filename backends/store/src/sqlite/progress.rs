//! How far members have got in their rooms; see `postgres/progress.rs`.

use async_trait::async_trait;
use parlor_core::event::Actor;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::progress::{Asked, Mark, Progress, Reached, Unread};
use parlor_core::ports::store::StoredMessage;
use parlor_core::receipts::{Furthest, Pointers};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, query, query_as};

use super::pools::{Pools, error};
use super::{NAME, Sqlite, unhurried};
use crate::at::At;
use crate::calls::timed;
use crate::progress::{PointerRow, forward, in_rooms_order, of_users};
use crate::rows::{MessageRow, UserRow, column, limit, message_columns};

#[async_trait]
impl Progress for Sqlite {
    async fn raise(&self, marks: &[Mark]) -> Result<(), Unavailable> {
        let (pools, marks) = (self.pools.clone(), forward(marks));
        timed(NAME, "raise", unhurried(async move { raise(&pools, &marks).await.map_err(error) })).await
    }

    async fn of_room(&self, room: &RoomId, limit: usize) -> Result<Vec<(Actor, Pointers)>, Unavailable> {
        timed(NAME, "progress_of_room", of_room(&self.pools, room, limit)).await
    }

    async fn of_users(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Pointers>, Unavailable> {
        // A file is read as quickly whole.
        let found = timed(NAME, "progress_of_users", of_room(&self.pools, room, usize::MAX)).await?;
        Ok(of_users(users, found))
    }

    async fn reached(&self, room: &RoomId, seq: Seq, except: &UserId) -> Result<Reached, Unavailable> {
        timed(NAME, "reached", reached(&self.pools, room, seq, except)).await
    }

    async fn furthest(&self, rooms: &[RoomId]) -> Result<Vec<Furthest>, Unavailable> {
        timed(NAME, "furthest", furthest(&self.pools, rooms)).await
    }

    async fn unread(&self, user: &UserId, asked: &[Asked<'_>]) -> Result<Vec<Unread>, Unavailable> {
        timed(NAME, "unread", unread(&self.pools, user, asked)).await
    }

    async fn waiting(
        &self,
        user: &UserId,
        fresher: &[(RoomId, Seq)],
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Unavailable> {
        timed(NAME, "waiting", waiting(&self.pools, user, fresher, limit)).await
    }
}

async fn raise(pools: &Pools, marks: &[Mark]) -> Result<(), sqlx::Error> {
    const RAISE: &str = "\
        UPDATE members SET \
            delivered_at = CASE WHEN ?3 > delivered_seq THEN ?4 ELSE delivered_at END, \
            delivered_seq = max(delivered_seq, ?3), \
            last_read_at = CASE WHEN ?5 > read_seq THEN ?6 ELSE last_read_at END, \
            read_no = CASE WHEN ?5 > read_seq THEN max(read_no, coalesce((SELECT no FROM messages \
                WHERE room_id = ?1 AND seq <= ?5 ORDER BY seq DESC LIMIT 1), 0)) ELSE read_no END, \
            read_seq = max(read_seq, ?5) \
        WHERE room_id = ?1 AND user_id = ?2 AND (?3 > delivered_seq OR ?5 > read_seq)";
    let mut tx = pools.write().await?;
    for Mark { room, user, to } in marks {
        query(RAISE)
            .bind(room.as_str())
            .bind(user.as_str())
            .bind(column(to.delivered.seq))
            .bind(At(to.delivered.at))
            .bind(column(to.read.seq))
            .bind(At(to.read.at))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

async fn of_room(pools: &Pools, room: &RoomId, rows: usize) -> Result<Vec<(Actor, Pointers)>, Unavailable> {
    const READ: &str = "\
        SELECT m.delivered_seq, m.delivered_at, m.read_seq, m.last_read_at, own.seq AS own_seq, own.time AS own_at, \
            u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar \
        FROM members m JOIN users u ON u.id = m.user_id \
        LEFT JOIN messages own ON own.rowid = (SELECT rowid FROM messages \
            WHERE sender_id = m.user_id AND room_id = m.room_id ORDER BY seq DESC LIMIT 1) \
        WHERE m.room_id = ?1 AND m.role <> 'left' ORDER BY m.user_id LIMIT ?2";
    let rows: Vec<SqliteRow> =
        query(READ).bind(room.as_str()).bind(limit(rows)).fetch_all(&pools.readers).await.map_err(error)?;
    let read = |row: &SqliteRow| -> Result<_, sqlx::Error> {
        Ok((UserRow::from_row(row)?.into(), PointerRow::from_row(row)?.into()))
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(error)
}

async fn reached(pools: &Pools, room: &RoomId, place: Seq, except: &UserId) -> Result<Reached, Unavailable> {
    const COUNT: &str = "\
        SELECT count(*) FILTER (WHERE max(delivered_seq, read_seq) >= ?2 OR sent), \
            count(*) FILTER (WHERE read_seq >= ?2 OR sent) \
        FROM (SELECT m.delivered_seq, m.read_seq, EXISTS (SELECT 1 FROM messages \
                  WHERE sender_id = m.user_id AND room_id = m.room_id AND seq >= ?2) AS sent \
              FROM members m WHERE m.room_id = ?1 AND m.role <> 'left' AND m.user_id <> ?3) m";
    let (delivered, read): (i64, i64) = query_as(COUNT)
        .bind(room.as_str())
        .bind(column(place))
        .bind(except.as_str())
        .fetch_one(&pools.readers)
        .await
        .map_err(error)?;
    Ok(crate::progress::reached(delivered, read))
}

async fn furthest(pools: &Pools, rooms: &[RoomId]) -> Result<Vec<Furthest>, Unavailable> {
    const READ: &str = "\
        SELECT room_id, user_id, delivered, read FROM (SELECT m.*, \
            row_number() OVER (PARTITION BY room_id ORDER BY delivered DESC) AS by_delivery, \
            row_number() OVER (PARTITION BY room_id ORDER BY read DESC) AS by_reading \
            FROM (SELECT room_id, user_id, max(delivered_seq, read_seq, own) AS delivered, max(read_seq, own) AS read \
                  FROM (SELECT m.*, coalesce((SELECT seq FROM messages WHERE sender_id = m.user_id \
                          AND room_id = m.room_id ORDER BY seq DESC LIMIT 1), 0) AS own \
                        FROM members m WHERE m.room_id IN (SELECT value FROM json_each(?1)))) m) \
        WHERE by_delivery <= 2 OR by_reading <= 2";
    let asked: Vec<&str> = rooms.iter().map(RoomId::as_str).collect();
    let rows: Vec<(String, String, i64, i64)> =
        query_as(READ).bind(serde_json::json!(asked).to_string()).fetch_all(&pools.readers).await.map_err(error)?;
    Ok(crate::progress::furthest(rooms, rows))
}

async fn unread(pools: &Pools, user: &UserId, asked: &[Asked<'_>]) -> Result<Vec<Unread>, Unavailable> {
    const COUNT: &str = "\
        SELECT coalesce((SELECT off FROM applied WHERE partition = p.partition), -1), p.read, \
            max(coalesce((SELECT last_no FROM room_counters WHERE room_id = p.room), 0) - max( \
                coalesce((SELECT read_no FROM members WHERE room_id = p.room AND user_id = ?1), 0), \
                coalesce((SELECT no FROM messages WHERE room_id = p.room AND seq <= p.read ORDER BY seq DESC LIMIT 1), 0) \
            ), 0) \
        FROM (SELECT q.place, q.room, q.partition, max(q.told, \
            coalesce((SELECT read_seq FROM members WHERE room_id = q.room AND user_id = ?1), 0), \
            coalesce((SELECT seq FROM messages WHERE room_id = q.room AND sender_id = ?1 ORDER BY seq DESC LIMIT 1), 0) \
        ) AS read FROM (SELECT key AS place, value ->> 0 AS room, value ->> 1 AS partition, value ->> 2 AS told \
            FROM json_each(?2)) q) p ORDER BY p.place";
    let asked: Vec<_> =
        asked.iter().map(|asked| (asked.room.as_str(), asked.partition.0, column(asked.read))).collect();
    let rows: Vec<(i64, i64, i64)> = query_as(COUNT)
        .bind(user.as_str())
        .bind(serde_json::json!(asked).to_string())
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    Ok(rows.into_iter().map(crate::progress::unread).collect())
}

async fn waiting(
    pools: &Pools,
    user: &UserId,
    fresher: &[(RoomId, Seq)],
    rows: usize,
) -> Result<Vec<StoredMessage>, Unavailable> {
    const READ: &str = concat!(
        "SELECT ",
        message_columns!(),
        " FROM members p JOIN rooms r ON r.id = p.room_id AND r.deleted_at IS NULL \
         LEFT JOIN json_each(?2) f ON f.key = p.room_id \
         JOIN messages m ON m.room_id = p.room_id AND m.seq > max(p.delivered_seq, p.read_seq, coalesce(f.value, 0)) \
         WHERE p.user_id = ?1 AND p.role <> 'left' AND m.sender_id <> ?1 AND m.deleted_at IS NULL \
         ORDER BY m.time DESC, m.seq DESC LIMIT ?3"
    );
    let fresher: serde_json::Map<String, serde_json::Value> =
        fresher.iter().map(|(room, seq)| (room.as_str().to_owned(), column(*seq).into())).collect();
    let fresher = serde_json::Value::Object(fresher).to_string();
    let rows: Vec<MessageRow> = query_as(READ)
        .bind(user.as_str())
        .bind(fresher)
        .bind(limit(rows))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    Ok(in_rooms_order(rows))
}
