//! How PostgreSQL is reached, and what it may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;

use parlor_core::ports::Unavailable;

/// The section `postgres`.
///
/// Pools are small: a database does more with ten busy connections than with a hundred, and what waits should wait
/// here, where it is counted and bounded in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `postgres://user:password@host:port/database`, with `?sslmode=verify-full` for TLS.
    pub url: String,
    /// A replica of it, for reads of history, searches and the like; empty: there is none.
    pub read_url: String,
    /// How far the replica may be behind, in milliseconds; while it is further, the primary is read from.
    pub replica_lag_ms: u64,
    /// The most connections of one process to each server, 1 to 20.
    pub max_connections: u32,
    /// How long a call waits for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long the server works on one statement before it gives up, in milliseconds.
    pub statement_timeout_ms: u64,
    /// A statement that takes this long or longer is logged, in milliseconds; 0: none is.
    pub slow_statement_ms: u64,
    /// A connection unused for this long is closed, in milliseconds.
    pub idle_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "postgres://parlor@127.0.0.1:5432/parlor".into(),
            read_url: String::new(),
            replica_lag_ms: 2_000,
            max_connections: 10,
            acquire_timeout_ms: 3_000,
            statement_timeout_ms: 10_000,
            slow_statement_ms: 1_000,
            idle_timeout_ms: 30_000,
        }
    }
}

impl Config {
    /// For a test's own database: few connections, since many tests run at once.
    pub fn for_testing(url: &str) -> Self {
        Self { url: url.into(), max_connections: 4, ..Self::default() }
    }

    /// For the replica's own connections; `None` where there is none. Nobody waits long for one: the
    /// primary is there.
    pub(super) fn of_replica(&self) -> Option<Self> {
        (!self.read_url.is_empty()).then(|| Self {
            url: self.read_url.clone(),
            read_url: String::new(),
            acquire_timeout_ms: self.acquire_timeout_ms.min(500),
            ..self.clone()
        })
    }

    /// [`Config::replica_lag_ms`].
    pub(super) fn replica_lag(&self) -> Duration {
        Duration::from_millis(self.replica_lag_ms)
    }

    /// [`Config::acquire_timeout_ms`].
    pub(super) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// [`Config::idle_timeout_ms`].
    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// What every connection is made with.
    ///
    /// # Errors
    /// The URL is none. The reason never holds it: it may hold a password.
    pub(super) fn connection(&self) -> Result<PgConnectOptions, Unavailable> {
        let wrong = || Unavailable::new(super::NAME, "the URL is not one of PostgreSQL");
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(wrong());
        }
        let options: PgConnectOptions = self.url.parse().map_err(|_| wrong())?;
        let slow = Duration::from_millis(self.slow_statement_ms);
        Ok(crate::calls::telling_slow(options, slow).application_name("parlor").options([
            ("statement_timeout", self.statement_timeout_ms.to_string()),
            // A transaction whose process is gone or stuck must not hold a room's lock.
            ("idle_in_transaction_session_timeout", self.statement_timeout_ms.to_string()),
            ("timezone", "UTC".to_owned()),
            // Plans are kept while next month's partition is still empty. A plan that reads through an empty partition
            // would go on doing so while it fills, until statistics come; every query here has its index.
            ("enable_seqscan", "off".to_owned()),
        ]))
    }
}
