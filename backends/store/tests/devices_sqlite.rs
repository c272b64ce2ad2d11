//! The contracts of devices and keys on SQLite files.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::devices::Devices;
use parlor_core::ports::keys::Keys;
use parlor_core::ports::store::Store;
use parlor_core::ports::{devices_contract, keys_contract};
use parlor_store::sqlite::Sqlite;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection, query};

parlor_core::devices_contract!(make());
parlor_core::keys_contract!(make());

struct Subject {
    store: Arc<Sqlite>,
    path: PathBuf,
    folder: tempfile::TempDir,
}

async fn make() -> Subject {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    Subject { store: Sqlite::open(&path).await.expect("a store"), path, folder }
}

impl Subject {
    async fn set(&self, column: &'static str, value: i64, room: &RoomId, user: &UserId) {
        let options = SqliteConnectOptions::new().filename(&self.path);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a session");
        let sql = format!("UPDATE members SET {column} = ?1 WHERE room_id = ?2 AND user_id = ?3");
        let done = query(sqlx::AssertSqlSafe(sql)).bind(value).bind(room.as_str()).bind(user.as_str());
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
        self.set("notifications_enabled", 0, room, user).await;
    }

    async fn block(&self, user: &UserId, whom: &UserId) {
        let options = SqliteConnectOptions::new().filename(&self.path);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a session");
        let block = query("INSERT INTO blocks (user_id, blocked_id, since) VALUES (?1, ?2, 0)");
        block.bind(user.as_str()).bind(whom.as_str()).execute(&mut connection).await.expect("blocked");
    }

    async fn read(&self, room: &RoomId, user: &UserId, through: Seq) {
        self.set("read_seq", i64::try_from(through.0).expect("53 bits"), room, user).await;
    }

    async fn close(self) {
        self.folder.close().expect("removed");
    }
}

#[async_trait]
impl keys_contract::Subject for Subject {
    fn keys(&self) -> Arc<dyn Keys> {
        self.store.clone()
    }

    async fn close(self) {
        self.folder.close().expect("removed");
    }
}
