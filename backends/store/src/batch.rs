//! What a run of records comes to: messages to store, changes to keep, and what the changes do to stored messages and
//! members. The same for both databases, and pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use parlor_core::event::{Actor, Event, Kind, Message};
use parlor_core::ids::{FileId, Generation, Seq};
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;
use uuid::Uuid;

/// How long an id is remembered: a record whose id was stored within this long before it is not stored again.
pub(crate) const REMEMBERED_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Records, sorted out. It owns what it needs, so that the transaction outlives a caller who stops waiting.
pub(crate) struct Batch {
    /// Where the last record is.
    pub(crate) position: Position,
    /// Of which log.
    pub(crate) generation: Generation,
    /// Messages, by room and then by seq, each id once.
    pub(crate) messages: Vec<Placed>,
    /// All other events, by seq, each id once.
    pub(crate) changes: Vec<Placed>,
    /// Records left out because an earlier one of this batch has their id.
    pub(crate) duplicates: usize,
}

/// An event at its place in the log.
pub(crate) struct Placed {
    pub(crate) seq: Seq,
    pub(crate) time: Timestamp,
    pub(crate) event: Arc<Event>,
    pub(crate) encoded: Bytes,
}

/// A file that a message names.
pub(crate) struct Named<'a> {
    pub(crate) file: FileId,
    pub(crate) message: Uuid,
    pub(crate) room: &'a str,
    pub(crate) owner: &'a str,
}

impl Placed {
    /// The id, as the log has it.
    pub(crate) fn id(&self) -> Uuid {
        self.event.id.0
    }

    /// The room, as the log has it.
    pub(crate) fn room(&self) -> &str {
        self.event.room.as_str()
    }

    /// The kind, as `proto/parlor/v1/event.proto` numbers it.
    pub(crate) fn kind(&self) -> i32 {
        match &self.event.kind {
            Kind::MessageSent(_) => 1,
            Kind::MessageEdited { .. } => 2,
            Kind::MessageDeleted { .. } => 3,
            Kind::RoomCreated { .. } => 4,
            Kind::MemberJoined { .. } => 5,
            Kind::MemberLeft { .. } => 6,
            Kind::RoomAdded { .. } => 7,
            Kind::RoomRemoved { .. } => 8,
            Kind::MessageReacted { .. } => 9,
            Kind::MessagePinned { .. } => 10,
            Kind::RoomUpdated { .. } => 11,
            Kind::RoomDeleted { .. } => 12,
            Kind::RoleChanged { .. } => 13,
            Kind::UserBanned { .. } => 14,
            Kind::UserUnbanned { .. } => 15,
            Kind::RoomMuted { .. } => 16,
            Kind::UserBlocked { .. } => 17,
            Kind::LoggedOut { .. } => 18,
            Kind::Receipt { .. } => 19,
            Kind::BannedFrom { .. } => 20,
            Kind::Other { kind, .. } => i32::try_from(*kind).unwrap_or(i32::MAX),
        }
    }

    /// The message that it changes.
    pub(crate) fn target(&self) -> Option<Uuid> {
        match &self.event.kind {
            Kind::MessageEdited { message, .. }
            | Kind::MessageDeleted { message }
            | Kind::MessageReacted { message, .. }
            | Kind::MessagePinned { message, .. } => Some(message.0),
            _ => None,
        }
    }
}

impl Batch {
    /// Sorts records out. A record that cannot be decoded changes nothing but the position: the consuming loop has put
    /// it aside. `None` where there are no records.
    pub(crate) fn of(records: &[Record]) -> Option<Self> {
        let last = records.last()?;
        let mut batch = Self {
            position: last.position(),
            generation: last.seq.generation(),
            messages: Vec::with_capacity(records.len()),
            changes: Vec::new(),
            duplicates: 0,
        };
        let mut ids = HashSet::with_capacity(records.len());
        for record in records {
            let Ok(event) = &record.event else { continue };
            if !ids.insert(event.id) {
                batch.duplicates += 1;
                continue;
            }
            let (event, encoded) = (Arc::clone(event), record.encoded.clone());
            let placed = Placed { seq: record.seq, time: record.time, event, encoded };
            // An inbox is a room of one without a history: whatever is in it is a change.
            let message =
                matches!(placed.event.kind, Kind::MessageSent(_)) && placed.event.room.inbox_owner().is_none();
            if message { &mut batch.messages } else { &mut batch.changes }.push(placed);
        }
        batch.messages.sort_by(|a, b| (a.room(), a.seq).cmp(&(b.room(), b.seq)));
        Some(batch)
    }

    /// Where looking for stored copies may begin: nothing stored before this is a copy of any message here.
    pub(crate) fn remembered_from(&self) -> Timestamp {
        let oldest = self.messages.iter().map(|placed| placed.time).min().unwrap_or_default();
        oldest.plus_millis(-REMEMBERED_MILLIS)
    }

