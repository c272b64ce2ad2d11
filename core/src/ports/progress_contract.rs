//! The contracts of [`super::progress`] and [`super::contacts`]: run unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::progress_contract!(make())`, where `make` gives a [`Subject`] that is empty.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::contacts::Contacts;
use super::log::{Position, Record};
use super::progress::{Asked, Mark, Progress, Reached};
use super::store::{Store, Stored};
use crate::event::{Event, Kind, Message, MessageType, Room, RoomKind};
use crate::ids::{EventId, Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::membership::{Change, nameless};
use crate::receipts::{Got, Pointers};
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! progress_contract {
    ($make:expr) => {
        $crate::progress_contract!(@ $make;
            stored_pointers_move_forward_in_whatever_order_marks_come
            a_read_pointer_counts_what_is_behind_it
            a_fresher_pointer_than_the_stores_counts_too
            many_rooms_are_counted_at_once_in_the_order_asked_for
            who_sends_has_read_up_to_their_message
            a_message_is_counted_by_whom_it_has_got_to
            those_who_got_furthest_tell_of_every_message
            what_did_not_reach_a_member_waits_in_order_and_is_bounded
            nothing_waits_for_who_is_no_member_and_nothing_that_was_deleted
            users_know_whom_they_share_a_room_with
            a_user_was_last_seen_at_the_latest_time
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let subject = $make.await;
                let promise = |trial| Box::pin($crate::ports::progress_contract::$promise(trial)) as _;
                $crate::ports::progress_contract::hold(subject, promise).await;
            }
        )*
    };
}

const PARTITION: Partition = Partition(3);

/// An implementation under test, empty.
pub struct Subject {
    /// What fills it.
    pub store: Arc<dyn Store>,
    /// The pointers.
    pub progress: Arc<dyn Progress>,
    /// The users.
    pub contacts: Arc<dyn Contacts>,
    /// How events are encoded (the contract suite is below `proto`).
    pub encode: fn(&Event) -> Bytes,
    /// Removes what was made for the test.
    pub close: BoxFuture<'static, ()>,
}

/// Runs one promise and removes the subject, kept or broken.
pub async fn hold(subject: Subject, promise: fn(Trial) -> BoxFuture<'static, ()>) {
    let Subject { store, progress, contacts, encode, close } = subject;
    let trial = Trial { store, progress, contacts, encode, at: Position::START, next: 0 };
    let outcome = tokio::spawn(promise(trial)).await;
    close.await;
    if let Err(broken) = outcome {
        std::panic::resume_unwind(broken.into_panic());
    }
}

/// What a promise is tried with.
pub struct Trial {
    store: Arc<dyn Store>,
    progress: Arc<dyn Progress>,
    contacts: Arc<dyn Contacts>,
    encode: fn(&Event) -> Bytes,
    at: Position,
    next: i64,
}

impl Trial {
    async fn group(&self, id: &str, members: &[&str]) -> RoomId {
        let room = Room {
            id: room(id),
            kind: RoomKind::Group,
            name: Some(id.into()),
            description: None,
            avatar: None,
            private: true,
            created_by: user(members[0]),
            created_at: Timestamp(0),
            version: 0,
            member_count: 0,
        };
        for member in members {
            self.store.see_user(&nameless(&user(member))).await.expect("seen");
        }
        let others = members[1..].iter().map(|member| user(member)).collect();
        let change = Change::Create { room, creator: nameless(&user(members[0])), members: others, limit: 100 };
        self.store.change(&self::room(id), &change).await.expect("made").room.id
    }

