//! Load for the budgets of the design (§14): thousands of Socket.IO clients on one core, which check what they are
//! told, and measure what it costs.
//!
//! The tree: `target`, `aim` and `identity` say who loads what; `wire` and `client` are one client; `crowd` is all of
//! them, `load` makes them send, `tally` and `checker` keep the books, `watch` looks at the servers, `measure` puts one
//! run together, and `scenarios` are what can be asked for.

mod aim;
mod backoff;
mod budgets;
mod checker;
mod client;
mod content;
mod crowd;
mod groups;
mod histogram;
mod identity;
mod load;
mod measure;
mod report;
mod scenarios;
mod span;
mod spread;
mod table;
mod tally;
mod target;
mod temp_id;
mod timer;
mod watch;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::report::Report;
use crate::scenarios::{broadcast, drain, fanout, handshakes, idle, ramp, rooms, storm};

/// Load for a Parlor on this machine: make cluster PROFILE=load, then one of these.
#[derive(Debug, Parser)]
#[command(name = "swarm", version, arg_required_else_help = true)]
enum Command {
    Rooms(rooms::Arguments),
    Fanout(fanout::Arguments),
    Broadcast(broadcast::Arguments),
    Idle(idle::Arguments),
    Handshakes(handshakes::Arguments),
    Ramp(ramp::Arguments),
    Drain(drain::Arguments),
    Storm(storm::Arguments),
    Budgets(budgets::Arguments),
}

impl Command {
    /// Where the report is to be written.
    fn json(&self) -> Option<&PathBuf> {
        match self {
            Self::Rooms(arguments) => arguments.aim().json.as_ref(),
            Self::Fanout(arguments) => arguments.aim().json.as_ref(),
            Self::Broadcast(arguments) => arguments.aim().json.as_ref(),
            Self::Handshakes(arguments) => arguments.aim().json.as_ref(),
            Self::Storm(arguments) => arguments.aim().json.as_ref(),
            Self::Idle(arguments) => arguments.aim().json.as_ref(),
            Self::Ramp(arguments) => arguments.aim().json.as_ref(),
            Self::Drain(arguments) => arguments.json(),
            Self::Budgets(_) => None,
        }
    }

    /// None: it has printed what there is.
    async fn run(&self) -> Result<Option<Report>> {
        Ok(Some(match self {
            Self::Rooms(arguments) => Report::Rooms(Box::new(rooms::run(arguments).await?)),
            Self::Fanout(arguments) => Report::Fanout(fanout::run(arguments).await?),
            Self::Broadcast(arguments) => Report::Broadcast(broadcast::run(arguments).await?),
            Self::Handshakes(arguments) => Report::Handshakes(handshakes::run(arguments).await?),
            Self::Storm(arguments) => Report::Storm(Box::new(storm::run(arguments).await?)),
            Self::Idle(arguments) => Report::Idle(idle::run(arguments).await?),
            Self::Ramp(arguments) => Report::Ramp(ramp::run(arguments).await?),
            Self::Drain(arguments) => Report::Drain(drain::run(arguments).await?),
            Self::Budgets(arguments) => {
                budgets::run(arguments)?;
                return Ok(None);
            }
        }))
    }
}

fn main() -> ExitCode {
    let command = Command::parse();
    match start(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: &Command) -> Result<()> {
    // One thread, so that the swarm takes one core at most.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = tokio::task::LocalSet::new().block_on(&runtime, command.run())?;
    if let Some(report) = report {
        report.print();
        if let Some(file) = command.json() {
            report::write(file, &report)?;
        }
        // Exit with failure when messages were lost: scripts must notice.
        match &report {
            Report::Rooms(rooms) => {
                anyhow::ensure!(rooms.measured.is_complete(), "not everything was taken, delivered once and stored");
            }
            Report::Storm(storm) => {
                anyhow::ensure!(storm.is_complete(), "not everybody came back to everything, once and in order");
            }
            _ => {}
        }
    }
    Ok(())
}
