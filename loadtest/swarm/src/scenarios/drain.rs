//! How fast the persisters write what has gathered while they were away: start this, then start them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::span::Span;
use crate::table::{Table, count};
use crate::watch::{Consumers, MESSAGES_STORED, Processes};

const LOOK: Duration = Duration::from_millis(50);
/// Nothing written for so long: they are done.
const QUIET: Duration = Duration::from_secs(2);

/// Watches persisters write a backlog: stop them, send, start this with `--rows`, start them again
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The cluster's processes, lines `name pid`
    #[arg(long, default_value = ".parlor/cluster/pids", value_name = "FILE")]
    pids: PathBuf,
    /// Rows to wait for; it ends earlier when nothing was written for two seconds
    #[arg(long)]
    rows: u64,
    /// How long to wait for them, at most
    #[arg(long, default_value = "60s")]
    patience: Span,
    /// Write the report to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) rows: u64,
    /// From the first rows to the last.
    pub(crate) seconds: f64,
    pub(crate) rows_per_second: f64,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let begin = Instant::now();
    // The first look that saw rows, and the latest that saw more.
    let mut first: Option<(Instant, u64)> = None;
    let mut last: Option<(Instant, u64)> = None;
    while begin.elapsed() < arguments.patience.0 {
        let pids = arguments.pids.clone();
        let rows = tokio::task::spawn_blocking(move || {
            let processes = Processes::named_in(&pids);
            Consumers::of(&processes, &[]).look().counter(MESSAGES_STORED)
        });
        let rows = rows.await?.unwrap_or(0);
        let now = Instant::now();
        if rows > 0 {
            first.get_or_insert((now, rows));
            if last.is_none_or(|(_, before)| rows > before) {
                last = Some((now, rows));
            }
        }
        let quiet = last.is_some_and(|(at, _)| at.elapsed() > QUIET);
        if quiet || rows >= arguments.rows {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let (Some((begin, before)), Some((end, after))) = (first, last) else {
        bail!("no persister wrote anything\n  next: make cluster-start NAME=persister-1");
    };
    let seconds = end.duration_since(begin).as_secs_f64();
    if seconds < 0.5 {
        bail!("{after} rows were written at once: too few to tell a rate");
    }
    Ok(Report { rows: after, seconds, rows_per_second: (after - before) as f64 / seconds })
}

impl Arguments {
    pub(crate) fn json(&self) -> Option<&PathBuf> {
        self.json.as_ref()
    }
}

impl Report {
    pub(crate) fn print(&self) {
        let mut table = Table::new(["persisters", "rows", "seconds", "rows/s"]);
        let rate = format!("{:.0}", self.rows_per_second);
        table.row(["writing a backlog".into(), count(self.rows), format!("{:.1}", self.seconds), rate]);
        table.print();
    }
}
