//! Sliding-window limits shared by all gateways, and what a send learns in the same round trip.

use std::time::Duration;

use async_trait::async_trait;

use super::Unavailable;
use crate::error::Limit;
use crate::ids::{EventId, MessageId, RoomId, Seq, UserId};

/// Sliding windows per (user, tier), a room's membership version, and remembered message ids. May forget.
#[async_trait]
pub trait Limits: Send + Sync + 'static {
    /// Counts one action of `user` against `limit` (a sliding window: at most `limit.limit` in any `limit.window`) and,
    /// in the same round trip, reads the membership version of a room and the place of an event there, and remembers a
    /// message id.
    ///
    /// A refused action is not counted, and remembers nothing. `limit: None` counts nothing and never refuses.
    ///
    /// What passes the limit is compared with what the same user last said under the same key ([`Ask::said`]): the
    /// same digest within the window, and not the same token, is a repetition. It is counted, remembers nothing, and
    /// leaves the last saying and its time as they were.
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
    /// An event of that room: wanted is where it was delivered, if it was in the last hour.
    pub first: Option<EventId>,
    /// A key under which `id` is remembered for an hour, unless another id is already there.
    pub remember: Option<Remember<'a>>,
    /// What is said, to be compared with what was said last; `None` compares nothing.
    pub said: Option<Said<'a>>,
}

/// Something said, as far as it has to be told from a repetition.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Where: sayings are compared with those of the same user under the same key.
    pub key: &'a str,
    /// What, condensed.
    pub digest: &'a str,
    /// What a resend has in common with the first sending, condensed; empty: nothing has.
    pub token: &'a str,
    /// For how long a saying is compared with. At least a millisecond.
    pub window: Duration,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// `Some`: refused; worth another try after this long (at least one second, at most the window).
    pub retry_after: Option<Duration>,
    /// The room's membership version; `None`: unknown here.
    pub version: Option<u64>,
    /// The id that holds for the key: the first one remembered.
    pub id: Option<MessageId>,
    /// The place under which that event was delivered first; `None`: unknown here.
    pub first: Option<Seq>,
    /// The same was said before.
    pub repeated: bool,
}
