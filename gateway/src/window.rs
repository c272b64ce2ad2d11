//! A window that slides: how many actions there were lately, in constant memory. What one gateway counts by itself, a
//! socket's events (`flood`) and users' actions while the shared limits are away (`limiter`), is counted by this.

use std::time::{Duration, Instant};

use parlor_core::error::Limit;

/// Pieces of a window. What was counted is forgotten piece by piece.
const PIECES: u32 = 8;
/// A whole window lies in so many pieces at most: the one that has begun, and all before it.
const KEPT: usize = PIECES as usize + 1;

/// Actions counted against one limit, which must be the same at every call.
///
/// At most `limit.limit` are let in within any `limit.window`. For that an action is remembered for the window and up to
/// an eighth of it more. One that is not let in is not counted.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// When its first piece began.
    began: Option<Instant>,
    /// The piece that was counted in last, from 0.
    at: u64,
    /// The piece `n` is at `n % KEPT`.
    counts: [u32; KEPT],
}

impl Window {
    /// Counts one action, if it is let in.
    ///
    /// # Errors
    /// It is not; after so long, a second at least, the next one will be.
    pub(crate) fn admit(&mut self, limit: Limit, now: Instant) -> Result<(), Duration> {
        let piece = piece(limit);
        let began = *self.began.get_or_insert(now);
        let at = u64::try_from(now.saturating_duration_since(began).as_nanos() / piece.as_nanos()).unwrap_or(u64::MAX);
        self.move_to(at);
        let counted = self.counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
        if counted < limit.limit {
            self.counts[index(self.at)] += 1;
            return Ok(());
        }
        // The oldest piece in which something was counted has to go.
        let mut pieces = (0..KEPT as u64).rev().filter_map(|back| self.at.checked_sub(back));
        let oldest = pieces.find(|at| self.counts[index(*at)] > 0).unwrap_or(self.at);
        let goes = u32::try_from(oldest + KEPT as u64).map_or(Duration::MAX, |pieces| piece.saturating_mul(pieces));
        let wait = goes.saturating_sub(now.saturating_duration_since(began));
        Err(wait.clamp(Duration::from_secs(1), limit.window.max(Duration::from_secs(1)) + piece))
    }

    /// Whether nothing that was counted holds any more.
    pub(crate) fn is_over(&self, limit: Limit, now: Instant) -> bool {
        let Some(began) = self.began else { return true };
        let mut pieces = (0..KEPT as u64).filter_map(|back| self.at.checked_sub(back));
        let Some(newest) = pieces.find(|at| self.counts[index(*at)] > 0) else { return true };
        let passed = now.saturating_duration_since(began).as_nanos() / piece(limit).as_nanos();
        passed >= u128::from(newest) + KEPT as u128
    }

    fn move_to(&mut self, at: u64) {
        if at <= self.at {
            return;
        }
        if at - self.at >= KEPT as u64 {
            self.counts = [0; KEPT];
        } else {
            for gone in self.at + 1..=at {
                self.counts[index(gone)] = 0;
            }
        }
        self.at = at;
    }
}

fn piece(limit: Limit) -> Duration {
    (limit.window / PIECES).max(Duration::from_millis(1))
}

fn index(at: u64) -> usize {
    usize::try_from(at % KEPT as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { limit: 10, window: Duration::from_secs(8) };

    #[test]
    fn no_span_of_a_windows_length_has_more_than_the_limit_whenever_the_actions_come() {
        // Bursts at odd times, and a steady stream: 1 ms apart for a second, then 97 ms apart.
        let begin = Instant::now();
        let tried = (0..1000).chain((1000..60_000).step_by(97)).map(|ms| begin + Duration::from_millis(ms));
        let mut window = Window::default();
        let taken: Vec<Instant> = tried.filter(|at| window.admit(LIMIT, *at).is_ok()).collect();
        for (place, first) in taken.iter().enumerate() {
            let within = taken[place..].iter().take_while(|at| **at - *first < LIMIT.window).count();
            assert!(within <= 10, "{within} within a window");
        }
        // An eighth more is the price: 10 in 9 s and not in 8.
        assert!((60..=80).contains(&taken.len()), "{}", taken.len());
    }

    #[test]
    fn who_waits_as_long_as_they_are_told_is_let_in() {
        let (mut window, mut now) = (Window::default(), Instant::now());
        for turn in 0..200_u64 {
            now += Duration::from_millis(turn * 37 % 400);
            if let Err(wait) = window.admit(LIMIT, now) {
                assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(9), "{wait:?}");
                now += wait;
                assert_eq!(window.admit(LIMIT, now), Ok(()));
            }
        }
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        let (mut window, begin) = (Window::default(), Instant::now());
        for ms in 0..8000 {
            let _ = window.admit(LIMIT, begin + Duration::from_millis(ms));
        }
        let later = begin + Duration::from_secs(9);
        assert!(window.is_over(LIMIT, later) && !window.is_over(LIMIT, begin + Duration::from_millis(8999)));
        assert!((0..10).all(|_| window.admit(LIMIT, later).is_ok()));
    }
}
