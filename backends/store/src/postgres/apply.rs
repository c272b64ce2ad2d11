//! A batch of the log in one transaction with its position.
//!
//! The position moves first: its row's lock is the fence that makes a zombie wait, and then find that it is elsewhere.
//! Rows that several partitions share (users) are touched in the order of their keys, so batches never deadlock.

use std::collections::{HashMap, HashSet};

use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Position;
use parlor_core::ports::store::{ApplyError, Stored};
use sqlx::{Connection, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::pool::Pool;
use crate::at::At;
use crate::batch::Batch;
use crate::rows::{column, mentions_column};

/// Where a partition is; its row is made where it is missing.
pub(super) async fn position(pool: &Pool, partition: Partition) -> Result<Position, Unavailable> {
    let mut connection = pool.get().await?;
    read_or_make(&mut connection, partition).await.map_err(Pool::error)
}

async fn read_or_make(connection: &mut PgConnection, partition: Partition) -> Result<Position, sqlx::Error> {
    const MAKE: &str = "INSERT INTO applied (partition) VALUES ($1) ON CONFLICT DO NOTHING";
    const READ: &str = "SELECT off, digest FROM applied WHERE partition = $1";
    loop {
        let row: Option<(i64, i64)> =
            query_as(READ).bind(partition.0.cast_signed()).fetch_optional(&mut *connection).await?;
        if let Some((offset, digest)) = row {
            return Ok(Position { offset: Offset(offset), digest: digest.cast_unsigned() });
        }
        query(MAKE).bind(partition.0.cast_signed()).execute(&mut *connection).await?;
    }
}

/// Applies a batch; without one, says whether the position is the one expected.
pub(super) async fn apply(
    pool: &Pool,
    partition: Partition,
    previous: Position,
    batch: Option<Batch>,
) -> Result<Stored, ApplyError> {
    let mut connection = pool.get().await?;
    let Some(mut batch) = batch else {
        let position = read_or_make(&mut connection, partition).await.map_err(fault)?;
        let moved = position.offset != previous.offset;
        return Ok(if moved {
            Stored::Elsewhere(position)
        } else {
            Stored::Done { position, messages: 0, duplicates: 0 }
        });
    };
    let moved = transaction(&mut connection, partition, previous, &mut batch).await.map_err(fault)?;
    if !moved {
        let position = read_or_make(&mut connection, partition).await.map_err(fault)?;
        // A row that was missing stands at the start now. Only a caller at the start gets here twice.
        let retry = position == Position::START && previous.offset == position.offset;
        if !retry || !transaction(&mut connection, partition, previous, &mut batch).await.map_err(fault)? {
            return Ok(Stored::Elsewhere(position));
        }
    }
    metrics::counter!("parlor_store_messages_total").increment(batch.messages.len() as u64);
    metrics::counter!("parlor_store_duplicates_total").increment(batch.duplicates as u64);
    Ok(Stored::Done { position: batch.position, messages: batch.messages.len(), duplicates: batch.duplicates })
}

/// Only an error that is the data's fault is poison: SQLSTATE class 22 (data exception), a row that a rule of the table
/// refuses (23502, 23514), or a value larger than an index takes (54000). Any other may pass.
fn fault(error: sqlx::Error) -> ApplyError {
    let poison = error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code.starts_with("22") || matches!(&*code, "23502" | "23514" | "54000"));
    if poison { ApplyError::Poison(error.to_string()) } else { Pool::error(error).into() }
}

