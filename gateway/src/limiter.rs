//! Rate limits: shared by all gateways through the `Limits` port; per gateway while that is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code, Limit};
use parlor_core::ids::UserId;
use parlor_core::ports::limits::{Admission, Ask, Limits};

use crate::refusals;
use crate::window::Window;

/// Windows that are kept while the shared ones are away. Of whom there is no room for nothing is counted.
const LOCAL_WINDOWS: usize = 50_000;
/// How often those that are over are looked for when there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Limiter {
    shared: Arc<dyn Limits>,
    local: Mutex<Local>,
}

/// By user and tier; each with its limit.
#[derive(Default)]
struct Local {
    windows: HashMap<(UserId, String), (Limit, Window)>,
    swept: Option<Instant>,
}

impl Limiter {
    pub(crate) fn new(shared: Arc<dyn Limits>) -> Self {
        Self { shared, local: Mutex::default() }
    }

    /// Counts one action. `Ok(None)`: allowed by this gateway's own count, for the shared limits are away.
    pub(crate) async fn admit(&self, ask: Ask<'_>) -> Result<Option<Admission>, ChatError> {
        self.admit_by(ask.user, ask).await
    }

    async fn admit_by(&self, by: &UserId, ask: Ask<'_>) -> Result<Option<Admission>, ChatError> {
        let (user, tier, limit) = (ask.user, ask.tier, ask.limit);
        let (retry_after, answer) = match self.shared.admit(ask).await {
            Ok(admission) => (admission.retry_after, Some(admission)),
            Err(_) => (limit.and_then(|limit| self.local.lock().count(user, tier, limit, Instant::now())), None),
        };
        match (retry_after, limit) {
            (Some(wait), Some(limit)) => {
                refusals::limit_passed(by.as_str(), tier, limit);
                Err(refusal(tier, wait, limit))
            }
            _ => Ok(answer),
        }
    }

    /// Counts one action of a tier that asks nothing else.
    pub(crate) async fn pass(&self, user: &UserId, tier: &str, limit: Option<Limit>) -> Result<(), ChatError> {
        self.pass_within(user, user, tier, limit).await
    }

    /// Counts one action of `by` in a window that is not theirs alone, or one of several: `window` names it. Refusals
    /// name `by`.
    pub(crate) async fn pass_within(
        &self,
        window: &UserId,
        by: &UserId,
        tier: &str,
        limit: Option<Limit>,
    ) -> Result<(), ChatError> {
        if limit.is_none() {
            return Ok(());
        }
        let ask = Ask { user: window, tier, limit, room: None, first: None, remember: None, said: None };
        self.admit_by(by, ask).await.map(|_| ())
    }
}

impl Local {
    /// `Some`: refused for so long.
    fn count(&mut self, user: &UserId, tier: &str, limit: Limit, now: Instant) -> Option<Duration> {
        let key = (user.clone(), tier.to_owned());
        if self.windows.len() >= LOCAL_WINDOWS && !self.windows.contains_key(&key) {
            if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
                self.swept = Some(now);
                self.windows.retain(|_, (limit, window)| !window.is_over(*limit, now));
            }
            if self.windows.len() >= LOCAL_WINDOWS {
                return None;
            }
        }
        let (_, window) = self.windows.entry(key).or_insert_with(|| (limit, Window::default()));
        window.admit(limit, now).err()
    }
}

fn refusal(tier: &str, wait: Duration, limit: Limit) -> ChatError {
    let message = match tier {
        "message" => "Too many messages. Please slow down.",
        _ => "Too many requests. Please slow down.",
    };
    ChatError { retry_after: Some(wait), limit: Some(limit), ..ChatError::new(Code::RateLimited, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { limit: 2, window: Duration::from_secs(60) };

    #[test]
    fn each_user_and_tier_has_a_window_of_its_own() {
        let (mut local, now) = (Local::default(), Instant::now());
        let (ann, ben) = (UserId::trusted("ann"), UserId::trusted("ben"));
        for _ in 0..2 {
            assert_eq!(local.count(&ann, "message", LIMIT, now), None);
        }
        assert!(local.count(&ann, "message", LIMIT, now).is_some());
        assert_eq!(local.count(&ann, "file", LIMIT, now), None);
        assert_eq!(local.count(&ben, "message", LIMIT, now), None);
    }

    #[test]
    fn windows_are_bounded_and_make_room_when_they_are_over() {
        let (mut local, now) = (Local::default(), Instant::now());
        for n in 0..LOCAL_WINDOWS + 10 {
            assert_eq!(local.count(&UserId::trusted(format!("u{n}")), "message", LIMIT, now), None);
        }
        assert_eq!(local.windows.len(), LOCAL_WINDOWS);
        let later = now + Duration::from_secs(68);
        assert_eq!(local.count(&UserId::trusted("late"), "message", LIMIT, later), None);
        assert_eq!(local.windows.len(), 1);
    }
}
