//! How fast one socket may send events of any kind: beyond, they are refused, and a socket that goes on all the same is
//! closed. Counted here and not in the shared limits: it keeps a flood from costing anything but its own gateway's parse.

use std::time::{Duration, Instant};

use parlor_core::error::{ChatError, Code, Limit};

/// A socket that sends this many times its limit within a window is closed.
const PATIENCE: u32 = 4;

/// What becomes of one more event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    Refused(ChatError),
    /// The socket does not listen to refusals.
    Closed,
}

/// A socket's events, counted by a window that slides: what the fixed window before counted wears off evenly.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    /// When the current fixed window began.
    began: Option<Instant>,
    /// Events counted in it, and in the one before.
    count: u32,
    before: u32,
}

impl Flood {
    /// Counts one event.
    pub(crate) fn count(&mut self, limit: Option<Limit>, now: Instant) -> Verdict {
        let Some(limit) = limit else { return Verdict::Taken };
        let began = *self.began.get_or_insert(now);
        let mut elapsed = now.saturating_duration_since(began);
        if elapsed >= limit.window {
            let follows = elapsed < limit.window * 2;
            self.before = if follows { self.count.min(limit.limit) } else { 0 };
            self.count = 0;
            elapsed = if follows { elapsed - limit.window } else { Duration::ZERO };
            self.began = Some(now - elapsed);
        }
        self.count = self.count.saturating_add(1);
        let left = 1.0 - elapsed.as_secs_f64() / limit.window.as_secs_f64();
        let counted = f64::from(self.count) + f64::from(self.before) * left;
        if counted <= f64::from(limit.limit) {
            return Verdict::Taken;
        }
        if self.count > limit.limit.saturating_mul(PATIENCE) {
            return Verdict::Closed;
        }
        let wait = limit.window.saturating_sub(elapsed).max(Duration::from_secs(1));
        let error = ChatError::new(Code::RateLimited, "Too many events. Please slow down.");
        Verdict::Refused(ChatError { retry_after: Some(wait), limit: Some(limit), ..error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<Limit> = Some(Limit { limit: 3, window: Duration::from_secs(10) });

    fn verdicts(flood: &mut Flood, count: usize, at: Instant) -> Vec<Verdict> {
        (0..count).map(|_| flood.count(LIMIT, at)).collect()
    }

    #[test]
    fn events_within_the_limit_are_taken_and_those_beyond_refused_until_the_window_has_moved_on() {
        let (mut flood, begin) = (Flood::default(), Instant::now());
        let first = verdicts(&mut flood, 4, begin);
        assert!(first[..3].iter().all(|verdict| *verdict == Verdict::Taken));
        let Verdict::Refused(error) = &first[3] else { panic!("{first:?}") };
        assert_eq!((error.code, error.retry_after), (Code::RateLimited, Some(Duration::from_secs(10))));
        assert!(matches!(flood.count(LIMIT, begin + Duration::from_secs(10)), Verdict::Refused(_)), "not all at once");
        assert_eq!(flood.count(LIMIT, begin + Duration::from_secs(19)), Verdict::Taken);
        assert_eq!(flood.count(LIMIT, begin + Duration::from_secs(60)), Verdict::Taken);
    }

    #[test]
    fn who_does_not_listen_to_refusals_is_closed() {
        let (mut flood, begin) = (Flood::default(), Instant::now());
        let all = verdicts(&mut flood, 13, begin);
        assert!(matches!(all[11], Verdict::Refused(_)));
        assert_eq!(all[12], Verdict::Closed);
    }

    #[test]
    fn without_a_limit_everything_is_taken() {
        let mut flood = Flood::default();
        assert!((0..10_000).all(|_| flood.count(None, Instant::now()) == Verdict::Taken));
    }
}
