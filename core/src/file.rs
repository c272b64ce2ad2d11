//! Files that messages refer to.

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
