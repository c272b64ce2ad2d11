//! React to a message, or take one's reaction back. What changes nothing is answered, and not told to the room.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind, RoomKind};
use parlor_core::ids::{MessageId, RoomId, UserId};
use parlor_core::ports::store::StoredMessage;

use super::redundant::Known;
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
    let room = target.place.room;
    let known = Known::of(shared, &room, message, &user.id).await;
    let stored = |stored: &StoredMessage| reacted(stored, &user.id, &reaction.emoji);
    let told = |event: &Event| match &event.kind {
        Kind::MessageReacted { message: of, emoji, on } => {
            (*of == message && event.actor.id == user.id && *emoji == reaction.emoji).then_some(*on)
        }
        _ => None,
    };
    if known.is(shared, &room, reaction.on, stored, told).await {
        return Ok(alter::already(room));
    }
    if let Some(stored) = known.stored.filter(|_| reaction.on) {
        fits(&stored, &reaction.emoji)?;
    }
    let kind = Kind::MessageReacted { message, emoji: reaction.emoji.clone(), on: reaction.on };
    alter::append(shared, caller, room, message, kind)
}

/// Whether a user has reacted so, as far as a stored message tells: it does not name all who did.
fn reacted(stored: &StoredMessage, user: &UserId, emoji: &str) -> Option<bool> {
    let Some(reaction) = stored.reactions.iter().find(|reaction| reaction.emoji == emoji) else { return Some(false) };
    let all_named = usize::try_from(reaction.count).is_ok_and(|count| count == reaction.users.len());
    reaction.users.contains(user).then_some(true).or_else(|| all_named.then_some(false))
}

/// What is not stored yet is not counted, and with the store away nothing is: the bound keeps messages readable, and
/// need not be exact.
fn fits(stored: &StoredMessage, emoji: &str) -> Result<(), ChatError> {
    let known = stored.reactions.iter().any(|one| one.emoji == emoji);
    if !known && stored.reactions.len() >= EMOJIS {
        let message = format!("a message has at most {EMOJIS} different reactions");
        return Err(ChatError::new(Code::Conflict, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use parlor_core::ports::store::{Reaction as Shown, Store};

    use super::*;
    use crate::stage::{Stage, caller};

    /// Whether what somebody does to a message is told to its room.
    async fn tells(stage: &Stage, who: &str, message: MessageId, on: bool) -> bool {
        let reaction = Reaction { message, room: None, emoji: "x".into(), on };
        accept(&stage.shared, &caller(who), &reaction).await.expect("accepted").told(&stage.shared).await
    }

    async fn set() -> (Stage, RoomId, MessageId) {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let message = stage.say(&room, "ann", "hello").await;
        stage.persist().await;
        (stage, room, message)
    }

    #[tokio::test]
    async fn a_reaction_that_changes_nothing_is_not_told() {
        let (stage, _, message) = set().await;
        assert!(!tells(&stage, "ben", message, false).await, "there was none");
        assert!(tells(&stage, "ben", message, true).await);
        stage.persist().await;
        assert!(!tells(&stage, "ben", message, true).await, "it is there");
        assert!(tells(&stage, "ann", message, true).await, "another's is not");
        assert!(tells(&stage, "ben", message, false).await);
        stage.persist().await;
        assert!(!tells(&stage, "ben", message, false).await, "it is gone");
    }

    #[tokio::test]
    async fn a_reaction_is_told_wherever_the_one_before_it_is_on_its_way() {
        let (stage, _, message) = set().await;
        // In the log, and not in the store.
        assert!(tells(&stage, "ben", message, true).await);
        assert!(tells(&stage, "ben", message, false).await, "the store does not know yet that it was there");
        stage.persist().await;
        // Handed to the log, which has not answered.
        let recent = &stage.shared.hub.recent;
        recent.changes(message, &caller("ben").user.id);
        assert!(tells(&stage, "ben", message, false).await);
        assert!(!tells(&stage, "ann", message, false).await, "her own are not");
        recent.changed(message, &caller("ben").user.id);
        assert!(!tells(&stage, "ben", message, false).await);
    }

    #[tokio::test]
    async fn where_not_all_who_reacted_are_named_what_somebody_takes_back_is_told() {
        let (stage, _, message) = set().await;
        let mut stored = stage.store.message(message).await.expect("read").expect("there");
        let (ann, ben) = (UserId::trusted("ann"), UserId::trusted("ben"));
        stored.reactions.push(Shown { emoji: "x".into(), users: vec![ann.clone()], count: 2 });
        assert_eq!((reacted(&stored, &ann, "x"), reacted(&stored, &ben, "x")), (Some(true), None));
        assert_eq!(reacted(&stored, &ben, "y"), Some(false));
    }
}
