//! What the process says, to standard error.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Drivers that tell operators nothing below a warning.
const QUIET: [&str; 4] = ["fred=warn", "sqlx=warn", "rdkafka=warn", "librdkafka=warn"];

/// Begins logging as configured.
pub(crate) fn begin(config: &Config) -> Result<()> {
    // What the setting names comes last and wins.
    let filter = QUIET.join(",") + "," + &config.log.level;
    let filter = EnvFilter::try_new(&filter).with_context(|| {
        format!(
            "log.level: '{}' is none; write error, warn, info, debug, trace, or such as info,parlor_gateway=debug",
            config.log.level
        )
    })?;
    // Where nobody reads standard error any more there is nowhere to complain of it either: trying would panic.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
