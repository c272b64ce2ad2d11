//! The file: its tables, and what is in them when it is opened.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use parlor_core::ids::{Generation, Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Ends;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};

use super::unavailable;
use crate::index_of;

/// Raised with every change of the tables.
const VERSION: i64 = 1;

/// How long to wait for another log on the same file to finish closing.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// A record's place is its rowid: the partition above 45 bits of offset, so that a partition's records lie together,
/// in order, and the next one goes to its end.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS log (version INTEGER NOT NULL, generation INTEGER NOT NULL, partitions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS partitions (partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    place INTEGER PRIMARY KEY, time INTEGER NOT NULL, encoded BLOB NOT NULL, trace TEXT);
CREATE INDEX IF NOT EXISTS records_by_time ON records (time);
CREATE TABLE IF NOT EXISTS committed (
    consumers TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (consumers, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, time INTEGER NOT NULL,
    encoded BLOB NOT NULL, reason TEXT NOT NULL, set_aside INTEGER NOT NULL);
";

/// What a rowid of `records` is made of.
pub(super) fn place(partition: Partition, offset: Offset) -> i64 {
    (i64::from(partition.0) << 45) | offset.0.clamp(0, (1 << 45) - 1)
}

/// The offset in a rowid of `records`.
pub(super) fn offset_of(place: i64) -> Offset {
    Offset(place & ((1 << 45) - 1))
}

/// The connection that writes, and the lock that keeps other processes out for as long as it lives.
pub(super) struct Writing {
    pub(super) connection: SqliteConnection,
    _lock: File,
}

/// A log that was opened, with what it knew when it was closed.
pub(super) struct Opened {
    pub(super) file: Writing,
    pub(super) generation: Generation,
    pub(super) ends: Vec<Ends>,
    pub(super) committed: HashMap<String, Vec<Option<Offset>>>,
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5)).disable_statement_logging()
}

pub(super) async fn open(path: &Path, partitions: u32) -> Result<Opened, Unavailable> {
    if partitions == 0 {
        return Err(unavailable("a log has at least 1 partition"));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unavailable)?;
    }
    let lock = lock(path).await?;
    let mut connection = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .map_err(unavailable)?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(unavailable)?;
    let generation = settle(&mut connection, path, partitions).await?;
    let ends = sqlx::query("SELECT first, next FROM partitions ORDER BY partition")
        .map(|row: sqlx::sqlite::SqliteRow| Ends { first: Offset(row.get(0)), next: Offset(row.get(1)) })
        .fetch_all(&mut connection)
        .await
        .map_err(unavailable)?;
    let mut committed: HashMap<String, Vec<Option<Offset>>> = HashMap::new();
    let rows = sqlx::query_as::<_, (String, u32, i64)>("SELECT consumers, partition, next FROM committed")
        .fetch_all(&mut connection)
        .await
        .map_err(unavailable)?;
    for (group, partition, next) in rows {
        let offsets = committed.entry(group).or_insert_with(|| vec![None; ends.len()]);
        if let Some(offset) = offsets.get_mut(index_of(Partition(partition))) {
            *offset = Some(Offset(next));
        }
    }
    Ok(Opened { file: Writing { connection, _lock: lock }, generation, ends, committed })
}

/// Two processes would give out the same offsets twice.
async fn lock(path: &Path) -> Result<File, Unavailable> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).append(true).open(&name).map_err(unavailable)?;
    let deadline = tokio::time::Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(unavailable(format!(
                    "{} is open in another process: one log, one process",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
    }
}

/// Writes down what the log is if it is new; otherwise checks that it is what it is taken for.
async fn settle(connection: &mut SqliteConnection, path: &Path, partitions: u32) -> Result<Generation, Unavailable> {
    let known = sqlx::query_as::<_, (i64, u8, u32)>("SELECT version, generation, partitions FROM log")
        .fetch_optional(&mut *connection)
        .await
        .map_err(unavailable)?;
    let wrong = match known {
        Some((VERSION, generation, found)) if found == partitions => return Ok(Generation(generation)),
        Some((VERSION, _, found)) => format!("it has {found} partitions, not {partitions}; they are fixed for a log"),
        Some((version, ..)) => format!("it is of version {version}, this program knows {VERSION}"),
        None => {
            let made = sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
                "BEGIN IMMEDIATE;
                 INSERT INTO log VALUES ({VERSION}, 1, {partitions});
                 WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {partitions})
                 INSERT INTO partitions SELECT n, 0, 0 FROM numbers;
                 COMMIT;"
            )));
            made.execute(connection).await.map_err(unavailable)?;
            return Ok(Generation(1));
        }
    };
    Err(unavailable(format!("{} cannot be used: {wrong}", path.display())))
}
