use std::time::Duration;

use parlor_core::consume;
use serde::{Deserialize, Serialize};

/// The persister's slice of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The consumer group of all persisters.
    pub group: String,
    /// This process's name in the group. Two persisters must never share one; after a restart the same name gets the
    /// same partitions back without a rebalance.
    pub instance: String,
    /// Records written in one transaction, at most.
    pub batch_records: usize,
    /// Encoded bytes written in one transaction, at most.
    pub batch_bytes: usize,
    /// How long a batch that is not full waits for more, in milliseconds; at most 100.
    pub linger_ms: u64,
    /// Records held ahead of the store over all partitions, about.
    pub prefetch_records: usize,
    /// The same in bytes, estimated.
    pub prefetch_bytes: usize,
    /// How often the outbox is looked at for events that a gateway decided but did not append, in milliseconds.
    pub outbox_every_ms: u64,
    /// How old such an event has to be, in milliseconds: younger ones are still their gateway's.
    pub outbox_age_ms: u64,
    /// How often the store's upkeep runs, in seconds.
    pub maintain_every_s: u64,
    /// How old a file has to be, to which no message refers, to be removed, in seconds.
    pub orphan_age_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "parlor-persister".to_owned(),
            instance: "persister-1".to_owned(),
            batch_records: 1000,
            batch_bytes: 1 << 20,
            // At 1,000 messages a second over 10 partitions: 250 transactions a second rather than 900, for 40 records of lag.
            linger_ms: 40,
            prefetch_records: 20_000,
            prefetch_bytes: 32 << 20,
            outbox_every_ms: 1000,
            outbox_age_ms: 2000,
            maintain_every_s: 3600,
            orphan_age_s: 24 * 3600,
        }
    }
}

/// No batch waits longer, whatever is configured.
const LONGEST_LINGER_MS: u64 = 100;

impl Config {
    /// Like the defaults, but an event left in the outbox is relayed within a tenth of a second.
    pub fn for_testing() -> Self {
        Self { linger_ms: 5, outbox_every_ms: 50, outbox_age_ms: 50, ..Self::default() }
    }

    /// Of receipts nobody waits for the store's: they are gathered for longer, and few are held ahead.
    pub(crate) fn noting(&self) -> consume::Config {
        consume::Config {
            batch_records: self.batch_records,
            batch_bytes: self.batch_bytes,
            linger: Duration::from_millis(LONGEST_LINGER_MS),
            prefetch_records: self.prefetch_records / 4,
            prefetch_bytes: self.prefetch_bytes / 4,
            ..consume::Config::new(crate::RECEIPTS, format!("{}-receipts", self.group), &self.instance)
        }
    }

    pub(crate) fn consuming(&self) -> consume::Config {
        consume::Config {
            batch_records: self.batch_records,
            batch_bytes: self.batch_bytes,
            linger: Duration::from_millis(self.linger_ms.min(LONGEST_LINGER_MS)),
            prefetch_records: self.prefetch_records,
            prefetch_bytes: self.prefetch_bytes,
            ..consume::Config::new(crate::ROLE, &self.group, &self.instance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_written_at_once_and_none_waits_for_company_longer_than_100_ms() {
        let shipped = Config::default().consuming();
        assert!(shipped.batch_records >= 10 && shipped.linger <= Duration::from_millis(100));
        let slow = Config { linger_ms: 60_000, batch_records: 10, ..Config::default() };
        let consuming = slow.consuming();
        assert_eq!((consuming.batch_records, consuming.linger), (10, Duration::from_millis(100)));
        assert_eq!(slow.noting().linger, Duration::from_millis(100));
    }
}
