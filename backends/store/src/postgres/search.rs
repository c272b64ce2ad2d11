//! Finding messages by words, by what they answer, by being pinned, by counting.

use parlor_core::ids::{MessageId, Partition, RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::search::{CountedMessages, Query, Within};
use parlor_core::ports::store::{Page, Read, StoredMessage};
use sqlx::postgres::PgRow;
use sqlx::{Connection, Row, query, query_as, query_scalar};

use super::marks;
use super::messages::applied;
use super::pool::Pool;
use crate::at::At;
use crate::rows::{MessageRow, column, limit, message_columns};

/// The newest messages that hold all terms.
///
/// A word that is everywhere may make the index useless: the server stops after 2 s.
///
/// With `rooms` it looks there, and nowhere else, where it would look in all rooms of a user: a replica may not have
/// heard yet that they left one.
pub(super) async fn search(
    pool: &Pool,
    query: Query<'_>,
    rooms: Option<&[String]>,
) -> Result<Vec<StoredMessage>, Unavailable> {
    macro_rules! read {
        ($where:literal) => {
            concat!(
                "SELECT ",
                message_columns!(),
                " FROM messages m",
                $where,
                " AND to_tsvector('simple'::regconfig, m.content) @@ websearch_to_tsquery('simple'::regconfig, $1)",
                " AND NOT m.encrypted AND m.deleted_at IS NULL",
                " AND ($2::text IS NULL OR m.sender_id = $2)",
                " AND ($3::timestamptz IS NULL OR (m.time, m.id) < ($3, $4))",
                " ORDER BY m.time DESC, m.id DESC LIMIT $5"
            )
        };
    }
    let sql = match query.within {
        Within::RoomsOf(_) if rooms.is_some() => read!(" WHERE m.room_id = ANY($6)"),
        Within::RoomsOf(_) => read!(
            " JOIN rooms r ON r.id = m.room_id AND r.deleted_at IS NULL \
              JOIN members me ON me.room_id = m.room_id AND me.user_id = $6 \
                  AND me.role <> 'left' WHERE true"
        ),
        Within::Room(..) => read!(" WHERE m.room_id = $6 AND m.seq < $7"),
    };
    let ask = query_as(sql)
        .bind(query.terms.quoted())
        .bind(query.sender.map(AsRef::<str>::as_ref))
        .bind(query.before.map(|place| At(place.time)))
        .bind(query.before.map(|place| place.message.0))
        .bind(limit(query.limit));
    let ask = match (query.within, rooms) {
        (Within::RoomsOf(_), Some(rooms)) => ask.bind(rooms),
        (Within::RoomsOf(user), None) => ask.bind(user.as_str()),
        (Within::Room(room, below), _) => ask.bind(room.as_str()).bind(column(below)),
    };
    let mut connection = pool.get().await?;
    let read = async {
        let mut tx = connection.begin().await?;
        hurry(&mut tx).await?;
        let rows: Vec<MessageRow> = ask.fetch_all(&mut *tx).await?;
        let (mut messages, marked) = crate::rows::found(rows);
        marks::read(&mut tx, &mut messages, marked).await?;
        tx.commit().await?;
        Ok(messages)
    };
    read.await.map_err(Pool::error)
}

/// Rooms that are named to a search, at most.
pub(super) const MOST_ROOMS: usize = 10_000;

/// The rooms that a search of all of a user's rooms looks in; one more than [`MOST_ROOMS`] where there are more.
pub(super) async fn rooms_of(pool: &Pool, user: &UserId) -> Result<Vec<String>, Unavailable> {
    const READ: &str = "\
        SELECT r.id FROM members me JOIN rooms r ON r.id = me.room_id AND r.deleted_at IS NULL \
        WHERE me.user_id = $1 AND me.role <> 'left' LIMIT $2";
    let ask = query_scalar(READ).bind(user.as_str()).bind(limit(MOST_ROOMS + 1));
    let mut connection = pool.get().await?;
    ask.fetch_all(&mut *connection).await.map_err(Pool::error)
}

/// For this transaction alone.
async fn hurry(tx: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
    query("SET LOCAL statement_timeout = 2000").execute(tx).await?;
    Ok(())
}

/// Messages that answer another.
pub(super) async fn replies(pool: &Pool, to: MessageId, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
    macro_rules! read {
        ($order:literal) => {
            concat!(
                "SELECT a.applied, ",
                message_columns!(),
                " FROM ",
                applied!(),
                " LEFT JOIN LATERAL (SELECT * FROM messages WHERE reply_to_id = $6 AND room_id = $1",
                " AND seq > $3 AND seq < $4 AND deleted_at IS NULL ORDER BY seq ",
                $order,
                " LIMIT $5) m ON true ORDER BY m.seq ",
                $order
            )
        };
    }
    let sql = if read.newest_first { read!("DESC") } else { read!("ASC") };
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(sql)
        .bind(read.room.as_str())
        .bind(read.partition.0.cast_signed())
        .bind(column(read.after))
        .bind(column(read.before))
        .bind(limit(read.limit))
        .bind(to.0)
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let (mut page, marked) = crate::rows::messages(rows).map_err(Pool::error)?;
    marks::read(&mut connection, &mut page.rows, marked).await.map_err(Pool::error)?;
    Ok(page)
}

/// The pinned messages of a room.
pub(super) async fn pins(
    pool: &Pool,
    room: &RoomId,
    partition: Partition,
    rows: usize,
) -> Result<Page<StoredMessage>, Unavailable> {
    const READ: &str = concat!(
        "SELECT a.applied, ",
        message_columns!(),
        " FROM ",
        applied!(),
        " LEFT JOIN LATERAL (SELECT m.*, p.seq AS pin FROM pins p JOIN messages m ON m.id = p.message_id AND m.room_id = $1",
        " WHERE p.room_id = $1 AND m.deleted_at IS NULL ORDER BY p.seq DESC LIMIT $3) m ON true ORDER BY m.pin DESC"
    );
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(READ)
        .bind(room.as_str())
        .bind(partition.0.cast_signed())
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let (mut page, marked) = crate::rows::messages(rows).map_err(Pool::error)?;
    marks::read(&mut connection, &mut page.rows, marked).await.map_err(Pool::error)?;
    Ok(page)
}

/// A page counted from the newest message, with the total: that one's dense number, less those before the oldest (which
/// are archived) and the deleted ones.
pub(super) async fn counted(
    pool: &Pool,
    room: &RoomId,
    partition: Partition,
    below: Seq,
    offset: u64,
    rows: usize,
) -> Result<CountedMessages, Unavailable> {
    const READ: &str = concat!(
        "SELECT a.applied, n.total, ",
        message_columns!(),
        " FROM (SELECT coalesce((SELECT no FROM messages WHERE room_id = $1 AND seq < $5 ORDER BY seq DESC LIMIT 1), 0)",
        " - coalesce((SELECT no - 1 FROM messages WHERE room_id = $1 AND seq < $5 ORDER BY seq LIMIT 1), 0)",
        " - (SELECT count(*) FROM messages WHERE room_id = $1 AND seq < $5 AND deleted_at IS NOT NULL) AS total) n, ",
        applied!(),
        " LEFT JOIN LATERAL (SELECT * FROM messages WHERE room_id = $1 AND seq < $5 AND deleted_at IS NULL",
        " ORDER BY seq DESC LIMIT $3 OFFSET $4) m ON true ORDER BY m.seq DESC"
    );
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(READ)
        .bind(room.as_str())
        .bind(partition.0.cast_signed())
        .bind(limit(rows))
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .bind(column(below))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let total = rows.first().map(|row| row.try_get::<i64, _>("total")).transpose().map_err(Pool::error)?;
    let (mut page, marked) = crate::rows::messages(rows).map_err(Pool::error)?;
    marks::read(&mut connection, &mut page.rows, marked).await.map_err(Pool::error)?;
    let total = total.unwrap_or(0).max(0).unsigned_abs();
    Ok(CountedMessages { rows: page.rows, total, applied: page.applied })
}

/// The rooms that were written to last.
pub(super) async fn lively(pool: &Pool, rows: usize) -> Result<Vec<RoomId>, Unavailable> {
    const READ: &str = "SELECT room_id FROM room_counters ORDER BY last_message_at DESC, room_id LIMIT $1";
    let ask = query_scalar(READ).bind(limit(rows));
    let mut connection = pool.get().await?;
    let rooms: Vec<String> = ask.fetch_all(&mut *connection).await.map_err(Pool::error)?;
    Ok(rooms.into_iter().map(RoomId::trusted).collect())
}
