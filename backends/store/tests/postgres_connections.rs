//! The connections to a real PostgreSQL: how many there are, and what is told when it is away.

#[allow(dead_code, reason = "each part has a test file of its own")]
mod database;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::ids::RoomId;
use parlor_core::ports::store::Store;
use parlor_store::postgres::{Config, Postgres};
use sqlx::{Connection, PgConnection, query, query_scalar};

use self::database::{Database, all_of, until};

#[tokio::test]
async fn a_server_that_is_away_is_told_at_once_and_its_return_is_noticed() {
    let database = Database::make().await;
    let away = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let server = database.config.url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let url = database.config.url.replace(server, &away.to_string());
    let store = Postgres::connect(Config::for_testing(&url)).await.expect("connecting does not need the server");

    let first = Instant::now();
    store.check().await.expect_err("away");
    assert!(first.elapsed() < Duration::from_secs(2), "a refused connection was waited for: {:?}", first.elapsed());
    let rest = Instant::now();
    for _ in 0..1_000 {
        store.check().await.expect_err("away");
    }
    assert!(rest.elapsed() < Duration::from_secs(1), "callers still wait: {:?}", rest.elapsed());

    let listener = tokio::net::TcpListener::bind(away).await.expect("the same port");
    let server = server.to_owned();
    let proxy = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut upstream = tokio::net::TcpStream::connect(&server).await.expect("the server");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut upstream).await });
        }
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.check().await {
        assert!(Instant::now() < deadline, "its return is not noticed: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    proxy.abort();
    database.drop().await;
}

#[tokio::test]
async fn a_wrong_url_is_an_error_at_once_that_does_not_repeat_it() {
    for url in ["mysql://parlor:secret@127.0.0.1/parlor", "postgres://parlor:secret@127.0.0.1:port/parlor", "secret"] {
        let error = Postgres::connect(Config::for_testing(url)).await.err().expect("an error");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_dropped_its_connections_is_used_again() {
    let database = Database::make().await;
    let store = database.store().await;
    store.check().await.expect("answers");
    let mut session = database.session().await;
    query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .execute(&mut session)
        .await
        .expect("terminated");
    store.check().await.expect("answers on a new connection");
    database.drop().await;
}

/// How many connections a database has beside the session that asks.
async fn connections(session: &mut PgConnection) -> i64 {
    const COUNT: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    query_scalar(COUNT).fetch_one(session).await.expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_twenty_connections_at_most_and_who_gets_none_is_told_in_three_seconds() {
    let database = Database::make().await;
    let config = Config { url: database.config.url.clone(), max_connections: 50, ..Config::default() };
    let store = Postgres::connect(config).await.expect("a store");
    let (mut other, mut watching) = (database.session().await, database.session().await);
    let mut locked = other.begin().await.expect("a transaction");
    query("LOCK TABLE messages").execute(&mut *locked).await.expect("locked");
    let began = Instant::now();
    let reads: Vec<_> = (0..30)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.messages(all_of(&RoomId::trusted("r"))).await.map(|_| began.elapsed()) })
        })
        .collect();
    until("twenty wait for the table", async || connections(&mut watching).await == 21).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(connections(&mut watching).await, 21, "twenty, and who holds the lock");
    let mut told = 0;
    let mut answers = Vec::new();
    for read in reads {
        if told < 10 && !read.is_finished() {
            // Those without a connection are told while the others still wait.
            until("ten are told", async || began.elapsed() > Duration::from_millis(3_500)).await;
        }
        if read.is_finished() {
            read.await.expect("ended").expect_err("nobody had a connection for it");
            told += 1;
        } else {
            answers.push(read);
        }
    }
    assert_eq!((told, answers.len()), (10, 20));
    locked.rollback().await.expect("unlocked");
    for answer in answers {
        answer.await.expect("ended").expect("answered, once it could be");
    }
    database.drop().await;
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_after_its_time() {
    assert_eq!(Config::default().idle_timeout_ms, 30_000);
    assert_eq!(Config::default().acquire_timeout_ms, 3_000);
    let database = Database::make().await;
    let store = Postgres::connect(Config { idle_timeout_ms: 500, ..database.config.clone() }).await.expect("a store");
    let mut session = database.session().await;
    store.check().await.expect("answers");
    assert!(connections(&mut session).await > 0);
    until("it is closed", async || connections(&mut session).await == 0).await;
    store.check().await.expect("answers on a new one");
    database.drop().await;
}
