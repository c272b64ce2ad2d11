//! How far members have got in their rooms, as the store keeps it: durable, and a little later than the fan-out's memory
//! ([`super::receipts`]).

use async_trait::async_trait;

use super::Unavailable;
use super::store::StoredMessage;
use crate::event::Actor;
use crate::ids::{Offset, Partition, RoomId, Seq, UserId};
use crate::receipts::{Furthest, Pointers};

/// Pointers of members. Whoever sends a message has read up to it: what the pointers say is never behind a member's own
/// newest message, though no pointer is written for that.
#[async_trait]
pub trait Progress: Send + Sync + 'static {
    /// Raises pointers, as [`Pointers::raise`] does, all in one transaction. Those of users who are no members are
    /// passed over. The same marks again change nothing.
    async fn raise(&self, marks: &[Mark]) -> Result<(), Unavailable>;

    /// The members of a room who have not left, by id, at most `limit`, each with their pointers.
    async fn of_room(&self, room: &RoomId, limit: usize) -> Result<Vec<(Actor, Pointers)>, Unavailable>;

    /// The pointers of users in a room, in the order asked for. Who is no member has none.
    async fn of_users(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Pointers>, Unavailable>;

    /// How many members of a room, `except` left out, have got to a place.
    async fn reached(&self, room: &RoomId, seq: Seq, except: &UserId) -> Result<Reached, Unavailable>;

    /// The members who have got furthest in each of these rooms, in the order asked for: at most four a room. Who has
    /// left counts too, so that no message seems to have got less far than it had.
    async fn furthest(&self, rooms: &[RoomId]) -> Result<Vec<Furthest>, Unavailable>;

    /// How many stored messages of each of these rooms a user has not read, in the order asked for, from one snapshot.
    async fn unread(&self, user: &UserId, asked: &[Asked<'_>]) -> Result<Vec<Unread>, Unavailable>;

    /// Messages that have not reached any device of a user: of others, not deleted, in rooms of which they are a member,
    /// behind their pointers and behind `fresher`, the places that are known to be further. The newest `limit` of them
    /// by time; those of each room in its order, the rooms' by time.
    async fn waiting(
        &self,
        user: &UserId,
        fresher: &[(RoomId, Seq)],
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Unavailable>;
}

/// How far a user has got in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// How far.
    pub to: Pointers,
}

/// How many members a message has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// It has reached a device of theirs.
    pub delivered: u32,
    /// They have read it.
    pub read: u32,
}

/// A room whose unread messages are to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which.
    pub room: &'a RoomId,
    /// Where it is in the log.
    pub partition: Partition,
    /// Everything up to here is taken as read, beside what the store itself knows.
    pub read: Seq,
}

/// A count of unread messages, and how far it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Messages stored and not read; deleted ones count as they do in a list of rooms.
    pub count: u64,
    /// Everything up to here is read.
    pub read: Seq,
    /// The store has applied the room's partition up to here, in the snapshot the count is from.
    pub applied: Offset,
}
