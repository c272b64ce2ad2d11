//! The worker between a real log (SQLite) and a real fan-out (memory).

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests: a failure is to stop it there")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parlor_core::event::{Actor, Delivery, Event, Kind, Message, MessageType};
use parlor_core::ids::{EventId, Offset, RoomId, Seq, UserId};
use parlor_core::ports::fanout::{Fanout, Signal};
use parlor_core::ports::log::Log;
use parlor_delivery_worker::{Config, Fatal, Health, Ports, run};
use parlor_fanout::memory::{Memory, MemoryConfig};
use parlor_log::sqlite::SqliteLog;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

fn message(room: &RoomId, content: &str) -> Event {
    Event {
        id: EventId::now(),
        room: room.clone(),
        actor: Actor { id: UserId::trusted("ann"), name: "Ann".into(), avatar: None },
        kind: Kind::MessageSent(Message {
            content: content.to_owned(),
            kind: MessageType::Text,
            reply_to: None,
            metadata: None,
            mentions: Vec::new(),
            encrypted: false,
            temp_id: None,
        }),
    }
}

struct World {
    log: Arc<SqliteLog>,
    memory: Arc<Memory>,
    /// As a gateway hears it.
    ears: Arc<Memory>,
    heard: mpsc::Receiver<Signal>,
    room: RoomId,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path()).await;
        let memory = Memory::new(MemoryConfig::for_testing());
        let ears = memory.another();
        let (heard, room) = (ears.listen(), RoomId::trusted("room"));
        ears.subscribe(&room).await.unwrap();
        Self { log, memory, ears, heard, room, _folder: folder }
    }

    fn worker(&self, instance: &str) -> Worker {
        let (health, stop) = (Health::new(), CancellationToken::new());
        let ports = Ports { log: self.log.clone(), fanout: self.memory.another() };
        let config = Config { instance: instance.to_owned(), ..Config::for_testing() };
        Worker { task: tokio::spawn(run(config, ports, health.clone(), stop.clone())), stop, health }
    }

    async fn send(&self, events: &[Event]) {
        for event in events {
            self.log.append(event).unwrap().await.unwrap();
        }
    }

    async fn next(&mut self) -> Delivery {
        loop {
            match timeout(PATIENCE, self.heard.recv()).await.expect("something is delivered").unwrap() {
                Signal::Delivery(delivery) => return delivery,
                Signal::Ephemeral(..) | Signal::Gap => {}
            }
        }
    }

    async fn hear(&mut self, count: usize) -> Vec<Delivery> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.push(self.next().await);
        }
        heard
    }

    async fn silence(&mut self) {
        let more = timeout(Duration::from_millis(300), self.heard.recv()).await;
        assert!(!matches!(more, Ok(Some(Signal::Delivery(_)))), "{more:?}");
    }
}

async fn open(folder: &Path) -> Arc<SqliteLog> {
    SqliteLog::open(folder.join("log.db"), 4).await.unwrap()
}

struct Worker {
    task: JoinHandle<Result<(), Fatal>>,
    stop: CancellationToken,
    health: Health,
}

impl Worker {
    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }

    async fn ready(&self) {
        let ready = async {
            while !self.health.report().ready {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ready).await.unwrap_or_else(|_| panic!("{:?}", self.health.report()));
    }
}

fn messages(room: &RoomId, count: usize) -> Vec<Event> {
    (0..count).map(|number| message(room, &number.to_string())).collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<EventId> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}

#[tokio::test]
async fn what_is_in_the_log_is_published_in_order_with_an_unbroken_chain() {
    let mut world = World::new().await;
    world.log.faults().skip_offsets(5);
    let worker = world.worker("w1");
    worker.ready().await;
    let sent = messages(&world.room, 200);
    world.send(&sent).await;
    let heard = world.hear(200).await;
    assert_eq!(ids(&heard), sent.iter().map(|event| event.id).collect::<Vec<_>>());
    assert!(heard.windows(2).all(|pair| pair[1].prev == Some(pair[0].seq)));
    worker.stop().await;
    let committed = world.log.committed(&Config::for_testing().group).await.unwrap();
    let partition = world.log.partition_of(&world.room);
    assert_eq!(committed[usize::try_from(partition.0).unwrap()], Some(heard[199].seq.offset().next()));
}

