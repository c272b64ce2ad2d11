//! Files that messages refer to.

use serde::Deserialize;

use crate::event::MessageType;
use crate::ids::{FileId, RoomId, UserId};
use crate::time::Timestamp;

/// A file, declared or uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The id, also of its upload.
    pub id: FileId,
    /// Whose members may read it.
    pub room: RoomId,
    /// Who uploads it.
    pub owner: UserId,
    /// The name for downloads, cleaned of paths and control characters.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// The media type.
    pub mime: String,
    /// When it was declared.
    pub created_at: Timestamp,
}

/// The file that a message's metadata names in `fileId`. Plain text names none, whatever its metadata says.
///
/// # Errors
/// [`Unreadable`]: there is a `fileId`, and it is no id.
pub fn named(kind: MessageType, metadata: Option<&str>) -> Result<Option<FileId>, Unreadable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        file_id: Option<serde_json::Value>,
    }
    match kind {
        MessageType::Text | MessageType::System => return Ok(None),
        MessageType::Image | MessageType::File | MessageType::Audio | MessageType::Video | MessageType::Voice => {}
    }
    // Most metadata says nothing of a file: it is not taken apart.
    let Some(metadata) = metadata.filter(|text| text.contains("fileId")) else { return Ok(None) };
    let id = serde_json::from_str::<Metadata>(metadata).map_err(|_| Unreadable)?.file_id;
    match id {
        None => Ok(None),
        Some(id) => id.as_str().and_then(FileId::parse).map(Some).ok_or(Unreadable),
    }
}

/// Metadata that names a file by what is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_the_metadata_of_what_is_no_plain_text() {
        let id = FileId::now();
        let metadata = format!(r#"{{"fileName":"a.png","fileId":"{id}"}}"#);
        assert_eq!(named(MessageType::Image, Some(&metadata)), Ok(Some(id)));
        assert_eq!(named(MessageType::Text, Some(&metadata)), Ok(None));
        assert_eq!(named(MessageType::File, None), Ok(None));
        assert_eq!(named(MessageType::File, Some(r#"{"inner":{"fileId":1}}"#)), Ok(None));
        for wrong in [r#"{"fileId":7}"#, r#"{"fileId":"a.png"}"#, r#"{"fileId":"x","fileId":"y"}"#] {
            assert_eq!(named(MessageType::File, Some(wrong)), Err(Unreadable), "{wrong}");
        }
    }
}
