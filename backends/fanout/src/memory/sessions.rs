//! [`Sessions`] in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parlor_core::ports::Unavailable;
use parlor_core::ports::sessions::Sessions;
use tokio::time::Instant;

use super::Memory;

/// How often sessions that have expired are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct State {
    sessions: HashMap<String, Session>,
    swept: Option<Instant>,
}

struct Session {
    until: Instant,
    snapshots: HashMap<String, Bytes>,
}

impl State {
    fn live(&mut self, session: &str) -> Option<&mut Session> {
        self.sessions.get_mut(session).filter(|session| session.until > Instant::now())
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now - swept >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.sessions.retain(|_, session| session.until > now);
        }
    }
}

#[async_trait]
impl Sessions for Memory {
    async fn save(&self, session: &str, key: &str, snapshot: Bytes, ttl: Duration) -> Result<(), Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.sessions.lock(), Instant::now());
        state.sweep(now);
        let empty = || Session { until: now, snapshots: HashMap::new() };
        let session = state.sessions.entry(session.to_owned()).or_insert_with(empty);
        if session.until <= now {
            session.snapshots.clear();
        }
        session.until = now + ttl;
        session.snapshots.insert(key.to_owned(), snapshot);
        Ok(())
    }

    async fn load(&self, session: &str, key: &str) -> Result<Option<Bytes>, Unavailable> {
        self.reach().await?;
        Ok(self.shared.sessions.lock().live(session).and_then(|session| session.snapshots.get(key).cloned()))
    }

    async fn touch(&self, session: &str, ttl: Duration) -> Result<bool, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.sessions.lock();
        let Some(session) = state.live(session) else { return Ok(false) };
        session.until = Instant::now() + ttl;
        Ok(true)
    }

    async fn end(&self, session: &str) -> Result<(), Unavailable> {
        self.reach().await?;
        self.shared.sessions.lock().sessions.remove(session);
        Ok(())
    }
}
