//! Devices that want to be told while their user is away: push subscriptions, and whom a message is pushed to.

use async_trait::async_trait;

use super::Unavailable;
use crate::device::Address;
use crate::ids::{RoomId, Seq, UserId};
use crate::time::Timestamp;

/// Subscriptions that one user may have; with one more the oldest goes.
pub const MAX_SUBSCRIPTIONS: usize = 20;
/// The longest endpoint or token, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 2048;
/// What is known of a subscription's last success is this old at most.
pub const REACHED_EVERY_MS: i64 = 3_600_000;

/// Push subscriptions by user, in the durable store.
#[async_trait]
pub trait Devices: Send + Sync + 'static {
    /// Keeps a subscription. Known by its kind and its endpoint or token: a second time it gets the new keys, its place among the
    /// user's newest and the user who says so now, because a device's next user takes its token over. Beyond
    /// [`MAX_SUBSCRIPTIONS`] of a user the one that was registered longest ago is removed. The user need not be known.
    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Unavailable>;

    /// Removes a user's own subscription with this endpoint or token, whatever its kind. False: the user has none.
    async fn unsubscribe(&self, user: &UserId, address: &str) -> Result<bool, Unavailable>;

    /// The subscriptions of these users, by user, the newest first.
    async fn subscriptions(&self, users: &[UserId]) -> Result<Vec<Subscription>, Unavailable>;

    /// Notes that a push went to a subscription at `at`; written at most once in [`REACHED_EVERY_MS`].
    async fn reached(&self, subscription: &Subscription, at: Timestamp) -> Result<(), Unavailable>;

    /// Removes a subscription that its service calls gone, unless it was registered again since it was read.
    async fn gone(&self, subscription: &Subscription) -> Result<(), Unavailable>;

    /// Whom these messages are to be pushed to, if they are away: members of the message's room (a direct or a group
    /// room that was not deleted) who have not left, have notifications on and at least one subscription, are not its
    /// sender and do not block them. Of a room with more than `big` members only those whom the message mentions.
    ///
    /// In the order of `messages`, then by user id.
    async fn audience(&self, messages: &[Announced<'_>], big: u32) -> Result<Vec<Listener>, Unavailable>;
}

/// One device's wish to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whose.
    pub user: UserId,
    /// Where pushes go; endpoint and token are at most [`MAX_ADDRESS_BYTES`] long. Who knows it may be able to use it.
    pub address: Address,
    /// When it was registered last, by the gateway's clock.
    pub registered_at: Timestamp,
    /// When a push last went there, about.
    pub reached_at: Option<Timestamp>,
}

/// Without the address: it is a capability, and does not belong in logs.
impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Subscription");
        shown.field("user", &self.user).field("service", &self.address.kind()).finish_non_exhaustive()
    }
}

/// A message, as far as [`Devices::audience`] needs it.
#[derive(Clone, Copy, Debug)]
pub struct Announced<'a> {
    /// Its room.
    pub room: &'a RoomId,
    /// Its sender.
    pub sender: &'a UserId,
    /// Whom it names.
    pub mentions: &'a [UserId],
}

/// Somebody a message is to be pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Which of the messages that were asked about, by its place among them.
    pub message: usize,
    /// Who.
    pub user: UserId,
    /// They have read the room up to here.
    pub read_through: Seq,
}
