//! The log in one SQLite file, for one process.
//!
//! One `writer` task holds the only connection that writes; it takes what was enqueued, in order, and puts it into
//! transactions of up to a thousand events. Readers have connections of their own (WAL). The members of a group are
//! consumers in this process; `group` shares the partitions out among them.
//!
//! `synchronous=FULL`: a commit is on disk before it is answered. The positions of whoever consumes this log are in
//! other files; a log that lost its tail in a power cut would end below them, and nobody could go on. One fsync per
//! batch is the price.

mod consumer;
mod faults;
mod file;
mod group;
mod reader;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use parlor_core::event::Event;
use parlor_core::ids::{Generation, Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{AppendError, Consumer, Ends, Log, Pending, Range, Record, ReportError};
use parlor_core::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

pub use faults::Faults;
pub use reader::DeadLetter;

use crate::{MAX_RECORD_BYTES, index_of, trace};
use group::Groups;
use reader::Reader;
use writer::{Entry, Job};

/// How many events wait for the writer at most.
const QUEUE: usize = 20_000;
/// How many bytes of them.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

fn unavailable(reason: impl std::fmt::Display) -> Unavailable {
    Unavailable::new("sqlite", reason)
}

/// See the module.
pub struct SqliteLog {
    shared: Arc<Shared>,
    reader: Reader,
    jobs: mpsc::Sender<Job>,
}

/// What the writer, the readers and the consumers have in common.
struct Shared {
    generation: Generation,
    ends: Vec<Bounds>,
    queued_bytes: AtomicUsize,
    groups: Mutex<Groups>,
    /// The next offset of each partition that each group committed. The file follows within a second.
    committed: Mutex<HashMap<String, Vec<Option<Offset>>>>,
    /// Raised whenever a consumer may have something to do: new records, a change of its group.
    changes: watch::Sender<u64>,
    faults: Faults,
}

/// Where a partition begins and ends, as far as it is on disk.
#[derive(Default)]
struct Bounds {
    first: AtomicI64,
    next: AtomicI64,
}

impl Shared {
    fn ends(&self, partition: Partition) -> Result<Ends, Unavailable> {
        let bounds = self
            .ends
            .get(index_of(partition))
            .ok_or_else(|| unavailable(format!("there is no partition {partition}")))?;
        Ok(Ends { first: Offset(bounds.first.load(Relaxed)), next: Offset(bounds.next.load(Relaxed)) })
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn committed(&self) -> MutexGuard<'_, HashMap<String, Vec<Option<Offset>>>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes every consumer.
    fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}

impl SqliteLog {
    /// Opens the log in the file at `path`, making it, with this many partitions, where there is none.
    ///
    /// # Errors
    /// The file cannot be opened, another process has it open, it is of a newer version, or it has another number of
    /// partitions; the reason says which.
    pub async fn open(path: impl AsRef<Path>, partitions: u32) -> Result<Arc<Self>, Unavailable> {
        let opened = file::open(path.as_ref(), partitions).await?;
        let reader = Reader::open(path.as_ref(), opened.generation).await?;
        let shared = Arc::new(Shared {
            generation: opened.generation,
            ends: opened
                .ends
                .iter()
                .map(|ends| Bounds { first: ends.first.0.into(), next: ends.next.0.into() })
                .collect(),
            queued_bytes: AtomicUsize::new(0),
            groups: Mutex::new(Groups::new(partitions)),
            committed: Mutex::new(opened.committed),
            changes: watch::Sender::new(0),
            faults: Faults::default(),
        });
        let (jobs, queue) = mpsc::channel(QUEUE);
        // Ends with the last sender; a transaction that fails is answered to those concerned, and the next is tried.
        tokio::spawn(writer::run(opened.file, shared.clone(), reader.clone(), queue));
        Ok(Arc::new(Self { shared, reader, jobs }))
    }

    /// Makes things go wrong, for tests.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Appends bytes as they are, decodable or not, to a partition: how a record of a newer version, or a broken one,
    /// gets into the log. Waits until it is there.
    ///
    /// # Errors
    /// The log is away, or the record is too large.
    pub async fn append_raw(&self, partition: Partition, encoded: Bytes) -> Result<(), Unavailable> {
        let pending = self.enqueue(partition, encoded).map_err(unavailable)?;
        pending.await.map(drop).map_err(unavailable)
    }

    /// Removes the records of a partition below an offset, as expiry does to old ones.
    ///
    /// # Errors
    /// The file could not be written.
    pub async fn expire(&self, partition: Partition, below: Offset) -> Result<(), Unavailable> {
        self.ask(|done| Job::Expire { partition, below, done }).await
    }

    /// What was set aside, oldest first, at most the first 1,000.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, Unavailable> {
        self.reader.dead_letters().await
    }

    fn enqueue(&self, partition: Partition, encoded: Bytes) -> Result<Pending, AppendError> {
        let bytes = encoded.len();
        if bytes > MAX_RECORD_BYTES {
            return Err(AppendError::TooLarge);
        }
        let queued = &self.shared.queued_bytes;
        if queued.fetch_add(bytes, Relaxed) + bytes > QUEUE_BYTES {
            queued.fetch_sub(bytes, Relaxed);
            return Err(AppendError::Full);
        }
        let (report, reported) = oneshot::channel();
        let entry = Entry { partition, encoded, trace: trace::current(), report, enqueued: Instant::now() };
        if let Err(error) = self.jobs.try_send(Job::Append(entry)) {
            queued.fetch_sub(bytes, Relaxed);
            return Err(match error {
                mpsc::error::TrySendError::Full(_) => AppendError::Full,
                mpsc::error::TrySendError::Closed(_) => AppendError::Fatal("the log's writer has ended".into()),
            });
        }
        Ok(reported.map(|answer| answer.unwrap_or(Err(ReportError::Unknown))).boxed())
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Unavailable>>) -> Job) -> Result<T, Unavailable> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).await.map_err(|_| unavailable("the log's writer has ended"))?;
        answer.await.map_err(|_| unavailable("the log's writer has ended"))?
    }
}