    /// Leaves out messages that are stored already: their ids, with the newest time at which each was stored.
    pub(crate) fn forget_stored(&mut self, stored: &HashMap<Uuid, Timestamp>) {
        let before = self.messages.len();
        self.messages.retain(|placed| {
            let forgotten = placed.time.plus_millis(-REMEMBERED_MILLIS);
            stored.get(&placed.id()).is_none_or(|at| *at < forgotten)
        });
        self.duplicates += before - self.messages.len();
    }

    /// Leaves out changes that are kept already: all but these were new.
    pub(crate) fn forget_kept(&mut self, new: &HashSet<i64>) {
        let before = self.changes.len();
        self.changes.retain(|placed| new.contains(&crate::rows::column(placed.seq)));
        self.duplicates += before - self.changes.len();
    }

    /// The messages with their own fields.
    pub(crate) fn sent(&self) -> impl Iterator<Item = (&Placed, &Message)> {
        self.messages.iter().filter_map(|placed| match &placed.event.kind {
            Kind::MessageSent(message) => Some((placed, message)),
            _ => None,
        })
    }

    /// The files that the messages name. What cannot be read as an id names none.
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        self.sent()
            .filter_map(|(placed, message)| {
                let file = parlor_core::file::named(message.kind, message.metadata.as_deref()).ok().flatten()?;
                Some(Named { file, message: placed.id(), room: placed.room(), owner: placed.event.actor.id.as_str() })
            })
            .collect()
    }

    /// Who sent the messages, by id: in one order everywhere, so that two batches never wait for each other in a ring.
    pub(crate) fn senders(&self) -> BTreeMap<&str, &Actor> {
        self.messages.iter().map(|placed| (placed.event.actor.id.as_str(), &placed.event.actor)).collect()
    }

    /// What the messages add to their rooms' counters, by room.
    pub(crate) fn counts(&self) -> BTreeMap<&str, Count> {
        let mut counts = BTreeMap::new();
        for placed in &self.messages {
            let count =
                counts.entry(placed.room()).or_insert(Count { messages: 0, seq: placed.seq, time: placed.time });
            count.messages += 1;
            count.seq = count.seq.max(placed.seq);
            count.time = count.time.max(placed.time);
        }
        counts
    }

    /// The messages' dense numbers, in their order here, where `last` is each room's last number with them counted.
    pub(crate) fn numbers(&self, last: &HashMap<String, i64>) -> Vec<i64> {
        let mut next: HashMap<&str, i64> = self
            .counts()
            .into_iter()
            .map(|(room, count)| (room, last.get(room).copied().unwrap_or(count.messages) - count.messages))
            .collect();
        let mut numbers = Vec::with_capacity(self.messages.len());
        for placed in &self.messages {
            let number = next.entry(placed.room()).or_default();
            *number += 1;
            numbers.push(*number);
        }
        numbers
    }

    /// What the changes do to stored messages, one rewrite for each message, as if they came one after the other: the
    /// last edit counts, and nothing follows a deletion.
    pub(crate) fn rewrites(&self) -> Vec<Rewrite<'_>> {
        let mut rewrites: BTreeMap<(Uuid, &str), Rewrite<'_>> = BTreeMap::new();
        for placed in &self.changes {
            let message = match &placed.event.kind {
                Kind::MessageEdited { message, .. } | Kind::MessageDeleted { message } => message.0,
                _ => continue,
            };
            let rewrite = rewrites.entry((message, placed.room())).or_insert(Rewrite {
                message,
                room: placed.room(),
                seq: placed.seq,
                edit: None,
                encrypted: None,
                deleted: None,
            });
            if rewrite.deleted.is_some() {
                continue;
            }
            rewrite.seq = placed.seq;
            match &placed.event.kind {
                Kind::MessageEdited { content, encrypted, .. } => {
                    rewrite.edit = Some((content, placed.time, placed.seq));
                    rewrite.encrypted = Some(*encrypted);
                }
                _ => rewrite.deleted = Some(placed.time),
            }
        }
        rewrites.into_values().collect()
    }

    /// Who left where, for what they may read from then on.
    pub(crate) fn leavings<'a>(&'a self) -> Vec<Leaving<'a>> {
        let leaving = |placed: &'a Placed| match &placed.event.kind {
            Kind::MemberLeft { user, version, .. } => {
                Some(Leaving { room: placed.room(), user: user.as_str(), version: *version, seq: placed.seq })
            }
            _ => None,
        };
        self.changes.iter().filter_map(leaving).collect()
    }
}

/// What a room gains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) messages: i64,
    /// Of the last message.
    pub(crate) seq: Seq,
    /// The latest of the messages' times.
    pub(crate) time: Timestamp,
}

/// What becomes of a stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite<'a> {
    pub(crate) message: Uuid,
    /// The room whose log says so; a message of another room is not touched.
    pub(crate) room: &'a str,
    /// Of the last change that counts.
    pub(crate) seq: Seq,
    /// New content, when, and where.
    pub(crate) edit: Option<(&'a str, Timestamp, Seq)>,
    /// Whether the new content is ciphertext.
    pub(crate) encrypted: Option<bool>,
    pub(crate) deleted: Option<Timestamp>,
}

