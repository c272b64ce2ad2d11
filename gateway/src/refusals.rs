//! What is counted and logged of refusals: so many lines that an operator sees what goes on, and so few that nobody can
//! fill the log, for it is clients who cause them.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code, Limit};

use crate::vocabularies::Vocabulary;

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
static MISTAKES: LazyLock<Sparing<Mistake>> = LazyLock::new(Sparing::new);

/// What tells a client's mistakes apart: nothing that a client makes up, or inventions would use up the lines of all
/// others.
#[derive(PartialEq, Eq, Hash)]
struct Mistake {
    code: Code,
    /// Empty: no event that there is.
    asked: String,
    field: Option<&'static str>,
}

impl Mistake {
    fn of(asked: &str, error: &ChatError) -> Self {
        let known = asked == REQUEST || (error.code != Code::UnknownEvent && Vocabulary::of_event(asked).is_some());
        Self { code: error.code, asked: if known { asked.to_owned() } else { String::new() }, field: error.field }
    }
}

/// What is said to be asked by a request.
pub(crate) const REQUEST: &str = "a request";

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

/// An event (`asked` is its name) or a [`REQUEST`] was refused. What the server lacks is a warning, a client's mistake is
/// not; a limit has a line of its own ([`limit_passed`]).
pub(crate) fn refused(asked: &str, error: &ChatError) {
    metrics::counter!("parlor_errors_total", "code" => error.code.as_str()).increment(1);
    let mistake = Mistake::of(asked, error);
    let (asked, reason, code) = (short(asked), short(&error.message), error.code.as_str());
    match error.code {
        Code::RateLimited => {}
        Code::Busy | Code::Unknown | Code::Internal | Code::ServerFull => {
            if let Some(unsaid) = FAULTS.says((error.code, format!("{} {reason}", mistake.asked)), Instant::now()) {
                tracing::warn!(code, ?asked, ?reason, unsaid, "refused");
            }
        }
        _ => {
            if let Some(unsaid) = MISTAKES.says(mistake, Instant::now()) {
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
    fn inventions_of_a_client_hide_no_other_refusal() {
        let (sparing, begin) = (Sparing::new(), Instant::now());
        let vocabulary = Vocabulary::parse("dotted").expect("a vocabulary");
        let rules = &crate::Config::for_testing("test").rules;
        for n in 0..10_000 {
            let name = format!("no.such.event.{n}");
            let unknown = vocabulary.parse_command(&name, &[], rules).expect_err("no event");
            sparing.says(Mistake::of(&name, &unknown), begin);
            let broken = ChatError::new(Code::BadRequest, format!("expected value at column {n}"));
            sparing.says(Mistake::of(&name, &broken), begin);
            sparing.says(Mistake::of("message.send", &broken), begin);
        }
        let unread = ChatError::not_found("room");
        for asked in ["message.send", "message.history", REQUEST] {
            assert!(sparing.says(Mistake::of(asked, &unread), begin).is_some(), "{asked}");
        }
        let field = ChatError::field("limit", "`limit` must be a number");
        assert!(sparing.says(Mistake::of("message.history", &field), begin).is_some());
    }

    #[test]
    fn a_flood_of_different_kinds_says_a_hundred_a_minute() {
        let (sparing, begin) = (Sparing::new(), Instant::now());
        let said = (0..10_000).filter(|kind| sparing.says(*kind, begin).is_some()).count();
        assert_eq!(said, LINES);
        assert_eq!(sparing.says(-1, begin + WINDOW), Some(9_900), "which the next minute tells of");
    }
}
