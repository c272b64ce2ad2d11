//! A database of a test's own on a real PostgreSQL, and messages to store in it.

#![allow(unreachable_pub, reason = "it is a part of each test file")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Event, Kind, Message, MessageType};
use parlor_core::ids::{Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::nameless;
use parlor_core::ports::log::Record;
use parlor_core::ports::store::Read;
use parlor_core::ports::store_contract::Subject;
use parlor_core::time::Timestamp;
use parlor_store::postgres::{Config, Postgres, migrate};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query};

/// A database of a test's own.
pub struct Database {
    server: String,
    name: String,
    pub config: Config,
}

impl Database {
    pub async fn make() -> Self {
        let server = std::env::var("PARLOR_TEST_POSTGRES").expect(
            "PARLOR_TEST_POSTGRES is not set: run `make test`, or `infra/local/servers up` and use its variables",
        );
        let name = format!("store_{}", uuid::Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&server).await.unwrap_or_else(|error| {
            panic!("no PostgreSQL at PARLOR_TEST_POSTGRES ({error}): run `make test` or `infra/local/servers up`")
        });
        query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.expect("a database");
        let at = server.rfind('/').expect("a URL with a database");
        let config = Config::for_testing(&format!("{}/{name}", &server[..at]));
        migrate(&config).await.expect("migrated");
        Self { server, name, config }
    }

    pub async fn store(&self) -> Arc<Postgres> {
        Postgres::connect(self.config.clone()).await.expect("a store")
    }

    pub async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.config.url).await.expect("a session")
    }

    pub async fn drop(self) {
        let mut admin = PgConnection::connect(&self.server).await.expect("the server");
        for _ in 0..100 {
            let sql = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
            match query(sql).execute(&mut admin).await {
                Ok(_) => return,
                // A superuser's process is at work there, which this role may not end: autovacuum's.
                Err(error) if error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("42501")) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("autovacuum does not leave {}", self.name);
    }
}

pub fn subject(database: Database, store: Arc<Postgres>) -> Subject {
    let poison = vec![
        Message { metadata: Some("{not json".into()), ..text("fine") },
        text("a NUL \u{0} in the middle"),
        Message { temp_id: Some("\u{0}".into()), ..text("fine") },
    ];
    Subject {
        safety: store.clone(),
        search: store.clone(),
        store,
        encode: parlor_proto::encode,
        poison,
        close: Box::pin(database.drop()),
    }
}

fn text(content: &str) -> Message {
    Message::new(MessageType::Text, content)
}

pub fn record(offset: i64, time: Timestamp) -> Record {
    let event = Event {
        id: MessageId::now().into(),
        room: RoomId::trusted("r"),
        actor: nameless(&UserId::trusted("a")),
        kind: Kind::MessageSent(text("hi")),
    };
    let seq = Seq::new(Generation(1), Offset(offset));
    let encoded = parlor_proto::encode(&event);
    Record { partition: Partition(0), seq, time, encoded, event: Ok(event.into()), trace: None }
}

pub async fn run(session: &mut PgConnection, sql: &str) {
    query(AssertSqlSafe(sql.to_owned())).execute(session).await.expect(sql);
}

pub fn all_of(room: &RoomId) -> Read<'_> {
    Read { room, partition: Partition(0), after: Seq::ZERO, before: Seq::MAX, limit: 99, newest_first: true }
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
