//! What a returning client's session knew: small snapshots that expire. May forget; the client is then told to reload.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Unavailable;

/// Snapshots under (session, key), each with a time to live that belongs to the session.
///
/// What was saved may be gone at any time, with the whole session or with everything. A snapshot that is loaded is
/// whole, and the last that was saved under its key.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Writes a snapshot and gives the whole session `ttl` from now.
    async fn save(&self, session: &str, key: &str, snapshot: Bytes, ttl: Duration) -> Result<(), Unavailable>;

    /// Reads a snapshot, and gives the whole session `ttl` from now. `None`: never written, expired or forgotten; then
    /// the session's time is as it was.
    async fn load(&self, session: &str, key: &str, ttl: Duration) -> Result<Option<Loaded>, Unavailable>;

    /// Gives each of these sessions `ttl` from now. Says which of them are still there, in the order given.
    async fn touch(&self, sessions: &[&str], ttl: Duration) -> Result<Vec<bool>, Unavailable>;

    /// Forgets these snapshots of a session, as far as they are there. The others stay, and its time as it was; a
    /// session without any is gone.
    async fn forget(&self, session: &str, keys: &[String]) -> Result<(), Unavailable>;

    /// Forgets a session with all its snapshots.
    async fn end(&self, session: &str) -> Result<(), Unavailable>;
}

/// A snapshot that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// As it was saved.
    pub snapshot: Bytes,
    /// The keys of the session's other snapshots, in no order: what may be forgotten once a newer one is in use.
    pub others: Vec<String>,
}
