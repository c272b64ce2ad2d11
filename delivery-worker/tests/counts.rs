//! Counting topics between a real log (SQLite) and a real memory.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests: a failure is to stop it there")]

use std::sync::Arc;
use std::time::Duration;

use parlor_core::event::{Ephemeral, Event, Kind, Message, MessageType};
use parlor_core::ids::{EventId, RoomId, UserId};
use parlor_core::membership::nameless;
use parlor_core::ports::fanout::{Fanout, Signal};
use parlor_core::ports::log::Log;
use parlor_core::ports::topics::Topics;
use parlor_delivery_worker::{Health, TopicsConfig, TopicsPorts, run_topics};
use parlor_fanout::memory::{Memory, MemoryConfig};
use parlor_log::sqlite::SqliteLog;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

fn message(room: &str, message: Message) -> Event {
    let (id, room, actor) = (EventId::now(), RoomId::trusted(room), nameless(&UserId::trusted("ann")));
    Event { id, room, actor, kind: Kind::MessageSent(message) }
}

fn text(room: &str, content: &str) -> Event {
    message(room, Message::new(MessageType::Text, content))
}

async fn worker(log: &Arc<SqliteLog>, memory: &Arc<Memory>, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let ports = TopicsPorts { log: log.clone(), topics: memory.another(), fanout: memory.another() };
    let (health, stop) = (Health::new(), stop.clone());
    tokio::spawn(async move { run_topics(TopicsConfig::new("w1"), ports, health, stop).await.unwrap() })
}

async fn until(topics: &Memory, room: &str, wanted: &[&str]) {
    let room = RoomId::trusted(room);
    let seen = async {
        while topics.top(&room, 10).await.unwrap() != wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let met = timeout(PATIENCE, seen).await;
    assert!(met.is_ok(), "{:?}", topics.top(&room, 10).await);
}

#[tokio::test]
async fn words_of_channels_are_counted_once_and_the_channel_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(folder.path().join("log.db"), 4).await.unwrap();
    let memory = Memory::new(MemoryConfig::for_testing());
    let ears = memory.another();
    let mut heard = ears.listen();
    ears.subscribe(&RoomId::trusted("cafe")).await.unwrap();
    let said = [
        text("cafe", "Coffee and coffee with music"),
        message("cafe", Message { encrypted: true, ..Message::new(MessageType::Text, "hidden hidden hidden") }),
        message("cafe", Message::new(MessageType::System, "system system system")),
        text("group_1", "grouped grouped grouped"),
        text("direct_a_b", "private private private"),
        text("cafe", "some bread 1234 with music!"),
    ];
    for event in &said {
        log.append(event).unwrap().await.unwrap();
    }
    let stop = CancellationToken::new();
    let working = worker(&log, &memory, &stop).await;
    until(&memory, "cafe", &["coffee", "bread", "music"]).await;
    for other in ["group_1", "direct_a_b"] {
        assert!(memory.top(&RoomId::trusted(other), 10).await.unwrap().is_empty());
    }
    let told = async {
        loop {
            if let Some(Signal::Ephemeral(room, Ephemeral::Topics { topics })) = heard.recv().await {
                return (room, topics);
            }
        }
    };
    let (room, topics) = timeout(PATIENCE, told).await.expect("told");
    assert_eq!((room.as_str(), topics), ("cafe", vec!["coffee".to_owned(), "bread".to_owned(), "music".to_owned()]));
    stop.cancel();
    working.await.unwrap();

    // Whoever takes over, with or without what was committed, counts nothing again.
    let stop = CancellationToken::new();
    let working = worker(&log, &memory, &stop).await;
    log.append(&text("cafe", "bread bread")).unwrap().await.unwrap();
    until(&memory, "cafe", &["bread", "coffee", "music"]).await;
    stop.cancel();
    working.await.unwrap();

    // What the memory forgot is counted anew.
    memory.forget();
    let stop = CancellationToken::new();
    let working = worker(&log, &memory, &stop).await;
    until(&memory, "cafe", &["bread", "coffee", "music"]).await;
    stop.cancel();
    working.await.unwrap();
}
