//! The servers' own numbers, from their `/metrics`. Blocking, for a thread of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::kernel;
use super::processes::Processes;
use crate::target::Target;

/// How many records each role has yet to apply, by role.
pub(crate) type Lags = BTreeMap<String, u64>;

const LAG: &str = "parlor_consumer_lag_records";
/// Messages that persisters have written to the store.
pub(crate) const MESSAGES_STORED: &str = "parlor_messages_stored_total";
const PATIENCE: Duration = Duration::from_secs(2);

/// Whoever consumes the log and has a `/metrics`.
#[derive(Clone, Debug)]
pub(crate) struct Consumers(Vec<SocketAddr>);

impl Consumers {
    /// The workers and persisters of a cluster; where there are none, the targets, which then have all roles.
    pub(crate) fn of(processes: &Processes, targets: &[Target]) -> Self {
        let consumers = processes
            .all()
            .iter()
            .filter(|process| process.name.starts_with("delivery-worker") || process.name.starts_with("persister"));
        let ports = consumers.flat_map(|process| kernel::ports(process.pid));
        let found: Vec<SocketAddr> = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        if found.is_empty() { Self(targets.iter().map(|target| target.0).collect()) } else { Self(found) }
    }

    /// One look at all of them. Who does not answer counts for nothing.
    pub(crate) fn look(&self) -> Look {
        let mut look = Look::default();
        for address in &self.0 {
            if let Some(text) = get(*address) {
                look.add(&text);
            }
        }
        look
    }
}

/// What all consumers say together.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// By role and partition.
    lags: BTreeMap<(String, String), u64>,
    /// Counters by name, labels dropped.
    counters: BTreeMap<String, u64>,
}

impl Look {
    /// Partitions move between processes: the one that is furthest behind knows.
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let Some(sample) = Sample::parse(line) else { continue };
            if sample.name == LAG {
                if let (Some(role), Some(partition)) = (sample.label("role"), sample.label("partition")) {
                    let lag = self.lags.entry((role.into(), partition.into())).or_default();
                    *lag = sample.value.max(*lag);
                }
            } else if sample.name == MESSAGES_STORED {
                *self.counters.entry(sample.name.into()).or_default() += sample.value;
            }
        }
    }

    pub(crate) fn lags(&self) -> Lags {
        let mut lags = Lags::new();
        for ((role, _), lag) in &self.lags {
            *lags.entry(role.clone()).or_default() += lag;
        }
        lags
    }

    /// None: nobody has that counter.
    pub(crate) fn counter(&self, name: &str) -> Option<u64> {
        self.counters.get(name).copied()
    }
}

/// One line of Prometheus's text format.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: u64,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        if !name.starts_with("parlor_") {
            return None;
        }
        let value: f64 = value.parse().ok()?;
        // Saturates, and drops fractions, which these numbers do not have.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let value = value as u64;
        Some(Self { name, labels, value })
    }

    /// The labels wanted here hold neither commas nor quotes.
    fn label(&self, name: &str) -> Option<&'a str> {
        let pairs = self.labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
    }
}

fn get(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_sum_over_partitions_of_what_their_owners_say() {
        let mut look = Look::default();
        look.add(
            "# TYPE parlor_consumer_lag_records gauge\n\
             parlor_consumer_lag_records{role=\"persister\",partition=\"0\"} 5\n\
             parlor_consumer_lag_records{role=\"persister\",partition=\"1\"} 0\n\
             parlor_messages_stored_total 10\n",
        );
        look.add(
            "parlor_consumer_lag_records{partition=\"1\",role=\"persister\"} 7\n\
             parlor_consumer_lag_records{role=\"delivery-worker\",partition=\"1\"} 3\n\
             parlor_consumer_lag_seconds{role=\"persister\",partition=\"1\"} 100\n\
             parlor_messages_stored_total 4\n",
        );
        assert_eq!(look.lags(), Lags::from([("persister".into(), 12), ("delivery-worker".into(), 3)]));
        assert_eq!(look.counter(MESSAGES_STORED), Some(14));
        assert_eq!(Look::default().counter(MESSAGES_STORED), None);
    }
}