/// A member's leaving as the log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaving<'a> {
    pub(crate) room: &'a str,
    pub(crate) user: &'a str,
    /// The room's version that it made: a row set by a later version is not touched.
    pub(crate) version: u64,
    pub(crate) seq: Seq,
}

#[cfg(test)]
mod tests {
    use parlor_core::event::MessageType;
    use parlor_core::ids::{EventId, MessageId, Offset, Partition, RoomId, UserId};
    use parlor_core::membership::nameless;

    use super::*;

    fn record(offset: i64, room: &str, id: Uuid, kind: Kind) -> Record {
        let actor = nameless(&UserId::trusted("a"));
        let event = Event { id: EventId(id), room: RoomId::trusted(room), actor, kind };
        Record {
            partition: Partition(0),
            seq: Seq::new(Generation(1), Offset(offset)),
            time: Timestamp(1_000 + offset),
            encoded: parlor_proto::encode(&event),
            event: Ok(event.into()),
            trace: None,
        }
    }

    fn text(content: &str) -> Kind {
        let (kind, content) = (MessageType::Text, content.to_owned());
        Kind::MessageSent(Message {
            content,
            kind,
            reply_to: None,
            metadata: None,
            mentions: Vec::new(),
            encrypted: false,
            temp_id: None,
        })
    }

    #[test]
    fn numbers_are_dense_within_each_room_and_follow_the_order_of_the_log() {
        let records = ["b", "a", "b", "b"]
            .into_iter()
            .zip(0..)
            .map(|(room, offset)| record(offset, room, Uuid::now_v7(), text("hi")));
        let batch = Batch::of(&records.collect::<Vec<_>>()).expect("a batch");
        let last = HashMap::from([("a".to_owned(), 7), ("b".to_owned(), 3)]);
        let places: Vec<_> = batch.messages.iter().map(|placed| (placed.room(), placed.seq.offset().0)).collect();
        assert_eq!(places, [("a", 1), ("b", 0), ("b", 2), ("b", 3)]);
        assert_eq!(batch.numbers(&last), [7, 1, 2, 3]);
    }

    #[test]
    fn the_last_edit_counts_and_nothing_follows_a_deletion() {
        let (edited, deleted) = (MessageId::now(), MessageId::now());
        let edit =
            |message, content: &str| Kind::MessageEdited { message, content: content.to_owned(), encrypted: false };
        let kinds = [
            edit(edited, "one"),
            edit(deleted, "kept"),
            edit(edited, "two"),
            Kind::MessageDeleted { message: deleted },
            edit(deleted, "too late"),
        ];
        let records: Vec<_> =
            kinds.into_iter().zip(0..).map(|(kind, offset)| record(offset, "r", Uuid::now_v7(), kind)).collect();
        let batch = Batch::of(&records).expect("a batch");
        let rewrites: HashMap<_, _> = batch.rewrites().into_iter().map(|rewrite| (rewrite.message, rewrite)).collect();
        assert_eq!(rewrites[&edited.0].edit.map(|edit| edit.0), Some("two"));
        assert_eq!(rewrites[&deleted.0].edit.map(|edit| edit.0), Some("kept"));
        assert_eq!(rewrites[&deleted.0].deleted, Some(Timestamp(1_003)));
        assert_eq!(rewrites[&deleted.0].seq.offset(), Offset(3));
    }

    #[test]
    fn a_copy_within_the_batch_is_left_out_and_counted() {
        let id = Uuid::now_v7();
        let batch = Batch::of(&[record(0, "r", id, text("hi")), record(1, "r", id, text("hi"))]).expect("a batch");
        assert_eq!((batch.messages.len(), batch.duplicates, batch.position.offset), (1, 1, Offset(1)));
    }

    #[test]
    fn an_id_stored_longer_ago_than_it_is_remembered_is_new_again() {
        let id = Uuid::now_v7();
        let mut batch = Batch::of(&[record(0, "r", id, text("hi"))]).expect("a batch");
        let at = batch.messages[0].time;
        batch.forget_stored(&HashMap::from([(id, at.plus_millis(-REMEMBERED_MILLIS - 1))]));
        assert_eq!(batch.messages.len(), 1);
        batch.forget_stored(&HashMap::from([(id, at.plus_millis(-REMEMBERED_MILLIS))]));
        assert_eq!((batch.messages.len(), batch.duplicates), (0, 1));
    }

    #[test]
    fn what_is_in_an_inbox_is_never_a_message() {
        let batch = Batch::of(&[record(0, "user:a", Uuid::now_v7(), text("hi"))]).expect("a batch");
        assert_eq!((batch.messages.len(), batch.changes.len()), (0, 1));
    }
}
