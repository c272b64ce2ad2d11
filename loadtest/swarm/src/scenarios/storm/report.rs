//! What a storm found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checker::Verdict;
use crate::histogram::Percentiles;
use crate::table::{Table, count};
use crate::watch::Cost;

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) members: u32,
    pub(crate) rate: u32,
    /// The one that was struck.
    pub(crate) gateway: String,
    /// It was not killed; its clients' connections were cut.
    pub(crate) cut: bool,
    /// Before the storm, rooms joined.
    pub(crate) handshakes_per_second: f64,
    /// Clients that were on it.
    pub(crate) struck: u64,
    /// Of those: milliseconds from the strike to the answer to CONNECT.
    pub(crate) back: Percentiles,
    /// Of those: to the last message that had been acked when they came back. Who lacks one of them is not counted.
    pub(crate) caught_up: Percentiles,
    /// Of those: went on with their session (`socket.recovered`).
    pub(crate) recovered: u64,
    /// Of those: began a new one.
    pub(crate) anew: u64,
    /// Of those: lost their connection again.
    pub(crate) more_than_once: u64,
    /// Clients on other gateways that lost their connection too.
    pub(crate) disturbed: u64,
    /// Attempts to come back that failed, by why.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Sends that were refused, by code.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Clients that will not try again, by why.
    pub(crate) gave_up: BTreeMap<String, u64>,
    pub(crate) verdict: Verdict,
    /// From the strike until all had caught up, or patience had ended.
    pub(crate) costs: Vec<Cost>,
}

impl Report {
    /// Everybody is back with their session, has everything, once and in order.
    pub(crate) fn is_complete(&self) -> bool {
        self.caught_up.count == self.struck
            && self.recovered == self.struck
            && self.disturbed == 0
            && self.gave_up.is_empty()
            && self.verdict.is_clean()
            && self.verdict.unanswered == 0
    }

    pub(crate) fn print(&self) {
        let seconds = |milliseconds: f64| format!("{:.2}", milliseconds / 1000.0);
        let what = if self.cut { "cut off" } else { "killed" };
        println!(
            "\n{} clients in rooms of {}, {} messages/s; {} {what} under {} of them",
            count(self.sockets.into()),
            self.members,
            self.rate,
            self.gateway,
            count(self.struck)
        );
        let mut times = Table::new(["seconds since", "clients", "p50", "p95", "p99", "last"]);
        for (name, times_of) in [("back", self.back), ("caught up", self.caught_up)] {
            let [p50, p95, p99, max] = [times_of.p50, times_of.p95, times_of.p99, times_of.max].map(seconds);
            times.row([name.into(), count(times_of.count), p50, p95, p99, max]);
        }
        times.print();
        let mut clients = Table::new(["clients", "recovered", "anew", "lost it again", "others disturbed"]);
        let [a, b, c, d] = [self.recovered, self.anew, self.more_than_once, self.disturbed].map(count);
        clients.row([count(self.struck), a, b, c, d]);
        clients.print();
        let verdict = &self.verdict;
        let mut messages = Table::new(["messages", "sent", "acked", "refused", "unknown", "unanswered"]);
        let [a, b, c, d, e] =
            [verdict.sent, verdict.acked, verdict.refused, verdict.unknown, verdict.unanswered].map(count);
        messages.row([String::new(), a, b, c, d, e]);
        messages.print();
        let mut faults = Table::new([
            "deliveries",
            "received",
            "lost",
            "doubled",
            "repeated",
            "reordered",
            "overtaken",
            "disagreeing",
            "phantom",
        ]);
        let numbers = [
            verdict.deliveries,
            verdict.lost,
            verdict.doubled,
            verdict.repeated,
            verdict.reordered,
            verdict.overtaken,
            verdict.disagreeing,
            verdict.phantom,
        ];
        let [a, b, c, d, e, f, g, h] = numbers.map(count);
        faults.row([String::new(), a, b, c, d, e, f, g, h]);
        faults.print();
        let mut costs = Table::new(["process", "CPU s", "% of a core", "RSS MiB"]);
        for cost in &self.costs {
            costs.row([
                cost.name.clone(),
                format!("{:.2}", cost.cpu_seconds),
                format!("{:.1}", cost.cpu_percent),
                format!("{:.0}", cost.rss_bytes as f64 / f64::from(1 << 20)),
            ]);
        }
        costs.print();
        for (what, reasons) in
            [("attempts failed", &self.failures), ("sends refused", &self.refusals), ("clients gave up", &self.gave_up)]
        {
            for (why, times) in reasons {
                println!("{what}: {times}: {why}");
            }
        }
    }
}
