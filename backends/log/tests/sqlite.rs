//! The log's contract on a SQLite file, and what is this back end's own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::log::Log;
use parlor_core::ports::log_contract::Harness;
use parlor_log::sqlite::SqliteLog;
use tempfile::TempDir;

struct File {
    folder: TempDir,
    log: Option<Arc<SqliteLog>>,
}

impl File {
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("log.db")
    }

    fn sqlite(&self) -> &Arc<SqliteLog> {
        self.log.as_ref().expect("open")
    }
}

async fn fresh() -> File {
    let mut file = File { folder: tempfile::tempdir().expect("a folder"), log: None };
    file.log = Some(SqliteLog::open(file.path(), 4).await.expect("opened"));
    file
}

#[async_trait]
impl Harness for File {
    fn log(&self) -> Arc<dyn Log> {
        self.sqlite().clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Log> {
        self.log = None;
        self.log = Some(SqliteLog::open(self.path(), 4).await.expect("opened again"));
        self.log()
    }

    async fn append_raw(&self, partition: Partition, encoded: Bytes) {
        self.sqlite().append_raw(partition, encoded).await.expect("appended");
    }

    async fn append_before_a_gap(&self, partition: Partition, encoded: Bytes) {
        self.sqlite().faults().skip_offsets(1);
        self.append_raw(partition, encoded).await;
    }

    async fn expire(&self, partition: Partition, below: Offset) {
        self.sqlite().expire(partition, below).await.expect("expired");
    }

    fn lose_a_report(&self) -> bool {
        self.sqlite().faults().lose_reports(1);
        true
    }

    async fn dead_letters(&self) -> Vec<(Bytes, String)> {
        let letters = self.sqlite().dead_letters().await.expect("read");
        letters.into_iter().map(|letter| (letter.encoded, letter.reason)).collect()
    }

    async fn destroy(self: Box<Self>) {}
}

parlor_core::log_contract!(fresh);

mod of_its_own {
    use super::*;
    use parlor_core::event::{Event, Kind};
    use parlor_core::ids::{EventId, RoomId, UserId};
    use parlor_core::ports::log::ReportError;

    fn event() -> Event {
        let kind = Kind::Other { kind: 50_000, body: Bytes::from_static(b"x") };
        let actor = parlor_core::membership::nameless(&UserId::trusted("u1"));
        Event { id: EventId::now(), room: RoomId::trusted("r"), actor, kind }
    }

    #[tokio::test]
    async fn a_file_has_one_log_at_a_time() {
        let file = fresh().await;
        let refused = SqliteLog::open(file.path(), 4).await.err().expect("refused");
        assert!(refused.reason.contains("open in another process"), "{refused}");
    }

    #[tokio::test]
    async fn the_number_of_partitions_is_fixed() {
        let mut file = fresh().await;
        file.log = None;
        let refused = SqliteLog::open(file.path(), 8).await.err().expect("refused");
        assert!(refused.reason.contains("4 partitions, not 8"), "{refused}");
    }

    #[tokio::test]
    async fn a_batch_that_could_not_be_written_is_refused_and_the_next_is_taken() {
        let file = fresh().await;
        file.sqlite().faults().fail_batches(1);
        let report = file.log().append(&event()).expect("enqueued").await;
        assert!(matches!(report, Err(ReportError::Refused(_))), "{report:?}");
        let report = file.log().append(&event()).expect("enqueued").await.expect("appended");
        assert_eq!(report.seq.expect("a place").offset(), Offset(0));
    }

    #[tokio::test]
    async fn the_tasks_trace_travels_with_the_record() {
        let file = fresh().await;
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let log = file.log();
        let pending = parlor_log::trace::TRACEPARENT.sync_scope(trace.into(), || log.append(&event()));
        pending.expect("enqueued").await.expect("appended");
        let partition = log.partition_of(&event().room);
        let range = log.read_range(partition, Offset::NONE, Offset(0), 1).await.expect("read");
        assert_eq!(range.records[0].trace.as_deref(), Some(trace));
    }
}
