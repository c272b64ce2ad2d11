//! Push: telling the devices of members who are away. A sink of the log in a consumer group of its own, so that a push
//! service that is slow or away holds up nothing but pushes.
//!
//! The files, in the order in which a message meets them:
//!
//! * `sink`: which records are pushed, and when the position moves past them;
//! * `announce`: what a message looks like on a lock screen;
//! * `audience`: who is away, has not read it, and where their devices are;
//! * `tries`: trying a service again, and giving up;
//! * `origins`: how much goes to one host at once, and when a silent one is left alone;
//! * `unfinished`: what is under way, and so may not be committed yet;
//! * `web`, `fcm`, `apns`: the services, over `http`, with one `payload`.

mod announce;
mod apns;
mod audience;
mod fcm;
mod http;
mod origins;
mod payload;
mod providers;
mod sink;
mod tries;
mod unfinished;
mod web;

use std::sync::Arc;
use std::time::Duration;

use parlor_core::consume;
use parlor_core::ports::devices::Devices;
use parlor_core::ports::log::Log;
use parlor_core::ports::presence::Presence;
use tokio_util::sync::CancellationToken;

pub use self::apns::{Apns, Config as ApnsConfig, ENDPOINT as APNS_ENDPOINT};
pub use self::fcm::{Config as FcmConfig, ENDPOINT as FCM_ENDPOINT, Fcm};
pub use self::providers::Providers;
pub use self::sink::PushSink;
pub use self::web::{Config as WebConfig, VapidKey, WebPush};

/// The role's name in metrics and logs.
pub const ROLE: &str = "push";

/// A setting that cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub(crate) String);

/// Push's slice of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The consumer group of all workers that push.
    pub group: String,
    /// This process's name in the group. Two workers must never share one.
    pub instance: String,
    /// How long a message waits for its members to come back or read it before it is pushed.
    pub delay: Duration,
    /// For how long a message is worth a push. Older ones, after a long outage, are passed over.
    pub ttl: Duration,
    /// In rooms with more members only those are told whom a message mentions.
    pub big_room: u32,
    /// Requests to each push service at once, of this process; to one host of the web 16 of them at most.
    pub concurrency: usize,
    /// The pause before the second try; before the third it is twice as long.
    pub pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "parlor-push".to_owned(),
            instance: "delivery-worker-1".to_owned(),
            delay: Duration::from_secs(2),
            ttl: Duration::from_secs(24 * 3600),
            big_room: 500,
            concurrency: 64,
            pause: Duration::from_secs(2),
        }
    }
}

/// Records in one batch: the position moves by so many at a time at most.
const BATCH_RECORDS: usize = 100;
const BATCH_BYTES: usize = 1 << 20;
/// Held ahead of the batches, over all partitions.
const PREFETCH_RECORDS: usize = 2000;
const PREFETCH_BYTES: usize = 8 << 20;

impl Config {
    /// Short pauses.
    pub fn for_testing() -> Self {
        Self { delay: Duration::from_millis(100), pause: Duration::from_millis(100), ..Self::default() }
    }

    fn consuming(&self) -> consume::Config {
        consume::Config {
            batch_records: BATCH_RECORDS,
            batch_bytes: BATCH_BYTES,
            prefetch_records: PREFETCH_RECORDS,
            prefetch_bytes: PREFETCH_BYTES,
            ..consume::Config::new(ROLE, &self.group, &self.instance)
        }
    }
}

/// What push works with.
#[derive(Clone)]
pub struct Ports {
    /// Where messages come from, and where the position is.
    pub log: Arc<dyn Log>,
    /// Who is here.
    pub presence: Arc<dyn Presence>,
    /// Who wants to be told.
    pub devices: Arc<dyn Devices>,
    /// How they are told.
    pub providers: Providers,
}

/// Pushes until `shutdown`. What is in flight then is pushed again by whoever goes on; a device shows it once.
///
/// # Errors
/// [`consume::Fatal`]: the process must say so and exit.
pub async fn run(
    config: Config,
    ports: Ports,
    health: consume::Health,
    shutdown: CancellationToken,
) -> Result<(), consume::Fatal> {
    let (log, consuming) = (Arc::clone(&ports.log), config.consuming());
    let sink = PushSink::new(ports, config);
    consume::run(log, Arc::new(sink), consuming, health, shutdown).await
}
