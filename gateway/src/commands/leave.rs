//! Leave a room.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::RoomKind;
use parlor_core::ids::RoomId;
use parlor_core::membership::Change;

use super::{Reply, append, join, typing};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    let outcome = leave(shared, caller, &room).await;
    reply.settle(outcome.map(|()| Answer::Left { room: &room }));
}

async fn leave(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<(), ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "join", shared.config.limits.join).await?;
    let standing = shared.memberships.standing(room, &user.id, None).await?;
    let standing = standing.ok_or_else(|| ChatError::not_found("room"))?;
    if standing.room.kind == RoomKind::Channel {
        let Some(client) = caller.client().filter(|client| client.is_in(room)) else {
            return Err(standing.refusal());
        };
        typing::end(shared, client, room).await;
        shared.hub.leave(client, room);
        join::exit_channel(shared, user, room).await;
        return Ok(());
    }
    let decision = append::decide(shared, room, &Change::Leave { user: user.clone() }).await?;
    shared.memberships.forget(room, &user.id);
    if let Some(client) = caller.client() {
        typing::end(shared, client, room).await;
    }
    append::relay(shared, room).await;
    // Somebody may have added them again meanwhile.
    if let Some(client) = caller.client() {
        shared.hub.leave_by(client, room, decision.room.version);
    }
    Ok(())
}
