//! Who is here: leases that expire by themselves. May forget; gateways renew what they hold.

use std::time::Duration;

use async_trait::async_trait;

use super::Unavailable;
use crate::event::{Actor, Status};
use crate::ids::{RoomId, UserId};
use crate::time::Timestamp;

/// How long a lease lives unless renewed.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often a gateway renews its leases.
pub const RENEW: Duration = Duration::from_secs(25);

/// Leases of (user, gateway), live users of channels, and who types where.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Takes or renews the leases of `users` on `gateway` for [`LEASE`]. Returns those who had no lease anywhere
    /// before: they have just come online.
    async fn arrive(&self, gateway: &str, users: &[UserId]) -> Result<Vec<UserId>, Unavailable>;

    /// Ends the lease of a user on a gateway and notes the time as last seen. True: no lease is left anywhere, the
    /// user is offline.
    async fn depart(&self, gateway: &str, user: &UserId) -> Result<bool, Unavailable>;

    /// The presence of each, in the order asked for.
    async fn look(&self, users: &[UserId]) -> Result<Vec<Seen>, Unavailable>;

    /// Puts a user's lease (renewed the same way) on a channel. Returns the live count after it; `first` if the user
    /// was in it from no gateway before.
    async fn enter(&self, room: &RoomId, user: &Actor, gateway: &str) -> Result<Live, Unavailable>;

    /// Takes it away. `first` here means: it was the user's last, they are gone.
    async fn exit(&self, room: &RoomId, user: &UserId, gateway: &str) -> Result<Live, Unavailable>;

    /// Live users of a channel: how many, and at most `limit` of them.
    async fn live(&self, room: &RoomId, limit: usize) -> Result<(u32, Vec<Actor>), Unavailable>;

    /// Marks a user as typing in a room for `ttl` (`None`: stopped).
    async fn typing(&self, room: &RoomId, user: &Actor, ttl: Option<Duration>) -> Result<(), Unavailable>;

    /// Who types in a room now.
    async fn typists(&self, room: &RoomId) -> Result<Vec<Actor>, Unavailable>;
}

/// A user's presence as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Online with any live lease.
    pub status: Status,
    /// When the last lease ended; `None`: never known, or forgotten.
    pub last_seen: Option<Timestamp>,
}

/// A channel after somebody came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Live users now.
    pub count: u32,
    /// Whether the user's presence in it began (or, on exit, ended) with this call.
    pub changed: bool,
}
