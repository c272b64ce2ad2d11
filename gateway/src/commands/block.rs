//! Take no direct messages from a user, or take them again.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::safety::Blocking;

use super::{Reply, append, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Whom one user may block.
pub(super) const MOST: u32 = 1_000;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, user: UserId, on: bool, reply: Reply) {
    let outcome = block(shared, caller, &user, on).await;
    reply.settle(outcome.map(|()| Answer::Blocked { user: &user, on }));
}

async fn block(shared: &Arc<Shared>, caller: &Caller, whom: &UserId, on: bool) -> Result<(), ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "room_change", shared.config.limits.room_change).await?;
    if *whom == user.id {
        return Err(ChatError::field("userId", "nobody blocks themselves"));
    }
    match shared.ports.safety.block(user, whom, on, MOST).await.map_err(rooms::busy)? {
        Blocking::Changed | Blocking::Same => {}
        Blocking::Nobody => return Err(ChatError::not_found("user")),
        Blocking::TooMany => {
            return Err(ChatError::new(Code::Conflict, format!("one may block at most {MOST} users")));
        }
    }
    shared.blocks.forget(&user.id, whom);
    append::relay(shared, &RoomId::inbox(&user.id)).await;
    Ok(())
}