#[async_trait]
impl Log for SqliteLog {
    fn partitions(&self) -> u32 {
        u32::try_from(self.shared.ends.len()).unwrap_or(u32::MAX)
    }

    fn generation(&self) -> Generation {
        self.shared.generation
    }

    fn append(&self, event: &Event) -> Result<Pending, AppendError> {
        let appended = self.enqueue(self.partition_of(&event.room), parlor_proto::encode(event));
        if let Err(AppendError::Full) = appended {
            metrics::counter!("parlor_log_refused_total", "reason" => "full").increment(1);
        }
        appended
    }

    async fn read_range(
        &self,
        partition: Partition,
        after: Offset,
        through: Offset,
        max_bytes: usize,
    ) -> Result<Range, Unavailable> {
        let ends = self.shared.ends(partition)?;
        if after.next() < ends.first {
            return Err(unavailable(format!(
                "expired: partition {partition} begins at {}, above {}",
                ends.first,
                after.next()
            )));
        }
        let complete_through = through.min(Offset(ends.next.0 - 1));
        if complete_through <= after {
            return Ok(Range { records: Vec::new(), complete_through });
        }
        let read = self.reader.read(partition, after.next(), complete_through, max_bytes, usize::MAX).await?;
        let complete_through = read.stopped_at.map_or(complete_through, |offset| Offset(offset.0 - 1));
        Ok(Range { records: read.records, complete_through })
    }

    async fn ends(&self, partition: Partition) -> Result<Ends, Unavailable> {
        self.shared.ends(partition)
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, Unavailable> {
        let ends = self.shared.ends(partition)?;
        Ok(self.reader.offset_at(partition, time).await?.unwrap_or(ends.next))
    }

    async fn set_aside(&self, record: &Record, reason: &str) -> Result<(), Unavailable> {
        let (record, reason) = (record.clone(), reason.to_owned());
        self.ask(|done| Job::SetAside { record, reason, done }).await
    }

    async fn consume(&self, group: &str, instance: &str, _gather: Duration) -> Result<Box<dyn Consumer>, Unavailable> {
        Ok(Box::new(consumer::Member::join(self.shared.clone(), self.reader.clone(), group, instance)))
    }

    async fn committed(&self, group: &str) -> Result<Vec<Option<Offset>>, Unavailable> {
        let none = || vec![None; self.shared.ends.len()];
        Ok(self.shared.committed().get(group).cloned().unwrap_or_else(none))
    }

    async fn flush(&self, within: Duration) {
        // The queue is in order: when this is answered, everything before it is.
        if !matches!(tokio::time::timeout(within, self.ask(|done| Job::Flush { done })).await, Ok(Ok(()))) {
            tracing::warn!("records were left without an answer");
        }
    }

    async fn check(&self) -> Result<(), Unavailable> {
        if self.jobs.is_closed() {
            return Err(unavailable("the log's writer has ended"));
        }
        self.reader.check().await
    }
}
