//! Sockets that say nothing: what each costs a gateway in memory, and how fast they are let in.

use anyhow::{Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::aim::Aim;
use crate::crowd::Crowd;
use crate::span::Span;
use crate::table::{Table, count};
use crate::watch::{Processes, settled_memory};

/// Connected before anything is measured: what a gateway keeps once, however many follow.
const FIRST: u32 = 200;

/// Idle sockets: memory of the gateways for each, handshakes per second
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Sockets, beside 200 that are connected before
    #[arg(long, default_value_t = 5_000)]
    sockets: u32,
    /// How long to wait, at most, until the gateways' memory has settled
    #[arg(long, default_value = "15s")]
    patience: Span,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) gateways: Vec<String>,
    pub(crate) before_bytes: u64,
    pub(crate) after_bytes: u64,
    pub(crate) bytes_per_socket: f64,
    pub(crate) handshakes_per_second: f64,
    /// Sockets that did not stay.
    pub(crate) ended: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let aim = &arguments.aim;
    let gateways = aim.processes()?.gateways();
    ensure!(!gateways.all().is_empty(), "no gateway's process is to be found behind the targets");
    let first = Crowd::idle(&aim.target, &aim.identities(), FIRST).await?;
    first.quiet().await;
    let before = settled_memory(&gateways, arguments.patience.0).await;
    let crowd = Crowd::idle(&aim.target, &aim.identities(), arguments.sockets).await?;
    eprintln!("{} sockets connected in {:.1} s", crowd.sockets(), crowd.connecting.as_secs_f64());
    crowd.quiet().await;
    let after = settled_memory(&gateways, arguments.patience.0).await;
    let ended = crowd.ledger.ended.borrow().values().sum();
    Ok(Report {
        sockets: arguments.sockets,
        gateways: names(&gateways),
        before_bytes: before,
        after_bytes: after,
        bytes_per_socket: after.saturating_sub(before) as f64 / f64::from(arguments.sockets),
        handshakes_per_second: f64::from(arguments.sockets) / crowd.connecting.as_secs_f64(),
        ended,
    })
}

fn names(processes: &Processes) -> Vec<String> {
    processes.all().iter().map(|process| process.name.clone()).collect()
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    pub(crate) fn print(&self) {
        let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        let mut table = Table::new(["idle sockets", "RSS before MiB", "after MiB", "KiB each", "handshakes/s"]);
        table.row([
            format!("{} on {}", count(self.sockets.into()), self.gateways.join(", ")),
            mebibytes(self.before_bytes),
            mebibytes(self.after_bytes),
            format!("{:.2}", self.bytes_per_socket / 1024.0),
            format!("{:.0}", self.handshakes_per_second),
        ]);
        table.print();
        if self.ended > 0 {
            println!("{} sockets did not stay", self.ended);
        }
    }
}
