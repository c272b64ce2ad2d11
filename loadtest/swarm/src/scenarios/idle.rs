//! Sockets that say nothing: what each costs a server in memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::aim::Aim;
use crate::crowd::Crowd;
use crate::span::Span;
use crate::table::{Table, count};
use crate::watch::{Memory, Processes};

/// Connected before anything is measured: what a server keeps once, however many follow.
const FIRST: u32 = 200;

/// Idle sockets: memory of the servers for each
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Sockets, beside 200 that are connected before
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    sockets: u32,
    /// Each is a user of their own in one room of so many, a group if there are tokens, else a channel; 0: in no room
    #[arg(long, default_value_t = 10)]
    members: u32,
    /// How long they are idle before the last look
    #[arg(long, default_value = "30s")]
    rest: Span,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) members: u32,
    pub(crate) gateways: Vec<String>,
    /// With nobody connected, and with the first 200.
    pub(crate) nobody: Memory,
    pub(crate) first: Memory,
    /// When the last had connected, and what that stirred up was over.
    pub(crate) connected: Memory,
    pub(crate) rested: Memory,
    pub(crate) rest_seconds: f64,
    /// Resident at the end, on top of what it was with nobody connected: with what the servers took once and for all
    /// as the first came, and what their coming took for a moment and was not given back.
    pub(crate) bytes_per_socket: f64,
    /// On top of what it was with the first: less by whatever that had taken and these could use again.
    pub(crate) bytes_per_further_socket: f64,
    /// Sockets that did not stay.
    pub(crate) ended: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let aim = &arguments.aim;
    let gateways = aim.processes()?.gateways_at(&aim.target);
    ensure!(!gateways.all().is_empty(), "no gateway's process is to be found behind the targets");
    let nobody = Memory::of(&gateways);
    let first_crowd = gather(arguments, FIRST).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let first = Memory::of(&gateways);
    let crowd = gather(arguments, arguments.sockets).await?;
    eprintln!("{} sockets connected in {:.1} s", crowd.sockets(), crowd.connecting.as_secs_f64());
    let connected = Memory::of(&gateways);
    tokio::time::sleep(arguments.rest.0).await;
    let rested = Memory::of(&gateways);
    let ended = |crowd: &Crowd| crowd.ledger.ended.borrow().values().sum::<u64>();
    let sockets = u32::try_from(crowd.sockets())?;
    Ok(Report {
        sockets,
        members: arguments.members,
        gateways: names(&gateways),
        nobody,
        first,
        connected,
        rested,
        rest_seconds: arguments.rest.0.as_secs_f64(),
        bytes_per_socket: rested.grown(nobody, sockets + u32::try_from(first_crowd.sockets())?)[0],
        bytes_per_further_socket: rested.grown(first, sockets)[0],
        ended: ended(&first_crowd) + ended(&crowd),
    })
}

async fn gather(arguments: &Arguments, sockets: u32) -> Result<Crowd> {
    let (aim, members, identities) = (&arguments.aim, arguments.members, arguments.aim.identities());
    let crowd = if members == 0 {
        Crowd::idle(&aim.target, &identities, sockets).await?
    } else if aim.secret.is_some() {
        Crowd::of_groups(&aim.target, &identities, sockets.div_ceil(members), members).await?
    } else {
        Crowd::gather(&aim.target, &identities, sockets.div_ceil(members), members).await?
    };
    crowd.quiet().await;
    Ok(crowd)
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
        let rooms = if self.members == 0 { "no rooms".into() } else { format!("rooms of {}", self.members) };
        println!("\n{} sockets, {rooms}, on {}", count(self.sockets.into()), self.gateways.join(", "));
        let mut table = Table::new(["MiB", "RSS", "PSS", "anonymous"]);
        for (when, memory) in [
            ("nobody".to_owned(), self.nobody),
            (format!("the first {FIRST}"), self.first),
            ("all connected".to_owned(), self.connected),
            (format!("idle for {} s", self.rest_seconds), self.rested),
        ] {
            let [rss, pss, own] = [memory.rss, memory.pss, memory.anonymous]
                .map(|bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20)));
            table.row([when, rss, pss, own]);
        }
        let [all, further] = [
            ("KiB for each, over nobody", self.rested.grown(self.nobody, self.sockets + FIRST)),
            ("KiB for each, over the first", self.rested.grown(self.first, self.sockets)),
        ]
        .map(|(what, each)| (what, each.map(|bytes| format!("{:.2}", bytes / 1024.0))));
        for (what, [rss, pss, own]) in [all, further] {
            table.row([what.into(), rss, pss, own]);
        }
        table.print();
        if self.ended > 0 {
            println!("{} sockets did not stay", self.ended);
        }
    }
}
