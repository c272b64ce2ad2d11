//! Safety: who is kept out of a room, who takes no direct messages from whom, whom a room's messages do not wake, and
//! what was reported. Durable, and read from the same database as rooms.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Unavailable;
use crate::event::Actor;
use crate::ids::{MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// Bans, blocks, mutes and reports.
///
/// Bans are set and lifted by decisions about their room
/// ([`Store::change`](super::store::Store::change)); here they are read.
#[async_trait]
pub trait Safety: Send + Sync + 'static {
    /// The ban that keeps a user out of a room now. One whose time is over is none.
    async fn banned(&self, room: &RoomId, user: &UserId) -> Result<Option<Ban>, Unavailable>;

    /// Who is kept out of a room now: the newest ban first, at most `limit`.
    async fn bans(&self, room: &RoomId, limit: usize) -> Result<Vec<Ban>, Unavailable>;

    /// Makes `by` block a user, or block them no more. What changed is told in the inbox of `by`: the event is in the
    /// outbox of that inbox, written in the same transaction.
    async fn block(&self, by: &Actor, whom: &UserId, on: bool, limit: u32) -> Result<Blocking, Unavailable>;

    /// Whom a user blocks, by id, at most `limit`.
    async fn blocks(&self, user: &UserId, limit: usize) -> Result<Vec<Actor>, Unavailable>;

    /// Whether the other user of a direct room blocks `sender`. False in any other room, and where there is none.
    async fn is_blocked(&self, room: &RoomId, sender: &UserId) -> Result<bool, Unavailable>;

    /// Whether `by` blocks a user, whether or not the two have a room.
    async fn has_blocked(&self, by: &UserId, whom: &UserId) -> Result<bool, Unavailable>;

    /// Sets whether a member gets push notifications of a room. What changed is told in their inbox, as by
    /// [`Self::block`]. False: `by` is no member of it, and nothing was done.
    async fn mute(&self, by: &Actor, room: &RoomId, on: bool) -> Result<bool, Unavailable>;

    /// Keeps a report, unless its author has made `per_day` within the last 24 hours: then after how long the next one
    /// is taken (at least a second). A report of an id that is there already changes nothing.
    async fn report(&self, report: &Report, per_day: u32) -> Result<Option<Duration>, Unavailable>;
}

/// A ban, as moderators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who is kept out.
    pub user: Actor,
    /// By whom.
    pub by: UserId,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until it is lifted.
    pub until: Option<Timestamp>,
    /// In the moderator's words.
    pub reason: Option<String>,
}

/// What became of a wish to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// It is so now.
    Changed,
    /// It was so before.
    Same,
    /// There is no such user.
    Nobody,
    /// They block as many as one may.
    TooMany,
}

/// Something that the team should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its id.
    pub id: Uuid,
    /// Who says so.
    pub by: UserId,
    /// About which message.
    pub message: Option<MessageId>,
    /// About which room; the message's, where there is one.
    pub room: Option<RoomId>,
    /// About whom; the message's sender, where there is one.
    pub user: Option<UserId>,
    /// In their words.
    pub reason: String,
}