    /// Appends events and applies them as one batch; their seqs.
    async fn tell(&mut self, events: &[Event]) -> Vec<Seq> {
        let records: Vec<Record> = events
            .iter()
            .map(|event| {
                let seq = Seq::new(Generation(1), Offset(self.next));
                self.next += 2;
                let time = Timestamp(1_763_553_600_000 + self.next);
                let event = event.clone();
                let encoded = (self.encode)(&event);
                Record { partition: PARTITION, seq, time, encoded, event: Ok(event.into()), trace: None }
            })
            .collect();
        match self.store.apply(PARTITION, self.at, &records).await.expect("applied") {
            Stored::Done { position, .. } => self.at = position,
            Stored::Elsewhere(position) => panic!("the store is at {position:?}"),
        }
        records.iter().map(|record| record.seq).collect()
    }

    async fn raise(&self, room: &RoomId, who: &str, to: Pointers) {
        self.progress.raise(&[Mark { room: room.clone(), user: user(who), to }]).await.expect("raised");
    }

    async fn pointers(&self, room: &RoomId, who: &str) -> Pointers {
        self.progress.of_users(room, &[user(who)]).await.expect("pointers")[0]
    }

    /// The count of a list of rooms, and the count of one room.
    async fn unread(&self, room: &RoomId, who: &str) -> (u64, u64) {
        let listed = self.store.rooms_of(&user(who), 10).await.expect("rooms");
        let listed = listed.iter().find(|summary| summary.room.id == *room).expect("the room").unread;
        let asked = Asked { room, partition: PARTITION, read: Seq::ZERO };
        let counted = self.progress.unread(&user(who), &[asked]).await.expect("a count")[0];
        assert_eq!(counted.applied, self.at.offset);
        (listed, counted.count)
    }

    async fn waiting(&self, who: &str, fresher: &[(RoomId, Seq)], limit: usize) -> Vec<String> {
        let waiting = self.progress.waiting(&user(who), fresher, limit).await.expect("messages");
        waiting.into_iter().map(|message| message.message.content).collect()
    }
}

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

fn room(id: &str) -> RoomId {
    RoomId::trusted(id)
}

fn says(room: &RoomId, who: &str, words: &str) -> Event {
    let kind = Kind::MessageSent(Message::new(MessageType::Text, words));
    Event { id: EventId::now(), room: room.clone(), actor: nameless(&user(who)), kind }
}

fn at(millis: i64) -> Timestamp {
    Timestamp(1_763_553_700_000 + millis)
}

#[allow(missing_docs, reason = "the names say what is promised")]
mod promises {
    use super::*;

    pub async fn stored_pointers_move_forward_in_whatever_order_marks_come(mut trial: Trial) {
        let room = trial.group("r", &["a", "b"]).await;
        let seqs = trial.tell(&["1", "2", "3", "4"].map(|words| says(&room, "a", words))).await;
        let mark = |who: &str, to| Mark { room: room.clone(), user: user(who), to };
        let marks = [
            mark("b", Pointers::delivered(seqs[2], at(20))),
            mark("stranger", Pointers::read(seqs[2], at(20))),
            mark("b", Pointers::read(seqs[1], at(10))),
            mark("b", Pointers::delivered(seqs[0], at(5))),
        ];
        trial.progress.raise(&marks).await.expect("raised");
        let expected = Pointers {
            delivered: Pointers::delivered(seqs[2], at(20)).delivered,
            read: Pointers::read(seqs[1], at(10)).read,
        };
        assert_eq!(trial.pointers(&room, "b").await, expected);
        trial.progress.raise(&marks).await.expect("raised again");
        trial.raise(&room, "b", Pointers::read(seqs[0], at(50))).await;
        assert_eq!(trial.pointers(&room, "b").await, expected, "nothing goes back");
        trial.raise(&room, "b", Pointers::read(seqs[3], at(60))).await;
        assert_eq!(trial.pointers(&room, "b").await, Pointers::read(seqs[3], at(60)));
        assert_eq!(trial.pointers(&room, "stranger").await, Pointers::default());
    }

