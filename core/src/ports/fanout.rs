//! The fan-out: from the log to every gateway that holds a member. It may forget; the log does not.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::Unavailable;
use super::log::{Position, Record};
use crate::event::{Delivery, Ephemeral};
use crate::ids::{Offset, Partition, RoomId, Seq};
use crate::time::Timestamp;

/// Channels, the apply script, heads and the recent cache.
///
/// Everything here may be lost at any time, whole or in part, and published signals may be dropped. What the
/// implementation promises is that it never lies: `position` never runs ahead of what was published, and a head never
/// runs ahead of the room.
#[async_trait]
pub trait Fanout: Send + Sync + 'static {
    /// The last record applied of a partition. `None`: forgotten, claim it.
    async fn position(&self, partition: Partition) -> Result<Option<Position>, Unavailable>;

    /// Sets the position of a partition that has none (and where this memory began, [`Heads::from`]), or finds that
    /// another was faster. Returns the position that holds.
    async fn claim(&self, partition: Partition, at: Position) -> Result<Position, Unavailable>;

    /// Applies records of one partition that directly follow `previous`, atomically:
    ///
    /// * all at or below the position: nothing happens, silently; `Applied` with the position that holds;
    /// * `previous` is not the position: nothing happens; `Elsewhere` with the position that holds (`None`: forgotten);
    /// * else for each record in order: if its event's id was seen in the last hour under another seq, it is skipped;
    ///   otherwise it is published with the room's head as `prev` (`None` where the room has no head, or where the
    ///   same seq was seen before: a replay), added to the room's recent cache (the newest [`Self::remembers`], a day), raises the room's
    ///   head and its membership version ([`crate::event::Kind::version`]), and its id is remembered for an hour.
    ///   Then the position moves to the last record.
    ///
    /// Callers send at most 64 records or 256 KiB at a time. Records that cannot be decoded are skipped.
    async fn apply(&self, partition: Partition, previous: Position, records: &[Record])
    -> Result<Applied, Unavailable>;

    /// The heads of rooms that all lie on one partition, with what is needed to read them.
    async fn heads(&self, partition: Partition, rooms: &[RoomId]) -> Result<Heads, Unavailable>;

    /// Cached deliveries of a room with `after` < seq ≤ `through`, the newest `limit` of them, in order. What the cache
    /// lacks is not there; the `prev` chain tells.
    async fn recent(&self, room: &RoomId, after: Seq, through: Seq, limit: usize)
    -> Result<Vec<Delivery>, Unavailable>;

    /// Events that a room's recent cache holds, at most.
    fn remembers(&self) -> usize;

    /// Fills a room's recent cache with what the store has: `events`, in order, of which each knows the one before it
    /// (`prev`), and behind the first of which nothing is missing up to `applied`, how far the store saw.
    ///
    /// What the cache has already stays; what lies beyond the position is left to [`Self::apply`]; the newest stay, for
    /// a day. A room without a head gets that of the last event filled in: nothing has happened in it since. Does
    /// nothing, and says so, where the partition is forgotten or this memory began behind `applied`: then something
    /// may lie between that nobody here knows of.
    async fn warm(
        &self,
        partition: Partition,
        room: &RoomId,
        applied: Offset,
        events: &[Delivery],
    ) -> Result<bool, Unavailable>;

    /// Forgets a room's recent cache, because the store tells of it differently now. Its head stays.
    async fn cool(&self, room: &RoomId) -> Result<(), Unavailable>;

    /// Subscribes this process to a room's channel. When it returns, everything published from then on is received
    /// (as far as the bus drops nothing). Subscriptions are renewed after a reconnect by the implementation.
    async fn subscribe(&self, room: &RoomId) -> Result<(), Unavailable>;

    /// Ends a subscription.
    async fn unsubscribe(&self, room: &RoomId) -> Result<(), Unavailable>;

    /// Everything that this process's subscriptions receive, in the order of each channel. One listener: a later call
    /// takes over. Bounded at 16,384 signals; an overflow is a [`Signal::Gap`].
    fn listen(&self) -> mpsc::Receiver<Signal>;

    /// Tells a room's channel something ephemeral. Best effort.
    async fn publish(&self, room: &RoomId, news: &Ephemeral) -> Result<(), Unavailable>;

    /// The membership version of a room as far as this memory knows.
    async fn version(&self, room: &RoomId) -> Result<Option<u64>, Unavailable>;

    /// Fills in a membership version that this memory has forgotten, as just read from the store. Does nothing where it
    /// knows one: that is never older.
    async fn recall_version(&self, room: &RoomId, version: u64) -> Result<(), Unavailable>;

    /// Whether it answers now, for readiness.
    async fn check(&self) -> Result<(), Unavailable>;
}

/// What [`Fanout::apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The position is now this.
    Done {
        /// The position that holds.
        position: Position,
        /// Records skipped because their id was seen before under another seq.
        duplicates: usize,
    },
    /// Nothing changed: the position is this. `None`: forgotten.
    Elsewhere(Option<Position>),
}

/// Heads of rooms of one partition, from one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The last record applied; `None`: this memory has forgotten the partition and the heads say nothing.
    pub position: Option<Position>,
    /// The offset at which this memory began: what lies at or before it may be unknown here.
    pub from: Offset,
    /// Heads older than this may have been trimmed. A room without a head has had no event since the later of `from`
    /// and this.
    pub trimmed: Timestamp,
    /// The last seq of each room asked for, in that order.
    pub heads: Vec<Option<Seq>>,
}

/// What a subscription brings.
#[derive(Clone, Debug)]
pub enum Signal {
    /// An event of a room.
    Delivery(Delivery),
    /// Ephemeral news of a room.
    Ephemeral(RoomId, Ephemeral),
    /// Anything may have been missed since the last signal (a reconnect, an overflow): compare all heads.
    Gap,
}
