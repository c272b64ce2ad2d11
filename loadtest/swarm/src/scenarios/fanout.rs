//! One big room on one gateway: what a delivery costs it, beside what the kernel alone takes for the same writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::kernel_alone;
use crate::aim::Aim;
use crate::checker::Verdict;
use crate::client::Frames;
use crate::content::Contents;
use crate::crowd::Crowd;
use crate::histogram::Percentiles;
use crate::load;
use crate::span::Span;
use crate::table::{Table, count, milliseconds};
use crate::watch::Processes;

/// A delivery that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages to one room with many sockets on one gateway
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Sockets in the room
    #[arg(long, default_value_t = 1_000)]
    sockets: u32,
    /// Messages sent together, by so many members; the next follow when all sockets have these
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    in_flight: u32,
    /// Messages in all
    #[arg(long, default_value_t = 2_000)]
    count: u32,
    /// Ends earlier, after this time
    #[arg(long, default_value = "15s")]
    at_most: Span,
    /// Bytes of a message's text; a delivery is some 400 bytes longer
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=4000))]
    size: u16,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) in_flight: u32,
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
    /// Of a delivery, its frame's header included.
    pub(crate) frame_bytes: u64,
    pub(crate) gateway: String,
    /// Microseconds of the gateway's processor time.
    pub(crate) gateway_micros_per_delivery: f64,
    /// The same of a bare loop of writes of such frames to as many sockets.
    pub(crate) kernel_micros_per_delivery: f64,
    pub(crate) send_to_device: Percentiles,
    pub(crate) verdict: Verdict,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let aim = &arguments.aim;
    let &[target] = &aim.target[..] else { bail!("fanout measures one gateway: name one --target") };
    ensure!(arguments.sockets >= arguments.in_flight, "so many messages in flight need as many sockets to send them");
    let processes = aim.processes()?;
    let gateway = processes.at(target).context("the gateway's process is not to be found")?.clone();
    let contents = Contents::new(arguments.size.into());
    let crowd = Crowd::gather(&aim.target, &aim.identities(), 1, arguments.sockets).await?;
    ensure!(
        crowd.gateway_names.len() == 1,
        "fanout measures one gateway, and {target} leads to {}\n  next: --target http://127.0.0.1:3001",
        crowd.gateway_names.join(", ")
    );
    eprintln!("{} sockets in one room on {}", crowd.sockets(), crowd.gateway_names[0]);
    crowd.quiet().await;

    let gateway_only = Processes::only(&gateway);
    flood(&crowd, &contents, arguments, arguments.count.div_ceil(20), Duration::from_secs(2)).await?;
    let before = gateway_only.spent();
    let begin = Instant::now();
    let tally = flood(&crowd, &contents, arguments, arguments.count, arguments.at_most.0).await?;
    let elapsed = begin.elapsed();
    let costs = gateway_only.costs(&before, elapsed);
    let cpu = costs.first().map_or(0.0, |cost| cost.cpu_seconds);
    drop(crowd);

    let verdict = tally.checker.verdict();
    let frame_bytes = tally.bytes / tally.frames.max(1);
    let kernel = kernel_alone::run(arguments.sockets, arguments.in_flight, usize::try_from(frame_bytes)?).await?;
    Ok(Report {
        sockets: arguments.sockets,
        in_flight: arguments.in_flight,
        messages: verdict.sent,
        deliveries: verdict.deliveries,
        deliveries_per_second: verdict.deliveries as f64 / elapsed.as_secs_f64(),
        frame_bytes,
        gateway: gateway.name,
        gateway_micros_per_delivery: cpu * 1e6 / verdict.deliveries as f64,
        kernel_micros_per_delivery: kernel.as_secs_f64() * 1e6,
        send_to_device: tally.to_device.percentiles(),
        verdict,
    })
}

/// Sends `messages` messages, `in_flight` at a time, and waits for all deliveries of each lot.
async fn flood(
    crowd: &Crowd,
    contents: &Contents,
    arguments: &Arguments,
    messages: u32,
    at_most: Duration,
) -> Result<crate::tally::Tally> {
    let begin = Instant::now();
    crowd.begin(arguments.aim.temp_id, begin..begin + Duration::from_secs(3600));
    for lot in 0..messages.div_ceil(arguments.in_flight) {
        if begin.elapsed() > at_most {
            break;
        }
        for number in 0..arguments.in_flight {
            let sender = (lot * arguments.in_flight + number) % arguments.sockets;
            let mut frames = Frames::new();
            load::write(crowd, contents, sender, Instant::now(), &mut frames);
            crowd.sender(sender).send_all(&frames).map_err(|ended| crowd.explain(ended.into()))?;
        }
        if !crowd.settle(PATIENCE).await {
            let verdict = crowd.with(|tally| tally.checker.verdict());
            let error = anyhow::anyhow!("deliveries did not come within {} s: {verdict:?}", PATIENCE.as_secs());
            return Err(crowd.explain(error));
        }
    }
    crowd.finish().context("the run's books were closed early")
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    pub(crate) fn print(&self) {
        let mut table = Table::new(["us of CPU per delivery", &self.gateway, "kernel alone", "ratio"]);
        table.row([
            format!("{} sockets, {} in flight", self.sockets, self.in_flight),
            format!("{:.2}", self.gateway_micros_per_delivery),
            format!("{:.2}", self.kernel_micros_per_delivery),
            format!("{:.2}", self.gateway_micros_per_delivery / self.kernel_micros_per_delivery),
        ]);
        table.print();
        println!(
            "{} messages, {} deliveries of {} bytes, {:.0} deliveries/s, p50 {} ms, p99 {} ms",
            count(self.messages),
            count(self.deliveries),
            self.frame_bytes,
            self.deliveries_per_second,
            milliseconds(self.send_to_device.p50),
            milliseconds(self.send_to_device.p99),
        );
        if !(self.verdict.is_clean() && self.verdict.all_taken()) {
            println!("not clean: {:?}", self.verdict);
        }
    }
}
