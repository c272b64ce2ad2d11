//! Newcomers: how many a second, and what each costs the server.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::aim::Aim;
use crate::client::{Client, Scratch};
use crate::crowd::raise_open_files;
use crate::histogram::{Histogram, Percentiles};
use crate::span::Span;
use crate::spread::Spread;
use crate::table::{Table, milliseconds};
use crate::watch::Clock;

/// Newcomers one after the other: handshakes per second, and the server's processor time for each
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Newcomers in each turn; they stay until its end
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    sockets: u32,
    /// Handshakes under way at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    at_once: u32,
    /// How often
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
    /// What a server does for newcomers once they have their answer, and for those that leave, may take so long
    #[arg(long, default_value = "2s")]
    rest: Span,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) at_once: u32,
    pub(crate) server: String,
    /// TCP, WebSocket, Engine.IO, CONNECT and its answer.
    pub(crate) per_second: Spread,
    /// Microseconds of the server's processor time for each: until its answer, what follows, and its leaving.
    pub(crate) until_answer: Spread,
    pub(crate) after_answer: Spread,
    pub(crate) leaving: Spread,
    /// Of one handshake.
    pub(crate) latency: Percentiles,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let aim = &arguments.aim;
    let &[target] = &aim.target[..] else { bail!("handshakes measures one server: name one --target") };
    let process = aim.processes()?.at(target).context("the server's process is not to be found")?.clone();
    raise_open_files(arguments.sockets as usize)?;
    let mut clock = Clock::of(&process)?;
    let scratch = Scratch::new();
    let latency = RefCell::new(Histogram::new());
    let (mut rates, mut until, mut after, mut leaving) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(arguments.sockets);
    for _ in 0..arguments.turns {
        // New users each time: nobody has rooms yet. Signed beforehand: that is not the server's work.
        let identities = aim.identities();
        let auths: Vec<String> = (0..arguments.sockets as usize).map(|n| identities.auth(n)).collect::<Result<_>>()?;
        clock.lap();
        let begin = Instant::now();
        let clients: Vec<Client> = stream::iter(&auths)
            .map(async |auth| {
                let begin = Instant::now();
                let client = Client::connect(target, auth, &scratch).await?;
                latency.borrow_mut().record(begin.elapsed());
                Ok::<_, anyhow::Error>(client)
            })
            .buffer_unordered(arguments.at_once as usize)
            .try_collect()
            .await?;
        rates.push(f64::from(arguments.sockets) / begin.elapsed().as_secs_f64());
        until.push(each(clock.lap()));
        tokio::time::sleep(arguments.rest.0).await;
        after.push(each(clock.lap()));
        drop(clients);
        tokio::time::sleep(arguments.rest.0).await;
        leaving.push(each(clock.lap()));
    }
    Ok(Report {
        sockets: arguments.sockets,
        at_once: arguments.at_once,
        server: process.name,
        per_second: Spread::of(rates),
        until_answer: Spread::of(until),
        after_answer: Spread::of(after),
        leaving: Spread::of(leaving),
        latency: latency.into_inner().percentiles(),
    })
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    /// Microseconds of processor time for each, in all but its leaving.
    pub(crate) fn micros(&self) -> f64 {
        self.until_answer.median + self.after_answer.median
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new(["handshakes", "per second", "p50 ms", "p99 ms"]);
        let Spread { median, min, max } = self.per_second;
        let [p50, p99] = [self.latency.p50, self.latency.p99].map(milliseconds);
        let what = format!("{} on {}, {} at once", self.sockets, self.server, self.at_once);
        table.row([what, format!("{median:.0} ({min:.0}–{max:.0})"), p50, p99]);
        table.print();
        let mut table = Table::new(["us of CPU for each", "until its answer", "after that", "leaving"]);
        let [until, after, leaving] = [self.until_answer, self.after_answer, self.leaving].map(|s| s.to_string());
        table.row([self.server.clone(), until, after, leaving]);
        table.print();
    }
}
