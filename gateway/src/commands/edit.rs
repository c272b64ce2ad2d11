//! Change the content of one's own message.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Kind, RoomKind};
use parlor_core::ids::{MessageId, RoomId};
use parlor_core::membership;

use super::{Reply, alter, find};
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
    let message = edit.message;
    let accepted = accept(shared, caller, edit).await;
    alter::settle(shared, accepted, reply, message, |_, message, room, time| Answer::Edited {
        message: *message,
        room,
        time,
    });
}

async fn accept(shared: &Arc<Shared>, caller: &Caller, edit: Edit) -> Result<alter::Accepted, ChatError> {
    let (user, message) = (&caller.user, edit.message);
    shared.limiter.pass(&user.id, "message", shared.config.limits.message).await?;
    let find::Target { place, standing } = find::target(shared, user, message, edit.room.as_ref()).await?;
    if !membership::may_edit(&user.id, &place.sender) {
        return Err(ChatError::new(Code::Forbidden, "only its author may edit a message"));
    }
    // Who may not write there may not write there by this either.
    if standing.room.kind == RoomKind::Direct {
        shared.blocks.pass(&place.room, &user.id).await?;
    }
    let kind = Kind::MessageEdited { message, content: edit.content, encrypted: edit.encrypted };
    alter::append(shared, caller, place.room, message, kind)
}
