//! Finding messages by something else than their place: by words, by what they answer, by being pinned, by counting.
//! A second seam of the store, for reads that may cost more than one look at an index.

use async_trait::async_trait;

use super::Unavailable;
use super::store::{Page, Read, StoredMessage};
use crate::ids::{MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::search::Terms;
use crate::time::Timestamp;

/// Reads of stored messages. None shows a deleted message, and all bring reactions and pins.
///
/// What the store has not applied yet is not found; [`Page::applied`] and [`CountedMessages::applied`] say how far it
/// sees, from the snapshot of the rows.
#[async_trait]
pub trait Search: Send + Sync + 'static {
    /// Messages whose text holds all terms, the newest (by time, then id) first. Ciphertext is not searched. Bounded to
    /// 2 s of the store's work.
    async fn search(&self, query: Query<'_>) -> Result<Vec<StoredMessage>, Unavailable>;

    /// Messages of a room that answer `to`, as [`Store::messages`](super::store::Store::messages) reads them.
    async fn replies(&self, to: MessageId, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable>;

    /// The pinned messages of a room, the last pinned first, at most `limit`.
    async fn pins(&self, room: &RoomId, partition: Partition, limit: usize)
    -> Result<Page<StoredMessage>, Unavailable>;

    /// Messages of a room below a place, behind the `offset` newest of them, newest first, at most `limit`, and how many
    /// there are in all.
    ///
    /// The total is the newest one's dense number less the deleted messages, which have an index of their own: it costs
    /// as much as there are deletions. Leaving out `offset` costs as much as it is: callers bound it.
    async fn counted(
        &self,
        room: &RoomId,
        partition: Partition,
        below: Seq,
        offset: u64,
        limit: usize,
    ) -> Result<CountedMessages, Unavailable>;

    /// The rooms that were written to last, at most `limit`. Looks at every room once: for a process's beginning.
    async fn lively(&self, limit: usize) -> Result<Vec<RoomId>, Unavailable>;
}

/// What to look for, and where.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What must be there.
    pub terms: &'a Terms,
    /// Where.
    pub within: Within<'a>,
    /// By this sender alone.
    pub sender: Option<&'a UserId>,
    /// Only what is older than this: where the page before ended.
    pub before: Option<Place>,
    /// At most.
    pub limit: usize,
}

/// Where a search looks.
#[derive(Clone, Copy, Debug)]
pub enum Within<'a> {
    /// In all rooms that have this user as a member now.
    RoomsOf(&'a UserId),
    /// In one room, below this place. Whether the caller may read there is the caller's to know.
    Room(&'a RoomId, Seq),
}

/// A message's place among those of all rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it was sent.
    pub time: Timestamp,
    /// Tells messages of one time apart.
    pub message: MessageId,
}

impl Place {
    /// As a client's cursor.
    pub fn text(self) -> String {
        format!("{}.{}", self.time.0, self.message.0.simple())
    }

    /// Reads what [`Self::text`] wrote. `None` where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, message) = text.split_once('.')?;
        Some(Self { time: Timestamp(time.parse().ok()?), message: MessageId::parse(message)? })
    }
}

/// A page counted from the newest message.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedMessages {
    /// The newest first.
    pub rows: Vec<StoredMessage>,
    /// Messages below the place that are not deleted.
    pub total: u64,
    /// As in [`Page::applied`].
    pub applied: Offset,
}
