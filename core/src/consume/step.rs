//! What takes time, done for one partition at a time: each is a task of its own, so that a slow partition holds up no
//! other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::verify::{self, Unlocated};
use super::{Outcome, Sink, SinkError};
use crate::ids::Partition;
use crate::ports::Unavailable;
use crate::ports::log::{Log, Position, Record};

/// Something to be done.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask the sink where it is and compare with the log.
    Locate {
        /// The last position that this assignment saw applied.
        applied: Option<Position>,
    },
    /// Hand records to the sink.
    Apply {
        /// Where the sink is thought to be.
        previous: Position,
        /// What follows it, at least one.
        records: Vec<Record>,
    },
    /// Put a record aside for good.
    SetAside {
        /// Which.
        record: Record,
        /// Why.
        reason: String,
    },
}

/// What came of it.
pub(super) enum Done {
    Located(Result<Position, Unlocated>),
    Applied { records: Vec<Record>, result: Result<Outcome, SinkError>, took: Duration },
    Aside { record: Record, reason: String, result: Result<(), Unavailable> },
}

pub(super) async fn perform(log: Arc<dyn Log>, sink: Arc<dyn Sink>, partition: Partition, step: Step) -> Done {
    match step {
        Step::Locate { applied } => Done::Located(verify::locate(&*log, &*sink, partition, applied).await),
        Step::Apply { previous, records } => {
            let began = Instant::now();
            let result = match verify::follows(&*log, partition, previous, &records).await {
                Ok(()) => sink.apply(partition, previous, &records).await,
                Err(skipped) => Err(SinkError::Unavailable(skipped)),
            };
            Done::Applied { records, result, took: began.elapsed() }
        }
        Step::SetAside { record, reason } => {
            let result = log.set_aside(&record, &reason).await;
            Done::Aside { record, reason, result }
        }
    }
}
