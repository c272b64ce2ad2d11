//! When a stock client tries again (socket.io-client 4 with its defaults: `reconnectionDelay` 1,000 ms,
//! `reconnectionDelayMax` 5,000 ms, `randomizationFactor` 0.5).

use std::time::Duration;

const FIRST: f64 = 1_000.0;
const MOST: f64 = 5_000.0;
const JITTER: f64 = 0.5;

/// Counts attempts.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: i32,
}

impl Backoff {
    /// How long to wait before the next attempt: 0.5 to 1.5 s before the first, twice that before the second, and so
    /// on, 5 s at most.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = FIRST * 2_f64.powi(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        let deviation = JITTER * (2.0 * rand::random::<f64>() - 1.0);
        Duration::from_secs_f64((wait + wait * deviation).min(MOST) / 1000.0)
    }

    /// It is connected: the next time begins anew.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_comes_after_half_a_second_to_one_and_a_half_and_no_wait_is_over_five() {
        for _ in 0..200 {
            let mut backoff = Backoff::default();
            let waits: Vec<f64> = (0..40).map(|_| backoff.wait().as_secs_f64()).collect();
            assert!((0.5..=1.5).contains(&waits[0]) && (1.0..=3.0).contains(&waits[1]), "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= 5.0));
            backoff.reset();
            assert!(backoff.wait().as_secs_f64() <= 1.5);
        }
    }
}
