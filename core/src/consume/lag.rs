//! How far a role is behind: in records and in seconds, per partition, also while nothing comes or the sink is away.

use std::sync::Arc;

use metrics::{Gauge, gauge};

use crate::ids::{Offset, Partition};
use crate::ports::log::{Ends, Log};
use crate::time::Timestamp;

/// The gauges of one partition. They read 0 again once the partition is another's: its owner reports it.
pub(super) struct Gauges {
    records: Gauge,
    seconds: Gauge,
}

impl Gauges {
    pub(super) fn new(role: &'static str, partition: Partition) -> Self {
        let of = partition.to_string();
        Self {
            records: gauge!("parlor_consumer_lag_records", "role" => role, "partition" => of.clone()),
            seconds: gauge!("parlor_consumer_lag_seconds", "role" => role, "partition" => of),
        }
    }

    /// `oldest`: the time of the oldest record that is not applied.
    pub(super) fn set(&self, records: i64, oldest: Option<Timestamp>) {
        let behind = u32::try_from(records.max(0)).unwrap_or(u32::MAX);
        let age = match oldest {
            // The log's clock may be ahead of ours.
            Some(time) if behind > 0 => u32::try_from((Timestamp::now().0 - time.0).max(0)).unwrap_or(u32::MAX),
            _ => 0,
        };
        self.records.set(f64::from(behind));
        self.seconds.set(f64::from(age) / 1000.0);
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        self.set(0, None);
    }
}

/// What is asked of the log about one partition.
pub(super) struct Ask {
    pub(super) partition: Partition,
    pub(super) epoch: u64,
    /// Where the sink stood when this was asked. `None`: not known, the group's commit is used.
    pub(super) position: Option<Offset>,
    /// Whether the time of the oldest unapplied record is to be read from the log: nothing is at hand, and the
    /// position has not moved since the last look.
    pub(super) read: bool,
}

/// The answer.
pub(super) struct Look {
    pub(super) ask: Ask,
    pub(super) ends: Ends,
    /// The time of the record after the position, where it was asked for.
    pub(super) oldest: Option<Timestamp>,
}

impl Look {
    /// The log does not reach from the position on any more: it was cut off at either end.
    pub(super) fn cut_off(&self) -> bool {
        self.ask.position.is_some_and(|position| position >= self.ends.next || position.next() < self.ends.first)
    }
}

/// Asks for one partition after the other, gently. A log that is away answers nothing, and the gauges stay as they are.
pub(super) async fn look(log: Arc<dyn Log>, group: String, asks: Vec<Ask>) -> Vec<Look> {
    let committed = if asks.iter().any(|ask| ask.position.is_none()) {
        log.committed(&group).await.unwrap_or_default()
    } else {
        Vec::new()
    };
    let mut looks = Vec::with_capacity(asks.len());
    for mut ask in asks {
        let Ok(ends) = log.ends(ask.partition).await else { continue };
        let from = ask.position.unwrap_or_else(|| {
            let index = usize::try_from(ask.partition.0).unwrap_or(usize::MAX);
            let next = committed.get(index).copied().flatten().unwrap_or(ends.first);
            Offset(next.max(ends.first).0 - 1)
        });
        let mut oldest = None;
        if (ask.read || ask.position.is_none()) && from.next() < ends.next && from.next() >= ends.first {
            let range = log.read_range(ask.partition, from, Offset(ends.next.0 - 1), 1).await;
            oldest = range.ok().and_then(|range| range.records.first().map(|record| record.time));
        }
        if ask.position.is_none() {
            ask.position = Some(from);
        }
        looks.push(Look { ask, ends, oldest });
    }
    looks
}