    pub async fn a_read_pointer_counts_what_is_behind_it(mut trial: Trial) {
        let room = trial.group("r", &["a", "b"]).await;
        let seqs = trial.tell(&["1", "2", "3"].map(|words| says(&room, "a", words))).await;
        assert_eq!(trial.unread(&room, "b").await, (3, 3));
        trial.raise(&room, "b", Pointers::delivered(seqs[2], at(0))).await;
        assert_eq!(trial.unread(&room, "b").await, (3, 3), "what was delivered is not read");
        trial.raise(&room, "b", Pointers::read(seqs[1], at(0))).await;
        assert_eq!(trial.unread(&room, "b").await, (1, 1));
        // Between two messages, as a pointer at another kind of event is.
        trial.raise(&room, "b", Pointers::read(Seq(seqs[1].0 + 1), at(0))).await;
        assert_eq!(trial.unread(&room, "b").await, (1, 1));
        trial.raise(&room, "b", Pointers::read(seqs[2], at(0))).await;
        assert_eq!(trial.unread(&room, "b").await, (0, 0));
        trial.tell(&[says(&room, "a", "4")]).await;
        assert_eq!(trial.unread(&room, "b").await, (1, 1));
    }

    pub async fn a_fresher_pointer_than_the_stores_counts_too(mut trial: Trial) {
        let room = trial.group("r", &["a", "b"]).await;
        let seqs = trial.tell(&["1", "2", "3"].map(|words| says(&room, "a", words))).await;
        trial.raise(&room, "b", Pointers::read(seqs[0], at(0))).await;
        let unread = async |read| {
            let asked = Asked { room: &room, partition: PARTITION, read };
            let unread = trial.progress.unread(&user("b"), &[asked]).await.expect("a count");
            (unread[0].count, unread[0].read)
        };
        assert_eq!(unread(Seq::ZERO).await, (2, seqs[0]));
        assert_eq!(unread(seqs[1]).await, (1, seqs[1]));
        assert_eq!(unread(Seq(seqs[2].0 + 5)).await, (0, Seq(seqs[2].0 + 5)), "further than the store sees");
    }

    pub async fn many_rooms_are_counted_at_once_in_the_order_asked_for(mut trial: Trial) {
        let (two, one) = (trial.group("two", &["a", "b"]).await, trial.group("one", &["a", "b"]).await);
        let told = [says(&two, "a", "1"), says(&one, "a", "2"), says(&two, "a", "3"), says(&two, "a", "4")];
        let seqs = trial.tell(&told).await;
        let nowhere = RoomId::trusted("nowhere");
        let asked = [
            Asked { room: &two, partition: PARTITION, read: seqs[0] },
            Asked { room: &nowhere, partition: Partition(0), read: Seq::ZERO },
            Asked { room: &one, partition: PARTITION, read: Seq::ZERO },
            Asked { room: &two, partition: PARTITION, read: seqs[3] },
        ];
        let counted = trial.progress.unread(&user("b"), &asked).await.expect("counts");
        let counts: Vec<_> = counted.iter().map(|one| (one.count, one.read, one.applied)).collect();
        let applied = trial.at.offset;
        assert_eq!(
            counts,
            [(2, seqs[0], applied), (0, Seq::ZERO, Offset::NONE), (1, Seq::ZERO, applied), (0, seqs[3], applied),]
        );
        assert!(trial.progress.unread(&user("b"), &[]).await.expect("nothing").is_empty());
    }

    pub async fn who_sends_has_read_up_to_their_message(mut trial: Trial) {
        let room = trial.group("r", &["a", "b"]).await;
        let seqs = trial.tell(&[says(&room, "a", "1"), says(&room, "b", "2"), says(&room, "a", "3")]).await;
        assert_eq!(trial.unread(&room, "b").await, (1, 1));
        assert_eq!(trial.unread(&room, "a").await, (0, 0));
        assert_eq!(trial.pointers(&room, "b").await.read.seq, seqs[1]);
        let members = trial.progress.of_room(&room, 10).await.expect("members");
        let read: Vec<_> = members.iter().map(|(user, to)| (user.id.as_str(), to.read.seq)).collect();
        assert_eq!(read, [("a", seqs[2]), ("b", seqs[1])]);
        assert!(members.iter().all(|(_, to)| to.read.at > Timestamp(0)), "at the message's time");
        assert_eq!(trial.progress.of_room(&room, 1).await.expect("members").len(), 1);
    }

