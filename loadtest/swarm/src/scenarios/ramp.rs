//! The highest rate that the servers hold, delivered and stored.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::aim::Aim;
use crate::content::Contents;
use crate::crowd::Crowd;
use crate::load::Plan;
use crate::measure::{self, Measured};
use crate::span::Span;
use crate::table::{Table, milliseconds};

/// Part of the rate asked for that must be sent and acked within a step.
const HELD: f64 = 0.98;
/// Milliseconds after the last send within which a step must be over: a backlog that grows does not stay below it.
const BEHIND: f64 = 1_000.0;
/// Rates are searched to this part.
const EXACT: f64 = 1.1;

/// Raises the rate until it is not held, and says which was
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Rooms
    #[arg(long, default_value_t = 100)]
    rooms: u32,
    /// Sockets in each room
    #[arg(long, default_value_t = 10)]
    members: u32,
    /// Messages per second to begin with; doubled while held
    #[arg(long, default_value_t = 1_000)]
    from: u32,
    /// Never more messages per second than this
    #[arg(long, default_value_t = 64_000)]
    to: u32,
    /// How long each step sends
    #[arg(long, default_value = "5s")]
    step: Span,
    /// No new step begins after this time
    #[arg(long, default_value = "90s")]
    at_most: Span,
    /// Bytes of a message's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4000))]
    size: u16,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) rooms: u32,
    pub(crate) members: u32,
    pub(crate) size: u16,
    /// The highest rate held; none: not even the first.
    pub(crate) held: Option<u32>,
    /// Nothing was lost, doubled or out of order in any step, held or not.
    pub(crate) clean: bool,
    pub(crate) steps: Vec<Step>,
}

/// One rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Why the rate was not held; none: it was.
    pub(crate) failed: Option<String>,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    ensure!(arguments.from > 0 && arguments.from <= arguments.to, "--from is at least 1 and at most --to");
    let begin = Instant::now();
    let aim = &arguments.aim;
    let watched = aim.watched()?;
    let contents = Contents::new(arguments.size.into());
    let crowd = Crowd::gather(&aim.target, &aim.identities(), arguments.rooms, arguments.members).await?;
    eprintln!("{} sockets in {} rooms on {}", crowd.sockets(), arguments.rooms, crowd.gateway_names.join(", "));
    crowd.quiet().await;
    let mut search = Search::new(arguments.from, arguments.to);
    let mut steps: Vec<Step> = Vec::new();
    while let Some(rate) = search.next {
        if begin.elapsed() > arguments.at_most.0 {
            break;
        }
        let plan = Plan {
            rate,
            warmup: Duration::from_millis(500),
            duration: arguments.step.0,
            version: aim.temp_id,
            give_up: u64::from(rate) * 3,
        };
        let measured = measure::measure(&watched, &crowd, &contents, plan, Duration::from_secs(15)).await?;
        let failed = why_not(&measured);
        let told = failed.as_deref().unwrap_or("held");
        eprintln!("{rate}/s: {told} (p99 {} ms)", milliseconds(measured.send_to_device.p99));
        search.seen(rate, failed.is_none());
        let broken = !measured.ended.is_empty();
        steps.push(Step { failed, measured });
        if broken {
            break;
        }
    }
    let clean = steps.iter().all(|step| {
        let verdict = &step.measured.verdict;
        // What came late in a step that was given up is not lost yet.
        verdict.doubled + verdict.reordered + verdict.overtaken + verdict.disagreeing + verdict.phantom == 0
            && (step.measured.settled_ms.is_none() || verdict.lost == 0)
    });
    let (rooms, members, size) = (arguments.rooms, arguments.members, arguments.size);
    Ok(Report { rooms, members, size, held: search.held, clean, steps })
}

/// Why a rate was not held; none: it was.
fn why_not(run: &Measured) -> Option<String> {
    let verdict = &run.verdict;
    let asked = f64::from(run.rate);
    let late = |what: &str, ms: Option<f64>| match ms {
        Some(ms) if ms <= BEHIND => None,
        Some(ms) => Some(format!("{what} {} ms after the last send", milliseconds(ms))),
        None => Some(format!("not {what} within 15 s")),
    };
    if let Some((why, times)) = run.ended.iter().next() {
        return Some(format!("{times} sockets ended: {why}"));
    }
    if !run.finished {
        return Some("answers stayed out".into());
    }
    if let Some((code, times)) = run.errors.iter().next() {
        return Some(format!("{times} refused with {code}"));
    }
    if !verdict.is_clean() {
        return Some("messages were lost, doubled or out of order".into());
    }
    if run.sent_per_second < asked * HELD {
        return Some(format!("the swarm itself sent only {:.0}/s", run.sent_per_second));
    }
    if run.acks_per_second < asked * HELD {
        return Some(format!("only {:.0}/s acked", run.acks_per_second));
    }
    let stored = if run.stored.is_some() { late("stored", run.stored_ms) } else { None };
    late("delivered", run.settled_ms).or(stored)
}

