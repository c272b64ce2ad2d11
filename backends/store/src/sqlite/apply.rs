//! A batch of the log in one transaction with its position, row by row: within one process that costs little.

use std::collections::{HashMap, HashSet};

use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Position;
use parlor_core::ports::store::{ApplyError, Stored};
use parlor_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::pools::{Pools, error};
use crate::at::At;
use crate::batch::Batch;
use crate::rows::{column, mentions_column};

/// Where a partition is; its row is made where it is missing.
pub(super) async fn position(pools: &Pools, partition: Partition) -> Result<Position, Unavailable> {
    let read = async {
        let mut tx = pools.write().await?;
        let position = read_or_make(&mut tx, partition).await?;
        tx.commit().await?;
        Ok(position)
    };
    read.await.map_err(error)
}

async fn read_or_make(tx: &mut SqliteConnection, partition: Partition) -> Result<Position, sqlx::Error> {
    query("INSERT INTO applied (partition) VALUES (?1) ON CONFLICT DO NOTHING")
        .bind(i64::from(partition.0))
        .execute(&mut *tx)
        .await?;
    let (offset, digest): (i64, i64) = query_as("SELECT off, digest FROM applied WHERE partition = ?1")
        .bind(i64::from(partition.0))
        .fetch_one(tx)
        .await?;
    Ok(Position { offset: Offset(offset), digest: digest.cast_unsigned() })
}

/// Applies a batch; without one, says whether the position is the one expected.
pub(super) async fn apply(
    pools: &Pools,
    partition: Partition,
    previous: Position,
    batch: Option<Batch>,
) -> Result<Stored, ApplyError> {
    let apply = async {
        let mut tx = pools.write().await?;
        let position = read_or_make(&mut tx, partition).await?;
        if position.offset != previous.offset {
            return Ok(Stored::Elsewhere(position));
        }
        let Some(mut batch) = batch else {
            return Ok(Stored::Done { position, messages: 0, duplicates: 0 });
        };
        write(&mut tx, partition, &mut batch).await?;
        tx.commit().await?;
        Ok(Stored::Done { position: batch.position, messages: batch.messages.len(), duplicates: batch.duplicates })
    };
    apply.await.map_err(fault)
}

/// Only an error that is the data's fault is poison: a rule of the table (extended result codes
/// `SQLITE_CONSTRAINT_CHECK`, `_NOTNULL`, `_DATATYPE`) or a value that is too large (`SQLITE_TOOBIG`).
fn fault(failed: sqlx::Error) -> ApplyError {
    let code = failed.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some("275" | "1299" | "3091" | "18") => ApplyError::Poison(failed.to_string()),
        _ => error(failed).into(),
    }
}

async fn write(tx: &mut SqliteConnection, partition: Partition, batch: &mut Batch) -> Result<(), sqlx::Error> {
    query("UPDATE applied SET off = ?2, digest = ?3, generation = ?4 WHERE partition = ?1")
        .bind(i64::from(partition.0))
        .bind(batch.position.offset.0)
        .bind(batch.position.digest.cast_signed())
        .bind(i64::from(batch.generation.0))
        .execute(&mut *tx)
        .await?;
    let stored = stored(tx, batch).await?;
    batch.forget_stored(&stored);
    super::users::make(tx, batch.senders().into_values()).await?;
    let last = count(tx, batch).await?;
    insert_messages(tx, batch, &batch.numbers(&last)).await?;
    super::files::carry(tx, batch).await?;
    let new = insert_changes(tx, batch).await?;
    batch.forget_kept(&new);
    rewrite_messages(tx, batch).await?;
    super::marks::write(tx, batch).await?;
    super::files::give_up(tx, batch).await?;
    mark_leavings(tx, batch).await
}

/// Which of the batch's messages are stored, and when each last was.
async fn stored(tx: &mut SqliteConnection, batch: &Batch) -> Result<HashMap<Uuid, Timestamp>, sqlx::Error> {
    let mut stored = HashMap::new();
    for placed in &batch.messages {
        let at: Option<At> = query_scalar("SELECT max(time) FROM messages WHERE id = ?1 AND time >= ?2")
            .bind(placed.id())
            .bind(At(batch.remembered_from()))
            .fetch_one(&mut *tx)
            .await?;
        stored.extend(at.map(|at| (placed.id(), at.0)));
    }
    Ok(stored)
}

