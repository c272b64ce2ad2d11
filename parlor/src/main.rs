//! Parlor, a chat back end: one binary, a subcommand per role.

mod cli;
mod commands;
mod compose;
mod config;
mod logging;
mod ops;
mod page;
mod shutdown;

use std::process::ExitCode;

use clap::Parser;

/// Returns freed memory of a burst of connections to the system sooner than the system's own, and takes less for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain: what was to be done, and what stood in the way.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
