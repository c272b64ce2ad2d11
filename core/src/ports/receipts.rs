//! How far users have got in rooms, as the fan-out's memory has it: fresh, shared by all gateways. May forget.

use async_trait::async_trait;

use super::Unavailable;
use crate::ids::{RoomId, UserId};
use crate::receipts::Pointers;

/// Pointers per (room, user). The store's are durable and later ([`super::progress`]); these are told to others at once.
///
/// Anything may be forgotten at any time; what is not known is [`Pointers::default`], and so is what was not touched in a
/// room for a day. What is known only moves forward.
#[async_trait]
pub trait Receipts: Send + Sync + 'static {
    /// Raises the pointers of users in a room, each as [`Pointers::raise`] does, in one step. Returns what they were
    /// before, in the order given. A user is named once. At most 512 at a time.
    async fn advance(&self, room: &RoomId, to: &[(UserId, Pointers)]) -> Result<Vec<Pointers>, Unavailable>;

    /// The pointers of users in a room, in the order asked for.
    async fn pointers(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Pointers>, Unavailable>;

    /// The pointers of one user in many rooms, in the order asked for.
    async fn pointers_in(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Pointers>, Unavailable>;
}
