//! The ports in this process's memory: for `parlor solo`, and for tests, which may tell it to drop, delay, forget or be
//! away.

mod fanout;
mod limits;
mod presence;
mod receipts;
mod sessions;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parlor_core::ids::Partition;
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::LEASE;
use serde::{Deserialize, Serialize};

use crate::outlet::Outlet;

/// How the memory behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// How long a presence lease lives unless renewed, in milliseconds.
    pub lease_ms: u32,
    /// Events that a room's recent cache holds, at least 1.
    pub recent: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { lease_ms: u32::try_from(LEASE.as_millis()).unwrap_or(u32::MAX), recent: 100 }
    }
}

impl MemoryConfig {
    /// For tests.
    pub fn for_testing() -> Self {
        Self::default()
    }
}

/// [`Fanout`], [`Presence`], [`Receipts`], [`Sessions`] and [`Limits`] in memory: one client of it, with subscriptions of its own.
///
/// [`Fanout`]: parlor_core::ports::fanout::Fanout
/// [`Presence`]: parlor_core::ports::presence::Presence
/// [`Receipts`]: parlor_core::ports::receipts::Receipts
/// [`Sessions`]: parlor_core::ports::sessions::Sessions
/// [`Limits`]: parlor_core::ports::limits::Limits
pub struct Memory {
    shared: Arc<Shared>,
    outlet: Arc<Outlet>,
}

/// What all clients see.
struct Shared {
    lease: Duration,
    recent: usize,
    fanout: Mutex<fanout::State>,
    presence: Mutex<presence::State>,
    receipts: Mutex<receipts::State>,
    sessions: Mutex<sessions::State>,
    limits: Mutex<limits::State>,
    topics: Mutex<topics::State>,
    faults: Mutex<Faults>,
}

#[derive(Default)]
struct Faults {
    drop_next: usize,
    drop_fraction: f64,
    /// Whole numbers of it are due to be dropped.
    drop_due: f64,
    delay: Duration,
    away: bool,
}

impl Memory {
    /// An empty memory, and its first client.
    pub fn new(config: MemoryConfig) -> Arc<Self> {
        let shared = Shared {
            lease: Duration::from_millis(u64::from(config.lease_ms.max(1))),
            recent: config.recent.max(1),
            fanout: Mutex::default(),
            presence: Mutex::default(),
            receipts: Mutex::default(),
            sessions: Mutex::default(),
            limits: Mutex::default(),
            topics: Mutex::default(),
            faults: Mutex::default(),
        };
        Arc::new(Self { shared: Arc::new(shared), outlet: Arc::default() })
    }

    /// Another client of the same memory, as another process would be.
    pub fn another(&self) -> Arc<Self> {
        Arc::new(Self { shared: Arc::clone(&self.shared), outlet: Arc::default() })
    }

    /// Drops the next `count` signals that a subscription would have received.
    pub fn drop_signals(&self, count: usize) {
        self.shared.faults.lock().drop_next = count;
    }

    /// From now on drops this fraction of all signals (0 to 1), evenly spread and the same on every run.
    pub fn drop_fraction(&self, fraction: f64) {
        self.shared.faults.lock().drop_fraction = fraction.clamp(0.0, 1.0);
    }

    /// From now on every call waits so long before it acts.
    pub fn delay(&self, delay: Duration) {
        self.shared.faults.lock().delay = delay;
    }

    /// While true every call answers `Unavailable`, and nothing is received. Coming back is a gap for every client.
    pub fn away(&self, away: bool) {
        self.shared.faults.lock().away = away;
        if !away {
            self.cut();
        }
    }

    /// Forgets everything, as FLUSHALL does. Subscriptions stand.
    pub fn forget(&self) {
        self.shared.fanout.lock().forget();
        *self.shared.presence.lock() = presence::State::default();
        *self.shared.receipts.lock() = receipts::State::default();
        *self.shared.sessions.lock() = sessions::State::default();
        *self.shared.limits.lock() = limits::State::default();
        *self.shared.topics.lock() = topics::State::default();
    }

    /// Forgets a partition's position and nothing else.
    pub fn forget_position(&self, partition: Partition) {
        self.shared.fanout.lock().forget_position(partition);
    }

    /// Every bus connection that has subscriptions drops and comes back: a gap.
    pub fn cut(&self) {
        let outlets = self.shared.fanout.lock().outlets();
        for outlet in outlets {
            outlet.gap("cut");
        }
    }

    /// Every call begins here.
    async fn reach(&self) -> Result<(), Unavailable> {
        let delay = self.shared.faults.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.shared.faults.lock().away {
            return Err(Unavailable::new("memory", "told to be away"));
        }
        Ok(())
    }
}

impl Faults {
    /// Whether this signal is to be dropped.
    fn drops(&mut self) -> bool {
        if self.away {
            return true;
        }
        if self.drop_next > 0 {
            self.drop_next -= 1;
            return true;
        }
        self.drop_due += self.drop_fraction;
        let drops = self.drop_due >= 1.0;
        if drops {
            self.drop_due -= 1.0;
        }
        drops
    }
}
