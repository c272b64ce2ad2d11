//! The composition root: the one place that knows which implementation stands behind which port.

mod blobs;
mod checks;
mod cluster;
mod front;
mod process;
mod push;
mod slices;
mod solo;

use anyhow::Result;

pub(crate) use cluster::{archive, inspected};
pub(crate) use slices::auth;

use crate::config::{Config, Role};

/// Runs a role to its end.
pub(crate) async fn run(config: Config, role: Role) -> Result<()> {
    match role {
        Role::Gateway => cluster::gateway(config).await,
        Role::DeliveryWorker => cluster::delivery_worker(config).await,
        Role::Persister => cluster::persister(config).await,
        Role::Migrate => cluster::migrate(config).await,
        Role::Solo => solo::run(config).await,
        Role::Archive | Role::Inspect | Role::Token => Ok(()),
    }
}
