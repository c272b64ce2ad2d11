//! A member of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Consumer, Polled, Record};
use tokio::sync::watch;

use super::group::{Change, MemberId};
use super::reader::Reader;
use super::{Shared, unavailable};
use crate::{BATCH_BYTES, BATCH_RECORDS, index_of};

/// See [`Consumer`]. Nothing is prefetched: a batch is read when it is asked for.
pub(super) struct Member {
    shared: Arc<Shared>,
    reader: Reader,
    group: String,
    id: MemberId,
    changes: watch::Receiver<u64>,
    mine: BTreeSet<Partition>,
    /// The next offset of each started partition.
    running: BTreeMap<Partition, Offset>,
    /// Which partition was served last: the others come first.
    last: Option<Partition>,
}

impl Member {
    pub(super) fn join(shared: Arc<Shared>, reader: Reader, group: &str, instance: &str) -> Self {
        let changes = shared.changes.subscribe();
        let id = shared.groups().join(group, instance);
        shared.changed();
        Self {
            shared,
            reader,
            group: group.to_owned(),
            id,
            changes,
            mine: BTreeSet::new(),
            running: BTreeMap::new(),
            last: None,
        }
    }

    fn change(&mut self) -> Option<Change> {
        let change = self.shared.groups().change(&self.group, self.id, &mut self.mine);
        if let Some(Change::Revoked(partitions)) = &change {
            self.running.retain(|partition, _| !partitions.contains(partition));
            // Whoever gets them now is waiting.
            self.shared.changed();
        }
        change
    }

    /// Started partitions in turn, beginning after the one served last.
    fn turns(&self) -> Vec<(Partition, Offset)> {
        let (before, after): (Vec<_>, Vec<_>) =
            self.running.iter().map(|(p, next)| (*p, *next)).partition(|(p, _)| Some(*p) <= self.last);
        after.into_iter().chain(before).collect()
    }

    /// Up to a batch from `next` on; empty where there is nothing yet.
    async fn read(&self, partition: Partition, next: Offset) -> Result<Vec<Record>, Unavailable> {
        let ends = self.shared.ends(partition)?;
        if next < ends.first || next > ends.next {
            return Err(unavailable(format!(
                "the log does not have the offset that was asked for: partition {partition} is {} to {}, not {next}",
                ends.first, ends.next
            )));
        }
        if next == ends.next {
            return Ok(Vec::new());
        }
        let through = Offset(ends.next.0 - 1);
        Ok(self.reader.read(partition, next, through, BATCH_BYTES, BATCH_RECORDS).await?.records)
    }
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<Polled, Unavailable> {
        loop {
            // Seen before looking: a change that comes while we look wakes us again.
            self.changes.borrow_and_update();
            match self.change() {
                Some(Change::Assigned(partitions)) => return Ok(Polled::Assigned(partitions)),
                Some(Change::Revoked(partitions)) => return Ok(Polled::Revoked(partitions)),
                Some(Change::Replaced) => return Err(unavailable("another member joined the group under this name")),
                None => {}
            }
            for (partition, next) in self.turns() {
                let read = self.read(partition, next).await;
                if read.is_err() {
                    // Told once; it stands still until it is started again.
                    self.running.remove(&partition);
                }
                let records = read?;
                if let Some(last) = records.last() {
                    self.running.insert(partition, last.offset().next());
                    self.last = Some(partition);
                    return Ok(Polled::Records(partition, records));
                }
            }
            self.changes.changed().await.map_err(unavailable)?;
        }
    }

    fn start(&mut self, partition: Partition, from: Offset) -> Result<(), Unavailable> {
        if from < Offset(0) {
            return Err(unavailable(format!("there is no offset {from} to start from")));
        }
        if self.mine.contains(&partition) {
            self.running.insert(partition, from);
        }
        Ok(())
    }

    fn pause(&mut self, partition: Partition) -> Result<(), Unavailable> {
        self.running.remove(&partition);
        Ok(())
    }

    fn commit(&mut self, partition: Partition, next: Offset) -> Result<(), Unavailable> {
        if self.shared.groups().owns(&self.group, self.id, partition) {
            let partitions = self.shared.ends.len();
            let mut committed = self.shared.committed();
            let offsets = committed.entry(self.group.clone()).or_insert_with(|| vec![None; partitions]);
            if let Some(offset) = offsets.get_mut(index_of(partition)) {
                *offset = Some(next);
            }
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.groups().leave(&self.group, self.id);
        self.shared.changed();
    }
}
