//! Reactions and pins. A message has them only while it is there: what comes before it or after its deletion is nothing.

use parlor_core::ports::store::StoredMessage;
use sqlx::{SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::at::At;
use crate::batch::Batch;
use crate::marks::{MarkRow, lay_on, select_marks};
use crate::rows::column;

/// Writes what the batch's changes do. Called after its messages are stored and rewritten.
pub(super) async fn write(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    write_reactions(tx, batch).await?;
    write_pins(tx, batch).await?;
    for (message, room) in batch.deletions() {
        for forget in [
            "DELETE FROM reactions WHERE message_id = ?1 AND room_id = ?2",
            "DELETE FROM pins WHERE message_id = ?1 AND room_id = ?2",
        ] {
            query(forget).bind(message).bind(room).execute(&mut *tx).await?;
        }
    }
    Ok(())
}

async fn write_reactions(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const TAKE: &str = "DELETE FROM reactions WHERE message_id = ?1 AND room_id = ?2 AND user_id = ?3 AND emoji = ?4";
    const GIVE: &str = "\
        INSERT INTO reactions (message_id, room_id, user_id, emoji, seq) SELECT ?1, ?2, ?3, ?4, ?5 \
        WHERE EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND room_id = ?2 AND deleted_at IS NULL) \
        ON CONFLICT DO NOTHING";
    let marks = batch.reactions();
    for (message, room, user, emoji) in marks.taken {
        query(TAKE).bind(message).bind(room).bind(user).bind(emoji).execute(&mut *tx).await?;
    }
    for ((message, room, user, emoji), seq) in marks.given {
        query(GIVE).bind(message).bind(room).bind(user).bind(emoji).bind(column(seq)).execute(&mut *tx).await?;
        mark(tx, message).await?;
    }
    Ok(())
}

async fn write_pins(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const GIVE: &str = "\
        INSERT INTO pins (message_id, room_id, seq, pinned_by, pinned_at) SELECT ?1, ?2, ?3, ?4, ?5 \
        WHERE EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND room_id = ?2 AND deleted_at IS NULL) \
        ON CONFLICT DO NOTHING";
    let marks = batch.pins();
    for (message, room) in marks.taken {
        query("DELETE FROM pins WHERE message_id = ?1 AND room_id = ?2")
            .bind(message)
            .bind(room)
            .execute(&mut *tx)
            .await?;
    }
    for ((message, room), pin) in marks.given {
        query(GIVE)
            .bind(message)
            .bind(room)
            .bind(column(pin.seq))
            .bind(pin.by)
            .bind(At(pin.time))
            .execute(&mut *tx)
            .await?;
        mark(tx, message).await?;
    }
    Ok(())
}

/// From now on pages look up what this message has.
async fn mark(tx: &mut SqliteConnection, message: Uuid) -> Result<(), sqlx::Error> {
    query("UPDATE messages SET marked = 1 WHERE id = ?1 AND NOT marked AND deleted_at IS NULL")
        .bind(message)
        .execute(tx)
        .await?;
    Ok(())
}

/// Reads reactions and pins of those of the messages that may have any.
pub(super) async fn read(
    readers: &SqlitePool,
    messages: &mut [StoredMessage],
    marked: Vec<Uuid>,
) -> Result<(), sqlx::Error> {
    lay_on(messages.iter_mut(), find(readers, marked).await?);
    Ok(())
}

/// Those reactions and pins.
pub(super) async fn find(readers: &SqlitePool, marked: Vec<Uuid>) -> Result<Vec<MarkRow>, sqlx::Error> {
    // SQLite binds no lists; a list of ids in JSON is one, its elements as hexadecimal text.
    const READ: &str = select_marks!("IN (SELECT unhex(value) FROM json_each(?1))");
    if marked.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = marked.iter().map(|id| id.simple().to_string()).collect();
    query_as(READ).bind(serde_json::Value::from(ids).to_string()).fetch_all(readers).await
}
