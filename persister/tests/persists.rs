//! The persister between a real log and a real store (both SQLite).

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests: a failure is to stop it there")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parlor_core::event::{Actor, Event, Kind, Member, Message, MessageType, Role, Room, RoomKind};
use parlor_core::ids::{EventId, MessageId, Offset, RoomId, Seq, UserId};
use parlor_core::membership::Change;
use parlor_core::ports::log::{Log, Position};
use parlor_core::ports::store::{Read, Store, StoredMessage};
use parlor_core::time::Timestamp;
use parlor_log::sqlite::SqliteLog;
use parlor_persister::{Config, Fatal, Health, Ports, run};
use parlor_store::sqlite::Sqlite;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

fn ann() -> Actor {
    Actor { id: UserId::trusted("ann"), name: "Ann".into(), avatar: None }
}

fn event(room: &RoomId, kind: Kind) -> Event {
    Event { id: EventId::now(), room: room.clone(), actor: ann(), kind }
}

fn message(room: &RoomId, content: &str) -> Event {
    let message = Message {
        content: content.to_owned(),
        kind: MessageType::Text,
        reply_to: None,
        metadata: None,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: None,
    };
    event(room, Kind::MessageSent(message))
}

fn messages(room: &RoomId, count: usize) -> Vec<Event> {
    (0..count).map(|number| message(room, &number.to_string())).collect()
}

struct World {
    log: Arc<SqliteLog>,
    receipts: Arc<SqliteLog>,
    store: Arc<Sqlite>,
    room: RoomId,
    folder: tempfile::TempDir,
}

struct Persister {
    task: JoinHandle<Result<(), Fatal>>,
    stop: CancellationToken,
}

