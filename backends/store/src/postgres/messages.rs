//! Messages and changes by their place. Every range comes with how far the store sees, from one statement and so from
//! one snapshot: a replica may serve it.

use parlor_core::event::Delivery;
use parlor_core::ids::{MessageId, Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::{Page, Placed, Read, StoredMessage};
use parlor_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{query, query_as};

use super::marks;
use super::pool::Pool;
use crate::at::At;
use crate::rows::{MessageRow, PlacedRow, column, limit, message_columns, seq};

/// `applied` of partition $2, in a row of its own so that a range without rows still says it.
macro_rules! applied {
    () => {
        "(SELECT coalesce((SELECT off FROM applied WHERE partition = $2), -1) AS applied) a"
    };
}
pub(super) use applied;

/// A page of a room's messages.
pub(super) async fn page(pool: &Pool, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
    macro_rules! read {
        ($order:literal) => {
            concat!(
                "SELECT a.applied, ",
                message_columns!(),
                " FROM ",
                applied!(),
                " LEFT JOIN LATERAL (SELECT * FROM messages WHERE room_id = $1 AND seq > $3 AND seq < $4",
                " AND deleted_at IS NULL ORDER BY seq ",
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
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    let (mut page, marked) = crate::rows::messages(rows).map_err(Pool::error)?;
    marks::read(&mut connection, &mut page.rows, marked).await.map_err(Pool::error)?;
    Ok(page)
}

/// All that happened in a room.
pub(super) async fn changes(
    pool: &Pool,
    room: &RoomId,
    partition: Partition,
    after: Seq,
    through: Seq,
    rows: usize,
) -> Result<Page<Delivery>, Unavailable> {
    const READ: &str = concat!(
        "SELECT a.applied, e.* FROM ",
        applied!(),
        " LEFT JOIN LATERAL (",
        "(SELECT ",
        message_columns!(),
        ", NULL::bytea AS payload FROM messages m",
        " WHERE m.room_id = $1 AND m.seq > $3 AND m.seq <= $4 AND m.deleted_at IS NULL ORDER BY m.seq LIMIT $5)",
        " UNION ALL ",
        "(SELECT NULL, c.seq, c.room_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,",
        " c.time, NULL, NULL, NULL, NULL, NULL, NULL, c.payload FROM room_changes c",
        " WHERE c.room_id = $1 AND c.seq > $3 AND c.seq <= $4 ORDER BY c.seq LIMIT $5)",
        " ORDER BY seq LIMIT $5) e ON true ORDER BY e.seq"
    );
    let mut connection = pool.get().await?;
    let rows: Vec<PgRow> = query(READ)
        .bind(room.as_str())
        .bind(partition.0.cast_signed())
        .bind(column(after))
        .bind(column(through))
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    crate::rows::deliveries(rows).map_err(Pool::error)
}

/// A message by its id; the newest where an id was stored again after it was forgotten.
pub(super) async fn message(pool: &Pool, id: MessageId) -> Result<Option<StoredMessage>, Unavailable> {
    const READ: &str =
        concat!("SELECT ", message_columns!(), " FROM messages m WHERE m.id = $1 ORDER BY m.seq DESC LIMIT 1");
    let mut connection = pool.get().await?;
    let row: Option<MessageRow> =
        query_as(READ).bind(id.0).fetch_optional(&mut *connection).await.map_err(Pool::error)?;
    let Some(row) = row else { return Ok(None) };
    let marked = row.marked.then_some(row.id).into_iter().collect();
    let mut message = [row.into()];
    marks::read(&mut connection, &mut message, marked).await.map_err(Pool::error)?;
    Ok(message.into_iter().next())
}

/// Where messages are; of an id that was stored again the newest.
pub(super) async fn places(pool: &Pool, ids: &[MessageId]) -> Result<Vec<Placed>, Unavailable> {
    const READ: &str = "\
        SELECT DISTINCT ON (id) id, seq, room_id, sender_id, type = 'system' AS system, \
            deleted_at IS NOT NULL AS deleted \
        FROM messages WHERE id = ANY($1) ORDER BY id, seq DESC";
    let mut connection = pool.get().await?;
    let rows: Vec<PlacedRow> = query_as(READ)
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(rows.into_iter().map(Placed::from).collect())
}

/// The lowest seq at or after a time. Times follow the order of seqs but for the log's clock stepping back when a
/// leader changes: what lies within an hour behind the first time found is looked at too.
pub(super) async fn seq_at(
    pool: &Pool,
    room: &RoomId,
    partition: Partition,
    time: Timestamp,
) -> Result<(Option<Seq>, Offset), Unavailable> {
    const READ: &str = concat!(
        "SELECT a.applied, (SELECT min(m.seq) FROM messages m,",
        " (SELECT time FROM messages WHERE room_id = $1 AND time >= $3 ORDER BY time LIMIT 1) f",
        " WHERE m.room_id = $1 AND m.time >= $3 AND m.time <= f.time + interval '1 hour') AS seq FROM ",
        applied!()
    );
    let mut connection = pool.get().await?;
    let (applied, found): (i64, Option<i64>) = query_as(READ)
        .bind(room.as_str())
        .bind(partition.0.cast_signed())
        .bind(At(time))
        .fetch_one(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok((found.map(seq), Offset(applied)))
}
