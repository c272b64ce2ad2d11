//! Make users members of a group no more; oneself alone: leave.

use std::sync::Arc;

use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::Change;

use super::{Reply, add_members, change};
use crate::Shared;
use crate::caller::Caller;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, users: Vec<UserId>, reply: Reply) {
    if let Err(error) = add_members::named(shared, &users) {
        return reply.refuse(&error);
    }
    let wanted = Change::Remove { by: change::by(caller), users };
    let outcome = change::carry_out(shared, caller, &room, wanted).await;
    change::answer(shared, outcome, reply).await;
}
