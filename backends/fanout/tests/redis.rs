//! The contracts on a real Redis, and what only a server over a network can do wrong.

mod applied;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use parlor_core::error::Limit;
use parlor_core::event::{Actor, Ephemeral, Event, Kind, Message, MessageType};
use parlor_core::ids::{EventId, Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::nameless;
use parlor_core::ports::fanout::{Applied, Fanout, Signal};
use parlor_core::ports::limits::{Ask, Limits, Remember, Said};
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::presence::Presence;
use parlor_core::ports::receipts::Receipts;
use parlor_core::ports::sessions::Sessions;
use parlor_core::ports::topics::Topics;
use parlor_core::ports::{
    fanout_contract, limits_contract, presence_contract, receipts_contract, sessions_contract, topics_contract,
};
use parlor_core::time::Timestamp;
use parlor_fanout::redis::{Config, Redis};

fn url() -> String {
    std::env::var("PARLOR_TEST_REDIS").expect(
        "PARLOR_TEST_REDIS names the Redis to test on: run `make test`, or start the servers with \
         `infra/local/servers up` and source .parlor/test/env",
    )
}

struct Subject {
    redis: Arc<Redis>,
    config: Config,
    admin: Client,
}

async fn subject() -> Subject {
    let lease_ms = u32::try_from(presence_contract::LEASE.as_millis()).expect("short");
    let config = Config { lease_ms, ..Config::for_testing(&url()) };
    let redis = Redis::connect(config.clone()).await.expect("a valid configuration");
    redis.check().await.expect("Redis answers");
    let admin = Builder::from_config(fred::types::config::Config::from_url(&config.url).expect("a URL"));
    let admin = admin.build().expect("a client");
    admin.init().await.expect("connected");
    Subject { redis, config, admin }
}

impl Subject {
    async fn command<R: FromValue>(&self, command: &'static str, words: &[&str]) -> R {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let command = CustomCommand::new_static(command, ClusterHash::Random, false);
        self.admin.custom(command, words).await.expect("an answer")
    }

    fn position_key(&self, partition: Partition) -> String {
        format!("{}{{g1.p{partition}}}:pos", self.config.prefix)
    }
}

#[async_trait]
impl fanout_contract::Subject for Subject {
    const PARTITIONS: u32 = 4;

    fn client(&self) -> Arc<dyn Fanout> {
        self.redis.clone()
    }

    async fn another(&self) -> Arc<dyn Fanout> {
        Redis::connect(self.config.clone()).await.expect("a valid configuration")
    }

    async fn forget(&self) {
        // FLUSHALL, but only of this test's own keys.
        let lua = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end";
        self.command::<()>("EVAL", &[lua, "0", &format!("{}*", self.config.prefix)]).await;
    }

    async fn forget_position(&self, partition: Partition) {
        self.command::<()>("DEL", &[&self.position_key(partition)]).await;
    }

    async fn cut(&self) {
        let clients: String = self.command("CLIENT", &["LIST"]).await;
        let name = format!("name={}", self.redis.subscriber_name());
        let line = clients.lines().find(|line| line.split(' ').any(|word| word == name)).expect("the subscriber");
        let id = line.split(' ').find_map(|word| word.strip_prefix("id=")).expect("its id");
        self.command::<()>("CLIENT", &["KILL", "ID", id]).await;
    }

    fn encode(&self, event: &Event) -> Bytes {
        parlor_proto::encode(event)
    }
}

#[async_trait]
impl limits_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Limits> {
        self.redis.clone()
    }

    async fn another(&self) -> Arc<dyn Limits> {
        Redis::connect(self.config.clone()).await.expect("a valid configuration")
    }

    async fn raise_version(&self, room: &RoomId, version: u64) {
        let partition = parlor_core::partition::of(room, 4);
        let key = format!("{}{{g1.p{partition}}}:v:{room}", self.config.prefix);
        self.command::<()>("SET", &[&key, &version.to_string()]).await;
    }

    async fn deliver(&self, room: &RoomId, id: EventId) -> Seq {
        applied::apply(&*self.redis, 4, room, id, Kind::MessageDeleted { message: MessageId::now() }).await
    }
}

impl topics_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Topics> {
        self.redis.clone()
    }

    fn fanout(&self) -> Arc<dyn Fanout> {
        self.redis.clone()
    }

    fn encode(&self, event: &Event) -> Bytes {
        parlor_proto::encode(event)
    }
}

impl presence_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Presence> {
        self.redis.clone()
    }
}

