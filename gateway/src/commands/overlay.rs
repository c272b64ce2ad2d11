//! What the store does not have yet, laid over the messages that it has: new ones, edits, deletions, reactions, pins.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use parlor_core::event::{Delivery, Kind, Message, Role};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::store::{Reaction, RoomSummary, StoredMessage};
use parlor_core::receipts::Got;

use crate::{Shared, hub};

/// Users named under one emoji, as the store names them.
const NAMED: usize = 100;

/// Lays a tail, in order, over messages; what the tail adds to them is what `adds` says. The answer is in no order.
pub(super) fn lay_over(
    stored: Vec<StoredMessage>,
    tail: &[Delivery],
    adds: impl Fn(&Delivery, &Message) -> bool,
) -> Vec<StoredMessage> {
    if tail.is_empty() {
        return stored;
    }
    let mut messages: HashMap<MessageId, StoredMessage> =
        stored.into_iter().map(|message| (message.id, message)).collect();
    for delivery in tail.iter().filter(|delivery| hub::shows_in_history(&delivery.event.kind)) {
        match &delivery.event.kind {
            Kind::MessageSent(message) => {
                let id = MessageId(delivery.event.id.0);
                if adds(delivery, message) {
                    messages.entry(id).or_insert_with(|| as_stored(delivery, id, message));
                }
            }
            Kind::MessageEdited { message, content, encrypted } => {
                if let Some(message) = messages.get_mut(message) {
                    message.message.content.clone_from(content);
                    message.message.encrypted = *encrypted;
                    message.edited_at = Some(delivery.time);
                }
            }
            Kind::MessageDeleted { message } => {
                messages.remove(message);
            }
            Kind::MessageReacted { message, emoji, on } => {
                if let Some(message) = messages.get_mut(message) {
                    react(&mut message.reactions, &delivery.event.actor.id, emoji, *on);
                }
            }
            Kind::MessagePinned { message, on } => {
                if let Some(message) = messages.get_mut(message) {
                    message.pinned = *on;
                }
            }
            _ => {}
        }
    }
    messages.into_values().collect()
}

/// The newest message of a room: `stored`, the store's, or a newer one that was delivered since, as it is now. One that was
/// taken back, as `gone` knows or what was delivered says, is none; `None` then where no other is known.
fn newest(
    stored: Option<StoredMessage>,
    delivered: &[Delivery],
    gone: impl Fn(MessageId) -> bool,
) -> Option<StoredMessage> {
    let messages = lay_over(stored.clone().into_iter().collect(), delivered, |_, _| true);
    let mut newest = messages.into_iter().filter(|message| !gone(message.id)).max_by_key(|message| message.seq)?;
    if let Some(stored) = stored.filter(|stored| stored.id == newest.id) {
        if stored.edited_at > newest.edited_at {
            // The store is ahead.
            return Some(stored);
        }
        // Nobody says which of the delivered reactions it has counted already.
        newest.reactions = stored.reactions;
    }
    if let Some(quote) = newest.message.reply_to.as_mut().filter(|quote| gone(quote.message)) {
        (quote.content, quote.encrypted, quote.sender) = (None, false, None);
    }
    Some(newest)
}

/// Lets summaries show the newest message that was delivered here, which the store may not have yet, and puts them in
/// order by it. Nobody is asked. Returns the rooms in which there was one.
pub(crate) fn show_newest(shared: &Shared, rooms: &mut [RoomSummary]) -> HashSet<RoomId> {
    let (hub, mut newer) = (&shared.hub, HashSet::new());
    // Who has left sees no more than the store shows them.
    for summary in rooms.iter_mut().filter(|summary| summary.role != Role::Left) {
        let known = summary.last_message.as_ref();
        let gone = known.is_some_and(|message| hub.is_deleted(message.id));
        if gone || hub.has_news(&summary.room.id, known.map_or(Seq::ZERO, |message| message.seq)) {
            let delivered = hub.lately(&summary.room.id);
            let known = known.map(|message| message.seq);
            summary.last_message = newest(summary.last_message.take(), &delivered, |id| hub.is_deleted(id));
            if summary.last_message.as_ref().map(|message| message.seq) > known {
                newer.insert(summary.room.id.clone());
            }
        }
    }
    if !newer.is_empty() {
        let latest = |summary: &RoomSummary| summary.last_message.as_ref().map(|message| message.time);
        rooms.sort_by_key(|summary| Reverse(latest(summary).unwrap_or(summary.room.created_at)));
    }
    newer
}

