//! Rate limits: shared by all gateways through the `Limits` port; per gateway while that is away.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code, Limit};
use parlor_core::ids::UserId;
use parlor_core::ports::limits::{Admission, Ask, Limits};

use crate::refusals;

/// Users whose local windows are kept while the shared ones are away.
const LOCAL_WINDOWS: usize = 50_000;

pub(crate) struct Limiter {
    shared: Arc<dyn Limits>,
    local: Mutex<HashMap<(UserId, String), VecDeque<Instant>>>,
}

impl Limiter {
    pub(crate) fn new(shared: Arc<dyn Limits>) -> Self {
        Self { shared, local: Mutex::default() }
    }

    /// Counts one action. `Ok(None)`: allowed by this gateway's own count, for the shared limits are away.
    pub(crate) async fn admit(&self, ask: Ask<'_>) -> Result<Option<Admission>, ChatError> {
        let (user, tier, limit) = (ask.user, ask.tier, ask.limit);
        let (retry_after, answer) = match self.shared.admit(ask).await {
            Ok(admission) => (admission.retry_after, Some(admission)),
            Err(_) => (limit.and_then(|limit| self.count(user, tier, limit)), None),
        };
        match (retry_after, limit) {
            (Some(wait), Some(limit)) => {
                refusals::limit_passed(user.as_str(), tier, limit);
                Err(refusal(tier, wait, limit))
            }
            _ => Ok(answer),
        }
    }

    /// Counts one action of a tier that asks nothing else.
    pub(crate) async fn pass(&self, user: &UserId, tier: &str, limit: Option<Limit>) -> Result<(), ChatError> {
        if limit.is_none() {
            return Ok(());
        }
        self.admit(Ask { user, tier, limit, room: None, remember: None, said: None }).await.map(|_| ())
    }

    fn count(&self, user: &UserId, tier: &str, limit: Limit) -> Option<Duration> {
        let mut local = self.local.lock();
        if local.len() >= LOCAL_WINDOWS {
            local.retain(|_, times| times.back().is_some_and(|last| last.elapsed() < limit.window));
        }
        let times = local.entry((user.clone(), tier.to_owned())).or_default();
        while times.front().is_some_and(|first| first.elapsed() >= limit.window) {
            times.pop_front();
        }
        if times.len() >= usize::try_from(limit.limit).unwrap_or(usize::MAX) {
            return times.front().map(|first| limit.window.saturating_sub(first.elapsed()));
        }
        times.push_back(Instant::now());
        None
    }
}

fn refusal(tier: &str, wait: Duration, limit: Limit) -> ChatError {
    let message = match tier {
        "message" => "Too many messages. Please slow down.",
        _ => "Too many requests. Please slow down.",
    };
    ChatError { retry_after: Some(wait), limit: Some(limit), ..ChatError::new(Code::RateLimited, message) }
}