/// Counts the messages in; the rooms' last numbers from now on.
async fn count(tx: &mut SqliteConnection, batch: &Batch) -> Result<HashMap<String, i64>, sqlx::Error> {
    const COUNT: &str = "\
        INSERT INTO room_counters AS c (room_id, last_no, last_seq, last_message_at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (room_id) DO UPDATE SET \
            last_no = c.last_no + excluded.last_no, \
            last_seq = max(c.last_seq, excluded.last_seq), \
            last_message_at = max(c.last_message_at, excluded.last_message_at) \
        RETURNING last_no";
    let mut last = HashMap::new();
    for (room, count) in batch.counts() {
        let no: i64 = query_scalar(COUNT)
            .bind(room)
            .bind(count.messages)
            .bind(column(count.seq))
            .bind(At(count.time))
            .fetch_one(&mut *tx)
            .await?;
        last.insert(room.to_owned(), no);
    }
    Ok(last)
}

async fn insert_messages(tx: &mut SqliteConnection, batch: &Batch, numbers: &[i64]) -> Result<(), sqlx::Error> {
    const INSERT: &str = "\
        INSERT INTO messages (id, seq, room_id, no, sender_id, sender_name, sender_avatar, content, type, \
            reply_to_id, reply_to_content, reply_to_sender, metadata, temp_id, time, mentions, encrypted, \
            reply_to_encrypted) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
    for ((placed, message), number) in batch.sent().zip(numbers) {
        let quote = message.reply_to.as_ref();
        query(INSERT)
            .bind(placed.id())
            .bind(column(placed.seq))
            .bind(placed.room())
            .bind(number)
            .bind(placed.event.actor.id.as_str())
            .bind(&*placed.event.actor.name)
            .bind(placed.event.actor.avatar.as_deref())
            .bind(message.content.as_str())
            .bind(message.kind.as_str())
            .bind(quote.map(|quote| quote.message.0))
            .bind(quote.and_then(|quote| quote.content.as_deref()))
            .bind(quote.and_then(|quote| quote.sender.as_ref().map(|sender| sender.as_str())))
            .bind(message.metadata.as_deref())
            .bind(message.temp_id.as_deref())
            .bind(At(placed.time))
            .bind(mentions_column(&message.mentions))
            .bind(message.encrypted)
            .bind(quote.is_some_and(|quote| quote.encrypted))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Keeps the changes; the seqs of those that are new.
async fn insert_changes(tx: &mut SqliteConnection, batch: &Batch) -> Result<HashSet<i64>, sqlx::Error> {
    const INSERT: &str = "\
        INSERT INTO room_changes (room_id, seq, kind, message_id, event_id, payload, time) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let mut new = HashSet::new();
    for placed in &batch.changes {
        let done = query(INSERT)
            .bind(placed.room())
            .bind(column(placed.seq))
            .bind(placed.kind())
            .bind(placed.target())
            .bind(placed.id())
            .bind(&*placed.encoded)
            .bind(At(placed.time))
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 1 {
            new.insert(column(placed.seq));
        }
    }
    Ok(new)
}

/// Edits and deletions. A message's row changes only by what comes after it and after its last edit, and never once it
/// is deleted.
async fn rewrite_messages(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const REWRITE: &str = "\
        UPDATE messages SET \
            content = coalesce(?4, content), edited_at = coalesce(?5, edited_at), \
            edited_seq = coalesce(?6, edited_seq), deleted_at = ?7, encrypted = coalesce(?8, encrypted) \
        WHERE id = ?1 AND room_id = ?2 AND deleted_at IS NULL AND coalesce(edited_seq, seq) < ?3";
    for rewrite in batch.rewrites() {
        query(REWRITE)
            .bind(rewrite.message)
            .bind(rewrite.room)
            .bind(column(rewrite.seq))
            .bind(rewrite.edit.map(|edit| edit.0))
            .bind(rewrite.edit.map(|edit| At(edit.1)))
            .bind(rewrite.edit.map(|edit| column(edit.2)))
            .bind(rewrite.deleted.map(At))
            .bind(rewrite.encrypted)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Where ex-members' reading ends. Their rows were written when the leaving was decided; a row that a later decision
/// has set is left as it is.
async fn mark_leavings(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const MARK: &str = "\
        UPDATE members SET left_seq = ?4 \
        WHERE room_id = ?1 AND user_id = ?2 AND version = ?3 AND left_seq IS NULL AND role = 'left'";
    for leaving in batch.leavings() {
        query(MARK)
            .bind(leaving.room)
            .bind(leaving.user)
            .bind(leaving.version.cast_signed())
            .bind(column(leaving.seq))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
