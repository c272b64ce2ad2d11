//! One big room on one gateway: what a delivery costs it, beside what the kernel alone takes for the same writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::beside_kernel::{self, BesideKernel};
use super::kernel_alone::KernelAlone;
use crate::aim::Aim;
use crate::checker::Verdict;
use crate::client::Frames;
use crate::content::Contents;
use crate::crowd::Crowd;
use crate::histogram::Percentiles;
use crate::load;
use crate::span::Span;
use crate::table::{count, milliseconds};

/// A delivery that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before anything is measured.
const WARMUP: Duration = Duration::from_secs(2);

/// Messages to one room with many sockets on one gateway
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Sockets in the room
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    sockets: u32,
    /// Messages sent together, by so many members; the next follow when all sockets have these
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    in_flight: u32,
    /// How often to measure, turn by turn with the bare loop
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
    /// How long a turn takes
    #[arg(long, default_value = "1s")]
    lasts: Span,
    /// Bytes of a message's text; a delivery is some 300 bytes longer
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=4000))]
    size: u16,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) in_flight: u32,
    pub(crate) messages: u64,
    /// Of a delivery, its frame's header included.
    pub(crate) frame_bytes: u64,
    pub(crate) gateway: String,
    #[serde(flatten)]
    pub(crate) cost: BesideKernel,
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

    // One set of books for all turns, the warm-up's own apart.
    let open = || {
        let begin = Instant::now();
        crowd.begin(aim.temp_id, begin..begin + Duration::from_secs(3600));
    };
    open();
    let mut lots = 0;
    flood(&crowd, &contents, arguments, &mut lots, WARMUP).await?;
    let warmup = crowd.finish().context("the run's books were closed early")?;
    let frame_bytes = warmup.bytes / warmup.frames.max(1);
    let mut kernel =
        KernelAlone::connect(arguments.sockets, arguments.in_flight, usize::try_from(frame_bytes)?).await?;
    open();
    let flood = async || flood(&crowd, &contents, arguments, &mut lots, arguments.lasts.0).await;
    let cost = beside_kernel::measure(arguments.turns, &gateway, &mut kernel, flood).await?;
    let tally = crowd.finish().context("the run's books were closed early")?;
    let verdict = tally.checker.verdict();
    Ok(Report {
        sockets: arguments.sockets,
        in_flight: arguments.in_flight,
        messages: verdict.sent,
        frame_bytes,
        gateway: gateway.name,
        cost,
        send_to_device: tally.to_device.percentiles(),
        verdict,
    })
}

/// Sends so long, `in_flight` messages at a time, and waits for all deliveries of each lot. Returns how many came.
async fn flood(
    crowd: &Crowd,
    contents: &Contents,
    arguments: &Arguments,
    lots: &mut u32,
    lasts: Duration,
) -> Result<u64> {
    let begin = Instant::now();
    let deliveries = || crowd.with(|tally| tally.frames);
    let before = deliveries();
    while begin.elapsed() < lasts {
        for number in 0..arguments.in_flight {
            let sender = lots.wrapping_mul(arguments.in_flight).wrapping_add(number) % arguments.sockets;
            let mut frames = Frames::new();
            load::write(crowd, contents, sender, Instant::now(), &mut frames);
            crowd.sender(sender).send_all(&frames).map_err(|ended| crowd.explain(ended.into()))?;
        }
        *lots = lots.wrapping_add(1);
        if !crowd.settle(PATIENCE).await {
            let verdict = crowd.with(|tally| tally.checker.verdict());
            let error = anyhow::anyhow!("deliveries did not come within {} s: {verdict:?}", PATIENCE.as_secs());
            return Err(crowd.explain(error));
        }
    }
    Ok(deliveries() - before)
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    pub(crate) fn print(&self) {
        self.cost.print(&self.gateway, self.sockets, self.in_flight);
        println!(
            "{} messages, {} deliveries of {} bytes, {:.0} deliveries/s, p50 {} ms, p99 {} ms",
            count(self.messages),
            count(self.cost.deliveries),
            self.frame_bytes,
            self.cost.deliveries_per_second,
            milliseconds(self.send_to_device.p50),
            milliseconds(self.send_to_device.p99),
        );
        if !(self.verdict.is_clean() && self.verdict.all_taken()) {
            println!("not clean: {:?}", self.verdict);
        }
    }
}
