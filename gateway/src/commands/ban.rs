//! Keep a user out of a room, or let them in again.

use std::sync::Arc;

use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::Change;
use parlor_core::time::Timestamp;

use super::{Reply, change};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Who is to be banned from where, or no more.
pub(super) struct Ban {
    pub(super) room: RoomId,
    pub(super) user: UserId,
    pub(super) until: Option<Timestamp>,
    pub(super) reason: Option<String>,
    pub(super) on: bool,
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, ban: Ban, reply: Reply) {
    let Ban { room, user, until, reason, on } = ban;
    let (by, whom) = (change::by(caller), user.clone());
    let wanted = if on { Change::Ban { by, user: whom, until, reason } } else { Change::Unban { by, user: whom } };
    let outcome = change::carry_out(shared, caller, &room, wanted).await;
    reply.settle(outcome.map(|_| Answer::Banned { room: &room, user: &user, on, until: until.filter(|_| on) }));
}
