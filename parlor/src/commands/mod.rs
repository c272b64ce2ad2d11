//! What each subcommand does. Those that serve hand over to [`crate::compose`].

mod archive;
mod inspect;
mod settings;
mod token;
mod vapid;

use anyhow::{Context, Result};

use crate::cli::{Cli, Command, Process, Settings};
use crate::compose;
use crate::config::{Config, Mode, Role};

/// Runs the command to its end.
pub(crate) fn run(Cli { settings: given, command }: Cli) -> Result<()> {
    match command {
        Command::Solo { listen, data_dir } => {
            let options = [("gateway.listen", listen, "--listen"), ("solo.data_dir", data_dir, "--data-dir")];
            serve(&given, Role::Solo, options)
        }
        Command::Gateway(process) => serve(&given, Role::Gateway, named("gateway.name", "gateway.listen", process)),
        Command::DeliveryWorker(process) => {
            let options = named("delivery_worker.name", "delivery_worker.listen", process);
            serve(&given, Role::DeliveryWorker, options)
        }
        Command::Persister(process) => {
            serve(&given, Role::Persister, named("persister.name", "persister.listen", process))
        }
        Command::Migrate => serve(&given, Role::Migrate, []),
        Command::Archive { older_than, dry_run } => {
            archive::run(&settings::read(&given, Role::Archive, [])?, older_than, dry_run)
        }
        Command::Inspect { room, user } => {
            inspect::run(&settings::read(&given, Role::Inspect, [])?, &room, user.as_deref())
        }
        Command::Gentoken(wanted) => token::generate(&settings::read(&given, Role::Token, [])?, wanted),
        Command::Checktoken { token } => token::check(&settings::read(&given, Role::Token, [])?, &token),
        Command::Genvapid => vapid::generate(),
        Command::Genconfig => {
            print!("{}", crate::config::render());
            Ok(())
        }
        Command::Checkconfig => settings::show(&given),
        Command::Version => {
            println!("parlor {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

type Options<const N: usize> = [(&'static str, Option<String>, &'static str); N];

fn named(name: &'static str, listen: &'static str, process: Process) -> Options<2> {
    [(name, process.name, "--name"), (listen, process.listen, "--listen")]
}

fn serve<const N: usize>(given: &Settings, role: Role, options: Options<N>) -> Result<()> {
    let config = settings::read(given, role, options)?;
    crate::logging::begin(&config)?;
    notices(&config, role);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let done = runtime.block_on(compose::run(config, role));
    // What still hangs is not waited for: everything that must be finished is finished by now.
    runtime.shutdown_background();
    done
}

fn notices(config: &Config, role: Role) {
    if matches!(role, Role::Gateway | Role::Solo) {
        if config.has_development_secret() {
            tracing::warn!(
                secret = crate::config::DEVELOPMENT_SECRET,
                "DEVELOPMENT: tokens are signed with a secret that everybody knows; never let real users in"
            );
        }
        if config.mode == Mode::Production && config.http.allowed_origins.is_empty() {
            tracing::warn!("http.allowed_origins is empty: no web page may connect");
        }
    }
}
