use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::{Counter, counter};
use parlor_core::consume::{Outcome, Sink, SinkError};
use parlor_core::event::Kind;
use parlor_core::ids::{Offset, Partition, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Log, Position, Record};
use parlor_core::ports::progress::{Mark, Progress};
use parlor_core::ports::store::Store;
use parlor_core::receipts::{Pointer, Pointers};

/// The store's pointers as a sink of the log of receipts.
///
/// A pointer is stored once the store has what it points at: a message's number is looked up then, and counts of unread
/// messages are told by it. Both logs have a room on the same partition.
///
/// Pointers only move forward, so a record that is applied again changes nothing, and where this sink stands needs no
/// fence: it is the place that its group has committed.
pub struct ReceiptSink {
    log: Arc<dyn Log>,
    group: String,
    store: Arc<dyn Store>,
    progress: Arc<dyn Progress>,
    stored: Counter,
}

/// How often a store that is behind is asked again, and for how long before the loop is told to pause.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

impl ReceiptSink {
    /// Of that log, in that group, into this store.
    pub fn new(
        log: Arc<dyn Log>,
        group: impl Into<String>,
        store: Arc<dyn Store>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self { log, group: group.into(), store, progress, stored: counter!("parlor_receipts_stored_total") }
    }

    /// Waits until the store has a partition up to a place.
    async fn reaches(&self, partition: Partition, place: Seq) -> Result<(), Unavailable> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let applied = self.store.position(partition).await?.offset;
            if Seq::new(self.log.generation(), applied) >= place {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(Unavailable::new("store", "it does not have yet what receipts point at"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[async_trait]
impl Sink for ReceiptSink {
    async fn position(&self, partition: Partition, applied: Option<Position>) -> Result<Position, SinkError> {
        if let Some(position) = applied {
            return Ok(position);
        }
        let committed = self.log.committed(&self.group).await?;
        let at = usize::try_from(partition.0).ok().and_then(|at| committed.get(at).copied().flatten());
        let ends = self.log.ends(partition).await?;
        // What has expired unread was older than anything that anybody waits for.
        let next = at.unwrap_or(ends.first).clamp(ends.first, ends.next);
        Ok(Position { offset: Offset(next.0 - 1), digest: 0 })
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Outcome, SinkError> {
        let marks: Vec<Mark> = records.iter().filter_map(mark).collect();
        if let Some(furthest) = marks.iter().map(|mark| mark.to.read.seq).max() {
            self.reaches(partition, furthest).await?;
            self.progress.raise(&marks).await?;
            self.stored.increment(u64::try_from(marks.len()).unwrap_or(u64::MAX));
        }
        let position = records.last().map_or(previous, Record::position);
        Ok(Outcome::Applied { position, duplicates: 0 })
    }

    fn remedy(&self) -> &'static str {
        "No pointer was stored. Commit an offset within the log for this group, or remove the group's offsets: receipts \
         are then stored from the log's first record on, which changes nothing that was stored before"
    }
}

/// What a record says of a member. Others are passed over.
fn mark(record: &Record) -> Option<Mark> {
    let event = record.event.as_ref().ok()?;
    let Kind::Receipt { delivered, read } = event.kind else { return None };
    let mut to = Pointers::default();
    if let Some(seq) = delivered {
        to.raise(&Pointers { delivered: Pointer::new(seq, record.time), read: Pointer::default() });
    }
    if let Some(seq) = read {
        to.raise(&Pointers::read(seq, record.time));
    }
    Some(Mark { room: event.room.clone(), user: event.actor.id.clone(), to })
}
