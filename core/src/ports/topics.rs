//! What rooms talk about: how often words were said lately. It may forget; the log does not.

use std::time::Duration;

use async_trait::async_trait;

use super::Unavailable;
use super::fanout::Applied;
use super::log::Position;
use crate::ids::{EventId, Partition, RoomId, Seq};

/// Words of each room with how often they were said, and how far each partition of the log has been counted. The two
/// move together, so that a message is counted once although records are read again.
#[async_trait]
pub trait Topics: Send + Sync + 'static {
    /// The last record counted of a partition. `None`: forgotten, claim it.
    async fn counted(&self, partition: Partition) -> Result<Option<Position>, Unavailable>;

    /// Sets the position of a partition that has none, or finds that another was faster. Returns the position that
    /// holds.
    async fn claim_counted(&self, partition: Partition, at: Position) -> Result<Position, Unavailable>;

    /// Counts words of messages that follow `previous`, and moves the position to `at`, atomically:
    ///
    /// * `at` at or below the position: nothing happens, silently; `Done` with the position that holds;
    /// * `previous` is not the position: nothing happens; `Elsewhere` with the position that holds (`None`: forgotten);
    /// * else each word's score in its room rises by its count, except for messages whose id the fan-out of this memory
    ///   has seen under another seq (copies); of each room touched the `keep.words` highest stay, and all of them are
    ///   forgotten `keep.lives` after now. Then the position moves.
    async fn count(
        &self,
        partition: Partition,
        previous: Position,
        at: Position,
        said: &[Words],
        keep: Keep,
    ) -> Result<Applied, Unavailable>;

    /// The words of highest score of a room, the highest first, at most `limit`; words of equal score in the order of
    /// their letters.
    async fn top(&self, room: &RoomId, limit: usize) -> Result<Vec<String>, Unavailable>;
}

/// The words of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The message.
    pub id: EventId,
    /// Its place.
    pub seq: Seq,
    /// Its room.
    pub room: RoomId,
    /// Each word once, with how often it stands there. Of the letters a to z.
    pub words: Vec<(String, u32)>,
}

/// What is kept of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many words.
    pub words: usize,
    /// For so long after the last one was counted.
    pub lives: Duration,
}