/// False, and nothing changed, where the position is not `previous`.
async fn transaction(
    connection: &mut PgConnection,
    partition: Partition,
    previous: Position,
    batch: &mut Batch,
) -> Result<bool, sqlx::Error> {
    let mut tx = connection.begin().await?;
    if !move_position(&mut tx, partition, previous, batch).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    if !batch.messages.is_empty() {
        let stored = stored(&mut tx, batch).await?;
        batch.forget_stored(&stored);
    }
    if !batch.messages.is_empty() {
        make_senders(&mut tx, batch).await?;
        let last = count(&mut tx, batch).await?;
        insert_messages(&mut tx, batch, &batch.numbers(&last)).await?;
        super::files::carry(&mut tx, batch).await?;
    }
    if !batch.changes.is_empty() {
        let new = insert_changes(&mut tx, batch).await?;
        batch.forget_kept(&new);
        rewrite_messages(&mut tx, batch).await?;
        super::marks::write(&mut tx, batch).await?;
        super::files::give_up(&mut tx, batch).await?;
        mark_leavings(&mut tx, batch).await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn move_position(
    tx: &mut PgConnection,
    partition: Partition,
    previous: Position,
    batch: &Batch,
) -> Result<bool, sqlx::Error> {
    const MOVE: &str = "UPDATE applied SET off = $3, digest = $4, generation = $5 WHERE partition = $1 AND off = $2";
    let moved = query(MOVE)
        .bind(partition.0.cast_signed())
        .bind(previous.offset.0)
        .bind(batch.position.offset.0)
        .bind(batch.position.digest.cast_signed())
        .bind(i16::from(batch.generation.0))
        .execute(tx)
        .await?;
    Ok(moved.rows_affected() == 1)
}

/// Which of the batch's messages are stored, and when each last was. The bound in time keeps the look-up out of old
/// partitions.
async fn stored(
    tx: &mut PgConnection,
    batch: &Batch,
) -> Result<HashMap<Uuid, parlor_core::time::Timestamp>, sqlx::Error> {
    const STORED: &str = "SELECT id, max(time) FROM messages WHERE id = ANY($1) AND time >= $2 GROUP BY id";
    let ids: Vec<Uuid> = batch.messages.iter().map(|placed| placed.id()).collect();
    let rows: Vec<(Uuid, At)> = query_as(STORED).bind(ids).bind(At(batch.remembered_from())).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|(id, at)| (id, at.0)).collect())
}

/// Stub rows for senders that nobody has told us of.
async fn make_senders(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let senders = batch.senders();
    super::users::make(tx, senders.values().copied()).await
}