#[tokio::test]
async fn a_worker_that_takes_over_neither_repeats_nor_leaves_out() {
    let mut world = World::new().await;
    let first = world.worker("w1");
    first.ready().await;
    let sent = messages(&world.room, 60);
    world.send(&sent[..20]).await;
    world.hear(20).await;
    // As kill -9 does: nothing is committed, nobody says goodbye.
    first.task.abort();
    let _ = first.task.await;
    world.send(&sent[20..40]).await;
    let second = world.worker("w1");
    world.send(&sent[40..]).await;
    let heard = world.hear(40).await;
    assert_eq!(ids(&heard), sent[20..].iter().map(|event| event.id).collect::<Vec<_>>());
    world.silence().await;
    second.stop().await;
}

#[tokio::test]
async fn an_emptied_fan_out_gets_the_last_minute_again_and_misses_nothing() {
    let mut world = World::new().await;
    let worker = world.worker("w1");
    worker.ready().await;
    let sent = messages(&world.room, 40);
    world.send(&sent[..20]).await;
    world.hear(20).await;
    world.memory.forget();
    world.send(&sent[20..]).await;
    let mut seqs: BTreeSet<Seq> = BTreeSet::new();
    let mut new = Vec::new();
    while new.len() < 40 {
        let delivery = world.next().await;
        if seqs.insert(delivery.seq) {
            new.push(delivery.event.id);
        }
    }
    assert_eq!(new, sent.iter().map(|event| event.id).collect::<Vec<_>>(), "replayed and carried on, in order");
    worker.stop().await;
}

#[tokio::test]
async fn a_fan_out_that_is_away_delays_and_loses_nothing() {
    let mut world = World::new().await;
    let worker = world.worker("w1");
    worker.ready().await;
    world.memory.away(true);
    let sent = messages(&world.room, 20);
    world.send(&sent).await;
    sleep(Duration::from_millis(500)).await;
    assert!(!worker.health.report().ready);
    world.memory.away(false);
    assert_eq!(ids(&world.hear(20).await), sent.iter().map(|event| event.id).collect::<Vec<_>>());
    worker.ready().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_does_not_stop_its_partition() {
    let mut world = World::new().await;
    let worker = world.worker("w1");
    let sent = messages(&world.room, 2);
    world.send(&sent[..1]).await;
    let partition = world.log.partition_of(&world.room);
    world.log.append_raw(partition, Bytes::from_static(b"\xff\xff not a record")).await.unwrap();
    world.send(&sent[1..]).await;
    assert_eq!(ids(&world.hear(2).await), sent.iter().map(|event| event.id).collect::<Vec<_>>());
    let next = world.log.ends(partition).await.unwrap().next;
    let position = world.ears.position(partition).await.unwrap().unwrap();
    assert_eq!(position.offset, Offset(next.0 - 1));
    worker.stop().await;
}

#[tokio::test]
async fn a_second_copy_of_an_event_is_not_delivered() {
    let mut world = World::new().await;
    let worker = world.worker("w1");
    let sent = messages(&world.room, 2);
    world.send(&[sent[0].clone(), sent[0].clone(), sent[1].clone()]).await;
    assert_eq!(ids(&world.hear(2).await), [sent[0].id, sent[1].id]);
    world.silence().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_log_that_was_made_anew_is_refused_with_the_reason() {
    let mut world = World::new().await;
    let worker = world.worker("w1");
    world.send(&messages(&world.room, 5)).await;
    world.hear(5).await;
    worker.stop().await;
    let folder = tempfile::tempdir().unwrap();
    world.log = open(folder.path()).await;
    world.send(&messages(&world.room, 5)).await;
    let worker = world.worker("w1");
    let health = worker.health.clone();
    let fatal = timeout(PATIENCE, worker.task).await.expect("it ends").unwrap().expect_err("it refuses");
    assert!(matches!(fatal, Fatal::Refused { .. }));
    assert!(fatal.to_string().contains("is not the one that was applied"), "{fatal}");
    assert!(!health.report().ready);
}
