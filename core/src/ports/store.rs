//! The store: what can be asked for later. Durable, transactional, queryable; it lags behind the log and says how far.

use async_trait::async_trait;

use super::Unavailable;
use super::log::{Position, Record};
use crate::error::ChatError;
use crate::event::{Actor, Delivery, Event, Member, Message, Role, Room};
use crate::ids::{MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::membership::{Change, Decision};
use crate::receipts::Got;
use crate::time::Timestamp;

/// Users, rooms, members, messages and changes.
///
/// Every read of a room's events returns [`Page::applied`], how far the store has applied the room's partition, from
/// the same snapshot as the rows: what lies beyond is not in the answer.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- the persister's side -------------------------------------------------------------------------------------

    /// The last record applied of a partition ([`Position::START`] when there is none; the row is made).
    async fn position(&self, partition: Partition) -> Result<Position, Unavailable>;

    /// Applies records that directly follow `previous`, in one transaction together with the position, which moves
    /// only if it is `previous`: otherwise nothing changes and the answer is `Elsewhere`.
    ///
    /// Messages are inserted before changes are applied. An id already stored in the last 30 days is not stored
    /// again. An unknown sender gets a stub row. Edits and deletes change the message and are kept as changes beside.
    /// A change whose version is not above the room's is ignored where it would lower it. Records that cannot be
    /// decoded are skipped; the position moves over them.
    ///
    /// # Errors
    /// `Unavailable`: nothing is known to have changed. `Poison`: some record can never be applied (a data error);
    /// nothing changed, and the caller bisects.
    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Stored, ApplyError>;

    // ---- users ----------------------------------------------------------------------------------------------------

    /// Writes a user's name and avatar as a token gave them, making the user on first sight, or again after a deletion.
    /// One who has an account of Parlor's own ([`super::accounts`]) stays as that has it.
    async fn see_user(&self, user: &Actor) -> Result<(), Unavailable>;

    /// The profiles of those who exist.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<Actor>, Unavailable>;

    // ---- rooms and membership --------------------------------------------------------------------------------------

    /// Locks the room's row, asks [`crate::membership::decide`], and writes what it says with the events into the
    /// outbox, all in one transaction.
    ///
    /// # Errors
    /// `Refused` with what the caller is to be told; `Unavailable` when nothing is known to have changed.
    async fn change(&self, room: &RoomId, change: &Change) -> Result<Decision, ChangeError>;

    /// The unsent outbox rows of a room (with the inbox rows that belong to the same decisions), oldest first.
    async fn outbox(&self, room: &RoomId) -> Result<Vec<Outgoing>, Unavailable>;

    /// Unsent outbox rows of any room that are older than `age`, oldest first, at most `limit`: what a dead gateway
    /// left. Only one caller in the cluster gets rows at a time (an advisory lock for the length of the call).
    async fn stale_outbox(&self, age: std::time::Duration, limit: usize) -> Result<Vec<Outgoing>, Unavailable>;

    /// Marks outbox rows as sent.
    async fn outbox_sent(&self, ids: &[i64]) -> Result<(), Unavailable>;

    /// A room that exists and was not deleted.
    async fn room(&self, id: &RoomId) -> Result<Option<Room>, Unavailable>;

    /// The room and the user's role in it (`None`: never a member), from one snapshot: what a cached membership is
    /// filled from.
    async fn membership(&self, room: &RoomId, user: &UserId)
    -> Result<Option<(Room, Option<Membership>)>, Unavailable>;

    /// Groups and direct rooms of which the user is a member now, at most `limit`, the latest message first, with that message and the
    /// count of unread ones.
    async fn rooms_of(&self, user: &UserId, limit: usize) -> Result<Vec<RoomSummary>, Unavailable>;

    /// The same list from `offset` on, and how many rooms are on it in all. Each room has its first `named` members;
    /// with 0 none are looked up.
    async fn list_rooms(
        &self,
        user: &UserId,
        limit: usize,
        offset: u64,
        named: usize,
    ) -> Result<(Vec<RoomSummary>, u64), Unavailable>;

    /// One room of that list; `None`: it is not on it.
    async fn summary(&self, room: &RoomId, user: &UserId) -> Result<Option<RoomSummary>, Unavailable>;

    /// Members of a room who have not left, by user id after `after`, at most `limit`.
    async fn members(&self, room: &RoomId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, Unavailable>;

    // ---- messages --------------------------------------------------------------------------------------------------

    /// Messages of a room that are not deleted, with `after` < seq < `before`, at most `limit`: the newest first where
    /// `newest_first`, else the oldest first.
    async fn messages(&self, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable>;

    /// All that happened in a room with `after` < seq ≤ `through`, messages and changes merged by seq, at most
    /// `limit`, oldest first. `prev` is `None` throughout. Messages come as they are now; deleted ones are left out.
    async fn changes(
        &self,
        room: &RoomId,
        partition: Partition,
        after: Seq,
        through: Seq,
        limit: usize,
    ) -> Result<Page<Delivery>, Unavailable>;

    /// A message by its id, deleted or not, stored in the last 30 days or ever.
    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, Unavailable>;

    /// Where these messages are, each as by [`Self::message`], in any order; those that were never stored are left out.
    async fn places(&self, ids: &[MessageId]) -> Result<Vec<Placed>, Unavailable>;

    /// The lowest seq of a message of the room whose time is at or after `time`. `None`: none so far; `applied` tells
    /// how far that was looked for.
    async fn seq_at(
        &self,
        room: &RoomId,
        partition: Partition,
        time: Timestamp,
    ) -> Result<(Option<Seq>, Offset), Unavailable>;

    // ---- upkeep ----------------------------------------------------------------------------------------------------

    /// Makes what has to be there ahead of time (next months' partitions) and removes what is over: sent outbox rows,
    /// sessions of accounts that have ended, and what was said in rooms that were deleted (messages with their
    /// reactions, pins, edits; files that they referred to are orphans from then on). A message that is applied after
    /// its room was deleted goes the next time. What a room's members were told of the room itself stays.
    async fn maintain(&self) -> Result<(), Unavailable>;

    /// Whether it answers now, for readiness.
    async fn check(&self) -> Result<(), Unavailable>;
}

/// What [`Store::apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The position is now this.
    Done {
        /// The last record applied.
        position: Position,
        /// Messages stored.
        messages: usize,
        /// Records left out because their id was stored before.
        duplicates: usize,
    },
    /// Nothing changed: the position is this.
    Elsewhere(Position),
}

/// Why [`Store::apply`] changed nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// Pause and ask for the position again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A record of the batch can never be applied.
    #[error("a record cannot be stored: {0}")]
    Poison(String),
}

