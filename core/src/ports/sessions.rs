//! What a returning client's session knew: small snapshots that expire. May forget; the client is then told to reload.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Unavailable;

/// Snapshots under (session, key), each with a time to live that belongs to the session.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Writes a snapshot and gives the whole session `ttl` from now.
    async fn save(&self, session: &str, key: &str, snapshot: Bytes, ttl: Duration) -> Result<(), Unavailable>;

    /// Reads a snapshot. `None`: never written, expired or forgotten.
    async fn load(&self, session: &str, key: &str) -> Result<Option<Bytes>, Unavailable>;

    /// Gives a session `ttl` from now. False: it is gone.
    async fn touch(&self, session: &str, ttl: Duration) -> Result<bool, Unavailable>;

    /// Forgets a session with all its snapshots.
    async fn end(&self, session: &str) -> Result<(), Unavailable>;
}
