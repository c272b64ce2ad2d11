//! Months of messages that are older than what a store keeps become tables of their own, on a real PostgreSQL.

#[allow(dead_code, reason = "each part has a test file of its own")]
mod database;

use std::time::Duration;

use parlor_core::ids::{MessageId, Partition, RoomId, Seq};
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::store::{Read, Store, Stored};
use parlor_core::time::Timestamp;
use parlor_store::postgres::{Postgres, archive};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar};

use self::database::{Database, all_of, record, run};

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
