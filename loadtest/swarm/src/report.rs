//! Reports as files.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::scenarios::{broadcast, drain, fanout, handshakes, idle, ramp, rooms, storm};

/// What a scenario found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "scenario", rename_all = "lowercase")]
pub(crate) enum Report {
    Rooms(Box<rooms::Report>),
    Fanout(fanout::Report),
    Broadcast(broadcast::Report),
    Idle(idle::Report),
    Handshakes(handshakes::Report),
    Ramp(ramp::Report),
    Drain(drain::Report),
    Storm(Box<storm::Report>),
}

impl Report {
    pub(crate) fn print(&self) {
        match self {
            Self::Rooms(report) => report.print(),
            Self::Fanout(report) => report.print(),
            Self::Broadcast(report) => report.print(),
            Self::Handshakes(report) => report.print(),
            Self::Storm(report) => report.print(),
            Self::Idle(report) => report.print(),
            Self::Ramp(report) => report.print(),
            Self::Drain(report) => report.print(),
        }
    }
}

/// Writes it as JSON.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(file: &Path, value: &impl Serialize) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(value)?;
    std::fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))
}
