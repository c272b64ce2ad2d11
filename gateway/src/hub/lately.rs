//! What was said lately, from memory: the newest events of a room from the recent cache, a quoted message from the ring,
//! and where a room ends now.

use parlor_core::event::{Delivery, Kind, Message};
use parlor_core::ids::{MessageId, Offset, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Heads;

use super::chain::Gap;
use super::gaps::spans;
use crate::Shared;

/// The newest events of a room, in order, with nothing missing between them nor behind the last.
pub(crate) struct Newest {
    pub(crate) events: Vec<Delivery>,
    /// They begin with the room.
    pub(crate) whole: bool,
}

/// The newest events of a room from the recent cache, if it reaches the room's end as told by `heads`. `None` too where
/// this gateway has appended behind that.
pub(crate) async fn newest(shared: &Shared, room: &RoomId, heads: &Heads) -> Option<Newest> {
    let (ports, hub) = (&shared.ports, &shared.hub);
    let (position, head) = (heads.position?, heads.heads.first().copied().flatten()?);
    if hub.appended(room).is_some_and(|own| own > Seq::new(ports.log.generation(), position.offset)) {
        return None;
    }
    let mut events = ports.fanout.recent(room, Seq::ZERO, Seq::MAX, ports.fanout.remembers()).await.ok()?;
    // What came after the heads were read is not waited for, and does no harm.
    let first = events.first()?;
    let whole = first.prev == Some(Seq::ZERO) || matches!(first.event.kind, Kind::RoomCreated { .. });
    let after = first.seq;
    let newest = events.last().map_or(after, |last| last.seq).max(head);
    let chained = spans(&events[1..], Gap { after, through: newest });
    chained.then(|| Newest { events: std::mem::take(&mut events), whole })
}

/// Up to where a room is known to reach now: its last event, or where this gateway itself appended on its partition.
pub(crate) async fn reaches(shared: &Shared, room: &RoomId) -> Result<Seq, Unavailable> {
    let ports = &shared.ports;
    let (partition, generation) = (ports.log.partition_of(room), ports.log.generation());
    let own = shared.hub.appended(room);
    let heads = ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok();
    let Some((heads, position)) = heads.and_then(|heads| heads.position.map(|position| (heads, position))) else {
        return Ok(Seq::new(generation, Offset(ports.log.ends(partition).await?.next.0 - 1)));
    };
    // Without a head nothing has happened since this memory began.
    let head = heads.heads.first().copied().flatten().unwrap_or_else(|| Seq::new(generation, heads.from));
    let behind = own.filter(|own| *own > Seq::new(generation, position.offset));
    Ok(behind.map_or(head, |own| own.max(head)))
}

/// What is remembered of a message: its last content that was heard here, and its first event.
pub(crate) enum Heard {
    /// It was taken back.
    Deleted,
    /// The event that sent it is here, and what it says now.
    Sent(Delivery, Words),
    /// Only an edit is here.
    Edited(Words),
}

/// What a message says.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) content: String,
    /// It is ciphertext.
    pub(crate) encrypted: bool,
}

/// Looks for a message among deliveries, in order.
pub(crate) fn heard(deliveries: &[Delivery], message: MessageId) -> Option<Heard> {
    let mut edited: Option<Words> = None;
    for delivery in deliveries.iter().rev() {
        match &delivery.event.kind {
            Kind::MessageDeleted { message: gone } if *gone == message => return Some(Heard::Deleted),
            Kind::MessageEdited { message: of, content, encrypted } if *of == message && edited.is_none() => {
                edited = Some(Words { content: content.clone(), encrypted: *encrypted });
            }
            Kind::MessageSent(sent) if delivery.event.id == message.into() => {
                let words = edited.unwrap_or_else(|| Words::of(sent));
                return Some(Heard::Sent(delivery.clone(), words));
            }
            _ => {}
        }
    }
    edited.map(Heard::Edited)
}

impl Words {
    pub(crate) fn of(message: &Message) -> Self {
        Self { content: message.content.clone(), encrypted: message.encrypted }
    }
}

impl super::Hub {
    /// Whether this gateway knows that a message was taken back.
    pub(crate) fn is_deleted(&self, message: MessageId) -> bool {
        self.recent.find(message).is_some_and(|place| place.deleted)
    }

    /// Whether anything was delivered here of a room behind a place.
    pub(crate) fn has_news(&self, room: &RoomId, after: Seq) -> bool {
        let rooms = self.shard(room).rooms.lock();
        rooms.get(room).and_then(|entry| entry.ring.newest()).is_some_and(|newest| newest > after)
    }

    /// The deliveries of a room that are still here, in order.
    pub(crate) fn lately(&self, room: &RoomId) -> Vec<Delivery> {
        let rooms = self.shard(room).rooms.lock();
        rooms.get(room).map(|entry| entry.ring.all().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parlor_core::event::{Event, MessageType};
    use parlor_core::ids::{EventId, UserId};
    use parlor_core::membership::nameless;
    use parlor_core::time::Timestamp;

    use super::*;

    fn told(id: EventId, kind: Kind) -> Delivery {
        let event = Event { id, room: RoomId::trusted("r"), actor: nameless(&UserId::trusted("a")), kind };
        Delivery { prev: None, seq: Seq(1), time: Timestamp(0), event: Arc::new(event) }
    }

    #[test]
    fn a_message_is_remembered_as_it_was_last_heard() {
        let message = MessageId::now();
        let sent = told(message.into(), Kind::MessageSent(Message::new(MessageType::Text, "first")));
        let edit = |content: &str| {
            let kind = Kind::MessageEdited { message, content: content.into(), encrypted: content == "third" };
            told(EventId::now(), kind)
        };
        let gone = told(EventId::now(), Kind::MessageDeleted { message });
        let secret = |words: &Words| if words.encrypted { " (ciphertext)" } else { "" };
        let content = |deliveries: &[Delivery]| match heard(deliveries, message) {
            Some(Heard::Sent(_, words)) => format!("sent {}{}", words.content, secret(&words)),
            Some(Heard::Edited(words)) => format!("edited {}{}", words.content, secret(&words)),
            Some(Heard::Deleted) => "deleted".into(),
            None => "unknown".into(),
        };
        assert_eq!(content(&[]), "unknown");
        assert_eq!(content(std::slice::from_ref(&sent)), "sent first");
        assert_eq!(content(&[sent.clone(), edit("second"), edit("third")]), "sent third (ciphertext)");
        assert_eq!(content(&[edit("second"), edit("third")]), "edited third (ciphertext)");
        assert_eq!(content(&[sent, edit("second"), gone]), "deleted");
    }
}
