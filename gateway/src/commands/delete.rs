//! Delete a message: one's own, or another's as admin or moderator.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::Kind;
use parlor_core::ids::{MessageId, RoomId};
use parlor_core::membership;

use super::{Reply, alter, find};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, message: MessageId, room: Option<RoomId>, reply: Reply) {
    let accepted = accept(shared, caller, message, room).await;
    alter::settle(shared, accepted, reply, message, |shared, message, room, time| {
        shared.hub.recent.delete(*message);
        Answer::Deleted { message: *message, room, time }
    });
}

pub(super) async fn accept(
    shared: &Arc<Shared>,
    caller: &Caller,
    message: MessageId,
    room: Option<RoomId>,
) -> Result<alter::Accepted, ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "message", shared.config.limits.message).await?;
    let (place, role) = find::message(shared, user, message, room.as_ref()).await?;
    if !membership::may_delete(&user.id, role, place.author()) {
        return Err(ChatError::new(Code::Forbidden, "only its author, a moderator or an admin may delete a message"));
    }
    alter::append(shared, caller, place.room, message, Kind::MessageDeleted { message })
}
