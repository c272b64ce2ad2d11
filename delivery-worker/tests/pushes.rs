//! Push between a real log (SQLite), a real store (SQLite) and real presence (memory), with a service that is ours.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests: a failure is to stop it there")]

#[allow(dead_code, reason = "each service has a test file of its own")]
mod push_services;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use parlor_core::device::Address;
use parlor_core::event::{Event, Kind, Message, MessageType, Room, RoomKind};
use parlor_core::ids::{EventId, RoomId, UserId};
use parlor_core::membership::{Change, nameless};
use parlor_core::ports::devices::{Devices, Subscription};
use parlor_core::ports::log::Log;
use parlor_core::ports::presence::Presence;
use parlor_core::ports::push::{Notification, PushError, PushProvider};
use parlor_core::ports::push_contract::Subject as _;
use parlor_core::ports::store::Store;
use parlor_core::time::Timestamp;
use parlor_delivery_worker::push::{Config, Ports, Providers, run};
use parlor_delivery_worker::{Fatal, Health};
use parlor_fanout::memory::{Memory, MemoryConfig};
use parlor_log::sqlite::SqliteLog;
use parlor_store::sqlite::Sqlite;
use push_services::web::Web;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// Takes what comes, but for devices that it was told of.
#[derive(Default)]
struct Service {
    told: Mutex<Vec<(String, String)>>,
    answers: Mutex<HashMap<String, Result<(), PushError>>>,
    slow: Mutex<Option<(String, Duration)>>,
}

#[async_trait]
impl PushProvider for Service {
    async fn send(&self, to: &Subscription, notification: &Notification) -> Result<(), PushError> {
        let device = to.address.name().to_owned();
        let wait = self.slow.lock().clone().filter(|(slow, _)| *slow == device).map(|(_, wait)| wait);
        if let Some(wait) = wait {
            sleep(wait).await;
        }
        self.told.lock().push((device.clone(), notification.body.clone().unwrap_or_default()));
        self.answers.lock().get(&device).cloned().unwrap_or(Ok(()))
    }
}

struct World {
    log: Arc<SqliteLog>,
    store: Arc<Sqlite>,
    memory: Arc<Memory>,
    service: Arc<Service>,
    folder: tempfile::TempDir,
}

struct Worker {
    task: JoinHandle<Result<(), Fatal>>,
    stop: CancellationToken,
}

impl Worker {
    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }
}

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            log: SqliteLog::open(folder.path().join("log.db"), 4).await.unwrap(),
            store: Sqlite::open(&folder.path().join("store.db")).await.unwrap(),
            memory: Memory::new(MemoryConfig::for_testing()),
            service: Arc::default(),
            folder,
        }
    }

    /// A group of these users, each with one device.
    async fn group(&self, name: &str, members: &[&str]) -> RoomId {
        let id = RoomId::trusted(name);
        for member in members {
            self.store.see_user(&nameless(&user(member))).await.unwrap();
            let address = Address::Fcm { token: format!("{member}'s phone") };
            let (registered_at, reached_at) = (Timestamp::now(), None);
            let subscription = Subscription { user: user(member), address, registered_at, reached_at };
            self.store.subscribe(&subscription).await.unwrap();
        }
        let room = Room {
            id: id.clone(),
            kind: RoomKind::Group,
            name: Some(name.to_owned()),
            description: None,
            avatar: None,
            private: false,
            created_by: user(members[0]),
            created_at: Timestamp(0),
            version: 0,
            member_count: 0,
        };
        let creator = nameless(&user(members[0]));
        let members = members[1..].iter().map(|id| user(id)).collect();
        self.store.change(&id, &Change::Create { room, creator, members, limit: 100 }).await.unwrap();
        id
    }

    fn worker(&self) -> Worker {
        self.worker_with(Providers { fcm: Some(self.service.clone()), ..Providers::default() })
    }

    fn worker_with(&self, providers: Providers) -> Worker {
        let stop = CancellationToken::new();
        let ports =
            Ports { log: self.log.clone(), presence: self.memory.clone(), devices: self.store.clone(), providers };
        let config = Config { pause: Duration::from_millis(50), ..Config::for_testing() };
        Worker { task: tokio::spawn(run(config, ports, Health::new(), stop.clone())), stop }
    }

    async fn say(&self, room: &RoomId, text: &str) {
        let kind = Kind::MessageSent(Message::new(MessageType::Text, text));
        let event = Event { id: EventId::now(), room: room.clone(), actor: nameless(&user("ann")), kind };
        self.log.append(&event).unwrap().await.unwrap();
    }

    fn told(&self) -> Vec<(String, String)> {
        self.service.told.lock().clone()
    }

    async fn until_told(&self, device: &str, text: &str) {
        let wanted = (device.to_owned(), text.to_owned());
        let told = async {
            while !self.told().contains(&wanted) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{wanted:?} is not among {:?}", self.told()));
    }
}

fn pair(device: &str, text: &str) -> (String, String) {
    (device.to_owned(), text.to_owned())
}

