//! When to ping, and when to give up on a client (EIO4 § "Heartbeat").

use std::time::Duration;

use tokio::time::Instant;

/// The server pings an interval after the last pong; a client that does not answer in time is gone.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    /// When the next thing is due: the ping, or giving up on the pong.
    pub(crate) at: Instant,
    awaited: bool,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    pub(crate) fn new(now: Instant, interval: Duration) -> Self {
        Self { at: now + interval, awaited: false }
    }

    /// Says what is due and moves on. While reading is `paused` by the server's own doing, a pong cannot be seen, and
    /// its time starts anew.
    pub(crate) fn beat(&mut self, now: Instant, timeout: Duration, paused: bool) -> Beat {
        if now < self.at {
            return Beat::Nothing;
        }
        if self.awaited && !paused {
            return Beat::Dead;
        }
        self.at = now + timeout;
        if std::mem::replace(&mut self.awaited, true) { Beat::Nothing } else { Beat::Ping }
    }

    /// A ping is wanted now. One that is awaited serves.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if !self.awaited {
            self.at = self.at.min(now);
        }
    }

    /// A pong came. One that nobody asked for (`false`) changes nothing.
    pub(crate) fn pong(&mut self, now: Instant, interval: Duration) -> bool {
        let awaited = self.awaited;
        if awaited {
            *self = Self::new(now, interval);
        }
        awaited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_that_is_wanted_goes_out_at_once_unless_one_is_awaited() {
        let (interval, timeout) = (Duration::from_secs(25), Duration::from_secs(20));
        let start = Instant::now();
        let mut heart = Heartbeat::new(start, interval);
        heart.hurry(start);
        assert_eq!(heart.beat(start, timeout, false), Beat::Ping);
        heart.hurry(start + timeout / 2);
        assert_eq!(heart.beat(start + timeout / 2, timeout, false), Beat::Nothing, "its time is not cut short");
        assert!(heart.pong(start + timeout / 2, interval));
        assert_eq!(heart.beat(start + timeout, timeout, false), Beat::Nothing, "the next one comes in its own time");
    }

    #[test]
    fn a_ping_each_interval_and_death_without_a_pong() {
        let (interval, timeout) = (Duration::from_secs(25), Duration::from_secs(20));
        let start = Instant::now();
        let mut heart = Heartbeat::new(start, interval);
        assert_eq!(heart.beat(start + interval / 2, timeout, false), Beat::Nothing);
        let first = start + interval;
        assert_eq!(heart.beat(first, timeout, false), Beat::Ping);
        heart.pong(first + timeout / 2, interval);
        let second = first + timeout / 2 + interval;
        assert_eq!(heart.beat(second, timeout, false), Beat::Ping);
        assert_eq!(heart.beat(second + timeout / 2, timeout, false), Beat::Nothing);
        assert_eq!(heart.beat(second + timeout, timeout, true), Beat::Nothing);
        assert_eq!(heart.beat(second + timeout * 2, timeout, false), Beat::Dead);
    }
}
