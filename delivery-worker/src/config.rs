use std::time::Duration;

use parlor_core::consume;
use serde::{Deserialize, Serialize};

/// The worker's slice of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The consumer group of all delivery-workers.
    pub group: String,
    /// This process's name in the group. Two workers must never share one; after a restart the same name gets the same
    /// partitions back without a rebalance.
    pub instance: String,
    /// How far back delivery begins where the fan-out has forgotten its place, in seconds of log time. Longer than a
    /// gateway may go without noticing a gap (30 s); what is older, gateways read from the store.
    pub claim_seconds: u32,
    /// Records held ahead of the fan-out over all partitions, about.
    pub prefetch_records: usize,
    /// The same in bytes, estimated.
    pub prefetch_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "parlor-delivery-worker".to_owned(),
            instance: "delivery-worker-1".to_owned(),
            claim_seconds: 60,
            prefetch_records: 20_000,
            prefetch_bytes: 32 << 20,
        }
    }
}

impl Config {
    /// The defaults: nothing in them waits.
    pub fn for_testing() -> Self {
        Self::default()
    }

    /// One script's worth of records at a time, and never a wait for more: live delivery is about latency.
    pub(crate) fn consuming(&self) -> consume::Config {
        consume::Config {
            batch_records: crate::sink::SCRIPT_RECORDS,
            batch_bytes: crate::sink::SCRIPT_BYTES,
            linger: Duration::ZERO,
            prefetch_records: self.prefetch_records,
            prefetch_bytes: self.prefetch_bytes,
            ..consume::Config::new(crate::ROLE, &self.group, &self.instance)
        }
    }
}