#[tokio::test]
async fn who_is_away_is_told_and_who_is_there_or_comes_back_in_time_is_not() {
    let world = World::new().await;
    let room = world.group("group_1", &["ann", "ben", "cem", "dee"]).await;
    world.memory.arrive("gateway-1", &[user("ben")]).await.unwrap();
    let worker = world.worker();
    world.say(&room, "hello").await;
    // Within the delay of 100 ms.
    world.memory.arrive("gateway-1", &[user("cem")]).await.unwrap();
    world.until_told("dee's phone", "hello").await;
    worker.stop().await;
    assert_eq!(world.told(), [pair("dee's phone", "hello")]);
    let reached = world.store.subscriptions(&[user("dee")]).await.unwrap().remove(0).reached_at;
    assert!(reached.is_some());
}

#[tokio::test]
async fn a_worker_that_takes_over_goes_on_behind_what_was_pushed() {
    let world = World::new().await;
    let room = world.group("group_1", &["ann", "ben"]).await;
    let worker = world.worker();
    world.say(&room, "first").await;
    world.until_told("ben's phone", "first").await;
    worker.stop().await;
    world.say(&room, "second").await;
    let worker = world.worker();
    world.until_told("ben's phone", "second").await;
    worker.stop().await;
    assert_eq!(world.told(), [pair("ben's phone", "first"), pair("ben's phone", "second")]);
}

#[tokio::test]
async fn what_was_not_pushed_before_a_worker_died_is_pushed_by_the_next() {
    let world = World::new().await;
    let room = world.group("group_1", &["ann", "ben"]).await;
    *world.service.slow.lock() = Some(("ben's phone".into(), Duration::from_secs(60)));
    let worker = world.worker();
    world.say(&room, "hello").await;
    sleep(Duration::from_millis(500)).await;
    // As kill -9 does.
    worker.task.abort();
    let _ = worker.task.await;
    assert!(world.told().is_empty());
    *world.service.slow.lock() = None;
    let worker = world.worker();
    world.until_told("ben's phone", "hello").await;
    worker.stop().await;
}

#[tokio::test]
async fn a_slow_push_holds_up_no_other_partition() {
    let world = World::new().await;
    let names: Vec<String> = (0..8).map(|n| format!("group_{n}")).collect();
    let first = world.group(&names[0], &["ann", "ben"]).await;
    let other = names.iter().map(|name| RoomId::trusted(name.as_str()));
    let other = other.into_iter().find(|id| world.log.partition_of(id) != world.log.partition_of(&first)).unwrap();
    let other = world.group(other.as_str(), &["ann", "cem"]).await;
    *world.service.slow.lock() = Some(("ben's phone".into(), Duration::from_secs(60)));
    let worker = world.worker();
    world.say(&first, "slow").await;
    world.say(&other, "quick").await;
    world.until_told("cem's phone", "quick").await;
    assert!(world.told().iter().all(|(device, _)| device != "ben's phone"));
    worker.task.abort();
}

#[tokio::test]
async fn an_endpoint_that_never_answers_holds_up_nothing_but_the_commit() {
    let (world, good) = (World::new().await, Web::open().await);
    let room = world.group("group_1", &["ann", "ben", "cem"]).await;
    // Connections are taken, and nothing is ever said on them.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for user in ["ben", "cem"] {
        world.store.unsubscribe(&UserId::trusted(user), &format!("{user}'s phone")).await.unwrap();
        let mut subscription = good.subscription_of(user);
        if let (Address::Web { endpoint, .. }, "ben") = (&mut subscription.address, user) {
            *endpoint = format!("http://{}/push/1", silent.local_addr().unwrap());
        }
        world.store.subscribe(&subscription).await.unwrap();
    }
    let worker = world.worker_with(Providers { web: Some(good.provider()), ..Providers::default() });
    let started = std::time::Instant::now();
    for n in 0..5 {
        world.say(&room, &n.to_string()).await;
        // Each in a batch of its own.
        let told = async {
            while good.taken().len() <= n {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("only {n} were told"));
    }
    assert!(started.elapsed() < Duration::from_secs(9), "it waited for the silent endpoint: {:?}", started.elapsed());
    worker.stop().await;
    let partition = world.log.partition_of(&room);
    let committed = world.log.committed(&Config::for_testing().group).await.unwrap()[partition.0 as usize];
    let first = world.log.ends(partition).await.unwrap().first;
    assert!(committed.is_none_or(|next| next == first), "the first message's push was under way: {committed:?}");

    let worker = world.worker_with(Providers { web: Some(good.provider()), ..Providers::default() });
    let again = async {
        while good.taken().len() < 10 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("at least once: all five again, under the same collapse keys");
    worker.task.abort();
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_removed_and_a_failing_one_is_tried_three_times() {
    let world = World::new().await;
    let room = world.group("group_1", &["ann", "ben", "cem"]).await;
    let failed = PushError::Retry { after: None, reason: "for a test".into() };
    world.service.answers.lock().insert("ben's phone".into(), Err(PushError::Gone));
    world.service.answers.lock().insert("cem's phone".into(), Err(failed));
    let worker = world.worker();
    world.say(&room, "hello").await;
    let done = async {
        while world.told().len() < 4 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, done).await.unwrap_or_else(|_| panic!("{:?}", world.told()));
    worker.stop().await;
    assert_eq!(world.told().iter().filter(|(device, _)| device == "cem's phone").count(), 3);
    assert!(world.store.subscriptions(&[user("ben")]).await.unwrap().is_empty());
    assert_eq!(world.store.subscriptions(&[user("cem")]).await.unwrap().len(), 1);
    drop(world.folder);
}
