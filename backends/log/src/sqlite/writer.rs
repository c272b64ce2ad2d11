//! The one task that writes. It takes what was enqueued, in order, writes it in one transaction, answers, and wakes the
//! consumers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parlor_core::ids::{Offset, Partition, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Appended, Record, ReportError};
use parlor_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, QueryBuilder, Sqlite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::file::{Writing, place};
use super::reader::Reader;
use super::{Shared, unavailable};
use crate::{index_of, partition_at};

/// How many jobs one transaction takes.
const BATCH: usize = 1_000;
/// Committed offsets are written this often, not with every commit: they are a hint, the sinks know their positions.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long records are kept once every group has passed them.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often expired records are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);
/// How many offsets one expiry removes at most, so that appends do not wait long for it.
const EXPIRE_AT_ONCE: i64 = 5_000;

pub(super) type Done = oneshot::Sender<Result<(), Unavailable>>;

/// What the writer is asked for.
pub(super) enum Job {
    Append(Entry),
    SetAside { record: Record, reason: String, done: Done },
    Expire { partition: Partition, below: Offset, done: Done },
    Flush { done: Done },
}

/// An event that was enqueued.
pub(super) struct Entry {
    pub(super) partition: Partition,
    pub(super) encoded: Bytes,
    pub(super) trace: Option<String>,
    pub(super) report: oneshot::Sender<Result<Appended, ReportError>>,
    pub(super) enqueued: Instant,
}

/// An entry with its place.
struct Placed {
    entry: Entry,
    offset: Offset,
}

pub(super) async fn run(file: Writing, shared: Arc<Shared>, reader: Reader, mut queue: mpsc::Receiver<Job>) {
    let mut writer = Writer { file, shared, reader, written: BTreeMap::new() };
    let mut commits = tokio::time::interval(COMMIT_EVERY);
    commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expiry = tokio::time::interval(EXPIRE_EVERY);
    expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut jobs = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut jobs, BATCH) => {
                if taken == 0 {
                    break;
                }
                writer.work(&mut jobs).await;
            }
            _ = commits.tick() => writer.write_commits().await,
            _ = expiry.tick() => writer.expire_old().await,
        }
    }
    writer.write_commits().await;
    writer.reader.close().await;
    if let Err(error) = writer.file.connection.close().await {
        tracing::warn!(%error, "the log's file did not close cleanly; it mends itself when it is opened");
    }
}

struct Writer {
    file: Writing,
    shared: Arc<Shared>,
    reader: Reader,
    /// The committed offsets that the file has.
    written: BTreeMap<(String, u32), Offset>,
}

