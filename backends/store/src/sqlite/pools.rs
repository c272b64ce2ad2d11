//! One connection that writes and a few that read, on one file.

use std::path::Path;
use std::time::Duration;

use parlor_core::ports::Unavailable;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlitePool, Transaction, query};

use super::NAME;

/// Readers see the last commit and never wait for the writer (write-ahead log).
const READERS: u32 = 4;

pub(super) struct Pools {
    writer: SqlitePool,
    /// For reads, each one statement.
    pub(super) readers: SqlitePool,
}

impl Pools {
    pub(super) async fn open(path: &Path, slow: Duration) -> Result<Self, Unavailable> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was answered is on the disk: an outbox row is told to nobody twice if the machine loses power.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Another process may look into the file while this one runs.
            .busy_timeout(Duration::from_secs(5));
        let options = crate::calls::telling_slow(options, slow);
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
        let writer = pool(1).connect_with(options.clone()).await.map_err(error)?;
        crate::migrations::sqlite().run(&writer).await.map_err(|error| Unavailable::new(NAME, error))?;
        let readers = pool(READERS).connect_with(options.create_if_missing(false)).await.map_err(error)?;
        Ok(Self { writer, readers })
    }

    /// A transaction that writes: it has the file's write lock from its beginning, so it never fails half-way because
    /// another one wrote.
    pub(super) async fn write(&self) -> Result<Transaction<'static, sqlx::Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Whether the file answers.
    pub(super) async fn check(&self) -> Result<(), Unavailable> {
        query("SELECT 1 FROM applied LIMIT 1").fetch_optional(&self.readers).await.map_err(error)?;
        Ok(())
    }
}

/// The error of a call, as the port has it.
pub(super) fn error(error: sqlx::Error) -> Unavailable {
    Unavailable::new(NAME, error)
}
