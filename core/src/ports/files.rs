//! What is known of files: who declared them, for which room, and how far they have come. Their bytes are in
//! [`super::blobs`].

use std::sync::Arc;

use async_trait::async_trait;

use super::Unavailable;
use super::blobs::Blobs;
use crate::file::File;
use crate::ids::{BlobId, FileId, MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// The records of files. A file is declared, its bytes arrive, it is verified, and a message refers to it; one that
/// does not come so far within a day is an orphan, and is removed. So is one whose messages have all been deleted: the
/// store gives it up as it applies the last deletion ([`super::store::Store::apply`]), and from then on nobody reads it.
///
/// A message refers to a file from the moment it is stored, and to the one that it names ([`crate::file::named`]). Until
/// then the file is reserved for it: a message that is never stored, or that names another file when it is, keeps
/// nothing.
#[async_trait]
pub trait Files: Send + Sync + 'static {
    /// Writes a new file, [`Stage::Declared`]. An id that is taken is left as it is.
    async fn declare(&self, file: &File) -> Result<(), Unavailable>;

    /// A file that was declared and not removed or cancelled, and how far it has come.
    async fn file(&self, id: FileId) -> Result<Option<(File, Stage)>, Unavailable>;

    /// Notes that a file's bytes are verified, and which they are. Answers with those that hold: these, or the ones of an
    /// earlier call. `None`: the file was cancelled or removed meanwhile, and stays so.
    async fn complete(&self, id: FileId, blob: BlobId) -> Result<Option<BlobId>, Unavailable>;

    /// Reserves a file for a message that is about to be sent, in one statement with the question whether it may refer
    /// to it: the file is complete, `owner`'s, and of that room. False: it may not, and nothing changed. Several
    /// messages may refer to one file.
    async fn refer(&self, id: FileId, owner: &UserId, room: &RoomId, message: MessageId) -> Result<bool, Unavailable>;

    /// Gives a file up that no message refers to and that is not reserved: from now on there is no such file, and
    /// [`Self::orphans`] tells of it until its bytes are gone. False: `owner` has no such file, or it is in use so.
    async fn cancel(&self, id: FileId, owner: &UserId) -> Result<bool, Unavailable>;

    /// Gives up the files that were declared and last reserved before `before` and to which no message refers, and tells
    /// of them and of the cancelled ones that were declared before `expired` (nobody can bring bytes for those any
    /// more), at most `limit`, until they are [`Self::removed`]: no message can refer to them any more, and there is no
    /// such file.
    async fn orphans(&self, before: Timestamp, expired: Timestamp, limit: usize) -> Result<Vec<Orphan>, Unavailable>;

    /// The bytes of given-up files are gone, and so are their records now, with who referred to them. Others are left as
    /// they are.
    async fn removed(&self, ids: &[FileId]) -> Result<(), Unavailable>;
}

/// Where files are: their records, and their bytes.
#[derive(Clone)]
pub struct Storage {
    /// The records.
    pub files: Arc<dyn Files>,
    /// The bytes.
    pub blobs: Arc<dyn Blobs>,
}

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its bytes may be on their way.
    Declared,
    /// Its bytes are these, and are what was declared.
    Complete(BlobId),
    /// A message refers to it, or it is reserved for one.
    Referred(BlobId),
}

/// A file that was given up and whose bytes are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// Which.
    pub id: FileId,
    /// Its verified bytes, if it had come so far.
    pub blob: Option<BlobId>,
}
