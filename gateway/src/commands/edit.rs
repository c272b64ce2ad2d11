//! Change the content of one's own message.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind, RoomKind};
use parlor_core::ids::{EventId, MessageId, RoomId};
use parlor_core::membership;

use super::{Reply, append, find};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// New content for a message.
pub(super) struct Edit {
    pub(super) message: MessageId,
    pub(super) room: Option<RoomId>,
    pub(super) content: String,
    pub(super) encrypted: bool,
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, edit: Edit, reply: Reply) {
    let (user, message) = (&caller.user, edit.message);
    let accepted = async {
        shared.limiter.pass(&user.id, "message", shared.config.limits.message).await?;
        let (place, _) = find::message(shared, user, message, edit.room.as_ref()).await?;
        if !membership::may_edit(&user.id, &place.sender) {
            return Err(ChatError::new(Code::Forbidden, "only its author may edit a message"));
        }
        // Who may not write there may not write there by this either.
        let standing = shared.memberships.peek(&place.room, &user.id);
        if standing.is_some_and(|standing| standing.room.kind == RoomKind::Direct) {
            shared.blocks.pass(&place.room, &user.id).await?;
        }
        let kind = Kind::MessageEdited { message, content: edit.content, encrypted: edit.encrypted };
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
        reply.settle(outcome.map(|appended| Answer::Edited { message, room: &room, time: appended.time }));
    });
}
