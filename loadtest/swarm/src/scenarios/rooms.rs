//! Many rooms, a constant rate: latencies, losses, costs.

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::aim::Aim;
use crate::content::Contents;
use crate::crowd::Crowd;
use crate::load::Plan;
use crate::measure::{self, Measured};
use crate::span::Span;
use crate::table::{Table, count, milliseconds};

/// Messages at a constant rate into many rooms
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
    /// Messages per second, from random sockets
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// How long to measure
    #[arg(long, default_value = "20s")]
    duration: Span,
    /// How long to send before that
    #[arg(long, default_value = "3s")]
    warmup: Span,
    /// Bytes of a message's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4000))]
    size: u16,
    /// How long to wait afterwards for what is under way, and for the store
    #[arg(long, default_value = "10s")]
    patience: Span,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) rooms: u32,
    pub(crate) members: u32,
    /// Bytes of a message's text.
    pub(crate) size: u16,
    /// Gateways that the sockets were connected to.
    pub(crate) gateways: Vec<String>,
    #[serde(flatten)]
    pub(crate) measured: Measured,
    pub(crate) server_micros_per_message: f64,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let aim = &arguments.aim;
    let watched = aim.watched()?;
    let contents = Contents::new(arguments.size.into());
    let crowd = Crowd::gather(&aim.target, &aim.identities(), arguments.rooms, arguments.members).await?;
    eprintln!("{} sockets in {} rooms on {}", crowd.sockets(), arguments.rooms, crowd.gateway_names.join(", "));
    crowd.quiet().await;
    let plan = Plan {
        rate: arguments.rate,
        warmup: arguments.warmup.0,
        duration: arguments.duration.0,
        version: aim.temp_id,
        // Ten seconds' worth: by then the rate is certainly not held.
        give_up: u64::from(arguments.rate) * 10 + 1_000,
    };
    let measured = measure::measure(&watched, &crowd, &contents, plan, arguments.patience.0).await?;
    Ok(Report {
        rooms: arguments.rooms,
        members: arguments.members,
        size: arguments.size,
        gateways: crowd.gateway_names.clone(),
        server_micros_per_message: measured.server_micros_per_message(),
        measured,
    })
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    pub(crate) fn print(&self) {
        let run = &self.measured;
        let mut latencies = Table::new(["milliseconds", "p50", "p95", "p99", "max", "samples"]);
        for (name, latency) in [
            ("send to ack", run.send_to_ack),
            ("send to device", run.send_to_device),
            ("  on another gateway", run.send_to_other_gateway),
            ("swarm itself late", run.generator_late),
        ] {
            if latency.count > 0 {
                let [p50, p95, p99, max] = [latency.p50, latency.p95, latency.p99, latency.max].map(milliseconds);
                latencies.row([name.to_owned(), p50, p95, p99, max, count(latency.count)]);
            }
        }
        latencies.print();

        let mut rates = Table::new(["per second", "asked", "sent", "acked", "delivered"]);
        let [sent, acked, delivered] =
            [run.sent_per_second, run.acks_per_second, run.deliveries_per_second].map(|rate| format!("{rate:.0}"));
        let seconds = format!("over {:.0} s", run.seconds);
        rates.row([seconds, run.rate.to_string(), sent, acked, delivered]);
        rates.print();

        let verdict = &run.verdict;
        let mut words = Table::new(["messages", "sent", "acked", "refused", "unknown", "unanswered", "stored"]);
        let stored = run.stored.map_or("?".into(), count);
        let [sent, acked, refused, unknown, unanswered] =
            [verdict.sent, verdict.acked, verdict.refused, verdict.unknown, verdict.unanswered].map(count);
        words.row(["warm-up included".into(), sent, acked, refused, unknown, unanswered, stored]);
        words.print();
        let mut faults = Table::new([
            "deliveries",
            "received",
            "lost",
            "doubled",
            "reordered",
            "overtaken",
            "disagreeing",
            "phantom",
        ]);
        let numbers = [
            verdict.deliveries,
            verdict.lost,
            verdict.doubled,
            verdict.reordered,
            verdict.overtaken,
            verdict.disagreeing,
            verdict.phantom,
        ];
        let [a, b, c, d, e, f, g] = numbers.map(count);
        faults.row([String::new(), a, b, c, d, e, f, g]);
        faults.print();

        let mut costs = Table::new(["process", "CPU s", "% of a core", "us/message", "RSS MiB"]);
        let messages = run.acks_per_second * run.seconds;
        for cost in &run.costs {
            costs.row([
                cost.name.clone(),
                format!("{:.2}", cost.cpu_seconds),
                format!("{:.1}", cost.cpu_percent),
                format!("{:.0}", cost.cpu_seconds * 1e6 / messages),
                format!("{:.0}", cost.rss_bytes as f64 / f64::from(1 << 20)),
            ]);
        }
        costs.row([
            "all servers".into(),
            format!("{:.2}", crate::watch::Cost::of_servers(&run.costs)),
            String::new(),
            format!("{:.0}", self.server_micros_per_message),
            String::new(),
        ]);
        costs.print();

        let mut lags = Table::new(["consumer lag, records", "median", "max"]);
        for (role, lag) in &run.lag {
            lags.row([role.clone(), count(lag.median), count(lag.max)]);
        }
        lags.print();
        for (code, times) in &run.errors {
            println!("refused with {code}: {times}");
        }
        for (why, times) in &run.ended {
            println!("sockets ended: {times}: {why}");
        }
        match (run.finished, run.settled_ms, run.stored_ms) {
            (false, ..) => println!("given up: the server did not keep up"),
            (_, Some(settled), Some(stored)) => println!(
                "all delivered {} ms and all stored {} ms after the last send",
                milliseconds(settled),
                milliseconds(stored)
            ),
            (_, None, _) => println!("some answers or deliveries never came"),
            (_, Some(_), None) => println!("not everything acked was seen to be stored"),
        }
    }
}
