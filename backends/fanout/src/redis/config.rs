//! The section `redis` of the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where Redis is and how it is used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `redis://[[user:]password@]host[:port][/db]`; `rediss` for TLS, `redis-cluster` or `rediss-cluster` with further
    /// nodes as `?node=host:port`, `redis-sentinel` with `?sentinelServiceName=…&node=host:port`.
    pub url: String,
    /// What every key and channel begins with; no braces. Deployments that share a Redis need different ones.
    pub prefix: String,
    /// The log's generation, 1 to 255.
    pub generation: u8,
    /// The log's partitions, at least 1. Must be the log's own number.
    pub partitions: u32,
    /// Connections for commands; subscriptions have one more.
    pub pool: usize,
    /// How long a presence lease lives unless renewed, in milliseconds.
    pub lease_ms: u32,
    /// Events that a room's recent cache holds, at least 1.
    pub recent: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            prefix: "parlor:".into(),
            generation: 1,
            partitions: 12,
            pool: 10,
            lease_ms: 60_000,
            recent: 100,
        }
    }
}

impl Config {
    /// For tests: keys of its own, two connections, four partitions.
    pub fn for_testing(url: &str) -> Self {
        let prefix = format!("test-{}:", uuid::Uuid::new_v4().simple());
        Self { url: url.into(), prefix, partitions: 4, pool: 2, ..Self::default() }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("prefix", &self.prefix)
            .field("generation", &self.generation)
            .field("partitions", &self.partitions)
            .field("pool", &self.pool)
            .field("lease_ms", &self.lease_ms)
            .field("recent", &self.recent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parlor_core::ports::presence::{LEASE, RENEW};

    use super::*;

    /// not the 30 s and 15 s of the documents.
    #[test]
    fn a_lease_lives_for_60_seconds_and_is_renewed_every_25() {
        assert_eq!((LEASE, RENEW), (Duration::from_secs(60), Duration::from_secs(25)));
        assert_eq!(u128::from(Config::default().lease_ms), LEASE.as_millis());
        assert_eq!(crate::memory::MemoryConfig::default().lease_ms, Config::default().lease_ms);
    }
}
