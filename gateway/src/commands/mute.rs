//! Whether the caller gets push notifications of a room.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::ids::RoomId;

use super::{Reply, append, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, on: bool, reply: Reply) {
    let outcome = mute(shared, caller, &room, on).await;
    reply.settle(outcome.map(|()| Answer::Muted { room: &room, on }));
}

async fn mute(shared: &Arc<Shared>, caller: &Caller, room: &RoomId, on: bool) -> Result<(), ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "room_change", shared.config.limits.room_change).await?;
    if !shared.ports.safety.mute(user, room, on).await.map_err(rooms::busy)? {
        return Err(rooms::refusal(shared, caller, room).await);
    }
    append::relay(shared, &RoomId::inbox(&user.id)).await;
    Ok(())
}
