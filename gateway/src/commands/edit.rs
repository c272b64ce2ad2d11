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
    if !membership::may_edit(&user.id, place.author()) {
        return Err(ChatError::new(Code::Forbidden, "only its author may edit a message"));
    }
    // Who may not write there may not write there by this either.
    if standing.room.kind == RoomKind::Direct {
        shared.blocks.pass(&place.room, &user.id).await?;
    }
    let kind = Kind::MessageEdited { message, content: edit.content, encrypted: edit.encrypted };
    alter::append(shared, caller, place.room, message, kind)
}

#[cfg(test)]
mod tests {
    use parlor_core::event::{Message, MessageType};
    use parlor_core::ids::Offset;

    use super::super::delete;
    use super::*;
    use crate::hub::Place;
    use crate::stage::{Stage, caller};

    #[tokio::test]
    async fn nobody_edits_a_system_message_and_only_admins_and_moderators_delete_it() {
        for known in ["here", "the cache", "the store"] {
            let stage = Stage::set().await;
            let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
            let notice = Message::new(MessageType::System, "ben joined the group");
            let message = stage.tell(&room, "ben", Kind::MessageSent(notice)).await;
            match known {
                "here" => {
                    let (room, sender) = (room.clone(), caller("ben").user.id);
                    let place = Place { room, sender, system: true, seq: None, deleted: false };
                    stage.shared.hub.recent.note(message, place);
                }
                "the cache" => stage.deliver(Offset::NONE).await,
                _ => stage.persist().await,
            }
            for who in ["ann", "ben"] {
                let (room, content) = (Some(room.clone()), "something else".into());
                let edit = Edit { message, room, content, encrypted: false };
                let refused = accept(&stage.shared, &caller(who), edit).await.err().map(|error| error.code);
                assert_eq!(refused, Some(Code::Forbidden), "{who} edits what {known} knows");
            }
            let delete = async |who| {
                let accepted = delete::accept(&stage.shared, &caller(who), message, Some(room.clone())).await;
                accepted.err().map(|error| error.code)
            };
            assert_eq!(delete("ben").await, Some(Code::Forbidden), "ben deletes what {known} knows");
            assert_eq!(delete("ann").await, None, "the admin deletes what {known} knows");
        }
    }
}
