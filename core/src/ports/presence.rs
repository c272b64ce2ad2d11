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
/// How long a gateway's own lease lives: a gateway that is silent for longer is taken for dead.
pub const GATEWAY_LEASE: Duration = Duration::from_secs(10);

/// Leases of (user, gateway), live users of channels, and who types where.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Takes or renews the leases of `users` on `gateway` for [`LEASE`]; a new one is online, a renewed one keeps its
    /// status, and lingers no more. Returns those whom others see differently now, in the order given, and as what.
    async fn arrive(&self, gateway: &str, users: &[UserId]) -> Result<Vec<(UserId, Status)>, Unavailable>;

    /// Sets the status of a user's lease on a gateway, if there is one. What others see is the strongest of all the
    /// user's leases: busy, else online, else away; offline if every one is hidden (set to offline).
    async fn set_status(&self, gateway: &str, user: &UserId, status: Status) -> Result<Moved, Unavailable>;

    /// The user has no socket on a gateway any more, and may be back in a moment: the lease there, if there is one, counts
    /// until it ends, or until the user takes a new lease or sets a status on another gateway, which ends it.
    async fn linger(&self, gateway: &str, user: &UserId) -> Result<(), Unavailable>;

    /// Ends the lease of a user on a gateway, with its status. They were last seen at `seen`, which has passed; where the
    /// lease is hidden, when it was hidden.
    async fn depart(&self, gateway: &str, user: &UserId, seen: Timestamp) -> Result<Moved, Unavailable>;

    /// Takes or renews a gateway's own lease. What [`Presence::bury`] has taken away is told once.
    async fn hold(&self, gateway: &str, lease: Duration) -> Result<Hold, Unavailable>;

    /// Ends every lease of the gateways whose own lease has run out, and forgets those gateways. Returns what that
    /// changed for others. What a caller who died left undone is done by the next.
    async fn bury(&self) -> Result<Ghosts, Unavailable>;

    /// A gateway's goodbye: its own lease ends, and nobody need bury it. Leases of users are not touched.
    async fn release(&self, gateway: &str) -> Result<(), Unavailable>;

    /// True for one caller: nobody else gets the turn at `what` before `length` has passed.
    async fn turn(&self, what: &str, length: Duration) -> Result<bool, Unavailable>;

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
    /// As others see it.
    pub status: Status,
    /// When the last lease ended, or was hidden; `None`: never known, or forgotten.
    pub last_seen: Option<Timestamp>,
}

/// A user's presence, as others see it, around a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Before it.
    pub before: Status,
    /// After it.
    pub after: Status,
}

/// What became of a gateway's own lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It was there.
    Kept,
    /// It was not: the gateway is new, or this memory has forgotten.
    New,
    /// It was not, because the gateway was taken for dead: its users were told to be offline.
    Buried,
}

/// What the burial of gateways changed for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ghosts {
    /// Users whose presence is another now.
    pub users: Vec<(UserId, Status)>,
    /// Users who are in a channel no more, and how many are.
    pub exits: Vec<(RoomId, Actor, u32)>,
}

/// A channel after somebody came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Live users now.
    pub count: u32,
    /// Whether the user's presence in it began (or, on exit, ended) with this call.
    pub changed: bool,
}
