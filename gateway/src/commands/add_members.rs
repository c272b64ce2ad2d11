//! Make users members of a group.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::Change;

use super::{Reply, change};
use crate::Shared;
use crate::caller::Caller;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, users: Vec<UserId>, reply: Reply) {
    if let Err(error) = named(shared, &users) {
        return reply.refuse(&error);
    }
    let limit = shared.config.rooms.member_limit;
    let wanted = Change::Add { by: change::by(caller), users, limit };
    let outcome = change::carry_out(shared, caller, &room, wanted).await;
    change::answer(shared, outcome, reply).await;
}

/// Somebody, and not more than one command may name.
pub(super) fn named(shared: &Shared, users: &[UserId]) -> Result<(), ChatError> {
    let max = shared.config.rules.max_named_members;
    if users.is_empty() {
        return Err(ChatError::field("memberIds", "`memberIds` names nobody"));
    }
    if users.len() > max {
        return Err(ChatError::field("memberIds", format!("`memberIds` names more than {max} users")));
    }
    Ok(())
}
