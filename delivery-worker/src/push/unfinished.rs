//! Pushes that are under way when the sink has moved on, and the place behind which nothing may be committed for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use parlor_core::ids::{Offset, Partition};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pushes of one partition under way at once, those that wait for their next try included: about 2 KiB each.
const AT_WORK: usize = 512;

/// By partition: how many pushes of each record are under way.
#[derive(Default)]
pub(super) struct Unfinished(Mutex<HashMap<Partition, Lane>>);

struct Lane {
    slots: Arc<Semaphore>,
    records: BTreeMap<Offset, usize>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_WORK)), records: BTreeMap::new() }
    }
}

/// One push under way, until it is dropped.
pub(super) struct Push {
    all: Arc<Unfinished>,
    partition: Partition,
    record: Offset,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Unfinished {
    /// One more push of a record; waits while there are as many as may be.
    pub(super) async fn begin(self: &Arc<Self>, partition: Partition, record: Offset) -> Push {
        let slots = self.0.lock().entry(partition).or_default().slots.clone();
        let slot = slots.acquire_owned().await.ok();
        *self.0.lock().entry(partition).or_default().records.entry(record).or_default() += 1;
        Push { all: self.clone(), partition, record, _slot: slot }
    }

    /// The first record of a partition of which a push is under way.
    pub(super) fn first(&self, partition: Partition) -> Option<Offset> {
        self.0.lock().get(&partition)?.records.first_key_value().map(|(record, _)| *record)
    }

    /// What lies before `next` was finished by another: what is under way of it here holds nothing up.
    pub(super) fn forget_before(&self, partition: Partition, next: Offset) {
        if let Some(lane) = self.0.lock().get_mut(&partition) {
            lane.records = lane.records.split_off(&next);
        }
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        // A push that failed by a fault of ours is not done; the role ends over it.
        if std::thread::panicking() {
            return;
        }
        let mut lanes = self.all.0.lock();
        let Some(lane) = lanes.get_mut(&self.partition) else { return };
        if let Some(left) = lane.records.get_mut(&self.record) {
            *left -= 1;
            if *left == 0 {
                lane.records.remove(&self.record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_record_with_a_push_under_way_is_told_whatever_ends_first() {
        let (all, one) = (Arc::new(Unfinished::default()), Partition(1));
        let slow = all.begin(one, Offset(3)).await;
        let (quick, also) = (all.begin(one, Offset(5)).await, all.begin(one, Offset(5)).await);
        assert_eq!((all.first(one), all.first(Partition(2))), (Some(Offset(3)), None));
        drop(quick);
        assert_eq!(all.first(one), Some(Offset(3)));
        drop(slow);
        assert_eq!(all.first(one), Some(Offset(5)));
        drop(also);
        assert_eq!(all.first(one), None);
    }

    #[tokio::test]
    async fn pushes_under_way_are_bounded_and_what_another_finished_holds_nothing_up() {
        let (all, one) = (Arc::new(Unfinished::default()), Partition(1));
        let mut pushes = Vec::new();
        for _ in 0..AT_WORK {
            pushes.push(all.begin(one, Offset(3)).await);
        }
        let more = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(more, all.begin(one, Offset(4))).await.is_err());
        all.forget_before(one, Offset(4));
        assert_eq!(all.first(one), None);
        pushes.clear();
        let _next = all.begin(one, Offset(4)).await;
        assert_eq!(all.first(one), Some(Offset(4)));
    }
}
