//! How fast one socket may send events of any kind: beyond, they are refused, and a socket that goes on all the same is
//! closed. Counted here and not in the shared limits: it keeps a flood from costing anything but its own gateway's parse.

use std::time::Instant;

use parlor_core::error::{ChatError, Code, Limit};

use crate::window::Window;

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

/// A socket's events: those that were taken, and those that were refused.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    taken: Window,
    refused: Window,
}

impl Flood {
    /// Counts one event.
    pub(crate) fn count(&mut self, limit: Option<Limit>, now: Instant) -> Verdict {
        let Some(limit) = limit else { return Verdict::Taken };
        let Err(wait) = self.taken.admit(limit, now) else { return Verdict::Taken };
        let refusals = Limit { limit: limit.limit.saturating_mul(PATIENCE - 1), ..limit };
        if self.refused.admit(refusals, now).is_err() {
            return Verdict::Closed;
        }
        let error = ChatError::new(Code::RateLimited, "Too many events. Please slow down.");
        Verdict::Refused(ChatError { retry_after: Some(wait), limit: Some(limit), ..error })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let wait = error.retry_after.expect("how long");
        assert_eq!(error.code, Code::RateLimited);
        assert!(wait >= Duration::from_secs(10) && wait <= Duration::from_secs(12), "{wait:?}");
        assert!(matches!(flood.count(LIMIT, begin + Duration::from_secs(9)), Verdict::Refused(_)), "not yet");
        assert_eq!(verdicts(&mut flood, 3, begin + wait), [Verdict::Taken, Verdict::Taken, Verdict::Taken]);
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
