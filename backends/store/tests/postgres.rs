//! The contracts on a real PostgreSQL, and what is its alone in writing: locks, partitions, whole transactions.

#[allow(dead_code, reason = "each part has a test file of its own")]
mod database;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Room, RoomKind};
use parlor_core::ids::{MessageId, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, nameless};
use parlor_core::ports::log::Position;
use parlor_core::ports::store::{ApplyError, Read, Store, Stored};
use parlor_core::ports::store_contract::Subject;
use parlor_core::time::Timestamp;
use parlor_store::postgres::{Config, Postgres};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar};

use self::database::{Database, record, run, subject};

parlor_core::store_contract!(make());

mod accounts {
    use parlor_core::ports::accounts_contract::Subject;

    use super::Database;

    parlor_core::accounts_contract!(make());

    async fn make() -> Subject {
        let database = Database::make().await;
        let store = database.store().await;
        Subject { accounts: store.clone(), store, encode: parlor_proto::encode, close: Box::pin(database.drop()) }
    }
}

async fn make() -> Subject {
    let database = Database::make().await;
    let store = database.store().await;
    subject(database, store)
}

mod progress {
    parlor_core::progress_contract!(make());

    async fn make() -> parlor_core::ports::progress_contract::Subject {
        let database = super::Database::make().await;
        let store = database.store().await;
        let (progress, contacts, close) = (store.clone(), store.clone(), Box::pin(database.drop()));
        parlor_core::ports::progress_contract::Subject {
            store,
            progress,
            contacts,
            encode: parlor_proto::encode,
            close,
        }
    }
}

mod files {
    parlor_core::files_contract!(super::make_files());
}

async fn make_files() -> parlor_core::ports::files_contract::Subject {
    let database = Database::make().await;
    let files = database.store().await;
    parlor_core::ports::files_contract::Subject { files, close: Box::pin(database.drop()) }
}

mod files_of_messages {
    use super::*;

    parlor_core::files_of_messages_contract!(make(), parlor_proto::encode);

    async fn make() -> (Arc<Postgres>, impl Future<Output = ()>) {
        let database = Database::make().await;
        (database.store().await, database.drop())
    }
}

