//! React to a message, or take one's reaction back.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Kind, RoomKind};
use parlor_core::ids::{MessageId, RoomId};

use super::{Reply, alter, find};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Different emojis under one message.
const EMOJIS: usize = 50;

/// A reaction to a message.
pub(super) struct Reaction {
    pub(super) message: MessageId,
    pub(super) room: Option<RoomId>,
    pub(super) emoji: String,
    pub(super) on: bool,
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, reaction: Reaction, reply: Reply) {
    let accepted = accept(shared, caller, &reaction).await;
    alter::settle(shared, accepted, reply, reaction, |_, reaction, room, time| Answer::Reacted {
        message: reaction.message,
        room,
        emoji: &reaction.emoji,
        on: reaction.on,
        time,
    });
}

/// Who is in the room may react: members, and in a channel who has entered it.
async fn accept(shared: &Arc<Shared>, caller: &Caller, reaction: &Reaction) -> Result<alter::Accepted, ChatError> {
    let (user, message) = (&caller.user, reaction.message);
    shared.limiter.pass(&user.id, "message", shared.config.limits.message).await?;
    let target = find::target(shared, user, message, reaction.room.as_ref()).await?;
    match target.standing.room.kind {
        RoomKind::Channel => target.standing.admits(caller)?,
        RoomKind::Direct => shared.blocks.pass(&target.place.room, &user.id).await?,
        RoomKind::Group => {}
    }
    if reaction.on {
        fits(shared, reaction).await?;
    }
    let kind = Kind::MessageReacted { message, emoji: reaction.emoji.clone(), on: reaction.on };
    alter::append(shared, caller, target.place.room, kind)
}

/// What is not stored yet is not counted, and with the store away nothing is: the bound keeps messages readable, and
/// need not be exact.
async fn fits(shared: &Shared, reaction: &Reaction) -> Result<(), ChatError> {
    let Ok(Some(stored)) = shared.ports.store.message(reaction.message).await else { return Ok(()) };
    let known = stored.reactions.iter().any(|one| one.emoji == reaction.emoji);
    if !known && stored.reactions.len() >= EMOJIS {
        let message = format!("a message has at most {EMOJIS} different reactions");
        return Err(ChatError::new(Code::Conflict, message));
    }
    Ok(())
}