    pub async fn a_message_is_counted_by_whom_it_has_got_to(mut trial: Trial) {
        let room = trial.group("r", &["a", "b", "c", "d", "e"]).await;
        let seqs = trial.tell(&[says(&room, "a", "1"), says(&room, "e", "2")]).await;
        trial.raise(&room, "b", Pointers::read(seqs[0], at(0))).await;
        trial.raise(&room, "c", Pointers::delivered(seqs[1], at(0))).await;
        let reached =
            async |seq, except: &str| trial.progress.reached(&room, seq, &user(except)).await.expect("counts");
        assert_eq!(reached(seqs[0], "a").await, Reached { delivered: 3, read: 2 }, "b and c, and e who answered");
        assert_eq!(reached(seqs[1], "e").await, Reached { delivered: 1, read: 0 });
    }

    pub async fn those_who_got_furthest_tell_of_every_message(mut trial: Trial) {
        let (room, other) = (trial.group("r", &["a", "b", "c", "d", "e"]).await, trial.group("s", &["a", "b"]).await);
        let told = ["1", "2", "3", "4"].map(|content| says(&room, "a", content));
        let seqs = trial.tell(&told).await;
        let alone = trial.tell(&[says(&other, "b", "5")]).await;
        trial.raise(&room, "b", Pointers::read(seqs[1], at(0))).await;
        trial.raise(&room, "c", Pointers::read(seqs[0], at(0))).await;
        trial.raise(&room, "d", Pointers::delivered(seqs[2], at(0))).await;
        trial.raise(&room, "e", Pointers::delivered(seqs[0], at(0))).await;
        let asked = [other, RoomId::trusted("nowhere"), room.clone()];
        let found = trial.progress.furthest(&asked).await.expect("an answer");
        let got = |sender: &str| seqs.iter().map(|seq| found[2].got(*seq, &user(sender))).collect::<Vec<_>>();
        // `a` wrote all of it and so has read it, which tells of nobody but `a`.
        assert_eq!(got("a"), [Got::Read, Got::Read, Got::Delivered, Got::Sent]);
        assert_eq!(found[0].got(alone[0], &user("b")), Got::Sent, "who wrote it is no reader");
        assert_eq!(found[0].got(alone[0], &user("a")), Got::Read);
        assert_eq!(found[1].got(seqs[0], &user("a")), Got::Sent);
        // An answer reads what precedes it.
        trial.tell(&[says(&room, "e", "6")]).await;
        let found = trial.progress.furthest(&asked[2..]).await.expect("an answer");
        assert_eq!(found[0].got(seqs[3], &user("a")), Got::Read);
        assert!(trial.progress.furthest(&[]).await.expect("nothing").is_empty());
    }

    pub async fn what_did_not_reach_a_member_waits_in_order_and_is_bounded(mut trial: Trial) {
        let (r, s) = (trial.group("r", &["a", "b"]).await, trial.group("s", &["a", "b"]).await);
        let events = [
            says(&r, "a", "r1"),
            says(&s, "a", "s1"),
            says(&r, "b", "mine"),
            says(&r, "a", "r2"),
            says(&s, "a", "s2"),
            says(&r, "a", "r3"),
        ];
        let seqs = trial.tell(&events).await;
        // A message of one's own is no receipt of what others sent before: that device may have heard nothing.
        assert_eq!(trial.waiting("b", &[], 100).await, ["r1", "s1", "r2", "s2", "r3"]);
        assert_eq!(trial.waiting("b", &[], 2).await, ["s2", "r3"], "the newest");
        trial.raise(&r, "b", Pointers::delivered(seqs[3], at(0))).await;
        assert_eq!(trial.waiting("b", &[], 100).await, ["s1", "s2", "r3"]);
        assert_eq!(trial.waiting("b", &[(s.clone(), seqs[1])], 100).await, ["s2", "r3"], "fresher than the store");
        trial.raise(&s, "b", Pointers::read(seqs[4], at(0))).await;
        assert_eq!(trial.waiting("b", &[(r.clone(), seqs[0])], 100).await, ["r3"]);
        assert_eq!(trial.waiting("a", &[], 100).await, ["mine"]);
    }

