//! [`Limits`] in memory.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::ids::{MessageId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::limits::{Admission, Ask, Limits};
use tokio::time::Instant;

use super::Memory;

/// Ids are remembered so long.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// How often windows that are over are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct State {
    /// For each tier and user the times of the newest actions admitted, as many as its limit.
    windows: HashMap<String, HashMap<UserId, Window>>,
    ids: HashMap<(UserId, String), MessageId>,
    ids_by_age: VecDeque<(Instant, (UserId, String))>,
    /// What each user said last under a key: digest, token, and until when it is compared with.
    said: HashMap<(UserId, String), (String, String, Instant)>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct Window {
    times: VecDeque<Instant>,
    length: Duration,
}

impl State {
    fn forget_old(&mut self, now: Instant) {
        while let Some((_, key)) = self.ids_by_age.pop_front_if(|(until, _)| *until <= now) {
            self.ids.remove(&key);
        }
        if self.swept.is_none_or(|swept| now - swept >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.said.retain(|_, (_, _, until)| *until > now);
            for users in self.windows.values_mut() {
                users.retain(|_, window| window.times.back().is_some_and(|last| now - *last < window.length));
            }
        }
    }

    /// Whether the same was said before; if not, it is what was said last.
    fn repeats(&mut self, ask: &Ask<'_>, now: Instant) -> bool {
        let Some(said) = ask.said else { return false };
        let key = (ask.user.clone(), said.key.to_owned());
        match self.said.get(&key) {
            Some((digest, token, until)) if *until > now && digest == said.digest => {
                token.is_empty() || token != said.token
            }
            _ => {
                self.said.insert(key, (said.digest.to_owned(), said.token.to_owned(), now + said.window));
                false
            }
        }
    }

    /// `Some`: refused for so long.
    fn count(&mut self, ask: &Ask<'_>, now: Instant) -> Option<Duration> {
        let limit = ask.limit?;
        if !self.windows.contains_key(ask.tier) {
            self.windows.insert(ask.tier.to_owned(), HashMap::new());
        }
        let window = self.windows.get_mut(ask.tier)?.entry(ask.user.clone()).or_default();
        window.length = limit.window;
        let most = usize::try_from(limit.limit).unwrap_or(usize::MAX);
        // One more fits if the oldest of the newest `most` has left the window.
        while window.times.len() > most {
            window.times.pop_front();
        }
        if window.times.len() == most {
            let left = match window.times.front() {
                Some(oldest) => (*oldest + limit.window).saturating_duration_since(now),
                None => limit.window,
            };
            if !left.is_zero() {
                return Some(left.max(Duration::from_secs(1)).min(limit.window));
            }
            window.times.pop_front();
        }
        window.times.push_back(now);
        None
    }
}

#[async_trait]
impl Limits for Memory {
    async fn admit(&self, ask: Ask<'_>) -> Result<Admission, Unavailable> {
        self.reach().await?;
        let (version, first) = {
            let fanout = self.shared.fanout.lock();
            let version = ask.room.and_then(|room| fanout.version(room));
            (version, ask.room.and(ask.first).and_then(|id| fanout.seen(id)))
        };
        let (mut state, now) = (self.shared.limits.lock(), Instant::now());
        state.forget_old(now);
        let retry_after = state.count(&ask, now);
        let repeated = retry_after.is_none() && state.repeats(&ask, now);
        let mut id = None;
        if let (None, false, Some(remember)) = (retry_after, repeated, ask.remember) {
            let key = (ask.user.clone(), remember.key.to_owned());
            let known = state.ids.get(&key).copied();
            if known.is_none() {
                state.ids.insert(key.clone(), remember.id);
                state.ids_by_age.push_back((now + REMEMBERED, key));
            }
            id = known.or(Some(remember.id));
        }
        Ok(Admission { retry_after, version, id, first, repeated })
    }
}
