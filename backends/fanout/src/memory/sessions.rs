//! [`Sessions`] in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parlor_core::ports::Unavailable;
use parlor_core::ports::sessions::{Loaded, Sessions};
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

    async fn load(&self, session: &str, key: &str, ttl: Duration) -> Result<Option<Loaded>, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.sessions.lock();
        let Some(session) = state.live(session) else { return Ok(None) };
        let Some(snapshot) = session.snapshots.get(key).cloned() else { return Ok(None) };
        session.until = Instant::now() + ttl;
        let others = session.snapshots.keys().filter(|other| *other != key).cloned().collect();
        Ok(Some(Loaded { snapshot, others }))
    }

    async fn touch(&self, sessions: &[&str], ttl: Duration) -> Result<Vec<bool>, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.sessions.lock();
        let until = Instant::now() + ttl;
        let touched = sessions.iter().map(|session| state.live(session).map(|session| session.until = until).is_some());
        Ok(touched.collect())
    }

    async fn forget(&self, session: &str, keys: &[String]) -> Result<(), Unavailable> {
        self.reach().await?;
        let mut state = self.shared.sessions.lock();
        if let Some(live) = state.live(session) {
            live.snapshots.retain(|key, _| !keys.contains(key));
            if live.snapshots.is_empty() {
                state.sessions.remove(session);
            }
        }
        Ok(())
    }

    async fn end(&self, session: &str) -> Result<(), Unavailable> {
        self.reach().await?;
        self.shared.sessions.lock().sessions.remove(session);
        Ok(())
    }
}