    pub async fn nothing_waits_for_who_is_no_member_and_nothing_that_was_deleted(mut trial: Trial) {
        let room = trial.group("r", &["a", "b"]).await;
        let (gone, kept) = (says(&room, "a", "gone"), says(&room, "a", "kept"));
        trial.tell(&[gone.clone(), kept]).await;
        let kind = Kind::MessageDeleted { message: MessageId(gone.id.0) };
        trial.tell(&[Event { id: EventId::now(), kind, ..gone }]).await;
        assert_eq!(trial.waiting("b", &[], 100).await, ["kept"]);
        trial.store.change(&room, &Change::Leave { user: nameless(&user("b")) }).await.expect("left");
        assert!(trial.waiting("b", &[], 100).await.is_empty());
        assert!(trial.waiting("stranger", &[], 100).await.is_empty());
    }

    pub async fn users_know_whom_they_share_a_room_with(trial: Trial) {
        let (r, s) = (trial.group("r", &["a", "b"]).await, trial.group("s", &["a", "c", "d"]).await);
        trial.store.change(&s, &Change::Leave { user: nameless(&user("d")) }).await.expect("left");
        let acquainted = async |who: &str, others: &[&str]| {
            let others: Vec<_> = others.iter().map(|other| user(other)).collect();
            let mut found = trial.contacts.acquainted(&user(who), &others).await.expect("found");
            found.sort();
            found
        };
        assert_eq!(acquainted("a", &["d", "c", "b", "a", "nobody"]).await, ["a", "b", "c"].map(user));
        assert_eq!(acquainted("b", &["a", "c"]).await, [user("a")]);
        assert!(acquainted("d", &["a"]).await.is_empty());
        assert_eq!(trial.contacts.rooms(&user("a"), 10).await.expect("rooms"), [(r.clone(), 2), (s.clone(), 2)]);
        assert_eq!(trial.contacts.rooms(&user("a"), 1).await.expect("rooms").len(), 1);
        assert!(trial.contacts.rooms(&user("d"), 10).await.expect("rooms").is_empty());
        let ids = async |after: Option<&UserId>, limit| trial.contacts.member_ids(&s, after, limit).await.expect("ids");
        assert_eq!(ids(None, 10).await, ["a", "c"].map(user));
        assert_eq!((ids(None, 1).await, ids(Some(&user("a")), 10).await), (vec![user("a")], vec![user("c")]));
    }

    pub async fn a_user_was_last_seen_at_the_latest_time(trial: Trial) {
        trial.group("r", &["a", "b"]).await;
        let seen = [(user("a"), at(10)), (user("nobody"), at(10)), (user("a"), at(30)), (user("a"), at(20))];
        trial.contacts.seen(&seen).await.expect("noted");
        trial.contacts.seen(&[(user("a"), at(25))]).await.expect("noted");
        let asked = ["b", "a", "nobody"].map(user);
        let told = trial.contacts.last_seen(&asked).await.expect("times");
        assert_eq!(told, [None, Some(at(30)), None]);
        trial.contacts.seen(&[]).await.expect("nothing");
        assert!(trial.contacts.last_seen(&[]).await.expect("nothing").is_empty());
    }
}

pub use promises::*;
