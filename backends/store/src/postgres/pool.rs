//! Connections, and a breaker in front of them: while PostgreSQL is away callers are told at once.
//!
//! sqlx's pool takes a refused connection for a server that is starting and tries again until the acquire timeout. A
//! command on a socket should not wait for that, so an acquire that takes long is checked by a connection of its own,
//! and once the server is known to be away nobody waits for it but one caller a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parlor_core::ports::Unavailable;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use super::{Config, NAME};

/// An acquire that takes longer than this is looked into.
const SLOW: Duration = Duration::from_millis(150);
/// How long a server that was away is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// A bounded set of connections, made when they are needed.
pub(super) struct Pool {
    pool: PgPool,
    options: PgConnectOptions,
    max: u32,
    timeout: Duration,
    breaker: Breaker,
}

impl Pool {
    /// `name` is what operators call the server.
    pub(super) fn new(config: &Config, name: &'static str) -> Result<Self, Unavailable> {
        let options = config.connection()?;
        let max = config.max_connections.clamp(1, 20);
        let pool = PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(config.acquire_timeout())
            .idle_timeout(config.idle_timeout())
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options, max, timeout: config.acquire_timeout(), breaker: Breaker::new(name) })
    }

    /// A connection, within the acquire timeout; an error at once while the server is known to be away.
    pub(super) async fn get(&self) -> Result<PoolConnection<Postgres>, Unavailable> {
        if !self.breaker.lets_through() {
            return Err(Unavailable::new(NAME, "away; the next try is within a second"));
        }
        let started = Instant::now();
        let got = tokio::select! {
            biased;
            got = self.pool.acquire() => got,
            error = self.unreachable() => Err(error),
        };
        metrics::histogram!("parlor_store_acquire_seconds").record(started.elapsed().as_secs_f64());
        match got {
            Ok(connection) => {
                self.breaker.close();
                Ok(connection)
            }
            Err(error) => {
                // A pool whose connections are all in use is busy, not away.
                if !matches!(error, sqlx::Error::PoolTimedOut) || self.pool.size() < self.max {
                    self.breaker.open();
                }
                Err(Unavailable::new(NAME, error))
            }
        }
    }

    /// Resolves once the server turns out to be out of reach, as seen by a connection of its own; otherwise never.
    async fn unreachable(&self) -> sqlx::Error {
        tokio::time::sleep(SLOW).await;
        // At its largest the pool does not connect: the caller waits for others to be done.
        if self.pool.size() < self.max {
            match tokio::time::timeout(self.timeout, PgConnection::connect_with(&self.options)).await {
                Ok(Ok(connection)) => {
                    let _ = connection.close().await;
                }
                Ok(Err(error)) => return error,
                Err(_) => {}
            }
        }
        std::future::pending().await
    }

    /// The error of a call, as the port has it. Lost connections are noticed by the next acquire.
    pub(super) fn error(error: sqlx::Error) -> Unavailable {
        Unavailable::new(NAME, error)
    }
}

/// Open: told at once that the server is away, but for one caller each [`RETRY`].
struct Breaker {
    /// What is behind it.
    name: &'static str,
    born: Instant,
    open: AtomicBool,
    /// Milliseconds since `born` at which the next caller may try.
    retry_at: AtomicU64,
}

impl Breaker {
    fn new(name: &'static str) -> Self {
        Self { name, born: Instant::now(), open: AtomicBool::new(false), retry_at: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_retry(&self) -> u64 {
        self.now().saturating_add(u64::try_from(RETRY.as_millis()).unwrap_or(u64::MAX))
    }

    fn lets_through(&self) -> bool {
        if !self.open.load(Ordering::Acquire) {
            return true;
        }
        let retry_at = self.retry_at.load(Ordering::Acquire);
        // Whoever moves the time of the next try is the one who tries.
        self.now() >= retry_at
            && self.retry_at.compare_exchange(retry_at, self.next_retry(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn open(&self) {
        self.retry_at.store(self.next_retry(), Ordering::Release);
        if !self.open.swap(true, Ordering::AcqRel) {
            tracing::warn!("{} is away; calls are refused until it answers", self.name);
            metrics::gauge!("parlor_store_breaker_open", "backend" => self.name).set(1.0);
        }
    }

    fn close(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            tracing::info!("{} answers again", self.name);
            metrics::gauge!("parlor_store_breaker_open", "backend" => self.name).set(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_lets_one_caller_through_when_it_is_time() {
        let breaker = Breaker::new(NAME);
        assert!(breaker.lets_through());
        breaker.open();
        assert!(!breaker.lets_through());
        breaker.retry_at.store(0, Ordering::Release);
        assert!(breaker.lets_through());
        assert!(!breaker.lets_through());
        breaker.close();
        assert!(breaker.lets_through());
    }
}