/// A message of the log as the store will have it.
pub(super) fn as_stored(delivery: &Delivery, id: MessageId, message: &Message) -> StoredMessage {
    StoredMessage {
        id,
        seq: delivery.seq,
        room: delivery.event.room.clone(),
        sender: delivery.event.actor.clone(),
        message: message.clone(),
        time: delivery.time,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
        pinned: false,
        got: Got::default(),
    }
}

/// Where not all who reacted are named, nobody knows whether one of them did it again: it is taken for the first time.
fn react(reactions: &mut Vec<Reaction>, user: &UserId, emoji: &str, on: bool) {
    let Some(at) = reactions.iter().position(|reaction| reaction.emoji == emoji) else {
        if on {
            reactions.push(Reaction { emoji: emoji.to_owned(), users: vec![user.clone()], count: 1 });
        }
        return;
    };
    let reaction = &mut reactions[at];
    let named = reaction.users.iter().position(|named| named == user);
    let all_named = usize::try_from(reaction.count).is_ok_and(|count| count == reaction.users.len());
    match (on, named) {
        (true, None) => {
            reaction.count = reaction.count.saturating_add(1);
            if reaction.users.len() < NAMED {
                reaction.users.push(user.clone());
            }
        }
        (false, Some(named)) => {
            reaction.users.remove(named);
            reaction.count = reaction.count.saturating_sub(1);
        }
        (false, None) if !all_named => reaction.count = reaction.count.saturating_sub(1),
        (true, Some(_)) | (false, None) => {}
    }
    if reaction.count == 0 {
        reactions.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parlor_core::event::{Event, MessageType};
    use parlor_core::ids::{EventId, RoomId, Seq};
    use parlor_core::membership::nameless;
    use parlor_core::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn told(seq: u64, id: EventId, user: &str, kind: Kind) -> Delivery {
        let event = Event { id, room: RoomId::trusted("r"), actor: nameless(&UserId::trusted(user)), kind };
        Delivery { prev: None, seq: Seq(seq), time: Timestamp(1_000), event: Arc::new(event) }
    }

    fn sent(seq: u64) -> Delivery {
        told(seq, EventId::now(), "a", Kind::MessageSent(Message::new(MessageType::Text, "hi")))
    }

    fn all(tail: &[Delivery]) -> Vec<StoredMessage> {
        let mut messages = lay_over(Vec::new(), tail, |_, _| true);
        messages.sort_by_key(|message| message.seq);
        messages
    }

    fn shown(message: &StoredMessage) -> Vec<(String, Vec<&str>, u32)> {
        message
            .reactions
            .iter()
            .map(|one| (one.emoji.clone(), one.users.iter().map(UserId::as_str).collect(), one.count))
            .collect()
    }

    #[test]
    fn edits_deletions_reactions_and_pins_are_seen_before_they_are_stored() {
        let (one, other) = (sent(1), sent(2));
        let (id, gone) = (MessageId(one.event.id.0), MessageId(other.event.id.0));
        let change = |seq, user: &str, kind| told(seq, EventId::now(), user, kind);
        let react = |on| Kind::MessageReacted { message: id, emoji: "x".into(), on };
        let tail = [
            one,
            other,
            change(3, "b", react(true)),
            change(4, "c", react(true)),
            change(5, "b", react(true)),
            change(6, "a", Kind::MessageEdited { message: id, content: "secret".into(), encrypted: true }),
            change(7, "a", Kind::MessagePinned { message: id, on: true }),
            change(8, "a", Kind::MessageDeleted { message: gone }),
            change(9, "b", react(false)),
        ];
        let messages = all(&tail);
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].message.content.as_str(), messages[0].message.encrypted), ("secret", true));
        assert!(messages[0].pinned && messages[0].edited_at.is_some());
        assert_eq!(shown(&messages[0]), [("x".to_owned(), vec!["c"], 1)]);
        assert!(all(&[&tail[..], &[change(10, "c", react(false))]].concat())[0].reactions.is_empty());
    }

    #[test]
    fn the_newest_message_is_the_last_one_that_is_still_there_with_its_edits() {
        let said = [sent(1), sent(2), sent(3)];
        let [one, two, three] = [0, 1, 2].map(|at: usize| MessageId(said[at].event.id.0));
        let stored = || all(&said[..1]).pop();
        let edit = |seq, message, content: &str| {
            told(seq, EventId::now(), "a", Kind::MessageEdited { message, content: content.into(), encrypted: false })
        };
        let deletion = |seq, message| told(seq, EventId::now(), "a", Kind::MessageDeleted { message });
        let shows = |more: &[Delivery], gone: &[MessageId]| {
            let message = newest(stored(), &[&said[..], more].concat(), |id| gone.contains(&id));
            message.map(|message| (message.id, message.message.content))
        };
        assert_eq!(newest(stored(), &[], |_| false), stored());
        assert_eq!(shows(&[], &[]), Some((three, "hi".into())));
        assert_eq!(shows(&[edit(4, three, "ho")], &[]), Some((three, "ho".into())));
        assert_eq!(shows(&[deletion(4, three)], &[]), Some((two, "hi".into())));
        assert_eq!(shows(&[deletion(4, three)], &[two]), Some((one, "hi".into())), "acked, and not delivered yet");
        assert_eq!(shows(&[], &[one, two, three]), None);
        // Where the store is ahead of what was delivered, it is right.
        let mut ahead = stored().expect("a message");
        (ahead.edited_at, ahead.message.content) = (Some(Timestamp(2_000)), "latest".into());
        let shown = newest(Some(ahead.clone()), &[said[0].clone(), edit(4, one, "before")], |_| false);
        assert_eq!(shown, Some(ahead));
    }

    proptest! {
        /// Wherever the store stands, what is laid over it comes to the same.
        #[test]
        fn it_does_not_matter_how_much_of_the_tail_is_stored(
            steps in proptest::collection::vec((0_u8..3, 0_u8..2, any::<bool>()), 0..30), cut in 0_usize..30,
        ) {
            let message = sent(1);
            let id = MessageId(message.event.id.0);
            let mut tail = vec![message];
            for (at, (user, emoji, on)) in steps.into_iter().enumerate() {
                let kind = Kind::MessageReacted { message: id, emoji: emoji.to_string(), on };
                tail.push(told(at as u64 + 2, EventId::now(), &user.to_string(), kind));
            }
            let cut = 1 + cut.min(tail.len() - 1);
            let stored = all(&tail[..cut]);
            // The store may have seen more than it says when its reactions were read.
            let again = lay_over(all(&tail), &tail[cut..], |_, _| true);
            let laid = lay_over(stored, &tail[cut..], |_, _| true);
            let sets = |messages: &[StoredMessage]| -> Vec<_> {
                let mut sets: Vec<_> = messages[0].reactions.iter().map(|reaction| {
                    let mut users: Vec<_> = reaction.users.iter().map(ToString::to_string).collect();
                    users.sort();
                    (reaction.emoji.clone(), users, reaction.count)
                }).collect();
                sets.sort();
                sets
            };
            prop_assert_eq!(sets(&laid), sets(&all(&tail)));
            prop_assert_eq!(sets(&again), sets(&all(&tail)));
        }
    }
}
