//! The contracts of devices and keys on a real PostgreSQL.

#[allow(dead_code, reason = "each part has a test file of its own")]
mod database;

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::devices::Devices;
use parlor_core::ports::keys::Keys;
use parlor_core::ports::store::Store;
use parlor_core::ports::{devices_contract, keys_contract};
use parlor_store::postgres::Postgres;
use sqlx::{AssertSqlSafe, query};

use crate::database::Database;

parlor_core::devices_contract!(make());
parlor_core::keys_contract!(make());

struct Subject {
    store: Arc<Postgres>,
    database: Database,
}

async fn make() -> Subject {
    let database = Database::make().await;
    Subject { store: database.store().await, database }
}

impl Subject {
    async fn set(&self, column: &'static str, value: &'static str, room: &RoomId, user: &UserId) {
        let mut connection = self.database.session().await;
        let sql = format!("UPDATE members SET {column} = {value} WHERE room_id = $1 AND user_id = $2");
        let done = query(AssertSqlSafe(sql)).bind(room.as_str()).bind(user.as_str());
        assert_eq!(done.execute(&mut connection).await.expect("set").rows_affected(), 1);
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
        let mut connection = self.database.session().await;
        let block = query("INSERT INTO blocks (user_id, blocked_id) VALUES ($1, $2)");
        block.bind(user.as_str()).bind(whom.as_str()).execute(&mut connection).await.expect("blocked");
    }

    async fn read(&self, room: &RoomId, user: &UserId, through: Seq) {
        let through = Box::leak(through.to_string().into_boxed_str());
        self.set("read_seq", through, room, user).await;
    }

    async fn close(self) {
        self.database.drop().await;
    }
}

#[async_trait]
impl keys_contract::Subject for Subject {
    fn keys(&self) -> Arc<dyn Keys> {
        self.store.clone()
    }

    async fn close(self) {
        self.database.drop().await;
    }
}
