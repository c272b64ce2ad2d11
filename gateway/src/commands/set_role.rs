//! Give a member another role.

use std::sync::Arc;

use parlor_core::event::Role;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::Change;

use super::{Reply, change};
use crate::Shared;
use crate::caller::Caller;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, user: UserId, role: Role, reply: Reply) {
    let wanted = Change::SetRole { by: change::by(caller), user, role };
    let outcome = change::carry_out(shared, caller, &room, wanted).await;
    change::answer(shared, outcome, reply).await;
}
