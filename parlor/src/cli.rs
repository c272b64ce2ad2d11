//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

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
    /// Takes months of messages that are over out of the live table, and says how to dump and drop them. For PostgreSQL:
    /// `parlor solo` keeps everything in one file, without months
    Archive {
        /// Months stay for this long after they ended, such as 12months or 2years; at least 2 months
        #[arg(long, value_name = "MONTHS", default_value = "12months")]
        older_than: Months,
        /// Says what would be done, and does nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Shows what PostgreSQL and Redis know of a room, and of a user in it, as JSON
    Inspect {
        /// The room's id
        #[arg(long)]
        room: String,
        /// A user's id: are they a member, banned, online
        #[arg(long)]
        user: Option<String>,
    },
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

/// A number of months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Months(pub(crate) u32);

impl FromStr for Months {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let each = match unit.trim() {
            "month" | "months" => 1,
            "year" | "years" => 12,
            _ => return Err(format!("'{text}' is no number of months; write such as 12months or 2years")),
        };
        let months = number.parse::<u32>().ok().and_then(|number| number.checked_mul(each));
        let fewest = parlor_store::postgres::FEWEST_MONTHS;
        // A thousand years: what a date can be reckoned with.
        months
            .filter(|months| (fewest..=12_000).contains(months))
            .map(Self)
            .ok_or_else(|| format!("it is from {fewest} to 12000 months"))
    }
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
    fn months_are_a_number_and_a_unit_and_at_least_two() {
        assert_eq!("12months".parse(), Ok(Months(12)));
        assert_eq!("2years".parse(), Ok(Months(24)));
        for wrong in ["12", "12m", "1month", "-3months", "months", "400000000years", "99999999999months"] {
            assert!(wrong.parse::<Months>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_may_stand_before_or_after_the_command() {
        for line in ["parlor --set a=b solo --listen 127.0.0.1:1", "parlor solo --listen 127.0.0.1:1 --set a=b"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(cli.settings.sets, ["a=b"]);
        }
    }
}
