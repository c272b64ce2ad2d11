//! Delete a message: one's own, or another's as admin or moderator.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind};
use parlor_core::ids::{EventId, MessageId, RoomId};
use parlor_core::membership;

use super::{Reply, append, find};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, message: MessageId, room: Option<RoomId>, reply: Reply) {
    let user = &caller.user;
    let accepted = async {
        shared.limiter.pass(&user.id, "message", shared.config.limits.message).await?;
        let (place, role) = find::message(shared, user, message, room.as_ref()).await?;
        if !membership::may_delete(&user.id, role, &place.sender) {
            return Err(ChatError::new(
                Code::Forbidden,
                "only its author, a moderator or an admin may delete a message",
            ));
        }
        let kind = Kind::MessageDeleted { message };
        let event = Event { id: EventId::now(), room: place.room.clone(), actor: user.clone(), kind };
        Ok((place.room, append::append(shared, &event)?))
    };
    let (room, pending) = match accepted.await {
        Ok(accepted) => accepted,
        Err(error) => return reply.refuse(&error),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        let outcome = append::answer(&shared, &room, pending).await;
        if outcome.is_ok() {
            shared.hub.recent.delete(message);
        }
        reply.settle(outcome.map(|appended| Answer::Deleted { message, room: &room, time: appended.time }));
    });
}
