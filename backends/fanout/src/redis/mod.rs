//! The ports on Redis (6.2 or later), alone or as a Cluster.
//!
//! Scripts under `lua/` do what must be one step; each says what its keys hold. `keys` names the keys, `commands`
//! sends commands and knows when Redis is away, `bus` is the subscriber.

mod burial;
mod bus;
mod commands;
mod config;
mod fanout;
mod frame;
mod keys;
mod limits;
mod presence;
mod receipts;
mod sessions;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use fred::prelude::*;
use fred::types::RespVersion;
use parlor_core::ports::Unavailable;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::bus::Bus;
use self::commands::Commands;
use self::keys::Keys;
use crate::outlet::CAPACITY;

pub use self::config::Config;

/// No command takes longer: it fails.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that owes an answer for so long is dropped.
const UNRESPONSIVE: Duration = Duration::from_secs(5);
/// Commands that wait in one client; more are refused.
const BUFFERED_COMMANDS: usize = 4096;

/// [`Fanout`], [`Presence`], [`Receipts`], [`Sessions`] and [`Limits`] on one Redis. Dropping it closes its connections.
///
/// While Redis is away every call fails at once, except for the first few that find out, which fail within 2 s.
///
/// [`Fanout`]: parlor_core::ports::fanout::Fanout
/// [`Presence`]: parlor_core::ports::presence::Presence
/// [`Receipts`]: parlor_core::ports::receipts::Receipts
/// [`Sessions`]: parlor_core::ports::sessions::Sessions
/// [`Limits`]: parlor_core::ports::limits::Limits
#[derive(Debug)]
pub struct Redis {
    commands: Commands,
    bus: Bus,
    keys: Keys,
    lease: Duration,
    /// Events that a room's recent cache holds.
    recent: usize,
    _stop: DropGuard,
}

impl Redis {
    /// Begins to connect and waits up to 2 s for it. If Redis is away it goes on trying in the background: a gateway
    /// that is started meanwhile still takes sends. [`Fanout::check`] tells.
    ///
    /// # Errors
    /// The configuration is wrong, or the Redis that answers is too old (not that it is away).
    ///
    /// [`Fanout::check`]: parlor_core::ports::fanout::Fanout::check
    pub async fn connect(config: Config) -> Result<Arc<Self>, Unavailable> {
        let keys = Keys::new(&config)?;
        let stop = CancellationToken::new();
        let pool = builder(&config, 32)?.build_pool(config.pool.max(1)).map_err(away)?;
        let subscriber = builder(&config, CAPACITY)?.build().map_err(away)?;
        let bus = Bus::start(subscriber.clone(), keys.clone(), stop.clone());
        for client in pool.clients().iter().chain([&subscriber]) {
            tokio::spawn(keep_connected(client.clone(), stop.clone()));
        }
        let connected = async {
            while !pool.clients().iter().all(Client::is_connected) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bus.ready().await;
        };
        if tokio::time::timeout(COMMAND_TIMEOUT, connected).await.is_err() {
            tracing::warn!("redis is away; trying on");
        }
        if let Some(version) = pool.clients().iter().find_map(Client::server_version) {
            new_enough(version.major, version.minor)?;
        }
        let lease = Duration::from_millis(u64::from(config.lease_ms.max(1)));
        Ok(Arc::new(Self {
            commands: Commands::new(pool),
            bus,
            keys,
            lease,
            recent: config.recent.max(1),
            _stop: stop.drop_guard(),
        }))
    }

    /// The name of the subscriber's connection in `CLIENT LIST`.
    pub fn subscriber_name(&self) -> &str {
        self.bus.name()
    }
}

/// The oldest Redis that Parlor works with. Its tests run on 7.
const OLDEST: (u64, u64) = (6, 2);

fn new_enough(major: u64, minor: u64) -> Result<(), Unavailable> {
    if (major, minor) < OLDEST {
        let reason = format!("the server is Redis {major}.{minor}; Parlor needs {}.{} or newer", OLDEST.0, OLDEST.1);
        return Err(Unavailable::new("redis", reason));
    }
    Ok(())
}

/// `broadcast`: how many messages a client holds for its listeners; slots are allocated ahead, so that only the
/// subscriber has many.
fn builder(config: &Config, broadcast: usize) -> Result<Builder, Unavailable> {
    // The driver takes any scheme.
    if !["redis", "valkey"].iter().any(|scheme| config.url.starts_with(scheme)) {
        return Err(Unavailable::new("redis", "the URL must begin with redis://, rediss:// or the like"));
    }
    // The driver's words may quote the URL, and the URL may hold a password.
    let mut server = fred::types::config::Config::from_url(&config.url)
        .map_err(|error| Unavailable::new("redis", format!("the URL is not valid ({})", error.kind().to_str())))?;
    // RESP3: the subscriber may send PING between its subscriptions.
    server.version = RespVersion::RESP3;
    server.fail_fast = false;
    let mut builder = Builder::from_config(server);
    builder
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_TIMEOUT;
            performance.broadcast_channel_capacity = broadcast;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_TIMEOUT;
            connection.internal_command_timeout = COMMAND_TIMEOUT;
            // Sent once: a second copy of a command whose answer was lost would count twice.
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = BUFFERED_COMMANDS;
            connection.auto_client_setname = true;
            connection.reconnect_on_auth_error = true;
            connection.unresponsive.max_timeout = Some(UNRESPONSIVE);
            connection.unresponsive.interval = Duration::from_secs(1);
            connection.tcp.nodelay = Some(true);
        });
    let mut policy = ReconnectPolicy::new_exponential(0, 20, 2_000, 2);
    policy.set_jitter(50);
    builder.set_policy(policy);
    Ok(builder)
}

/// Drives one client until `stop`. The driver reconnects by itself; where it gives up it is begun again.
async fn keep_connected(client: Client, stop: CancellationToken) {
    loop {
        let connection = client.connect();
        tokio::select! {
            () = stop.cancelled() => {
                let _ = tokio::time::timeout(Duration::from_secs(1), client.quit()).await;
                return;
            }
            ended = connection => {
                tracing::warn!(?ended, "a redis connection ended; connecting again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn away(error: fred::error::Error) -> Unavailable {
    Unavailable::new("redis", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_is_too_old_is_refused_with_what_is_needed() {
        new_enough(6, 2).expect("old enough to be asked for, new enough to work");
        new_enough(7, 0).expect("what the tests run on");
        let said = new_enough(6, 0).expect_err("too old").to_string();
        assert!(said.contains("Redis 6.0") && said.contains("6.2 or newer"), "{said}");
    }
}
