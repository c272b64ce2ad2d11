//! Delete a room.

use std::sync::Arc;

use parlor_core::ids::RoomId;
use parlor_core::membership::Change;

use super::{Reply, change};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    let outcome = change::carry_out(shared, caller, &room, Change::Delete { by: change::by(caller) }).await;
    reply.settle(outcome.map(|_| Answer::RoomDeleted { room: &room }));
}
