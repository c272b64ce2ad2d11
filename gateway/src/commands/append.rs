//! Appending to the log, and what its answers mean to a client; sending on what a store transaction decided.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::Event;
use parlor_core::ids::RoomId;
use parlor_core::membership::{Change, Decision};
use parlor_core::ports::log::{AppendError, Appended, Pending, ReportError};
use parlor_core::ports::store::ChangeError;

use crate::Shared;

/// Enqueues an event, in the caller's order.
///
/// # Errors
/// It is certainly not in the log.
pub(crate) fn append(shared: &Shared, event: &Event) -> Result<Pending, ChatError> {
    shared.ports.log.append(event).map_err(|error| match error {
        AppendError::Full => ChatError::busy("messages cannot be accepted right now"),
        AppendError::TooLarge => ChatError::new(Code::TooLarge, "the message is too large"),
        AppendError::Fatal(reason) => {
            tracing::error!(reason, "the log's producer has failed");
            ChatError::busy("messages cannot be accepted right now")
        }
    })
}

/// Waits for the log's answer.
///
/// # Errors
/// `UNKNOWN` when nobody can tell whether the event is in the log.
pub(crate) async fn answer(shared: &Shared, room: &RoomId, pending: Pending) -> Result<Appended, ChatError> {
    let appended = pending.await.map_err(|error| match error {
        ReportError::Unknown => {
            ChatError::new(Code::Unknown, "nobody knows whether it was sent; send it again with the same tempId")
        }
        ReportError::Refused(reason) => {
            tracing::error!(reason, "the log refused a record");
            ChatError::busy("the message was not accepted")
        }
    })?;
    if let Some(seq) = appended.seq {
        shared.hub.note_appended(room, seq);
    }
    Ok(appended)
}

/// Decides a change of a room in the store.
pub(crate) async fn decide(shared: &Shared, room: &RoomId, change: &Change) -> Result<Decision, ChatError> {
    shared.ports.store.change(room, change).await.map_err(|error| match error {
        ChangeError::Refused(error) => error,
        ChangeError::Unavailable(error) => {
            tracing::warn!(%error, "a change of a room could not be decided");
            ChatError::busy("rooms cannot be changed right now")
        }
    })
}

/// Appends every unsent event of a room's decisions, oldest first, and waits until the log has them. What cannot be
/// appended now the persister's relay appends later: the decision stands.
pub(crate) async fn relay(shared: &Arc<Shared>, room: &RoomId) {
    let rows = match shared.ports.store.outbox(room).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(%error, %room, "decided events could not be read; the relay sends them");
            return;
        }
    };
    let mut pending = Vec::with_capacity(rows.len());
    for row in &rows {
        match append(shared, &row.event) {
            Ok(report) => pending.push((row.row, &row.event.room, report)),
            // Oldest first: what follows waits with it.
            Err(_) => break,
        }
    }
    let mut sent = Vec::with_capacity(pending.len());
    for (row, room, report) in pending {
        match answer(shared, room, report).await {
            Ok(_) => sent.push(row),
            Err(_) => break,
        }
    }
    if let Err(error) = shared.ports.store.outbox_sent(&sent).await {
        tracing::debug!(%error, "sent events could not be marked; they are sent twice, which is harmless");
    }
}
