//! The contract on a real PostgreSQL, and what is PostgreSQL's alone: partitions, locks, being away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Event, Kind, Message, MessageType, Role, Room, RoomKind};
use parlor_core::ids::{Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, nameless};
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::store::{ApplyError, Read, Store, Stored};
use parlor_core::ports::store_contract::Subject;
use parlor_core::time::Timestamp;
use parlor_store::postgres::{Config, Postgres, archive, migrate};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar};

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

/// A database of a test's own.
struct Database {
    server: String,
    name: String,
    config: Config,
}

impl Database {
    async fn make() -> Self {
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

    async fn store(&self) -> Arc<Postgres> {
        Postgres::connect(self.config.clone()).await.expect("a store")
    }

    async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.config.url).await.expect("a session")
    }

    async fn drop(self) {
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

/// Everything that holds of one server holds where reads go to a replica. Here it is the same database: it never lags.
mod with_a_replica {
    use super::{Config, Database, Postgres, Subject, subject, until};

    parlor_core::store_contract!(make());

    async fn make() -> Subject {
        let database = Database::make().await;
        let config = Config { read_url: database.config.url.clone(), replica_lag_ms: 0, ..database.config.clone() };
        let store = Postgres::connect(config).await.expect("a store");
        until("the replica is read from", async || store.check_replica().is_ok()).await;
        subject(database, store)
    }
}

async fn make() -> Subject {
    let database = Database::make().await;
    let store = database.store().await;
    subject(database, store)
}

fn subject(database: Database, store: Arc<Postgres>) -> Subject {
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

fn text(content: &str) -> Message {
    Message {
        content: content.into(),
        kind: MessageType::Text,
        reply_to: None,
        metadata: None,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: None,
    }
}

fn record(offset: i64, time: Timestamp) -> Record {
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

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = Database::make().await;
    let (one, other) = tokio::join!(migrate(&database.config), migrate(&database.config));
    one.expect("nothing to do");
    other.expect("nothing to do");
    database.drop().await;
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

mod files {
    parlor_core::files_contract!(super::make_files());
}

async fn make_files() -> parlor_core::ports::files_contract::Subject {
    let database = Database::make().await;
    let files = database.store().await;
    parlor_core::ports::files_contract::Subject { files, close: Box::pin(database.drop()) }
}

#[tokio::test]
async fn rooms_and_memberships_have_the_documented_columns_and_indexes() {
    let database = Database::make().await;
    let mut session = database.session().await;
    let columns: Vec<String> = query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&mut session)
    .await
    .expect("columns");
    let documented = "rooms.id rooms.kind rooms.name rooms.description rooms.avatar_url rooms.is_private \
        rooms.is_active rooms.metadata rooms.created_by rooms.created_at rooms.updated_at rooms.deleted_at \
        members.room_id members.user_id members.role members.joined_at members.left_at members.read_seq \
        members.last_read_at members.notifications_enabled";
    for column in documented.split_whitespace() {
        assert!(columns.iter().any(|known| known == column), "{column}");
    }
    let indexes: Vec<String> = query_scalar("SELECT indexdef FROM pg_indexes WHERE tablename IN ('rooms', 'members')")
        .fetch_all(&mut session)
        .await
        .expect("indexes");
    for key in [
        "rooms USING btree (kind)",
        "rooms USING btree (created_by)",
        "rooms USING btree (created_at)",
        "UNIQUE INDEX rooms_pkey ON public.rooms USING btree (id)",
        "rooms USING btree (user_a, user_b)",
        "members USING btree (user_id)",
        "members USING btree (room_id, role)",
        "UNIQUE INDEX members_pkey ON public.members USING btree (room_id, user_id)",
    ] {
        assert!(indexes.iter().any(|index| index.contains(key)), "{key}: {indexes:?}");
    }
    session.close().await.expect("closed");
    database.drop().await;
}

#[tokio::test]
async fn what_belongs_to_a_room_or_user_goes_with_their_row_and_an_inactive_room_is_not_there() {
    let database = Database::make().await;
    let store = database.store().await;
    let (ann, ben) = (nameless(&UserId::trusted("a")), UserId::trusted("b"));
    for user in [&ann, &nameless(&ben)] {
        store.see_user(user).await.expect("seen");
    }
    let room = Room {
        id: RoomId::trusted("group_1"),
        kind: RoomKind::Group,
        name: Some("Crew".into()),
        description: None,
        avatar: None,
        private: false,
        created_by: ann.id.clone(),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    let make = Change::Create { room: room.clone(), creator: ann.clone(), members: vec![ben.clone()], limit: 10 };
    let made = store.change(&room.id, &make).await.expect("made");
    let message = made.events.iter().find(|event| matches!(event.kind, Kind::MessageSent(_))).expect("a message");
    let record = Record {
        partition: Partition(0),
        seq: Seq::new(Generation(1), Offset(0)),
        time: Timestamp::now(),
        encoded: parlor_proto::encode(message),
        event: Ok(message.clone().into()),
        trace: None,
    };
    store.apply(Partition(0), Position::START, &[record]).await.expect("applied");
    let mut session = database.session().await;
    let run = async |session: &mut PgConnection, sql: &'static str| {
        query(sql).execute(session).await.expect("done");
    };
    run(&mut session, "UPDATE rooms SET is_active = false").await;
    assert_eq!(store.membership(&room.id, &ann.id).await.expect("an answer"), None);
    assert!(store.change(&room.id, &Change::Join { user: ann.clone(), limit: 10 }).await.is_err());
    run(&mut session, "UPDATE rooms SET is_active = true").await;
    assert!(store.membership(&room.id, &ann.id).await.expect("an answer").is_some());
    run(&mut session, "DELETE FROM users WHERE id = 'b'").await;
    assert_eq!(store.members(&room.id, None, 10).await.expect("members").len(), 1);
    run(&mut session, "DELETE FROM rooms").await;
    for table in ["members", "messages", "room_counters"] {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = query_scalar(sql).fetch_one(&mut session).await.expect("a count");
        assert_eq!(left, 0, "{table}");
    }
    session.close().await.expect("closed");
    database.drop().await;
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
async fn a_month_that_was_brought_back_is_not_offered_for_dropping_and_leaves_again() {
    let database = Database::make().await;
    let store = database.store().await;
    let records = old_messages(&database, &store).await;
    let mut session = database.session().await;
    let done = archive(&database.config, 12, false).await.expect("archived");
    let month = done.detached[1].clone();
    assert_eq!(archive(&database.config, 12, true).await.expect("an answer").waiting.len(), 2);
    let begins = format!("{}-01", month.month);
    let attach = format!(
        "ALTER TABLE messages ATTACH PARTITION {} FOR VALUES FROM ('{begins} 00:00+00') \
             TO ((timestamp '{begins}' + interval '1 month') AT TIME ZONE 'UTC')",
        month.table
    );
    run(&mut session, &attach).await;
    let told = archive(&database.config, 12, true).await.expect("an answer");
    assert!(told.waiting.iter().all(|waiting| waiting.table != month.table), "it is read from");
    // Under its own name it is archived like any, also where a table of that month lies there from before.
    let own = month.table.replace("archive_", "");
    run(&mut session, &format!("ALTER TABLE {} RENAME TO {own}", month.table)).await;
    run(&mut session, &format!("CREATE TABLE {} (LIKE messages)", month.table)).await;
    let again = archive(&database.config, 12, false).await.expect("archived");
    let table = format!("{}_2", month.table);
    assert_eq!(again.detached.iter().map(|month| &*month.table).collect::<Vec<_>>(), [&*table]);
    let sql = AssertSqlSafe(format!("SELECT seq FROM {table}"));
    let seqs: Vec<i64> = query_scalar(sql).fetch_all(&mut session).await.expect("the month's table");
    assert_eq!(seqs, [i64::try_from(records[1].seq.0).expect("a seq")]);
    let waiting = archive(&database.config, 12, true).await.expect("an answer").waiting;
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    session.close().await.expect("closed");
    drop(store);
    database.drop().await;
}

#[tokio::test]
async fn late_rows_go_to_an_archive_that_is_older_than_a_column() {
    let database = Database::make().await;
    let store = database.store().await;
    old_messages(&database, &store).await;
    let mut session = database.session().await;
    let table = archive(&database.config, 12, true).await.expect("an answer").detached[0].table.clone();
    run(&mut session, &format!("CREATE TABLE {table} (LIKE messages)")).await;
    run(&mut session, "ALTER TABLE messages ADD COLUMN colour text NOT NULL DEFAULT 'red'").await;
    archive(&database.config, 12, false).await.expect("archived");
    let sql = AssertSqlSafe(format!("SELECT colour FROM {table}"));
    let colours: Vec<String> = query_scalar(sql).fetch_all(&mut session).await.expect("the month's table");
    assert_eq!(colours, ["red"]);
    session.close().await.expect("closed");
    drop(store);
    database.drop().await;
}

async fn run(session: &mut PgConnection, sql: &str) {
    query(AssertSqlSafe(sql.to_owned())).execute(session).await.expect(sql);
}

/// The first day of the month that is `months` ago, in milliseconds since the Unix epoch.
async fn month_ago(session: &mut PgConnection, months: i32) -> Timestamp {
    const BEGINS: &str = "SELECT (extract(epoch FROM (date_trunc('month', now() AT TIME ZONE 'UTC') \
        - make_interval(months => $1)) AT TIME ZONE 'UTC') * 1000)::bigint";
    Timestamp(query_scalar(BEGINS).bind(months).fetch_one(session).await.expect("a time"))
}

/// Makes the partition of the month that is `months` ago, as it was made at its time.
async fn make_month(session: &mut PgConnection, months: i32) {
    let make = format!(
        "DO $$ DECLARE starts timestamp := date_trunc('month', now() AT TIME ZONE 'UTC') - interval '{months} months'; \
         BEGIN EXECUTE format('CREATE TABLE messages_%s PARTITION OF messages FOR VALUES FROM (%L) TO (%L)', \
             to_char(starts, 'YYYY_MM'), starts AT TIME ZONE 'UTC', (starts + interval '1 month') AT TIME ZONE 'UTC'); \
         END $$"
    );
    query(AssertSqlSafe(make)).execute(session).await.expect("made");
}

fn all_of(room: &RoomId) -> Read<'_> {
    Read { room, partition: Partition(0), after: Seq::ZERO, before: Seq::MAX, limit: 99, newest_first: true }
}

/// Messages of thirteen, twelve (the oldest that stays) and no months ago, and one of fourteen that was stored late.
async fn old_messages(database: &Database, store: &Postgres) -> Vec<Record> {
    let mut session = database.session().await;
    make_month(&mut session, 13).await;
    make_month(&mut session, 12).await;
    let mut records = Vec::new();
    for (offset, months) in [(0, 14), (1, 13), (2, 12), (3, 0)] {
        records.push(record(offset, month_ago(&mut session, months).await));
    }
    store.apply(Partition(0), Position::START, &records).await.expect("applied");
    session.close().await.expect("closed");
    records
}

#[tokio::test]
async fn the_last_twelve_months_stay_and_what_is_older_becomes_tables_of_its_own() {
    use parlor_core::ports::search::Search;

    let database = Database::make().await;
    let store = database.store().await;
    let records = old_messages(&database, &store).await;
    let mut session = database.session().await;
    let room = RoomId::trusted("r");
    let seqs = |records: &[Record]| records.iter().rev().map(|record| record.seq).collect::<Vec<_>>();

    let told = archive(&database.config, 12, true).await.expect("an answer");
    assert_eq!(told.detached.len(), 2);
    assert_eq!(store.messages(all_of(&room)).await.expect("a page").rows.len(), 4, "a dry run changes nothing");

    let done = archive(&database.config, 12, false).await.expect("archived");
    assert_eq!(
        done.detached.iter().map(|month| &month.table).collect::<Vec<_>>(),
        told.detached.iter().map(|month| &month.table).collect::<Vec<_>>()
    );
    for (month, record) in done.detached.iter().zip(&records) {
        let sql = AssertSqlSafe(format!("SELECT seq FROM {}", month.table));
        let seqs: Vec<i64> = query_scalar(sql).fetch_all(&mut session).await.expect("the month's table");
        assert_eq!(seqs, [i64::try_from(record.seq.0).expect("a seq")], "{}", month.table);
    }
    // History ends where the store begins, for whoever pages towards it: no row, no error.
    let page = store.messages(all_of(&room)).await.expect("a page");
    assert_eq!(page.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), seqs(&records[2..]));
    let older = Read { before: records[2].seq, ..all_of(&room) };
    assert!(store.messages(older).await.expect("a page").rows.is_empty());
    let (first, _) = store.seq_at(&room, Partition(0), Timestamp(0)).await.expect("a place");
    assert_eq!(first, Some(records[2].seq));
    let Ok(event) = &records[1].event else { panic!("decoded") };
    assert_eq!(store.message(MessageId(event.id.0)).await.expect("an answer"), None);
    let counted = store.counted(&room, Partition(0), Seq::MAX, 0, 99).await.expect("a page");
    assert_eq!((counted.rows.len(), counted.total), (2, 2), "what is archived is not counted");
    let changes = store.changes(&room, Partition(0), Seq::ZERO, Seq::MAX, 99).await.expect("a page");
    assert_eq!(changes.rows.len(), 2);

    // Again, with more to come: nothing is left to do but what an operator has not done yet.
    let again = archive(&database.config, 12, false).await.expect("an answer");
    assert!(again.detached.is_empty());
    assert_eq!(again.waiting.len(), 2);
    store.maintain().await.expect("upkeep does not bring it back");
    let next = record(4, Timestamp::now());
    store.apply(Partition(0), records[3].position(), &[next]).await.expect("applied");
    assert_eq!(store.messages(all_of(&room)).await.expect("a page").rows.len(), 3);
    archive(&database.config, 1, false).await.expect_err("the last month is needed");
    database.drop().await;
}

#[tokio::test]
async fn months_are_archived_while_messages_are_written_and_read_by_two_at_once() {
    let database = Database::make().await;
    let store = database.store().await;
    old_messages(&database, &store).await;
    // A reader that is slow to end: the first try does not get the table, and lets others go first.
    let mut reader = database.session().await;
    let mut reading = reader.begin().await.expect("a transaction");
    query("SELECT FROM messages LIMIT 1").execute(&mut *reading).await.expect("read");
    let writing = async {
        let mut at = Position::START;
        for offset in 0..100 {
            let record = Record { partition: Partition(1), ..record(offset, Timestamp::now()) };
            let stored = store.apply(Partition(1), at, std::slice::from_ref(&record)).await.expect("applied");
            assert!(matches!(stored, Stored::Done { messages: 1, .. }), "{stored:?}");
            at = record.position();
            if offset == 50 {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
            }
        }
        reading.rollback().await.expect("ended");
    };
    let (one, other, ()) =
        tokio::join!(archive(&database.config, 12, false), archive(&database.config, 12, false), writing);
    let (one, other) = (one.expect("archived"), other.expect("archived"));
    assert_eq!(one.detached.len().max(other.detached.len()), 2);
    assert_eq!(store.messages(all_of(&RoomId::trusted("r"))).await.expect("a page").rows.len(), 99);
    database.drop().await;
}

/// A primary, and another database that stands for its replica: what is applied to the one reaches the other when the
/// test says so.
struct Pair {
    primary: Database,
    replica: Database,
    /// Reads on the replica.
    both: Arc<Postgres>,
    /// What PostgreSQL would copy.
    copy: Arc<Postgres>,
}

/// How late that replica may be.
const LAG: Duration = Duration::from_millis(700);

impl Pair {
    async fn make() -> Self {
        let (primary, replica) = (Database::make().await, Database::make().await);
        let config = Config {
            read_url: replica.config.url.clone(),
            replica_lag_ms: u64::try_from(LAG.as_millis()).expect("short"),
            ..primary.config.clone()
        };
        let both = Postgres::connect(config).await.expect("a store");
        let copy = replica.store().await;
        Self { primary, replica, both, copy }
    }

    async fn drop(self) {
        self.primary.drop().await;
        self.replica.drop().await;
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn history_is_read_on_the_replica_while_it_keeps_up_and_writes_and_decisions_are_the_primarys() {
    use parlor_core::ports::search::{Query, Search, Within};
    use parlor_core::search::Terms;

    let pair = Pair::make().await;
    let (both, room) = (&pair.both, RoomId::trusted("r"));
    let records: Vec<Record> = (0..3).map(|offset| record(offset, Timestamp::now())).collect();
    let (ann, ben) = (nameless(&UserId::trusted("a")), UserId::trusted("b"));
    let group = Room {
        id: room.clone(),
        kind: RoomKind::Group,
        name: None,
        description: None,
        avatar: None,
        private: false,
        created_by: ann.id.clone(),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    for store in [both, &pair.copy] {
        store.see_user(&nameless(&ben)).await.expect("seen");
        let create = Change::Create { room: group.clone(), creator: ann.clone(), members: vec![ben.clone()], limit: 9 };
        store.change(&room, &create).await.expect("made");
        store.apply(Partition(0), Position::START, &records[..1]).await.expect("applied");
    }
    until("the replica is read from", async || both.check_replica().is_ok()).await;
    let terms = Terms::parse("hi").expect("terms");
    let found = async || {
        let query = Query { terms: &terms, within: Within::RoomsOf(&ben), sender: None, before: None, limit: 9 };
        both.search(query).await.expect("an answer").len()
    };
    assert_eq!(found().await, 1);

    // The primary is ahead: whoever reads history hears so from `applied`, and everything else knows it already.
    both.apply(Partition(0), records[0].position(), &records[1..2]).await.expect("applied");
    let leave = Change::Leave { user: nameless(&ben) };
    both.change(&room, &leave).await.expect("left");
    let page = both.messages(all_of(&room)).await.expect("a page");
    assert_eq!((page.rows.len(), page.applied), (1, records[0].seq.offset()), "not from the replica");
    let changes = both.changes(&room, Partition(0), Seq::ZERO, Seq::MAX, 9).await.expect("a page");
    assert_eq!(changes.applied, records[0].seq.offset());
    let counted = both.counted(&room, Partition(0), Seq::MAX, 0, 9).await.expect("a page");
    assert_eq!((counted.total, counted.applied), (1, records[0].seq.offset()));
    assert_eq!(both.position(Partition(0)).await.expect("a position"), records[1].position());
    let Ok(event) = &records[1].event else { panic!("decoded") };
    assert!(both.message(MessageId(event.id.0)).await.expect("an answer").is_some());
    let (_, standing) = both.membership(&room, &ben).await.expect("an answer").expect("a room");
    assert_eq!(standing.expect("a standing").role, Role::Left);
    assert_eq!(found().await, 0, "who has left a room finds nothing in it, whatever the replica has heard");

    // It does not follow: soon the primary is asked.
    until("a late replica is not read from", async || {
        both.messages(all_of(&room)).await.expect("a page").rows.len() == 2
    })
    .await;
    both.check_replica().expect_err("late");

    // It has caught up, and is read from again.
    pair.copy.apply(Partition(0), records[0].position(), &records[1..2]).await.expect("applied");
    until("the replica is read from again", async || both.check_replica().is_ok()).await;
    both.apply(Partition(0), records[1].position(), &records[2..]).await.expect("applied");
    assert_eq!(both.messages(all_of(&room)).await.expect("a page").applied, records[1].seq.offset());

    // The primary goes away: history is read on.
    pair.copy.apply(Partition(0), records[1].position(), &records[2..]).await.expect("applied");
    until("the replica has it all", async || {
        both.check_replica().is_ok() && both.messages(all_of(&room)).await.expect("a page").rows.len() == 3
    })
    .await;
    let Pair { primary, replica, both, .. } = pair;
    primary.drop().await;
    tokio::time::sleep(3 * LAG).await;
    assert_eq!(both.messages(all_of(&room)).await.expect("a page").rows.len(), 3);
    both.position(Partition(0)).await.expect_err("away");
    replica.drop().await;
}

#[tokio::test]
async fn while_the_replica_is_away_or_hangs_history_is_read_on_the_primary() {
    let pair = Pair::make().await;
    let (server, database) = (&pair.replica.config.url, RoomId::trusted("r"));
    let address = server.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let between = server.replace(&address, &listener.local_addr().expect("an address").to_string());
    let hangs = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let frozen = Arc::clone(&hangs);
    let proxy = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            let upstream = tokio::net::TcpStream::connect(&address).await.expect("the server");
            let (frozen, (mut from, mut to)) = (Arc::clone(&frozen), upstream.into_split());
            let (mut client_from, mut client_to) = client.into_split();
            held.push(tokio::spawn(async move { tokio::io::copy(&mut client_from, &mut to).await.map(drop) }));
            held.push(tokio::spawn(async move {
                let mut bytes = [0; 4096];
                loop {
                    let read = tokio::io::AsyncReadExt::read(&mut from, &mut bytes).await?;
                    if frozen.load(std::sync::atomic::Ordering::Relaxed) {
                        // Nothing more comes, and nothing ends.
                        std::future::pending::<()>().await;
                    }
                    if read == 0 {
                        return Ok(());
                    }
                    tokio::io::AsyncWriteExt::write_all(&mut client_to, &bytes[..read]).await?;
                }
            }));
        }
    });
    let config = Config { read_url: between, replica_lag_ms: 100, ..pair.primary.config.clone() };
    let store = Postgres::connect(config).await.expect("a store");
    let first = record(0, Timestamp::now());
    for store in [&store, &pair.copy] {
        store.apply(Partition(0), Position::START, std::slice::from_ref(&first)).await.expect("applied");
    }
    until("the replica is read from", async || store.check_replica().is_ok()).await;
    store.messages(all_of(&database)).await.expect("read there");
    hangs.store(true, std::sync::atomic::Ordering::Relaxed);
    let began = Instant::now();
    assert_eq!(store.messages(all_of(&database)).await.expect("a page").rows.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..50 {
        store.messages(all_of(&database)).await.expect("a page");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "everybody waits for it: {:?}", began.elapsed());
    proxy.abort();

    // One that was never there.
    let away = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let read_url = format!("postgres://parlor@{away}/parlor");
    let store = Postgres::connect(Config { read_url, ..pair.primary.config.clone() }).await.expect("a store");
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(store.messages(all_of(&database)).await.expect("a page").rows.len(), 1);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    store.check_replica().expect_err("away");
    pair.drop().await;
}

#[tokio::test]
async fn users_messages_and_statuses_have_the_documented_columns_and_indexes() {
    let database = Database::make().await;
    let mut session = database.session().await;
    let columns: Vec<String> = query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&mut session)
    .await
    .expect("columns");
    // A status of a message is derived from its reader's two pointers; a conversation's newest message is counted in
    // a narrow table of its own; who is online is known to Redis alone.
    let documented = "users.id users.username users.email users.password_hash users.name users.avatar_url \
        users.created_at users.last_seen \
        messages.id messages.room_id messages.sender_id messages.content messages.type messages.reply_to_id \
        messages.metadata messages.time messages.edited_at messages.deleted_at messages.encrypted \
        room_counters.last_message_at members.delivered_seq members.delivered_at members.read_seq \
        members.last_read_at reactions.message_id reactions.user_id reactions.emoji \
        push_subscriptions.user_id device_keys.identity_key";
    for column in documented.split_whitespace() {
        assert!(columns.iter().any(|known| known == column), "{column}");
    }
    let indexes: Vec<String> = query_scalar(
        "SELECT indexdef FROM pg_indexes WHERE tablename IN ('users', 'messages', 'members', 'reactions')",
    )
    .fetch_all(&mut session)
    .await
    .expect("indexes");
    for key in [
        "public.users USING btree (username)",
        "public.users USING btree (lower(username))",
        "public.users USING btree (email)",
        "messages USING btree (room_id, seq DESC)",
        "messages USING btree (room_id, \"time\" DESC)",
        "messages USING btree (sender_id, room_id, seq DESC)",
        "messages USING btree (reply_to_id)",
        "messages USING gin (to_tsvector('simple'::regconfig, content))",
        "messages USING btree (room_id) WHERE (deleted_at IS NOT NULL)",
        "reactions USING btree (message_id, user_id, emoji)",
    ] {
        assert!(indexes.iter().any(|index| index.contains(key)), "{key}: {indexes:#?}");
    }
    session.close().await.expect("closed");
    database.drop().await;
}

#[tokio::test]
async fn a_membership_refers_to_a_user_and_a_room_that_are_there() {
    let database = Database::make().await;
    let store = database.store().await;
    // A message's sender and room get theirs by being applied and decided; here it is asked of the tables themselves.
    let sent = record(0, Timestamp::now());
    store.apply(Partition(0), Position::START, std::slice::from_ref(&sent)).await.expect("applied");
    assert_eq!(store.users(&[UserId::trusted("a")]).await.expect("users").len(), 1, "its sender is a user");
    let mut session = database.session().await;
    query(
        "INSERT INTO rooms (id, kind, created_by, created_at, updated_at, version, member_count) \
         VALUES ('r', 'group', 'a', now(), now(), 1, 1)",
    )
    .execute(&mut session)
    .await
    .expect("a room");
    for (room, user, fits) in [("r", "a", true), ("r", "nobody", false), ("nowhere", "a", false)] {
        let join = "INSERT INTO members (room_id, user_id, joined_at, version) VALUES ($1, $2, now(), 1)";
        let joined = query(join).bind(room).bind(user).execute(&mut session).await;
        let refused = joined.as_ref().err().and_then(|error| error.as_database_error()).and_then(|error| error.code());
        assert_eq!(refused.as_deref(), (!fits).then_some("23503"), "{room} {user}: {joined:?}");
    }
    session.close().await.expect("closed");
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
