//! What is counted and logged of refusals: so many lines that an operator sees what goes on, and so few that nobody can
//! fill the log, for it is clients who cause them.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code, Limit};

/// For so long a line is not said again.
const WINDOW: Duration = Duration::from_secs(60);
/// Different lines said in a window; of the others there is only the count.
const LINES: usize = 100;

/// Says each kind of line once a minute, and at most a hundred of them.
pub(crate) struct Sparing<K> {
    window: Mutex<Window<K>>,
}

struct Window<K> {
    began: Option<Instant>,
    said: HashSet<K>,
    /// Lines left out since the last that was said.
    unsaid: u64,
}

impl<K: Eq + Hash> Sparing<K> {
    pub(crate) fn new() -> Self {
        Self { window: Mutex::new(Window { began: None, said: HashSet::new(), unsaid: 0 }) }
    }

    /// Whether this is to be said. `Some`: yes, and so many lines of any kind were left out since the last one.
    pub(crate) fn says(&self, kind: K, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        if window.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            window.began = Some(now);
            window.said.clear();
        }
        if window.said.len() >= LINES || !window.said.insert(kind) {
            window.unsaid = window.unsaid.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut window.unsaid))
    }
}

static LIMITS: LazyLock<Sparing<(String, String)>> = LazyLock::new(Sparing::new);
/// What the server lacks has lines of its own, which no client's mistakes use up.
static FAULTS: LazyLock<Sparing<(Code, String)>> = LazyLock::new(Sparing::new);
static MISTAKES: LazyLock<Sparing<(Code, String)>> = LazyLock::new(Sparing::new);

/// Characters that are repeated of what a client named.
const NAMED: usize = 64;

/// Somebody has passed the limit of a tier.
pub(crate) fn limit_passed(who: &str, tier: &str, limit: Limit) {
    metrics::counter!("parlor_rate_limited_total", "tier" => tier.to_owned()).increment(1);
    if let Some(unsaid) = LIMITS.says((short(who), tier.to_owned()), Instant::now()) {
        let (user, limit, window) = (short(who), limit.limit, limit.window.as_secs());
        tracing::info!(?user, tier, limit, window, unsaid, "rate limit passed");
    }
}

/// An event (`asked` is its name) or a request was refused. What the server lacks is a warning, a client's mistake is
/// not; a limit has a line of its own ([`limit_passed`]).
pub(crate) fn refused(asked: &str, error: &ChatError) {
    metrics::counter!("parlor_errors_total", "code" => error.code.as_str()).increment(1);
    let (asked, reason) = (short(asked), short(&error.message));
    let (kind, code) = ((error.code, format!("{asked} {reason}")), error.code.as_str());
    match error.code {
        Code::RateLimited => {}
        Code::Busy | Code::Unknown | Code::Internal | Code::ServerFull => {
            if let Some(unsaid) = FAULTS.says(kind, Instant::now()) {
                tracing::warn!(code, ?asked, ?reason, unsaid, "refused");
            }
        }
        _ => {
            if let Some(unsaid) = MISTAKES.says(kind, Instant::now()) {
                tracing::info!(code, ?asked, ?reason, unsaid, "refused");
            }
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(NAMED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_says_each_kind_once_a_minute_and_tells_how_much_it_left_out() {
        let (sparing, begin) = (Sparing::new(), Instant::now());
        assert_eq!(sparing.says("ann", begin), Some(0));
        assert!((0..10_000).all(|_| sparing.says("ann", begin).is_none()));
        assert_eq!(sparing.says("ben", begin), Some(10_000), "another is not hidden by it");
        assert_eq!(sparing.says("ann", begin + WINDOW), Some(0));
    }

    #[test]
    fn a_flood_of_different_kinds_says_a_hundred_a_minute() {
        let (sparing, begin) = (Sparing::new(), Instant::now());
        let said = (0..10_000).filter(|kind| sparing.says(*kind, begin).is_some()).count();
        assert_eq!(said, LINES);
        assert_eq!(sparing.says(-1, begin + WINDOW), Some(9_900), "which the next minute tells of");
    }
}
