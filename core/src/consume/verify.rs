//! Does the log carry on from where a sink stands?

use std::time::Duration;

use super::{Sink, SinkError};
use crate::ids::{Offset, Partition};
use crate::ports::Unavailable;
use crate::ports::log::{Log, Position, Record};

/// A log that ends below the position is looked at this often before it is believed: right after an election a new
/// leader may answer with an end that lags.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// How the log contradicts a position. Going on would skip records, or repeat others under their places, unseen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Records between the position and the log's first are gone.
    #[error(
        "everything up to offset {position} was applied, but the log begins at offset {first}: what lies between \
         expired or was removed before it was applied"
    )]
    BeginsAbove {
        /// The last offset applied.
        position: Offset,
        /// The first offset that can still be read.
        first: Offset,
    },
    /// The position's own record is not in the log any more.
    #[error(
        "everything up to offset {position} was applied, but the log's next record will be at offset {next}: the topic \
         was truncated or made anew"
    )]
    EndsBelow {
        /// The last offset applied.
        position: Offset,
        /// The offset that the log's next record will get.
        next: Offset,
    },
    /// The log holds another record at the position.
    #[error(
        "the record at offset {position} is not the one that was applied from there (digest {found:?}, applied was \
         {applied:016x}): the topic was made anew, or this is another cluster's"
    )]
    AnotherRecord {
        /// The last offset applied.
        position: Offset,
        /// The digest kept with the position.
        applied: u64,
        /// The digest of the log's record there; `None`: the log has none at that offset.
        found: Option<u64>,
    },
}

/// Why a partition cannot be started.
pub(super) enum Unlocated {
    /// Ask again.
    Away(String),
    /// Refuse to run.
    Refused(Mismatch),
}

/// Whether `records` leave out nothing that the log has after `previous`.
///
/// Offsets may have gaps, so a sink cannot tell a gap from a record that the consumer has skipped, and what it skips is
/// lost for good once the position has passed it. So where offsets do not follow each other, the log itself is asked.
///
/// # Errors
/// Something was left out, or the log cannot be asked: the loop pauses and starts again from the sink's position.
pub(super) async fn follows(
    log: &dyn Log,
    partition: Partition,
    previous: Position,
    records: &[Record],
) -> Result<(), Unavailable> {
    let mut last = previous.offset;
    for record in records {
        if record.offset() > last.next() {
            let before = Offset(record.offset().0 - 1);
            let between = log.read_range(partition, last, before, 1).await?;
            if let Some(skipped) = between.records.first().map(Record::offset).filter(|skipped| *skipped <= before) {
                metrics::counter!("parlor_consumer_skips_total").increment(1);
                let reason = format!("the consumer came to {} from {last}, and skipped {skipped}", record.offset());
                return Err(Unavailable::new("log", reason));
            }
        }
        last = record.offset();
    }
    Ok(())
}

/// Asks the sink for its position and holds it against the log.
pub(super) async fn locate(
    log: &dyn Log,
    sink: &dyn Sink,
    partition: Partition,
    applied: Option<Position>,
) -> Result<Position, Unlocated> {
    let position = sink.position(partition, applied).await.map_err(|error| match error {
        SinkError::Unavailable(away) => Unlocated::Away(away.to_string()),
        SinkError::Poison(reason) => Unlocated::Away(format!("the position cannot be read: {reason}")),
    })?;
    let mut looks = 1;
    loop {
        match compare(log, partition, position).await {
            Err(Unlocated::Refused(Mismatch::EndsBelow { .. })) if looks < LOOKS => {
                looks += 1;
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            answer => return answer.map(|()| position),
        }
    }
}

async fn compare(log: &dyn Log, partition: Partition, at: Position) -> Result<(), Unlocated> {
    let away = |error: Unavailable| Unlocated::Away(error.to_string());
    let ends = log.ends(partition).await.map_err(away)?;
    if ends.first > at.offset.next() {
        return Err(Unlocated::Refused(Mismatch::BeginsAbove { position: at.offset, first: ends.first }));
    }
    if at.offset >= ends.next {
        return Err(Unlocated::Refused(Mismatch::EndsBelow { position: at.offset, next: ends.next }));
    }
    // Digest 0: nothing was applied, or the position was claimed. Below the first: expired, as all old records do.
    if at.digest == 0 || at.offset < ends.first {
        return Ok(());
    }
    let range = log.read_range(partition, Offset(at.offset.0 - 1), at.offset, 1).await.map_err(away)?;
    let found = range.records.iter().find(|record| record.offset() == at.offset).map(|record| record.digest());
    if found == Some(at.digest) {
        return Ok(());
    }
    Err(Unlocated::Refused(Mismatch::AnotherRecord { position: at.offset, applied: at.digest, found }))
}