impl Writer {
    async fn work(&mut self, jobs: &mut Vec<Job>) {
        let mut entries = Vec::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            if let Job::Append(entry) = job {
                entries.push(entry);
                continue;
            }
            // Whatever is not an append sees everything before it.
            self.append(std::mem::take(&mut entries)).await;
            let (answer, done) = match job {
                Job::Append(_) => continue,
                Job::SetAside { record, reason, done } => (self.set_aside(&record, &reason).await, done),
                Job::Expire { partition, below, done } => (self.expire(partition, below).await, done),
                Job::Flush { done } => {
                    self.write_commits().await;
                    (Ok(()), done)
                }
            };
            // Nobody may be waiting any more.
            let _ = done.send(answer);
        }
        self.append(entries).await;
    }

    async fn append(&mut self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let bytes: usize = entries.iter().map(|entry| entry.encoded.len()).sum();
        let mut next: Vec<_> = self.shared.ends.iter().map(|bounds| bounds.next.load(Relaxed)).collect();
        let mut placed = Vec::with_capacity(entries.len());
        for entry in entries {
            // `partition_of` and the checks at the door keep partitions within the list.
            let Some(end) = next.get_mut(index_of(entry.partition)) else {
                let _ = entry.report.send(Err(ReportError::Refused("there is no such partition".into())));
                continue;
            };
            let offset = Offset(*end);
            *end += if self.shared.faults.skips_offset() { 2 } else { 1 };
            placed.push(Placed { entry, offset });
        }
        let time = Timestamp::now();
        let written = self.write(&placed, &next, time).await;
        self.shared.queued_bytes.fetch_sub(bytes, Relaxed);
        let outcome = match &written {
            Ok(()) => "appended",
            Err(ReportError::Unknown) => "unknown",
            Err(ReportError::Refused(_)) => "refused",
        };
        metrics::counter!("parlor_log_appends_total", "outcome" => outcome).increment(placed.len() as u64);
        metrics::histogram!("parlor_log_batch_records").record(placed.len() as f64);
        if written.is_ok() {
            for (bounds, next) in self.shared.ends.iter().zip(next) {
                bounds.next.store(next, Relaxed);
            }
            self.shared.changed();
        }
        for Placed { entry, offset } in placed {
            let answer = match &written {
                Ok(()) if self.shared.faults.loses_report() => Err(ReportError::Unknown),
                Ok(()) => Ok(Appended { time, seq: Some(Seq::new(self.shared.generation, offset)) }),
                Err(error) => Err(error.clone()),
            };
            metrics::histogram!("parlor_log_append_seconds").record(entry.enqueued.elapsed().as_secs_f64());
            // Nobody waits any more: the record is where it is.
            let _ = entry.report.send(answer);
        }
    }

    async fn write(&mut self, placed: &[Placed], next: &[i64], time: Timestamp) -> Result<(), ReportError> {
        let refused = |error: sqlx::Error| ReportError::Refused(error.to_string());
        if self.shared.faults.fails_batch() {
            return Err(ReportError::Refused("the disk is full (a test says so)".into()));
        }
        let mut transaction = self.file.connection.begin_with("BEGIN IMMEDIATE").await.map_err(refused)?;
        // An error before the commit rolls everything back: certainly not in the log.
        insert(&mut transaction, placed, time).await.map_err(refused)?;
        for (index, next) in next.iter().enumerate() {
            if placed.iter().any(|placed| index_of(placed.entry.partition) == index) {
                sqlx::query("UPDATE partitions SET next = ? WHERE partition = ?")
                    .bind(next)
                    .bind(partition_at(index).0)
                    .execute(&mut *transaction)
                    .await
                    .map_err(refused)?;
            }
        }
        if let Err(error) = transaction.commit().await {
            tracing::error!(%error, "a batch may or may not be in the log");
            self.look_again().await;
            return Err(ReportError::Unknown);
        }
        Ok(())
    }

    /// After a commit that was not confirmed: where the partitions really end.
    async fn look_again(&mut self) {
        let rows = sqlx::query_as::<_, (u32, i64)>("SELECT partition, next FROM partitions")
            .fetch_all(&mut self.file.connection)
            .await;
        match rows {
            Ok(rows) => {
                for (partition, next) in rows {
                    if let Some(bounds) = self.shared.ends.get(index_of(Partition(partition))) {
                        bounds.next.store(next, Relaxed);
                    }
                }
                self.shared.changed();
            }
            Err(error) => tracing::error!(%error, "the log cannot be read"),
        }
    }

    async fn set_aside(&mut self, record: &Record, reason: &str) -> Result<(), Unavailable> {
        sqlx::query(
            "INSERT INTO dead_letters (partition, offset, time, encoded, reason, set_aside) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(record.partition.0)
        .bind(record.offset().0)
        .bind(record.time.0)
        .bind(record.encoded.to_vec())
        .bind(reason.to_owned())
        .bind(Timestamp::now().0)
        .execute(&mut self.file.connection)
        .await
        .map(drop)
        .map_err(unavailable)
    }

    /// Writes the committed offsets that the file does not have yet.
    async fn write_commits(&mut self) {
        let changed: Vec<_> = self
            .shared
            .committed()
            .iter()
            .flat_map(|(group, offsets)| {
                offsets
                    .iter()
                    .enumerate()
                    .filter_map(move |(index, offset)| Some(((group.clone(), partition_at(index).0), (*offset)?)))
            })
            .filter(|(place, offset)| self.written.get(place) != Some(offset))
            .collect();
        if changed.is_empty() {
            return;
        }
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO committed (consumers, partition, next) ");
        query.push_values(&changed, |mut row, ((group, partition), next)| {
            row.push_bind(group.clone()).push_bind(*partition).push_bind(next.0);
        });
        query.push(" ON CONFLICT (consumers, partition) DO UPDATE SET next = excluded.next");
        match query.build().persistent(false).execute(&mut self.file.connection).await {
            Ok(_) => self.written.extend(changed),
            Err(error) => tracing::warn!(%error, "committed offsets were not written; tried again in a second"),
        }
    }

    /// Removes what is older than the retention and was passed by every group.
    async fn expire_old(&mut self) {
        let cutoff = Timestamp::now().plus_millis(-i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX));
        for index in 0..self.shared.ends.len() {
            let partition = partition_at(index);
            let passed = self
                .shared
                .committed()
                .values()
                .map(|offsets| offsets.get(index).copied().flatten().unwrap_or(Offset(0)))
                .min();
            let done = match (self.shared.ends(partition), self.reader.offset_at(partition, cutoff).await) {
                (Ok(ends), Ok(young)) => {
                    let below = young.unwrap_or(ends.next).min(passed.unwrap_or(ends.next));
                    let below = below.min(Offset(ends.first.0.saturating_add(EXPIRE_AT_ONCE)));
                    if below > ends.first { self.expire(partition, below).await } else { Ok(()) }
                }
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
            if let Err(error) = done {
                tracing::warn!(%partition, %error, "old records were not removed");
            }
        }
    }

    async fn expire(&mut self, partition: Partition, below: Offset) -> Result<(), Unavailable> {
        let ends = self.shared.ends(partition)?;
        let first = below.clamp(ends.first, ends.next);
        let mut transaction = self.file.connection.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        sqlx::query("DELETE FROM records WHERE place >= ? AND place < ?")
            .bind(place(partition, ends.first))
            .bind(place(partition, first))
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        sqlx::query("UPDATE partitions SET first = ? WHERE partition = ?")
            .bind(first.0)
            .bind(partition.0)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        transaction.commit().await.map_err(unavailable)?;
        if let Some(bounds) = self.shared.ends.get(index_of(partition)) {
            bounds.first.store(first.0, Relaxed);
        }
        Ok(())
    }
}

async fn insert(connection: &mut SqliteConnection, placed: &[Placed], time: Timestamp) -> Result<(), sqlx::Error> {
    const ROW: &str = "INSERT INTO records (place, time, encoded, trace) VALUES (?, ?, ?, ?)";
    if let [Placed { entry, offset }] = placed {
        // The common case when it is quiet: one prepared statement.
        let row = sqlx::query(ROW).bind(place(entry.partition, *offset)).bind(time.0);
        row.bind(entry.encoded.to_vec()).bind(entry.trace.clone()).execute(connection).await?;
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO records (place, time, encoded, trace) ");
    query.push_values(placed, |mut row, Placed { entry, offset }| {
        row.push_bind(place(entry.partition, *offset)).push_bind(time.0);
        row.push_bind(entry.encoded.to_vec()).push_bind(entry.trace.clone());
    });
    query.build().persistent(false).execute(connection).await.map(drop)
}
