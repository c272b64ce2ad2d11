//! A message that refers to a file: `metadata.fileId`.

use parlor_core::command::Send;
use parlor_core::error::ChatError;
use parlor_core::event::MessageType;
use parlor_core::ids::{FileId, MessageId, UserId};
use serde::Deserialize;

use super::busy;
use crate::Shared;

/// Notes that a message refers to the file that its metadata names. A message that names none, or is plain text, costs
/// nothing; so does one on a server that takes no files, where the field means what the client wants.
///
/// # Errors
/// `BadRequest` with field `metadata`: the file is not complete, not the sender's own, or not of that room.
pub(crate) async fn refer(shared: &Shared, sender: &UserId, send: &Send, message: MessageId) -> Result<(), ChatError> {
    let Some(storage) = &shared.ports.files else { return Ok(()) };
    let Some(file) = named(send)? else { return Ok(()) };
    let may = storage.files.refer(file, sender, &send.room, message).await.map_err(busy)?;
    if may { Ok(()) } else { Err(none()) }
}

fn none() -> ChatError {
    ChatError::field("metadata", "`metadata.fileId` is no file that you have uploaded to this room")
}

fn named(send: &Send) -> Result<Option<FileId>, ChatError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        file_id: Option<serde_json::Value>,
    }
    match send.kind {
        MessageType::Text | MessageType::System => return Ok(None),
        MessageType::Image | MessageType::File | MessageType::Audio | MessageType::Video | MessageType::Voice => {}
    }
    // Most metadata says nothing of a file: it is not taken apart.
    let Some(metadata) = send.metadata.as_deref().filter(|text| text.contains("fileId")) else { return Ok(None) };
    let id = serde_json::from_str::<Metadata>(metadata).map_err(|_| none())?.file_id;
    match id {
        None => Ok(None),
        Some(id) => id.as_str().and_then(FileId::parse).map(Some).ok_or_else(none),
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::ids::RoomId;

    use super::*;

    fn send(kind: MessageType, metadata: Option<&str>) -> Send {
        Send {
            room: RoomId::trusted("r"),
            content: String::new(),
            kind,
            reply_to: None,
            metadata: metadata.map(str::to_owned),
            mentions: Vec::new(),
            encrypted: false,
            temp_id: None,
        }
    }

    #[test]
    fn a_file_is_named_by_the_metadata_of_what_is_no_plain_text() {
        let id = FileId::now();
        let metadata = format!(r#"{{"fileName":"a.png","fileId":"{id}"}}"#);
        assert_eq!(named(&send(MessageType::Image, Some(&metadata))), Ok(Some(id)));
        assert_eq!(named(&send(MessageType::Text, Some(&metadata))), Ok(None));
        assert_eq!(named(&send(MessageType::File, None)), Ok(None));
        assert_eq!(named(&send(MessageType::File, Some(r#"{"inner":{"fileId":1}}"#))), Ok(None));
        for wrong in [r#"{"fileId":7}"#, r#"{"fileId":"a.png"}"#, r#"{"fileId":"x","fileId":"y"}"#] {
            let error = named(&send(MessageType::File, Some(wrong))).expect_err(wrong);
            assert_eq!(error.field, Some("metadata"));
        }
    }
}
