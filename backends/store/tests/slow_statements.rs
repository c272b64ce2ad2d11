//! Slow statements are told in the log. A file of its own: drivers work on threads of their own, so what is told can only
//! be listened to by the whole process.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::ports::store::Store;
use parlor_store::postgres::{Config, Postgres, migrate};
use parlor_store::sqlite::Sqlite;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lines").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LINES: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    let writer = lines.clone();
    let told = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false);
    told.with_writer(move || writer.clone()).init();
    lines
});

/// Whether a line told that a statement with this text in it was slow.
fn told(statement: &str) -> bool {
    let text = String::from_utf8_lossy(&LINES.0.lock().expect("lines")).into_owned();
    text.contains("slow statement") && text.contains(statement)
}

#[tokio::test]
async fn a_slow_statement_is_logged_without_its_values_and_others_are_not() {
    LazyLock::force(&LINES);
    let folder = tempfile::tempdir().expect("a folder");
    let ask = async |slow: Duration, id: &'static str| {
        let store = Sqlite::open_telling(&folder.path().join(id), slow).await.expect("a store");
        let user = Actor { id: UserId::trusted(id), name: "Ann".into(), avatar: None };
        store.see_user(&user).await.expect("seen");
        store.users(&[user.id]).await.expect("read")
    };
    ask(Duration::ZERO, "none-is").await;
    ask(Duration::from_secs(3600), "an-hour").await;
    assert!(!told("WHERE id = ?1"), "nothing took an hour");
    ask(Duration::from_nanos(1), "all-are").await;
    assert!(told("WHERE id = ?1"), "everything takes a nanosecond");
    let lines = String::from_utf8_lossy(&LINES.0.lock().expect("lines")).into_owned();
    assert!(!lines.contains("all-are") && !lines.contains("Ann"), "{lines}");
}

#[tokio::test]
async fn a_slow_statement_of_postgresql_is_logged_without_its_values() {
    LazyLock::force(&LINES);
    let server = std::env::var("PARLOR_TEST_POSTGRES")
        .expect("PARLOR_TEST_POSTGRES is not set: run `make test`, or `infra/local/servers up` and use its variables");
    let name = format!("slow_{}", uuid::Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&server).await.expect("PostgreSQL answers");
    query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.expect("a database");
    let at = server.rfind('/').expect("a URL with a database");
    let config = Config::for_testing(&format!("{}/{name}", &server[..at]));
    migrate(&config).await.expect("migrated");

    let ask = async |slow_statement_ms: u64| {
        let store = Postgres::connect(Config { slow_statement_ms, ..config.clone() }).await.expect("a store");
        // Somebody else has the table for a moment.
        let mut other = PgConnection::connect(&config.url).await.expect("a session");
        let mut holding = other.begin().await.expect("a transaction");
        query("LOCK TABLE users").execute(&mut *holding).await.expect("locked");
        let waiting = tokio::spawn(async move { store.users(&[UserId::trusted("whose-value")]).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        holding.commit().await.expect("given back");
        waiting.await.expect("no panic").expect("read");
    };
    ask(0).await;
    ask(3_600_000).await;
    assert!(!told("ANY($1)"), "nothing took an hour");
    ask(100).await;
    assert!(told("ANY($1)"));
    let lines = String::from_utf8_lossy(&LINES.0.lock().expect("lines")).into_owned();
    assert!(!lines.contains("whose-value"), "{lines}");
    query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut admin).await.expect("dropped");
}
