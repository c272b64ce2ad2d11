use std::sync::Arc;

use async_trait::async_trait;
use metrics::{Histogram, histogram};
use parlor_core::consume::{Outcome, Sink, SinkError};
use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::{Applied, Fanout};
use parlor_core::ports::log::{Log, Position, Record};
use parlor_core::time::Timestamp;

use crate::config::Config;

/// What one apply script takes, at most: it runs alone in Redis while it runs.
pub(crate) const SCRIPT_RECORDS: usize = 64;
pub(crate) const SCRIPT_BYTES: usize = 256 * 1024;

/// The fan-out as a sink: publishing and the place reached move in one script. A zombie, a reordered retry, a crash
/// after publishing and a fan-out that lost its newest part all end in a replay that gateways recognise by seq.
pub struct FanoutSink {
    fanout: Arc<dyn Fanout>,
    log: Arc<dyn Log>,
    group: String,
    claim_millis: i64,
    age: Histogram,
}

impl FanoutSink {
    /// Over these ports.
    pub fn new(fanout: Arc<dyn Fanout>, log: Arc<dyn Log>, config: &Config) -> Self {
        Self {
            fanout,
            log,
            group: config.group.clone(),
            claim_millis: i64::from(config.claim_seconds) * 1000,
            age: histogram!("parlor_send_to_device_seconds", "stage" => "worker"),
        }
    }

    /// Where to begin when the fan-out has forgotten the partition: the lowest of what this worker saw applied, what
    /// the group committed, and a minute of log time ago; never before the log's first record. Each alone may be too
    /// high: a commit says nothing of what was published but lost with the memory, and a minute says nothing of a
    /// worker that lagged more.
    async fn beginning(&self, partition: Partition, applied: Option<Position>) -> Result<Position, Unavailable> {
        let ends = self.log.ends(partition).await?;
        let since = Timestamp::now().plus_millis(-self.claim_millis);
        let recent = self.log.offset_at(partition, since).await?;
        let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let committed = self.log.committed(&self.group).await?.get(index).copied().flatten();
        let lowest = [Some(recent), committed, applied.map(|position| position.offset.next())]
            .into_iter()
            .flatten()
            .fold(ends.next, Offset::min)
            .max(ends.first);
        // Digest 0: claimed, so there is nothing to compare.
        Ok(Position { offset: Offset(lowest.0 - 1), digest: 0 })
    }
}

#[async_trait]
impl Sink for FanoutSink {
    async fn position(&self, partition: Partition, applied: Option<Position>) -> Result<Position, SinkError> {
        if let Some(position) = self.fanout.position(partition).await? {
            return Ok(position);
        }
        let at = self.beginning(partition, applied).await?;
        let holds = self.fanout.claim(partition, at).await?;
        tracing::info!(%partition, from = holds.offset.0, "the fan-out has no place for this partition: claimed");
        Ok(holds)
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Outcome, SinkError> {
        let mut moved: Option<(Position, usize)> = None;
        for chunk in scripts(records) {
            let from = moved.map_or(previous, |(position, _)| position);
            let stopped = match self.fanout.apply(partition, from, chunk).await {
                Ok(Applied::Done { position, duplicates }) => {
                    self.observe(chunk, position);
                    moved = Some((position, moved.map_or(0, |(_, before)| before) + duplicates));
                    continue;
                }
                Ok(Applied::Elsewhere(stands)) => Ok(Outcome::Elsewhere(stands)),
                Err(away) => Err(SinkError::Unavailable(away)),
            };
            if moved.is_none() {
                return stopped;
            }
            // Some scripts ran: that is what is said, and the loop meets the reason with the next batch.
            break;
        }
        let (position, duplicates) = moved.unwrap_or((previous, 0));
        Ok(Outcome::Applied { position, duplicates })
    }

    fn remedy(&self) -> &'static str {
        "Nothing was delivered. If this log is the right one, remove the partition's position from Redis (or empty it): \
         live delivery then begins a minute back, and clients read the rest from history. If the topic was made anew, \
         raise the log's generation first, or new messages will sort below old ones"
    }
}

impl FanoutSink {
    /// How old the published records are, unless the position shows that they were published long before.
    fn observe(&self, chunk: &[Record], position: Position) {
        if chunk.last().is_none_or(|last| last.offset() < position.offset) {
            return;
        }
        let now = Timestamp::now();
        for record in chunk {
            // The log's clock may be ahead of ours.
            let millis = u32::try_from((now.0 - record.time.0).max(0)).unwrap_or(u32::MAX);
            self.age.record(f64::from(millis) / 1000.0);
        }
    }
}

/// Cuts records into what one script takes; a larger single record goes alone.
fn scripts(mut records: &[Record]) -> impl Iterator<Item = &[Record]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = records.iter().take(SCRIPT_RECORDS).take_while(|record| {
            bytes += record.encoded.len();
            bytes <= SCRIPT_BYTES
        });
        let count = fits.count().max(1).min(records.len());
        let (chunk, rest) = records.split_at(count);
        records = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests;