/// Why [`Store::change`] changed nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// Tell the caller.
    #[error(transparent)]
    Refused(#[from] ChatError),
    /// The store is away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// An event that was decided but may not be in the log yet. A second copy in the log is harmless.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The outbox row.
    pub row: i64,
    /// The event to append.
    pub event: Event,
}

/// A user's standing in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// As what; [`Role::Left`] for an ex-member.
    pub role: Role,
    /// For an ex-member: the newest seq that they may read, as far as the store has applied their leaving.
    pub reads_through: Option<Seq>,
}

/// A room in a user's list.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomSummary {
    /// The room.
    pub room: Room,
    /// The user's role.
    pub role: Role,
    /// The other user, in a direct room.
    pub partner: Option<Actor>,
    /// Members who have not left, in the order in which they joined (those of one moment by id), as many as
    /// [`Store::list_rooms`] was asked for; the other methods name none.
    pub first_members: Vec<Member>,
    /// The newest message that is not deleted.
    pub last_message: Option<StoredMessage>,
    /// Messages that the user has not read.
    pub unread: u64,
    /// Everything up to here is read.
    pub read: Seq,
    /// The user gets no push notifications of it.
    pub muted: bool,
}

/// A message as history shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// The id.
    pub id: MessageId,
    /// Its place.
    pub seq: Seq,
    /// Its room.
    pub room: RoomId,
    /// Who sent it, as they were then.
    pub sender: Actor,
    /// Its fields, the content as it is now.
    pub message: Message,
    /// The log's time of its sending.
    pub time: Timestamp,
    /// The log's time of the last edit.
    pub edited_at: Option<Timestamp>,
    /// The log's time of its deletion.
    pub deleted_at: Option<Timestamp>,
    /// Reactions that were not taken back, in the order in which each emoji was first used.
    pub reactions: Vec<Reaction>,
    /// It is pinned to its room.
    pub pinned: bool,
    /// How far it has got. The store leaves it at [`Got::Sent`]: pointers tell (see [`crate::ports::progress`]).
    pub got: Got,
}

/// Where a stored message is, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which.
    pub message: MessageId,
    /// Its room.
    pub room: RoomId,
    /// Its place there.
    pub seq: Seq,
    /// Who sent it; of a system message, whose doing it tells of.
    pub sender: UserId,
    /// It is a system message.
    pub system: bool,
    /// It was taken back.
    pub deleted: bool,
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// As sent.
    pub emoji: String,
    /// Who reacted so, the first of them first; 100 at most.
    pub users: Vec<UserId>,
    /// How many did.
    pub count: u32,
}

/// Which messages.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// Of which room.
    pub room: &'a RoomId,
    /// On which partition.
    pub partition: Partition,
    /// Exclusive.
    pub after: Seq,
    /// Exclusive.
    pub before: Seq,
    /// At most.
    pub limit: usize,
    /// From the newest down, else from the oldest up.
    pub newest_first: bool,
}

/// Rows, and how far they see.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In the order asked for.
    pub rows: Vec<T>,
    /// The store has applied the room's partition up to here, in the snapshot the rows are from.
    pub applied: Offset,
}
