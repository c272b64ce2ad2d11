//! A message that refers to a file: `metadata.fileId`.

use parlor_core::command::Send;
use parlor_core::error::ChatError;
use parlor_core::file::named;
use parlor_core::ids::{MessageId, UserId};

use super::busy;
use crate::Shared;

/// Reserves the file that a message's metadata names. A message that names none, or is plain text, costs nothing; so
/// does one on a server that takes no files, where the field means what the client wants.
///
/// # Errors
/// `BadRequest` with field `metadata`: the file is not complete, not the sender's own, or not of that room.
pub(crate) async fn refer(shared: &Shared, sender: &UserId, send: &Send, message: MessageId) -> Result<(), ChatError> {
    let Some(storage) = &shared.ports.files else { return Ok(()) };
    let Some(file) = named(send.kind, send.metadata.as_deref()).map_err(|_| none())? else { return Ok(()) };
    let may = storage.files.refer(file, sender, &send.room, message).await.map_err(busy)?;
    if may { Ok(()) } else { Err(none()) }
}

fn none() -> ChatError {
    ChatError::field("metadata", "`metadata.fileId` is no file that you have uploaded to this room")
}
