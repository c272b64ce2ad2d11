//! Change a room's settings.

use std::sync::Arc;

use parlor_core::command::RoomPatch;
use parlor_core::ids::RoomId;
use parlor_core::membership::Change;

use super::{Reply, change};
use crate::Shared;
use crate::caller::Caller;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, patch: RoomPatch, reply: Reply) {
    let wanted = Change::Update { by: change::by(caller), patch };
    let outcome = change::carry_out(shared, caller, &room, wanted).await;
    change::answer(shared, outcome, reply).await;
}
