//! The consuming loop: from the log into a sink, each record's effect and the place reached moving together.
//!
//! Delivery-worker and persister are this one loop with two sinks; push and topics will be a third and a fourth, each
//! with positions of its own. The files, in the order in which a record meets them:
//!
//! * [`run`]: membership of the group, shutdown, and who works when ([`Config`], [`Fatal`]);
//! * `verify`: does the log carry on from where the sink stands?
//! * `lane`: one partition: what waits, what is tried next, what a failure does;
//! * `poison`: isolating a record that can never be applied;
//! * `step`: what takes time (asking, applying, setting aside);
//! * `lag`, `meters`: how far behind, how much and how fast;
//! * [`Health`]: whether the role is ready, and why not.

mod config;
mod health;
mod lag;
mod lane;
mod meters;
mod poison;
mod run;
mod step;
#[cfg(test)]
mod tests;
mod verify;

use async_trait::async_trait;

pub use config::Config;
pub use health::{Health, Report};
pub use run::{Fatal, run};
pub use verify::Mismatch;

use crate::ids::{Offset, Partition};
use crate::ports::Unavailable;
use crate::ports::log::{Position, Record};

/// A consumer's effect on each partition, and how far it has got. The two move together or not at all.
///
/// Calls for one partition do not overlap within an assignment; calls for several partitions do. After a partition was
/// lost and assigned again, a call of the earlier assignment may still be under way: the sink's fence
/// (`previous`) makes it harmless.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Where this sink really is. Asked after every assignment before any record is handed over, and again whenever
    /// that is in doubt. `applied` is the last position that this assignment saw applied, for a sink whose memory may
    /// be lost and which then has to choose a place to begin at.
    ///
    /// # Errors
    /// `Unavailable`: asked again, at most 2 s later. The partition stays paused.
    async fn position(&self, partition: Partition, applied: Option<Position>) -> Result<Position, SinkError>;

    /// Applies `records` (at least one), which directly follow `previous` in the log (offsets may have gaps between
    /// them).
    ///
    /// A record whose `event` is an error was set aside: it has no effect, but the position moves over it like over any
    /// other.
    ///
    /// # Errors
    /// `Unavailable`: nothing is known to have changed; the loop pauses and asks `position` again. `Poison`: some
    /// record can never be applied, nothing changed; the loop isolates it.
    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Outcome, SinkError>;

    /// The first record of a partition whose effect is still under way although [`Self::apply`] has moved past it: it is
    /// not committed, nor is anything behind it. Asked before every commit. `None`, as for most sinks: there is none.
    fn unfinished(&self, _partition: Partition) -> Option<Offset> {
        None
    }

    /// What an operator does once they have decided to go on with a log that does not fit this sink's position: the
    /// last sentence of [`Fatal::Refused`].
    fn remedy(&self) -> &'static str;
}

/// What [`Sink::apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Effect and position have both moved.
    Applied {
        /// The position that holds now: that of the last record; of an earlier one, where only the first of them were
        /// applied; of a later one, where all of them had been applied before and nothing was done.
        position: Position,
        /// Records without effect because their event was applied before under another seq.
        duplicates: usize,
    },
    /// Nothing changed because the sink stands here: another consumer owned the partition meanwhile, or the sink lost
    /// its newest part. `None`: it has forgotten the partition.
    Elsewhere(Option<Position>),
}

/// Why a sink did nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// Away, locked, full, timed out: no fault of the records, and never counted against one.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A record can never be applied, with the reason.
    #[error("a record cannot be applied: {0}")]
    Poison(String),
}
