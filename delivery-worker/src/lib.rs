//! The delivery-worker: from the log to every gateway that holds a member of the room.
//!
//! [`run`] is the consuming loop of [`parlor_core::consume`] with one sink, [`FanoutSink`], over the `Fanout` port.
//! [`run_topics`] is another sink, which counts words. Each sink is in a group and has positions of its own, so that one
//! that is slow never delays a live event.

mod config;
pub mod push;
mod sink;
mod topics;
mod words;

use std::sync::Arc;

use parlor_core::consume;
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::log::Log;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use parlor_core::consume::{Fatal, Health, Report};
pub use sink::FanoutSink;
pub use topics::{TOPICS_ROLE, TopicsConfig, TopicsPorts, run_topics};

/// The role's name in metrics and logs.
pub const ROLE: &str = "delivery-worker";

/// What the worker works with.
#[derive(Clone)]
pub struct Ports {
    /// Where events come from.
    pub log: Arc<dyn Log>,
    /// Where they go.
    pub fanout: Arc<dyn Fanout>,
}

/// Delivers until `shutdown`, then finishes what is in flight, commits and leaves the group (10 s at most).
///
/// # Errors
/// [`Fatal`]: the process must say so and exit.
pub async fn run(config: Config, ports: Ports, health: Health, shutdown: CancellationToken) -> Result<(), Fatal> {
    let sink = FanoutSink::new(ports.fanout, Arc::clone(&ports.log), &config);
    consume::run(ports.log, Arc::new(sink), config.consuming(), health, shutdown).await
}
