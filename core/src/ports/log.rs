//! The log: what was accepted, in order. The sequencer of every room.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::Unavailable;
use crate::event::Event;
use crate::ids::{Generation, Offset, Partition, RoomId, Seq};
use crate::time::Timestamp;

/// Durable, ordered per key, replayable by range, with committed offsets per group.
///
/// * All events of a room are on the partition that [`crate::partition::of`] names, in the order in which they were
///   enqueued by one process; the order of two processes is the log's own.
/// * Offsets rise within a partition. They may have gaps.
/// * Time is the log's (`LogAppendTime`), the same for every reader. It may step back.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// How many partitions there are, at least 1. Fixed for a generation.
    fn partitions(&self) -> u32;

    /// This log's generation, the upper part of every [`Seq`].
    fn generation(&self) -> Generation;

    /// The partition of a room.
    fn partition_of(&self, room: &RoomId) -> Partition {
        crate::partition::of(room, self.partitions())
    }

    /// Enqueues an event under its room, at once and in the caller's order, without waiting. The future it returns
    /// resolves when the log has answered; dropping it cancels nothing.
    ///
    /// # Errors
    /// [`AppendError`]: certainly not in the log. The queue is bounded; a full one is `Full`.
    fn append(&self, event: &Event) -> Result<Pending, AppendError>;

    /// The records of `partition` after `after` up to and including `through`, oldest first, until `max_bytes` of
    /// encoded records (at least one record is returned if there is one).
    ///
    /// [`Range::complete_through`] is the last place up to which nothing is missing from `records`: `through` itself
    /// unless bytes ran out. A range that ends beyond the log's end is complete up to the end only.
    ///
    /// # Errors
    /// Away, or the log begins above `after` + 1 (expired): the reason says so.
    async fn read_range(
        &self,
        partition: Partition,
        after: Offset,
        through: Offset,
        max_bytes: usize,
    ) -> Result<Range, Unavailable>;

    /// Where the partition begins and ends now.
    async fn ends(&self, partition: Partition) -> Result<Ends, Unavailable>;

    /// The lowest offset whose record's time is at or after `time`; the end (`Ends::next`) if there is none.
    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, Unavailable>;

    /// Puts a record that can never be applied aside, with the reason (the dead-letter topic). Never replayed by itself.
    async fn set_aside(&self, record: &Record, reason: &str) -> Result<(), Unavailable>;

    /// Joins `group` as the static member `instance`. Partitions of the group are shared among its members; each is
    /// owned by one member at a time, as far as the log knows.
    ///
    /// A consumer that would rather have many records at once than each at once says how long it waits for more
    /// (`gather`); the log may then hand records over that much later. Zero: at once.
    async fn consume(
        &self,
        group: &str,
        instance: &str,
        gather: std::time::Duration,
    ) -> Result<Box<dyn Consumer>, Unavailable>;

    /// The offset that `group` last committed for each partition: the next to be consumed. `None`: never.
    async fn committed(&self, group: &str) -> Result<Vec<Option<Offset>>, Unavailable>;

    /// Waits until everything enqueued was answered, or the time is over. Called before exit.
    async fn flush(&self, within: std::time::Duration);

    /// Whether the log answers now, for readiness.
    async fn check(&self) -> Result<(), Unavailable>;
}

/// An enqueued event's answer.
pub type Pending = BoxFuture<'static, Result<Appended, ReportError>>;

/// The log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The log's time for it.
    pub time: Timestamp,
    /// Its place, where the report carries a valid one; a success without a place is a success.
    pub seq: Option<Seq>,
}

/// Why an event was not enqueued. Certain: it is not in the log and never will be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The queue is full, or the log is known to be away (a breaker).
    #[error("the log's queue is full or the log is away")]
    Full,
    /// The record is over the log's limit.
    #[error("the record is too large")]
    TooLarge,
    /// The producer has ended for good; the process must exit.
    #[error("the log's producer has failed: {0}")]
    Fatal(String),
}

/// Why an enqueued event has no confirmation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It may or may not be in the log, now or later.
    #[error("the log did not answer in time")]
    Unknown,
    /// It is certainly not in the log.
    #[error("the log refused the record: {0}")]
    Refused(String),
}

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where.
    pub partition: Partition,
    /// Its place: generation and offset.
    pub seq: Seq,
    /// The log's time.
    pub time: Timestamp,
    /// The event as `proto` encodes it: handed on as it is, never encoded again.
    pub encoded: Bytes,
    /// The event; a record that cannot be decoded is poison.
    pub event: Result<Arc<Event>, Malformed>,
    /// W3C `traceparent` of the trace it belongs to.
    pub trace: Option<String>,
}

impl Record {
    /// Its offset.
    pub fn offset(&self) -> Offset {
        self.seq.offset()
    }

    /// What a [`Position`] keeps of it, so that a log that was made anew is noticed: the first 8 bytes of SHA-256.
    pub fn digest(&self) -> u64 {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(&self.encoded);
        u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }

    /// The position of a consumer that has applied this record.
    pub fn position(&self) -> Position {
        Position { offset: self.offset(), digest: self.digest() }
    }
}

/// A record that `proto` cannot decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed record: {0}")]
pub struct Malformed(pub String);

/// How far a consumer's effect has got: the last record applied, and a digest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last offset applied; [`Offset::NONE`] before the first.
    pub offset: Offset,
    /// [`Record::digest`] of that record; 0 before the first, or where a position was claimed and nothing applied.
    pub digest: u64,
}

impl Position {
    /// Nothing applied yet.
    pub const START: Self = Self { offset: Offset::NONE, digest: 0 };
}

/// A piece of a partition.
#[derive(Clone, Debug)]
pub struct Range {
    /// Oldest first.
    pub records: Vec<Record>,
    /// Nothing up to here is missing.
    pub complete_through: Offset,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first offset that can still be read.
    pub first: Offset,
    /// The offset that the next record will get, at the least; the partition is empty where it equals `first`.
    pub next: Offset,
}

/// A member of a group.
///
/// Records of an assigned partition come only after [`Consumer::start`]: the owner asks its sink for its position
/// first. Nothing is committed but by [`Consumer::commit`].
#[async_trait]
pub trait Consumer: Send {
    /// What happens next. Cancel-safe: nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Polled, Unavailable>;

    /// Hands over records of an assigned partition from `from` on, dropping what was prefetched. Also used to seek.
    fn start(&mut self, partition: Partition, from: Offset) -> Result<(), Unavailable>;

    /// Hands over no records of the partition until [`Consumer::start`]. Membership of the group goes on.
    fn pause(&mut self, partition: Partition) -> Result<(), Unavailable>;

    /// Commits that everything before `next` was applied. Returns at once; a lost commit is repeated by the next.
    /// Ignored for a partition that is not assigned any more.
    fn commit(&mut self, partition: Partition, next: Offset) -> Result<(), Unavailable>;

    /// Leaves the group (a static member keeps its place until the session times out). May take seconds.
    async fn close(self: Box<Self>);
}

/// What a consumer learned.
#[derive(Debug)]
pub enum Polled {
    /// These partitions are ours now, paused.
    Assigned(Vec<Partition>),
    /// These are not ours any more; stop working on them.
    Revoked(Vec<Partition>),
    /// Records that follow each other, of one started partition.
    Records(Partition, Vec<Record>),
}