/// Counts the messages in; the rooms' last numbers from now on.
async fn count(tx: &mut PgConnection, batch: &Batch) -> Result<HashMap<String, i64>, sqlx::Error> {
    const COUNT: &str = "\
        INSERT INTO room_counters AS c (room_id, last_no, last_seq, last_message_at) \
        SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[]) \
        ON CONFLICT (room_id) DO UPDATE SET \
            last_no = c.last_no + EXCLUDED.last_no, \
            last_seq = greatest(c.last_seq, EXCLUDED.last_seq), \
            last_message_at = greatest(c.last_message_at, EXCLUDED.last_message_at) \
        RETURNING room_id, last_no";
    let counts = batch.counts();
    let rows: Vec<(String, i64)> = query_as(COUNT)
        .bind(counts.keys().copied().collect::<Vec<&str>>())
        .bind(counts.values().map(|count| count.messages).collect::<Vec<_>>())
        .bind(counts.values().map(|count| column(count.seq)).collect::<Vec<_>>())
        .bind(counts.values().map(|count| At(count.time)).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    Ok(rows.into_iter().collect())
}

async fn insert_messages(tx: &mut PgConnection, batch: &Batch, numbers: &[i64]) -> Result<(), sqlx::Error> {
    const INSERT: &str = "\
        INSERT INTO messages (id, seq, room_id, no, sender_id, sender_name, sender_avatar, content, type, \
            reply_to_id, reply_to_content, reply_to_sender, metadata, temp_id, time, mentions, encrypted, \
            reply_to_encrypted) \
        SELECT id, seq, room_id, no, sender_id, sender_name, sender_avatar, content, type, \
            reply_to_id, reply_to_content, reply_to_sender, metadata::json, temp_id, time, mentions, encrypted, \
            reply_to_encrypted \
        FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], \
            $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[], \
            $15::timestamptz[], $16::text[], $17::boolean[], $18::boolean[]) \
        AS new (id, seq, room_id, no, sender_id, sender_name, sender_avatar, content, type, \
            reply_to_id, reply_to_content, reply_to_sender, metadata, temp_id, time, mentions, encrypted, \
            reply_to_encrypted)";
    macro_rules! each {
        (|$placed:pat_param, $message:pat_param| $value:expr) => {
            batch.sent().map(|($placed, $message)| $value).collect::<Vec<_>>()
        };
    }
    query(INSERT)
        .bind(each!(|placed, _| placed.id()))
        .bind(each!(|placed, _| column(placed.seq)))
        .bind(each!(|placed, _| placed.room()))
        .bind(numbers)
        .bind(each!(|placed, _| placed.event.actor.id.as_str()))
        .bind(each!(|placed, _| &*placed.event.actor.name))
        .bind(each!(|placed, _| placed.event.actor.avatar.as_deref()))
        .bind(each!(|_, message| message.content.as_str()))
        .bind(each!(|_, message| message.kind.as_str()))
        .bind(each!(|_, message| message.reply_to.as_ref().map(|quote| quote.message.0)))
        .bind(each!(|_, message| message.reply_to.as_ref().and_then(|quote| quote.content.as_deref())))
        .bind(each!(|_, message| message.reply_to.as_ref().and_then(|quote| quote.sender.as_ref().map(AsRef::as_ref))))
        .bind(each!(|_, message| message.metadata.as_deref()))
        .bind(each!(|_, message| message.temp_id.as_deref()))
        .bind(each!(|placed, _| At(placed.time)))
        .bind(each!(|_, message| mentions_column(&message.mentions)))
        .bind(each!(|_, message| message.encrypted))
        .bind(each!(|_, message| message.reply_to.as_ref().is_some_and(|quote| quote.encrypted)))
        .execute(tx)
        .await?;
    Ok(())
}

/// Keeps the changes; the seqs of those that are new.
async fn insert_changes(tx: &mut PgConnection, batch: &Batch) -> Result<HashSet<i64>, sqlx::Error> {
    const INSERT: &str = "\
        INSERT INTO room_changes (room_id, seq, kind, message_id, event_id, payload, time) \
        SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::integer[], $4::uuid[], $5::uuid[], $6::bytea[], \
            $7::timestamptz[]) \
        ON CONFLICT DO NOTHING RETURNING seq";
    let changes = &batch.changes;
    let new: Vec<i64> = query_scalar(INSERT)
        .bind(changes.iter().map(|placed| placed.room()).collect::<Vec<_>>())
        .bind(changes.iter().map(|placed| column(placed.seq)).collect::<Vec<_>>())
        .bind(changes.iter().map(|placed| placed.kind()).collect::<Vec<_>>())
        .bind(changes.iter().map(|placed| placed.target()).collect::<Vec<_>>())
        .bind(changes.iter().map(|placed| placed.id()).collect::<Vec<_>>())
        .bind(changes.iter().map(|placed| &*placed.encoded).collect::<Vec<_>>())
        .bind(changes.iter().map(|placed| At(placed.time)).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    Ok(new.into_iter().collect())
}

/// Edits and deletions. A message's row changes only by what comes after it and after its last edit, and never once it
/// is deleted.
async fn rewrite_messages(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const REWRITE: &str = "\
        UPDATE messages m SET \
            content = coalesce(r.content, m.content), \
            edited_at = coalesce(r.edited_at, m.edited_at), \
            edited_seq = coalesce(r.edited_seq, m.edited_seq), \
            encrypted = coalesce(r.encrypted, m.encrypted), \
            deleted_at = r.deleted_at \
        FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::bigint[], \
            $7::timestamptz[], $8::boolean[]) \
            AS r (id, room_id, seq, content, edited_at, edited_seq, deleted_at, encrypted) \
        WHERE m.id = r.id AND m.room_id = r.room_id AND m.deleted_at IS NULL \
            AND coalesce(m.edited_seq, m.seq) < r.seq";
    let rewrites = batch.rewrites();
    if rewrites.is_empty() {
        return Ok(());
    }
    query(REWRITE)
        .bind(rewrites.iter().map(|rewrite| rewrite.message).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| rewrite.room).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| column(rewrite.seq)).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| rewrite.edit.map(|edit| edit.0)).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| rewrite.edit.map(|edit| At(edit.1))).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| rewrite.edit.map(|edit| column(edit.2))).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| rewrite.deleted.map(At)).collect::<Vec<_>>())
        .bind(rewrites.iter().map(|rewrite| rewrite.encrypted).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

/// Where ex-members' reading ends. Their rows were written when the leaving was decided; a row that a later decision
/// has set is left as it is.
async fn mark_leavings(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const MARK: &str = "\
        UPDATE members m SET left_seq = l.seq \
        FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS l (room_id, user_id, version, seq) \
        WHERE m.room_id = l.room_id AND m.user_id = l.user_id AND m.version = l.version AND m.left_seq IS NULL \
            AND m.role = 'left'";
    let leavings = batch.leavings();
    if leavings.is_empty() {
        return Ok(());
    }
    query(MARK)
        .bind(leavings.iter().map(|leaving| leaving.room).collect::<Vec<_>>())
        .bind(leavings.iter().map(|leaving| leaving.user).collect::<Vec<_>>())
        .bind(leavings.iter().map(|leaving| leaving.version.cast_signed()).collect::<Vec<_>>())
        .bind(leavings.iter().map(|leaving| column(leaving.seq)).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
