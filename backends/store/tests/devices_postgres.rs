//! The contracts of devices and keys on a real PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::devices::Devices;
use parlor_core::ports::keys::Keys;
use parlor_core::ports::store::Store;
use parlor_core::ports::{devices_contract, keys_contract};
use parlor_store::postgres::{Config, Postgres, migrate};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query};

parlor_core::devices_contract!(make());
parlor_core::keys_contract!(make());

/// A database of a test's own.
struct Subject {
    store: Arc<Postgres>,
    server: String,
    name: String,
    config: Config,
}

async fn make() -> Subject {
    let server = std::env::var("PARLOR_TEST_POSTGRES")
        .expect("PARLOR_TEST_POSTGRES is not set: run `make test`, or `infra/local/servers up` and use its variables");
    let name = format!("devices_{}", uuid::Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&server).await.unwrap_or_else(|error| {
        panic!("no PostgreSQL at PARLOR_TEST_POSTGRES ({error}): run `make test` or `infra/local/servers up`")
    });
    query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.expect("a database");
    let at = server.rfind('/').expect("a URL with a database");
    let config = Config::for_testing(&format!("{}/{name}", &server[..at]));
    migrate(&config).await.expect("migrated");
    Subject { store: Postgres::connect(config.clone()).await.expect("a store"), server, name, config }
}

impl Subject {
    async fn set(&self, column: &'static str, value: &'static str, room: &RoomId, user: &UserId) {
        let mut connection = PgConnection::connect(&self.config.url).await.expect("a session");
        let sql = format!("UPDATE members SET {column} = {value} WHERE room_id = $1 AND user_id = $2");
        let done = query(AssertSqlSafe(sql)).bind(room.as_str()).bind(user.as_str());
        assert_eq!(done.execute(&mut connection).await.expect("set").rows_affected(), 1);
    }

    async fn drop(self) {
        let mut admin = PgConnection::connect(&self.server).await.expect("the server");
        for _ in 0..100 {
            let sql = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
            match query(sql).execute(&mut admin).await {
                Ok(_) => return,
                // Autovacuum is at work there, which this role may not end.
                Err(error) if error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("42501")) => {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("autovacuum does not leave {}", self.name);
    }
}

#[async_trait]
impl devices_contract::Subject for Subject {
    fn devices(&self) -> Arc<dyn Devices> {
        self.store.clone()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn mute(&self, room: &RoomId, user: &UserId) {
        self.set("notifications_enabled", "false", room, user).await;
    }

    async fn block(&self, user: &UserId, whom: &UserId) {
        let mut connection = PgConnection::connect(&self.config.url).await.expect("a session");
        let block = query("INSERT INTO blocks (user_id, blocked_id) VALUES ($1, $2)");
        block.bind(user.as_str()).bind(whom.as_str()).execute(&mut connection).await.expect("blocked");
    }

    async fn read(&self, room: &RoomId, user: &UserId, through: Seq) {
        let through = Box::leak(through.to_string().into_boxed_str());
        self.set("read_seq", through, room, user).await;
    }

    async fn close(self) {
        self.drop().await;
    }
}

#[async_trait]
impl keys_contract::Subject for Subject {
    fn keys(&self) -> Arc<dyn Keys> {
        self.store.clone()
    }

    async fn close(self) {
        self.drop().await;
    }
}