#[tokio::test]
async fn while_one_relay_asks_another_gets_no_stale_rows() {
    let database = Database::make().await;
    let store = database.store().await;
    let group = RoomId::new_group();
    let room = Room {
        id: group.clone(),
        kind: RoomKind::Group,
        name: None,
        description: None,
        avatar: None,
        private: false,
        created_by: UserId::trusted("a"),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    let creator = nameless(&UserId::trusted("a"));
    store.change(&group, &Change::Create { room, creator, members: vec![], limit: 9 }).await.expect("made");
    let mut other = database.session().await;
    let mut turn = other.begin().await.expect("a transaction");
    query("SELECT pg_advisory_xact_lock(hashtextextended('parlor.outbox', 0))")
        .execute(&mut *turn)
        .await
        .expect("the turn");
    assert!(store.stale_outbox(Duration::ZERO, 10).await.expect("an answer").is_empty());
    turn.rollback().await.expect("given back");
    assert!(!store.stale_outbox(Duration::ZERO, 10).await.expect("an answer").is_empty());
    database.drop().await;
}

#[tokio::test]
async fn a_locked_table_is_no_poison() {
    let database = Database::make().await;
    let config = Config { statement_timeout_ms: 300, ..database.config.clone() };
    let store = Postgres::connect(config).await.expect("a store");
    let mut other = database.session().await;
    let mut locked = other.begin().await.expect("a transaction");
    query("LOCK TABLE messages").execute(&mut *locked).await.expect("locked");
    let record = record(0, Timestamp::now());
    let answer = store.apply(Partition(0), Position::START, std::slice::from_ref(&record)).await;
    assert!(matches!(answer, Err(ApplyError::Unavailable(_))), "{answer:?}");
    locked.rollback().await.expect("unlocked");
    assert_eq!(store.position(Partition(0)).await.expect("a position"), Position::START);
    let answer = store.apply(Partition(0), Position::START, &[record]).await.expect("applied");
    assert!(matches!(answer, Stored::Done { messages: 1, .. }));
    database.drop().await;
}

#[tokio::test]
async fn what_a_caller_stops_waiting_for_is_finished() {
    let database = Database::make().await;
    let store = database.store().await;
    let record = record(0, Timestamp::now());
    let _ = tokio::time::timeout(
        Duration::from_micros(50),
        store.apply(Partition(0), Position::START, std::slice::from_ref(&record)),
    )
    .await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.position(Partition(0)).await.expect("a position") != record.position() {
        assert!(Instant::now() < deadline, "it was not finished");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    database.drop().await;
}

#[tokio::test]
async fn rows_of_a_month_without_a_partition_move_to_their_own_when_it_is_made() {
    let database = Database::make().await;
    let store = database.store().await;
    let mut session = database.session().await;
    let next =
        "SELECT 'messages_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', 'YYYY_MM')";
    let partition: String = query_scalar(next).fetch_one(&mut session).await.expect("a name");
    query(AssertSqlSafe(format!("DROP TABLE {partition}"))).execute(&mut session).await.expect("dropped");
    let ahead = "SELECT (extract(epoch FROM (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months')) * 1000)::bigint";
    let begins: i64 = query_scalar(ahead).fetch_one(&mut session).await.expect("a time");
    let records =
        [record(0, Timestamp(begins - 1)), record(1, Timestamp(begins)), record(2, Timestamp(begins + 86_400_000))];
    store.apply(Partition(0), Position::START, &records).await.expect("applied");
    let count = async |session: &mut PgConnection, table: &str| -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        query_scalar(sql).fetch_one(session).await.expect("a count")
    };
    assert_eq!(count(&mut session, "messages_default").await, 2);
    store.maintain().await.expect("made");
    assert_eq!(count(&mut session, "messages_default").await, 0);
    assert_eq!(count(&mut session, &partition).await, 2);
    let room = RoomId::trusted("r");
    let read = Read {
        room: &room,
        partition: Partition(0),
        after: Seq::ZERO,
        before: Seq::MAX,
        limit: 9,
        newest_first: false,
    };
    assert_eq!(store.messages(read).await.expect("a page").rows.len(), 3);
    database.drop().await;
}

#[tokio::test]
async fn who_referred_to_the_files_of_a_deleted_room_is_forgotten() {
    let database = Database::make().await;
    let store = database.store().await;
    let mut session = database.session().await;
    let files = [uuid::Uuid::now_v7(), uuid::Uuid::now_v7()];
    run(&mut session, "INSERT INTO users (id, name) VALUES ('ann', 'ann')").await;
    run(
        &mut session,
        "INSERT INTO rooms (id, kind, created_by, created_at, updated_at, deleted_at, version, member_count) \
         VALUES ('den', 'group', 'ann', now(), now(), now(), 1, 0)",
    )
    .await;
    for (file, room) in files.iter().zip(["den", "attic"]) {
        const FILE: &str = "INSERT INTO files (id, owner_id, room_id, name, size, mime, declared_at, blob_id, message_id) \
            VALUES ($1, 'ann', $2, 'a', 1, 'text/plain', now(), $1, $1)";
        query(FILE).bind(file).bind(room).execute(&mut session).await.expect("a file");
        const CARRIED: &str = "INSERT INTO file_messages (file_id, message_id) VALUES ($1, $1)";
        query(CARRIED).bind(file).execute(&mut session).await.expect("carried");
    }
    store.maintain().await.expect("upkeep");
    let left: Vec<uuid::Uuid> =
        query_scalar("SELECT file_id FROM file_messages").fetch_all(&mut session).await.expect("rows");
    assert_eq!(left, [files[1]]);
    session.close().await.expect("closed");
    drop(store);
    database.drop().await;
}

#[tokio::test]
async fn what_a_persister_of_an_older_version_stored_keeps_its_file() {
    use parlor_core::file::File;
    use parlor_core::ids::{BlobId, FileId};
    use parlor_core::ports::files::Files;

    let database = Database::make().await;
    let store = database.store().await;
    let (owner, room, created_at) = (UserId::trusted("ann"), RoomId::trusted("r"), Timestamp(1_763_548_200_123));
    let (name, mime) = ("a".to_owned(), "text/plain".to_owned());
    let file = File { id: FileId::now(), owner, room, name, size: 1, mime, created_at };
    store.declare(&file).await.expect("declared");
    store.complete(file.id, BlobId::now()).await.expect("an answer").expect("verified");
    let record = record(0, Timestamp::now());
    let Ok(event) = &record.event else { panic!("decoded") };
    let message = MessageId(event.id.0);
    assert!(store.refer(file.id, &file.owner, &file.room, message).await.expect("an answer"));
    store.apply(Partition(0), Position::START, std::slice::from_ref(&record)).await.expect("applied");
    // It does not look into metadata: this text is written here by hand.
    let mut session = database.session().await;
    const NAMES: &str = "UPDATE messages SET metadata = json_build_object('fileId', $1::text) WHERE id = $2";
    query(NAMES).bind(file.id.to_string()).bind(message.0).execute(&mut session).await.expect("written");
    let later = Timestamp::now().plus_millis(600_000);
    assert!(store.orphans(later, Timestamp(0), 9).await.expect("an answer").is_empty());
    run(&mut session, "UPDATE messages SET deleted_at = now()").await;
    assert_eq!(store.orphans(later, Timestamp(0), 9).await.expect("an answer").len(), 1);
    session.close().await.expect("closed");
    drop(store);
    database.drop().await;
}

#[tokio::test]
async fn a_message_and_what_its_room_counts_of_it_are_stored_together_or_not_at_all() {
    let database = Database::make().await;
    let store = database.store().await;
    let mut session = database.session().await;
    let good = record(0, Timestamp::now());
    // The last statement of the transaction fails, whichever that is: the position's row cannot be left moved.
    query(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE = '53100'; END $$",
    )
    .execute(&mut session)
    .await
    .expect("a function");
    for table in ["messages", "room_counters", "users", "applied"] {
        let event = if table == "applied" { "UPDATE" } else { "INSERT" };
        store.position(Partition(0)).await.expect("a position");
        let refuse = format!("CREATE TRIGGER refused BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()");
        query(AssertSqlSafe(refuse)).execute(&mut session).await.expect("refuses");
        let answer = store.apply(Partition(0), Position::START, std::slice::from_ref(&good)).await;
        assert!(matches!(answer, Err(ApplyError::Unavailable(_))), "{table}: {answer:?}");
        for left in ["messages", "room_counters", "users"] {
            let sql = AssertSqlSafe(format!("SELECT count(*) FROM {left}"));
            let rows: i64 = query_scalar(sql).fetch_one(&mut session).await.expect("a count");
            assert_eq!(rows, 0, "{left}, when {table} refused");
        }
        assert_eq!(store.position(Partition(0)).await.expect("a position"), Position::START);
        query(AssertSqlSafe(format!("DROP TRIGGER refused ON {table}"))).execute(&mut session).await.expect("dropped");
    }
    let stored = store.apply(Partition(0), Position::START, &[good]).await.expect("applied");
    assert!(matches!(stored, Stored::Done { messages: 1, .. }));
    database.drop().await;
}