impl receipts_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Receipts> {
        self.redis.clone()
    }
}

impl sessions_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Sessions> {
        self.redis.clone()
    }
}

mod fanout {
    use super::subject;
    parlor_core::fanout_contract!(subject());
}

mod limits {
    use super::subject;
    parlor_core::limits_contract!(subject());
}

mod presence {
    use super::subject;
    parlor_core::presence_contract!(subject());
}

mod receipts {
    use super::subject;
    parlor_core::receipts_contract!(subject());
}

mod sessions {
    use super::subject;
    parlor_core::sessions_contract!(subject());
}

mod topics {
    use super::subject;
    parlor_core::topics_contract!(subject());
}

/// A Redis of this test's own, which it may stop.
struct Server {
    process: tokio::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let process = tokio::process::Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is installed: run `make test`");
        Self { process, port, _folder: folder }
    }

    fn free_port() -> u16 {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        probe.local_addr().expect("an address").port()
    }

    fn config(&self) -> Config {
        Config::for_testing(&format!("redis://127.0.0.1:{}", self.port))
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().expect("kill").success());
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} within 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn admit(redis: &Redis) -> Result<(), Duration> {
    let user = UserId::trusted("ann");
    let limit = Some(Limit { limit: 1_000_000, window: Duration::from_secs(60) });
    let room = RoomId::trusted("r");
    let began = Instant::now();
    let ask = Ask { user: &user, tier: "message", limit, room: Some(&room), first: None, remember: None, said: None };
    redis.admit(ask).await.map(|_| ()).map_err(|_| began.elapsed())
}

#[tokio::test]
async fn the_entries_of_limits_vanish_by_themselves() {
    const WINDOW: Duration = Duration::from_millis(400);
    let subject = subject().await;
    let entries = async || {
        let pattern = format!("{}*", subject.config.prefix);
        let keys: Vec<String> = subject.command("KEYS", &[&pattern]).await;
        keys
    };
    let user = UserId::trusted("ann");
    let said = Said { key: "room", digest: "d", token: "", window: WINDOW };
    for tier in ["message", "typing"] {
        let limit = Some(Limit { limit: 2, window: WINDOW });
        let ask = Ask { user: &user, tier, limit, room: None, first: None, remember: None, said: Some(said) };
        for _ in 0..3 {
            subject.redis.admit(ask.clone()).await.expect("Redis answers");
        }
    }
    let kept = entries().await;
    assert!(kept.len() >= 3, "a window for each tier, and what was said last: {kept:?}");
    for key in &kept {
        let left: i64 = subject.command("PTTL", &[key]).await;
        assert!((1..=400).contains(&left), "{key} lives for {left} ms");
    }
    until("nothing is left of them", async || entries().await.is_empty()).await;
}

