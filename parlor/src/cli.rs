//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Span;

/// A chat back end: Socket.IO for clients, Kafka, Redis and PostgreSQL behind.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where settings come from. `parlor genconfig` shows all of them.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    /// A TOML file with settings [default: what PARLOR_CONFIG names]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as limits.message=off; wins over file and environment; may be repeated
    #[arg(long = "set", global = true, value_name = "SETTING=VALUE")]
    pub(crate) sets: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process, without any server: for trying out and for tests
    Solo {
        /// Address and port [default: 127.0.0.1:3000]
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<String>,
        /// Where its data is kept [default: .parlor/solo]
        #[arg(long, value_name = "FOLDER")]
        data_dir: Option<String>,
    },
    /// Holds clients' connections
    Gateway(Process),
    /// Brings events from Kafka to Redis
    DeliveryWorker(Process),
    /// Brings events from Kafka to PostgreSQL
    Persister(Process),
    /// Makes Kafka's topics and PostgreSQL's tables, or brings them up to date; safe to run again
    Migrate,
    /// Makes a token for a user, signed with the configured secret (in development else the one everybody knows)
    Gentoken(Gentoken),
    /// Says whether a token is good, and whose it is
    Checktoken {
        /// The token
        token: String,
    },
    /// Makes a key for Web Push
    Genvapid,
    /// Writes a settings file with every setting, what it means and its default
    Genconfig,
    /// Checks the settings, and shows what holds (secrets hidden)
    Checkconfig,
    /// Says which version this is
    Version,
}

/// What tells one process of a role from another.
#[derive(Debug, Args)]
pub(crate) struct Process {
    /// Its name, of which there is one in the cluster [default: the host's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Address and port; of workers and persisters for health and metrics alone
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
}

/// What a token says.
#[derive(Debug, Args)]
pub(crate) struct Gentoken {
    /// The user's id
    #[arg(long)]
    pub(crate) user: String,
    /// The name that others see [default: the id]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A picture's URL
    #[arg(long, value_name = "URL")]
    pub(crate) avatar: Option<String>,
    /// How long it is good, such as 1h or 7d [default: the setting auth.ttl]
    #[arg(long)]
    pub(crate) ttl: Option<Span>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_may_stand_before_or_after_the_command() {
        for line in ["parlor --set a=b solo --listen 127.0.0.1:1", "parlor solo --listen 127.0.0.1:1 --set a=b"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(cli.settings.sets, ["a=b"]);
        }
    }
}
