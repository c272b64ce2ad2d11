//! What every scenario is told.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::identity::Identities;
use crate::measure::Watched;
use crate::target::Target;
use crate::temp_id::Version;
use crate::watch::{Consumers, Processes};

/// Where the load goes, and who sends it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Aim {
    /// Servers on this machine, comma separated; clients are spread over them
    #[arg(long, value_delimiter = ',', default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) target: Vec<Target>,
    /// The cluster's processes, lines `name pid`: their processor time is reported
    #[arg(long, default_value = ".parlor/cluster/pids", value_name = "FILE")]
    pub(crate) pids: PathBuf,
    /// Sign tokens with this secret (HS256), instead of coming as guests
    #[arg(long, env = "SWARM_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// What the messages' tempIds are
    #[arg(long, value_enum, default_value_t = Version::V4)]
    pub(crate) temp_id: Version,
    /// Write the report to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Aim {
    pub(crate) fn identities(&self) -> Identities {
        Identities::new(self.secret.clone())
    }

    /// # Errors
    /// Nobody listens at a target.
    pub(crate) fn processes(&self) -> Result<Processes> {
        Processes::behind(&self.target, &self.pids)
    }

    /// # Errors
    /// Nobody listens at a target.
    pub(crate) fn watched(&self) -> Result<Watched> {
        let processes = self.processes()?;
        let consumers = Consumers::of(&processes, &self.target);
        Ok(Watched { processes, consumers })
    }
}
