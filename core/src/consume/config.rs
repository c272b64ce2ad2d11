use std::time::Duration;

/// How one role consumes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The role's name, the label of its metrics: `delivery-worker`, `persister`.
    pub role: &'static str,
    /// The consumer group, the same for all processes of a role.
    pub group: String,
    /// This process's name in the group (static membership). Two processes must never share one.
    pub instance: String,
    /// Records handed to the sink at once, at most. At least 1.
    pub batch_records: usize,
    /// Encoded bytes handed to the sink at once, at most; a larger single record goes alone.
    pub batch_bytes: usize,
    /// How long a batch that is not full waits for more. Zero: what is there goes at once.
    pub linger: Duration,
    /// Records held ahead of the sink over all partitions, at about most: each partition has an equal share, but never
    /// less than a batch, and one poll may overshoot it.
    pub prefetch_records: usize,
    /// The same in bytes of memory, estimated.
    pub prefetch_bytes: usize,
    /// How often what was applied is committed.
    pub commit_every: Duration,
    /// How often the log's end is looked at, for lag and for logs that were cut off while being read.
    pub look_every: Duration,
    /// On shutdown, the longest wait for batches in flight, the last commit and the group's goodbye together.
    pub drain: Duration,
}

impl Config {
    /// The defaults: batches of 500 records or 1 MiB without waiting, 20,000 records or 32 MiB ahead, a commit every
    /// second, a look at the log's end every 1.5 s, 10 s to drain.
    pub fn new(role: &'static str, group: impl Into<String>, instance: impl Into<String>) -> Self {
        Self {
            role,
            group: group.into(),
            instance: instance.into(),
            batch_records: 500,
            batch_bytes: 1 << 20,
            linger: Duration::ZERO,
            prefetch_records: 20_000,
            prefetch_bytes: 32 << 20,
            commit_every: Duration::from_secs(1),
            look_every: Duration::from_millis(1500),
            drain: Duration::from_secs(10),
        }
    }
}

/// Pauses between tries: 50 ms, doubling, 2 s at most.
pub(super) fn backoff(failures: u32) -> Duration {
    let doubled = 50_u64.saturating_mul(1 << failures.saturating_sub(1).min(10));
    Duration::from_millis(doubled.min(2000))
}
