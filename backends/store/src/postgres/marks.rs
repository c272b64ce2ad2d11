//! Reactions and pins. A message has them only while it is there: what comes before it or after its deletion is nothing.

use parlor_core::ports::store::StoredMessage;
use sqlx::{PgConnection, query, query_as};
use uuid::Uuid;

use crate::at::At;
use crate::batch::Batch;
use crate::marks::{MarkRow, lay_on, select_marks};
use crate::rows::column;

/// Writes what the batch's changes do. Called after its messages are stored and rewritten.
pub(super) async fn write(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    write_reactions(tx, batch).await?;
    write_pins(tx, batch).await?;
    let deletions = batch.deletions();
    if !deletions.is_empty() {
        for forget in [
            "DELETE FROM reactions m USING UNNEST($1::uuid[], $2::text[]) AS d (message_id, room_id) \
             WHERE m.message_id = d.message_id AND m.room_id = d.room_id",
            "DELETE FROM pins m USING UNNEST($1::uuid[], $2::text[]) AS d (message_id, room_id) \
             WHERE m.message_id = d.message_id AND m.room_id = d.room_id",
        ] {
            query(forget)
                .bind(deletions.iter().map(|key| key.0).collect::<Vec<_>>())
                .bind(deletions.iter().map(|key| key.1).collect::<Vec<_>>())
                .execute(&mut *tx)
                .await?;
        }
    }
    Ok(())
}

async fn write_reactions(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const TAKE: &str = "\
        DELETE FROM reactions r USING UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[]) \
            AS t (message_id, room_id, user_id, emoji) \
        WHERE r.message_id = t.message_id AND r.user_id = t.user_id AND r.emoji = t.emoji AND r.room_id = t.room_id";
    const GIVE: &str = "\
        INSERT INTO reactions (message_id, room_id, user_id, emoji, seq) \
        SELECT DISTINCT g.* FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[]) \
            AS g (message_id, room_id, user_id, emoji, seq) \
        JOIN messages m ON m.id = g.message_id AND m.room_id = g.room_id AND m.deleted_at IS NULL \
        ON CONFLICT DO NOTHING";
    let marks = batch.reactions();
    if !marks.taken.is_empty() {
        query(TAKE)
            .bind(marks.taken.iter().map(|key| key.0).collect::<Vec<_>>())
            .bind(marks.taken.iter().map(|key| key.1).collect::<Vec<_>>())
            .bind(marks.taken.iter().map(|key| key.2).collect::<Vec<_>>())
            .bind(marks.taken.iter().map(|key| key.3).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
    }
    if !marks.given.is_empty() {
        let ids: Vec<Uuid> = marks.given.iter().map(|(key, _)| key.0).collect();
        query(GIVE)
            .bind(&ids)
            .bind(marks.given.iter().map(|(key, _)| key.1).collect::<Vec<_>>())
            .bind(marks.given.iter().map(|(key, _)| key.2).collect::<Vec<_>>())
            .bind(marks.given.iter().map(|(key, _)| key.3).collect::<Vec<_>>())
            .bind(marks.given.iter().map(|(_, seq)| column(*seq)).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
        mark(tx, ids).await?;
    }
    Ok(())
}

async fn write_pins(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const TAKE: &str = "\
        DELETE FROM pins p USING UNNEST($1::uuid[], $2::text[]) AS t (message_id, room_id) \
        WHERE p.message_id = t.message_id AND p.room_id = t.room_id";
    const GIVE: &str = "\
        INSERT INTO pins (message_id, room_id, seq, pinned_by, pinned_at) \
        SELECT DISTINCT g.* FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) \
            AS g (message_id, room_id, seq, pinned_by, pinned_at) \
        JOIN messages m ON m.id = g.message_id AND m.room_id = g.room_id AND m.deleted_at IS NULL \
        ON CONFLICT DO NOTHING";
    let marks = batch.pins();
    if !marks.taken.is_empty() {
        query(TAKE)
            .bind(marks.taken.iter().map(|key| key.0).collect::<Vec<_>>())
            .bind(marks.taken.iter().map(|key| key.1).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
    }
    if !marks.given.is_empty() {
        let ids: Vec<Uuid> = marks.given.iter().map(|(key, _)| key.0).collect();
        query(GIVE)
            .bind(&ids)
            .bind(marks.given.iter().map(|(key, _)| key.1).collect::<Vec<_>>())
            .bind(marks.given.iter().map(|(_, pin)| column(pin.seq)).collect::<Vec<_>>())
            .bind(marks.given.iter().map(|(_, pin)| pin.by).collect::<Vec<_>>())
            .bind(marks.given.iter().map(|(_, pin)| At(pin.time)).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
        mark(tx, ids).await?;
    }
    Ok(())
}

/// From now on pages look up what these messages have.
async fn mark(tx: &mut PgConnection, ids: Vec<Uuid>) -> Result<(), sqlx::Error> {
    query("UPDATE messages SET marked = true WHERE id = ANY($1) AND NOT marked AND deleted_at IS NULL")
        .bind(ids)
        .execute(tx)
        .await?;
    Ok(())
}

/// Reads reactions and pins of those of the messages that may have any.
pub(super) async fn read(
    connection: &mut PgConnection,
    messages: &mut [StoredMessage],
    marked: Vec<Uuid>,
) -> Result<(), sqlx::Error> {
    lay_on(messages.iter_mut(), find(connection, marked).await?);
    Ok(())
}

/// Those reactions and pins.
pub(super) async fn find(connection: &mut PgConnection, marked: Vec<Uuid>) -> Result<Vec<MarkRow>, sqlx::Error> {
    const READ: &str = select_marks!("= ANY($1)");
    if marked.is_empty() {
        return Ok(Vec::new());
    }
    query_as(READ).bind(marked).fetch_all(connection).await
}