impl Persister {
    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path()).await;
        let store = Sqlite::open(&folder.path().join("store.db")).await.unwrap();
        let receipts = SqliteLog::open(folder.path().join("receipts.db"), 4).await.unwrap();
        Self { log, receipts, store, room: RoomId::trusted("room"), folder }
    }

    fn persister(&self) -> Persister {
        let stop = CancellationToken::new();
        let (receipts, progress) = (self.receipts.clone(), self.store.clone());
        let ports = Ports { log: self.log.clone(), store: self.store.clone(), files: None, receipts, progress };
        let (health, noting) = (Health::new(), Health::new());
        Persister { task: tokio::spawn(run(Config::for_testing(), ports, health, noting, stop.clone())), stop }
    }

    async fn send(&self, events: &[Event]) {
        for event in events {
            self.log.append(event).unwrap().await.unwrap();
        }
    }

    async fn caught_up(&self) {
        let partition = self.log.partition_of(&self.room);
        let next = self.log.ends(partition).await.unwrap().next;
        let reached = async {
            while self.store.position(partition).await.unwrap().offset.next() < next {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the store reaches the log's end");
    }

    async fn history(&self) -> Vec<StoredMessage> {
        let partition = self.log.partition_of(&self.room);
        let (after, before) = (Seq::ZERO, Seq::MAX);
        let read = Read { room: &self.room, partition, after, before, limit: 1000, newest_first: false };
        self.store.messages(read).await.unwrap().rows
    }

    async fn stored(&self) -> Vec<EventId> {
        self.history().await.into_iter().map(|message| message.id.into()).collect()
    }
}

async fn open(folder: &Path) -> Arc<SqliteLog> {
    SqliteLog::open(folder.join("log.db"), 4).await.unwrap()
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn history_has_what_the_log_has_once_and_in_its_order() {
    let world = World::new().await;
    world.log.faults().skip_offsets(3);
    let sent = messages(&world.room, 150);
    world.send(&sent[..50]).await;
    let persister = world.persister();
    world.send(&sent[50..]).await;
    // A resend, and an edit of an early message.
    world.send(&sent[10..20]).await;
    let edited = MessageId(sent[3].id.0);
    world
        .send(&[event(
            &world.room,
            Kind::MessageEdited { message: edited, content: "new".to_owned(), encrypted: false },
        )])
        .await;
    world.caught_up().await;
    assert_eq!(world.stored().await, ids(&sent));
    assert_eq!(world.history().await[3].message.content, "new");
    persister.stop().await;
    let committed = world.log.committed(&Config::for_testing().group).await.unwrap();
    let partition = world.log.partition_of(&world.room);
    let next = world.log.ends(partition).await.unwrap().next;
    let stands = committed[usize::try_from(partition.0).unwrap()].unwrap();
    assert!(stands > Offset(150) && stands <= next, "{stands}");
}

#[tokio::test]
async fn a_store_that_lost_everything_is_filled_again_from_the_log() {
    let mut world = World::new().await;
    let sent = messages(&world.room, 60);
    world.send(&sent).await;
    let (edited, deleted) = (MessageId(sent[3].id.0), MessageId(sent[5].id.0));
    let edit = Kind::MessageEdited { message: edited, content: "new".to_owned(), encrypted: false };
    let changes = [edit, Kind::MessageDeleted { message: deleted }].map(|kind| event(&world.room, kind));
    world.send(&changes).await;
    let persister = world.persister();
    world.caught_up().await;
    let before = world.history().await;
    persister.stop().await;
    assert_eq!(before.len(), 59);

    // A new database knows of no position, and the group's committed offsets do not keep it from what is in the log.
    world.store = Sqlite::open(&world.folder.path().join("another.db")).await.unwrap();
    assert!(world.history().await.is_empty());
    let persister = world.persister();
    world.caught_up().await;
    assert_eq!(world.history().await, before, "the same messages in the same places, edits and deletions applied");
    persister.stop().await;
}

#[tokio::test]
async fn the_log_tells_who_did_what_and_when_in_order() {
    let world = World::new().await;
    let bob = Actor { id: UserId::trusted("bob"), name: "Bob".into(), avatar: None };
    let said = message(&world.room, "hi");
    let joined = Member { user: bob.clone(), role: Role::Member, joined_at: Timestamp(0) };
    let kinds = [
        Kind::MemberJoined { member: joined, members: Some(2), version: 2 },
        Kind::MessagePinned { message: MessageId(said.id.0), on: true },
        Kind::MessageDeleted { message: MessageId(said.id.0) },
        Kind::MemberLeft { user: bob.id.clone(), name: bob.name.clone(), members: Some(1), version: 3 },
        Kind::RoomDeleted { version: 4 },
    ];
    let mut done = vec![said];
    done.extend(kinds.into_iter().map(|kind| event(&world.room, kind)));
    world.send(&done).await;
    // The store has it, and need not: the log is asked.
    let partition = world.log.partition_of(&world.room);
    let range = world.log.read_range(partition, Offset::NONE, Offset(i64::MAX), 1 << 20).await.unwrap();
    let told: Vec<Event> = range.records.iter().map(|record| (**record.event.as_ref().unwrap()).clone()).collect();
    assert_eq!(told, done, "each with its actor, none changed by what followed");
    assert!(range.records.is_sorted_by_key(|record| record.seq));
    assert!(range.records.iter().all(|record| record.time > Timestamp(0)), "with the log's time");
}

#[tokio::test]
async fn a_persister_killed_in_mid_stream_costs_nothing_and_stores_nothing_twice() {
    let world = World::new().await;
    let sent = messages(&world.room, 120);
    for part in sent.chunks(30) {
        let persister = world.persister();
        world.send(part).await;
        persister.task.abort();
        let _ = persister.task.await;
    }
    let persister = world.persister();
    world.caught_up().await;
    assert_eq!(world.stored().await, ids(&sent));
    persister.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_does_not_stop_its_partition() {
    let world = World::new().await;
    let persister = world.persister();
    let sent = messages(&world.room, 4);
    world.send(&sent[..2]).await;
    let partition = world.log.partition_of(&world.room);
    world.log.append_raw(partition, Bytes::from_static(b"\xff\xff not a record")).await.unwrap();
    world.send(&sent[2..]).await;
    world.caught_up().await;
    assert_eq!(world.stored().await, ids(&sent));
    persister.stop().await;
}

#[tokio::test]
async fn what_a_gateway_decided_and_did_not_append_reaches_the_log() {
    let world = World::new().await;
    let group = RoomId::new_group();
    let room = Room {
        id: group.clone(),
        kind: RoomKind::Group,
        name: Some("Team".to_owned()),
        description: None,
        avatar: None,
        private: false,
        created_by: ann().id,
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    world.store.see_user(&ann()).await.unwrap();
    world.store.change(&group, &Change::Create { room, creator: ann(), members: Vec::new(), limit: 10 }).await.unwrap();
    assert!(!world.store.outbox(&group).await.unwrap().is_empty());
    let persister = world.persister();
    let partition = world.log.partition_of(&group);
    let relayed = async {
        loop {
            let range = world.log.read_range(partition, Offset::NONE, Offset(i64::MAX), 1 << 20).await.unwrap();
            let created = |event: &Event| event.room == group && matches!(event.kind, Kind::RoomCreated { .. });
            let there = range.records.iter().any(|record| record.event.as_ref().is_ok_and(|event| created(event)));
            if there && world.store.outbox(&group).await.unwrap().is_empty() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, relayed).await.expect("the relay appends it and marks it");
    persister.stop().await;
}

#[tokio::test]
async fn a_log_whose_unapplied_records_expired_is_refused_with_the_reason() {
    let world = World::new().await;
    world.send(&messages(&world.room, 10)).await;
    let partition = world.log.partition_of(&world.room);
    assert_eq!(world.store.position(partition).await.unwrap(), Position::START);
    world.log.expire(partition, Offset(5)).await.unwrap();
    let persister = world.persister();
    let fatal = timeout(PATIENCE, persister.task).await.expect("it ends").unwrap().expect_err("it refuses");
    assert!(fatal.to_string().contains("the log begins at offset 5"), "{fatal}");
    assert!(fatal.to_string().contains("`applied`"), "says what to do: {fatal}");
    assert!(world.stored().await.is_empty());
}

#[tokio::test]
async fn receipts_become_pointers_whatever_is_applied_twice() {
    use parlor_core::ports::progress::{Asked, Progress};

    let world = World::new().await;
    let bob = Actor { id: UserId::trusted("bob"), name: "Bob".into(), avatar: None };
    for user in [ann(), bob.clone()] {
        world.store.see_user(&user).await.unwrap();
    }
    let room = Room {
        id: world.room.clone(),
        // Its making says nothing in it, as a group's does: what is unread is what is sent here.
        kind: RoomKind::Direct,
        name: None,
        description: None,
        avatar: None,
        private: true,
        created_by: ann().id,
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    let change = Change::Create { room, creator: ann(), members: vec![bob.id.clone()], limit: 10 };
    world.store.change(&world.room, &change).await.unwrap();
    world.send(&messages(&world.room, 8)).await;
    let generation = world.log.generation();
    let place = |offset| Seq::new(generation, Offset(offset));
    let receipt = |delivered: Option<i64>, read: Option<i64>| Event {
        actor: bob.clone(),
        ..event(&world.room, Kind::Receipt { delivered: delivered.map(place), read: read.map(place) })
    };
    let receipts = [receipt(Some(7), None), receipt(None, Some(5)), receipt(Some(6), Some(4))];
    let expected = (place(7), place(5));
    for round in [&receipts[..2], &receipts[2..], &receipts[..1]] {
        for receipt in round {
            world.receipts.append(receipt).unwrap().await.unwrap();
        }
        let persister = world.persister();
        let stored = async {
            loop {
                let of = world.store.of_users(&world.room, std::slice::from_ref(&bob.id)).await.unwrap()[0];
                if (of.delivered.seq, of.read.seq) == expected {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, stored).await.expect("the store has the pointers");
        // Applies what it has in hand.
        persister.stop().await;
        let of = world.store.of_users(&world.room, std::slice::from_ref(&bob.id)).await.unwrap()[0];
        assert_eq!((of.delivered.seq, of.read.seq), expected, "nothing goes back");
    }
    let asked = Asked { room: &world.room, partition: world.log.partition_of(&world.room), read: Seq::ZERO };
    let unread = world.store.unread(&bob.id, &[asked]).await.unwrap();
    assert_eq!(unread[0].count, 2, "by the number of the message, though the receipt may have come first");
    assert_eq!(world.store.rooms_of(&bob.id, 1).await.unwrap()[0].unread, 2);
}
