//! A member of a group, as its owner sees it. The polling itself is [`super::membership`]'s, on a thread of its own;
//! the two speak through [`Orders`] one way and a bounded channel of [`Report`]s the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Consumer, Polled, Record};
use tokio::sync::{mpsc, oneshot};

use super::client::unavailable;

/// Closing waits for the broker; after this long the thread is left to itself.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(8);

/// What the polling thread tells.
#[derive(Debug)]
pub(super) enum Report {
    /// These are ours now, each with the number of its assignment.
    Assigned(Vec<(Partition, u64)>),
    /// These are not any more.
    Revoked(Vec<Partition>),
    /// Records of a started partition, as of this start.
    Records(Partition, Start, Vec<Record>),
    /// Something the owner must know of; polling goes on.
    Failed(Unavailable),
    /// Polling has ended.
    Ended(Unavailable),
}

/// Which start of which assignment something belongs to. Whatever belongs to an earlier one is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Rises with every assignment of any partition to this member.
    pub(super) assignment: u64,
    /// Rises with every start and pause under that assignment.
    pub(super) epoch: u64,
}

/// What the owner wants. One place for each partition, the latest wish wins: bounded without a queue.
#[derive(Default)]
pub(super) struct Orders(Mutex<Wishes>);

/// See [`Orders`].
#[derive(Default)]
pub(super) struct Wishes {
    /// Start from this offset, or pause (`None`).
    pub(super) runs: HashMap<Partition, (Start, Option<Offset>)>,
    /// Commit this offset under this assignment.
    pub(super) commits: HashMap<Partition, (u64, Offset)>,
    /// Leave the group and end.
    pub(super) close: bool,
}

impl Orders {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Wishes) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See [`Consumer`].
pub(super) struct Member {
    reports: mpsc::Receiver<Report>,
    orders: Arc<Orders>,
    /// What the owner has been told that it owns.
    owned: HashMap<Partition, Owned>,
    ended: Option<Unavailable>,
    done: Option<oneshot::Receiver<()>>,
}

struct Owned {
    start: Start,
    running: bool,
}

impl Member {
    pub(super) fn new(reports: mpsc::Receiver<Report>, orders: Arc<Orders>, done: oneshot::Receiver<()>) -> Self {
        Self { reports, orders, owned: HashMap::new(), ended: None, done: Some(done) }
    }

    /// A new start of an owned partition: whatever came before it is stale from here on.
    fn restart(&mut self, partition: Partition, from: Option<Offset>) {
        // Not ours any more: the owner will be told next.
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        owned.start.epoch += 1;
        owned.running = from.is_some();
        let start = owned.start;
        self.orders.with(|wishes| wishes.runs.insert(partition, (start, from)));
    }
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<Polled, Unavailable> {
        loop {
            if let Some(reason) = &self.ended {
                return Err(reason.clone());
            }
            match self.reports.recv().await {
                Some(Report::Assigned(partitions)) => {
                    for (partition, assignment) in &partitions {
                        let start = Start { assignment: *assignment, epoch: 0 };
                        self.owned.insert(*partition, Owned { start, running: false });
                    }
                    return Ok(Polled::Assigned(partitions.into_iter().map(|(partition, _)| partition).collect()));
                }
                Some(Report::Revoked(partitions)) => {
                    for partition in &partitions {
                        self.owned.remove(partition);
                    }
                    return Ok(Polled::Revoked(partitions));
                }
                Some(Report::Records(partition, start, records)) => {
                    let current = self.owned.get(&partition);
                    if current.is_some_and(|owned| owned.running && owned.start == start) {
                        return Ok(Polled::Records(partition, records));
                    }
                }
                Some(Report::Failed(reason)) => return Err(reason),
                Some(Report::Ended(reason)) => self.ended = Some(reason),
                None => self.ended = Some(unavailable("the consumer has ended")),
            }
        }
    }

    fn start(&mut self, partition: Partition, from: Offset) -> Result<(), Unavailable> {
        if from < Offset(0) {
            return Err(unavailable(format!("there is no offset {from} to start from")));
        }
        self.restart(partition, Some(from));
        Ok(())
    }

    fn pause(&mut self, partition: Partition) -> Result<(), Unavailable> {
        self.restart(partition, None);
        Ok(())
    }

    fn commit(&mut self, partition: Partition, next: Offset) -> Result<(), Unavailable> {
        if let Some(owned) = self.owned.get(&partition) {
            let assignment = owned.start.assignment;
            self.orders.with(|wishes| wishes.commits.insert(partition, (assignment, next)));
        }
        Ok(())
    }

    async fn close(mut self: Box<Self>) {
        self.orders.with(|wishes| wishes.close = true);
        self.reports.close();
        if let Some(done) = self.done.take()
            && tokio::time::timeout(CLOSE_TIMEOUT, done).await.is_err()
        {
            tracing::warn!("a consumer did not close within {CLOSE_TIMEOUT:?}; it is left to itself");
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.orders.with(|wishes| wishes.close = true);
    }
}