#[tokio::test]
async fn what_was_applied_and_admitted_is_remembered_for_the_hour_and_the_day_that_are_documented() {
    let subject = subject().await;
    let (room, user) = (RoomId::trusted("r"), UserId::trusted("ann"));
    let partition = parlor_core::partition::of(&room, subject.config.partitions);
    let event = Event {
        id: EventId::now(),
        room: room.clone(),
        actor: nameless(&user),
        kind: Kind::MessageSent(Message::new(MessageType::Text, "hello")),
    };
    let record = Record {
        partition,
        seq: Seq::new(Generation(1), Offset(0)),
        time: Timestamp(1_700_000_000_000),
        encoded: parlor_proto::encode(&event),
        event: Ok(Arc::new(event)),
        trace: None,
    };
    subject.redis.claim(partition, Position::START).await.expect("claimed");
    let applied = subject.redis.apply(partition, Position::START, &[record]).await;
    assert!(matches!(applied, Ok(Applied::Done { .. })), "{applied:?}");
    let remember = Some(Remember { key: "k", id: MessageId::now() });
    let limit = Some(Limit { limit: 2, window: Duration::from_secs(60) });
    let ask = Ask { user: &user, tier: "message", limit, room: None, first: None, remember, said: None };
    subject.redis.admit(ask).await.expect("Redis answers");
    // Ids are bytes in their keys, so that no text can name them here.
    let lives = async |kind: &str, seconds: i64| {
        let lua = "local found = redis.call('KEYS', ARGV[1]); return {#found, redis.call('TTL', found[1] or '')}";
        let pattern = format!("{}*}}:{kind}*", subject.config.prefix);
        let (found, left): (i64, i64) = subject.command("EVAL", &[lua, "0", &pattern]).await;
        assert_eq!(found, 1, "{kind}");
        assert!((seconds - 60..=seconds).contains(&left), "{kind} lives for {left} s");
    };
    lives("i:", 3_600).await;
    lives("m:", 3_600).await;
    lives("c:", 86_400).await;
    // Filled from the store, it lives as long.
    let cached = subject.redis.recent(&room, Seq::ZERO, Seq::MAX, 10).await.expect("an answer");
    assert_eq!(cached.len(), 1);
    let cache = format!("{}{{g1.p{partition}}}:c:{room}", subject.config.prefix);
    assert_eq!(subject.command::<i64>("PERSIST", &[&cache]).await, 1);
    assert!(subject.redis.warm(partition, &room, Offset(0), &cached).await.expect("an answer"), "filled");
    lives("c:", 86_400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_killed_sends_are_not_held_up_and_subscriptions_made_meanwhile_stand_after() {
    let port = Server::free_port();
    let mut server = Server::start(port);
    let redis = Redis::connect(server.config()).await.expect("a valid configuration");
    until("connected", async || redis.check().await.is_ok()).await;
    let mut heard = redis.listen();
    let [before, meanwhile] = ["before", "meanwhile"].map(RoomId::trusted);
    redis.subscribe(&before).await.expect("subscribed");
    admit(&redis).await.expect("admitted");

    server.process.kill().await.expect("killed");
    let slowest = admit(&redis).await.expect_err("away");
    assert!(slowest < Duration::from_millis(2_500), "{slowest:?}");
    let mut held_up = 0;
    for _ in 0..100 {
        let took = admit(&redis).await.expect_err("away");
        // Now and then one of them finds out whether the server is back, and waits for that as long as the first did.
        held_up += usize::from(took > Duration::from_millis(500));
    }
    assert!(held_up <= 2, "{held_up} of 100 calls were held up");
    let began = Instant::now();
    redis.subscribe(&meanwhile).await.expect_err("away, but remembered");
    assert!(began.elapsed() < Duration::from_millis(2_500));
    redis.check().await.expect_err("away");

    let _server = Server::start(port);
    until("back", async || redis.check().await.is_ok()).await;
    let gap = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.expect("in time");
    assert!(matches!(gap, Some(Signal::Gap)), "{gap:?}");
    // The scripts are gone with the old server.
    admit(&redis).await.expect("admitted");
    for room in [&before, &meanwhile] {
        let user = Actor { id: UserId::trusted("ann"), name: "ann".into(), avatar: None };
        redis.publish(room, &Ephemeral::Typing { user, active: true }).await.expect("published");
        loop {
            match tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.expect("in time") {
                Some(Signal::Gap) => {}
                Some(Signal::Ephemeral(id, _)) => break assert_eq!(id, *room),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_frozen_one_call_finds_out_and_the_others_are_refused_at_once() {
    let server = Server::start(Server::free_port());
    let redis = Redis::connect(server.config()).await.expect("a valid configuration");
    until("connected", async || redis.check().await.is_ok()).await;
    let mut heard = redis.listen();
    server.signal("-STOP");
    let took = admit(&redis).await.expect_err("frozen");
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    let mut waited = 0;
    for _ in 0..50 {
        let took = admit(&redis).await.expect_err("frozen");
        assert!(took < Duration::from_millis(700), "{took:?}");
        waited += usize::from(took > Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(waited <= 2, "{waited} calls were held up");
    // Long enough for the subscriber's connection to be given up.
    until("noticed", async || redis.check().await.is_err()).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    server.signal("-CONT");
    until("back", async || redis.check().await.is_ok()).await;
    admit(&redis).await.expect("admitted");
    let gap = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.expect("in time");
    assert!(matches!(gap, Some(Signal::Gap)), "{gap:?}");
}

#[tokio::test]
async fn a_gateway_starts_while_redis_is_away_and_a_wrong_address_is_an_error() {
    let server = format!("redis://127.0.0.1:{}", Server::free_port());
    let began = Instant::now();
    let redis = Redis::connect(Config::for_testing(&server)).await.expect("a valid configuration");
    assert!(began.elapsed() < Duration::from_secs(4));
    redis.check().await.expect_err("away");
    let error = Redis::connect(Config::for_testing("http://user:secret@example.org")).await.expect_err("no Redis URL");
    assert!(!error.to_string().contains("secret"), "{error}");
    let braces = Config { prefix: "{a}".into(), ..Config::for_testing(&server) };
    Redis::connect(braces).await.expect_err("braces would break the hash tags");
}
