//! Looks at the consumers' lag again and again while a run goes on, in a thread of its own.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scrape::{Consumers, Lags};

const EVERY: Duration = Duration::from_millis(500);

/// How far a role was behind, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lag {
    /// Half of the looks saw no more.
    pub(crate) median: u64,
    pub(crate) max: u64,
}

/// A thread that looks.
pub(crate) struct Sampler {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Vec<Lags>>,
}

impl Sampler {
    pub(crate) fn start(consumers: Consumers) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut looks = Vec::new();
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                looks.push(consumers.look().lags());
            }
            looks
        });
        Self { stop, thread }
    }

    /// What it saw, by role.
    pub(crate) fn finish(self) -> BTreeMap<String, Lag> {
        // It stops as well when this end goes.
        drop(self.stop);
        summary(self.thread.join().unwrap_or_default())
    }
}

fn summary(looks: Vec<Lags>) -> BTreeMap<String, Lag> {
    let mut series: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (role, lag) in looks.into_iter().flatten() {
        series.entry(role).or_default().push(lag);
    }
    let lag = |mut series: Vec<u64>| {
        series.sort_unstable();
        Lag { median: series[series.len() / 2], max: series.last().copied().unwrap_or_default() }
    };
    series.into_iter().map(|(role, series)| (role, lag(series))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_shows_in_the_maximum_and_not_in_the_median() {
        let looks = [1, 2, 900, 3, 1].map(|lag| Lags::from([("persister".to_owned(), lag)])).to_vec();
        assert_eq!(summary(looks)["persister"], Lag { median: 2, max: 900 });
        assert!(summary(Vec::new()).is_empty());
    }
}
