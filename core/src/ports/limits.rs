//! Sliding-window limits shared by all gateways, and what a send learns in the same round trip.

use std::time::Duration;

use async_trait::async_trait;

use super::Unavailable;
use crate::error::Limit;
use crate::ids::{MessageId, RoomId, UserId};

/// Sliding windows per (user, tier), a room's membership version, and remembered message ids. May forget.
#[async_trait]
pub trait Limits: Send + Sync + 'static {
    /// Counts one action of `user` against `limit` (a sliding window: at most `limit.limit` in any `limit.window`) and,
    /// in the same round trip, reads the membership version of a room and remembers a message id.
    ///
    /// A refused action is not counted, and remembers nothing. `limit: None` counts nothing and never refuses.
    async fn admit(&self, ask: Ask<'_>) -> Result<Admission, Unavailable>;
}

/// What is asked in one round trip.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Who.
    pub user: &'a UserId,
    /// The tier's name, such as `message`: a window of its own per (user, tier).
    pub tier: &'a str,
    /// The window; `None` is off.
    pub limit: Option<Limit>,
    /// The room whose membership version is wanted.
    pub room: Option<&'a RoomId>,
    /// A key under which `id` is remembered for an hour, unless another id is already there.
    pub remember: Option<Remember<'a>>,
}

/// An id to be remembered for an hour.
#[derive(Clone, Debug)]
pub struct Remember<'a> {
    /// What tells resends from new messages: (sender, lineage, room, tempId, content digest), already condensed.
    pub key: &'a str,
    /// The id to use if the key is new.
    pub id: MessageId,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// `Some`: refused; worth another try after this long (at least one second, at most the window).
    pub retry_after: Option<Duration>,
    /// The room's membership version; `None`: unknown here.
    pub version: Option<u64>,
    /// The id that holds for the key: the first one remembered.
    pub id: Option<MessageId>,
}
