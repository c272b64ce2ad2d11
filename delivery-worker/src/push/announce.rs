//! What a message looks like on a lock screen.

use std::sync::Arc;
use std::time::Duration;

use parlor_core::event::{Event, Kind, Message, MessageType};
use parlor_core::ids::{MessageId, Seq};
use parlor_core::ports::log::Record;
use parlor_core::ports::push::{MAX_BODY_BYTES, MAX_TITLE_BYTES, Notification};
use parlor_core::time::Timestamp;

/// A message of the log that may be pushed.
#[derive(Clone)]
pub(super) struct Announcement {
    event: Arc<Event>,
    pub(super) seq: Seq,
    pub(super) time: Timestamp,
}

impl Announcement {
    /// A message that somebody sent, or nothing: what the server says of a room by itself wakes nobody.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let event = record.event.as_ref().ok()?;
        let announcement = Self { event: Arc::clone(event), seq: record.seq, time: record.time };
        (announcement.message()?.kind != MessageType::System).then_some(announcement)
    }

    fn message(&self) -> Option<&Message> {
        match &self.event.kind {
            Kind::MessageSent(message) => Some(message),
            _ => None,
        }
    }

    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Whom it names.
    pub(super) fn mentions(&self) -> &[parlor_core::ids::UserId] {
        self.message().map_or(&[], |message| &message.mentions)
    }

    pub(super) fn notification(&self, ttl: Duration) -> Notification {
        // The server has nothing to show of ciphertext; the app decrypts it when it wakes.
        let text =
            self.message().filter(|message| !message.encrypted).map(|message| cut(&message.content, MAX_BODY_BYTES));
        Notification {
            message: MessageId(self.event.id.0),
            room: self.event.room.clone(),
            sender: self.event.actor.id.clone(),
            title: cut(&self.event.actor.name, MAX_TITLE_BYTES),
            body: text.filter(|text| !text.is_empty()),
            time: self.time,
            ttl,
        }
    }
}

/// The text on one line, of at most so many bytes, with an ellipsis where something is missing.
fn cut(text: &str, most: usize) -> String {
    const MORE: char = '…';
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() <= most {
        return line;
    }
    let end = line.floor_char_boundary(most - MORE.len_utf8());
    let mut shown = line[..end].trim_end().to_owned();
    shown.push(MORE);
    shown
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parlor_core::event::Actor;
    use parlor_core::ids::{EventId, Generation, Offset, Partition, RoomId, UserId};

    use super::*;

    fn record(kind: Kind) -> Record {
        let actor = Actor { id: UserId::trusted("ann"), name: "Ann".into(), avatar: None };
        let event = Event { id: EventId::now(), room: RoomId::trusted("r"), actor, kind };
        let seq = Seq::new(Generation(1), Offset(7));
        let (encoded, event) = (Bytes::new(), Ok(Arc::new(event)));
        Record { partition: Partition(0), seq, time: Timestamp(5), encoded, event, trace: None }
    }

    fn shown(message: Message) -> Notification {
        let announcement = Announcement::of(&record(Kind::MessageSent(message))).expect("a message");
        announcement.notification(Duration::from_secs(60))
    }

    #[test]
    fn a_message_shows_who_says_what() {
        let shown = shown(Message::new(MessageType::Text, " hi\nthere "));
        assert_eq!((shown.title.as_str(), shown.body.as_deref()), ("Ann", Some("hi there")));
    }

    #[test]
    fn an_encrypted_message_shows_no_text() {
        let shown = shown(Message { encrypted: true, ..Message::new(MessageType::Text, "Y2lwaGVydGV4dA==") });
        assert_eq!((shown.title.as_str(), shown.body), ("Ann", None));
    }

    #[test]
    fn only_what_people_send_is_announced() {
        assert!(Announcement::of(&record(Kind::MessageSent(Message::new(MessageType::System, "Ann left")))).is_none());
        let deleted = Kind::MessageDeleted { message: MessageId::now() };
        assert!(Announcement::of(&record(deleted)).is_none());
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        for text in ["☎".repeat(500), "x".repeat(513), format!("{} {}", "x".repeat(508), "y".repeat(20))] {
            let cut = cut(&text, MAX_BODY_BYTES);
            assert!(cut.len() <= MAX_BODY_BYTES && cut.ends_with('…') && text.starts_with(cut.trim_end_matches('…')));
        }
        assert_eq!(cut(&"x".repeat(512), MAX_BODY_BYTES).len(), 512);
    }
}