/// Doubles while rates are held, then halves the ground between held and failed. A rate that fails is tried once more:
/// one hiccup of the machine must not end the search.
struct Search {
    next: Option<u32>,
    held: Option<u32>,
    failed: Option<u32>,
    doubted: Option<u32>,
    most: u32,
}

impl Search {
    fn new(from: u32, most: u32) -> Self {
        Self { next: Some(from), held: None, failed: None, doubted: None, most }
    }

    fn seen(&mut self, rate: u32, held: bool) {
        if !held && self.doubted.replace(rate) != Some(rate) {
            return;
        }
        if held {
            self.held = self.held.max(Some(rate));
        } else {
            self.failed = Some(self.failed.map_or(rate, |failed| failed.min(rate)));
        }
        self.next = match (self.held, self.failed) {
            (Some(held), None) => Some(held.saturating_mul(2).min(self.most)).filter(|next| *next > held),
            (None, Some(failed)) => Some(failed / 2).filter(|next| *next > 0),
            (Some(held), Some(failed)) => {
                let enough = f64::from(failed) <= f64::from(held) * EXACT;
                (!enough).then_some(held.midpoint(failed)).filter(|next| *next > held)
            }
            (None, None) => None,
        };
    }
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    pub(crate) fn print(&self) {
        let mut table = Table::new([
            "asked/s",
            "acked/s",
            "delivered/s",
            "p50 ms",
            "p99 ms",
            "settled ms",
            "stored ms",
            "servers us/msg",
            "swarm %",
            "",
        ]);
        for step in &self.steps {
            let run = &step.measured;
            let swarm = run.costs.last().map_or(0.0, |cost| cost.cpu_percent);
            table.row([
                run.rate.to_string(),
                format!("{:.0}", run.acks_per_second),
                format!("{:.0}", run.deliveries_per_second),
                milliseconds(run.send_to_device.p50),
                milliseconds(run.send_to_device.p99),
                run.settled_ms.map_or("never".into(), milliseconds),
                run.stored_ms.map_or("never".into(), milliseconds),
                format!("{:.0}", run.server_micros_per_message()),
                format!("{swarm:.0}"),
                step.failed.as_deref().map_or("held".into(), |why| format!("not held: {why}")),
            ]);
        }
        table.print();
        match self.held {
            Some(rate) => println!("\nhighest rate held: {rate} messages per second"),
            None => println!("\nno rate was held"),
        }
        if !self.clean {
            println!("messages were lost, doubled or out of order: see the JSON report");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(holds: u32, most: u32) -> (Option<u32>, usize) {
        let mut search = Search::new(1_000, most);
        let mut steps = 0;
        while let Some(rate) = search.next {
            search.seen(rate, rate <= holds);
            steps += 1;
        }
        (search.held, steps)
    }

    #[test]
    fn the_highest_rate_held_is_found_to_a_tenth_in_few_steps() {
        for holds in [1_000, 1_700, 12_345, 40_000] {
            let (held, steps) = search(holds, 64_000);
            let held = held.unwrap();
            assert!(held <= holds && f64::from(held) * EXACT * 1.01 > f64::from(holds), "{held} of {holds}");
            assert!(steps <= 16, "{steps} steps to {holds}");
        }
        assert!(search(300, 64_000).0.is_some_and(|held| (270..=300).contains(&held)));
        assert_eq!(search(0, 64_000).0, None);
        assert_eq!(search(u32::MAX, 3_000).0, Some(3_000));
    }

    #[test]
    fn one_hiccup_does_not_end_the_search() {
        let mut search = Search::new(1_000, 64_000);
        search.seen(1_000, false);
        assert_eq!(search.next, Some(1_000));
        search.seen(1_000, true);
        assert_eq!(search.next, Some(2_000));
        search.seen(2_000, false);
        search.seen(2_000, false);
        assert_eq!(search.next, Some(1_500));
    }
}
