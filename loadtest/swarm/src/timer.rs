//! A timer as fine as the kernel's. The runtime's own counts whole milliseconds, as long as a message may take here.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::net::unix::pipe;

/// A timerfd (timerfd_create(2)). The runtime takes it for a pipe, which it resembles in all that is done with it:
/// it becomes readable, is read, and then is not.
pub(crate) struct Timer(pipe::Receiver);

impl Timer {
    /// # Errors
    /// The process may open no more files.
    pub(crate) fn new() -> std::io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(pipe::Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until `when`, to some 50 µs. At once if it has passed.
    pub(crate) async fn until(&self, when: Instant) -> std::io::Result<()> {
        let wait = when.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(wait) };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            self.0.readable().await?;
            // Reads how often it has fired, and so resets it.
            match self.0.try_read(&mut [0; 8]) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: i64::from(duration.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_fires_early_and_fires_again() {
        let timer = Timer::new().unwrap();
        for microseconds in [100, 300, 2_000, 0, 500] {
            let when = Instant::now() + Duration::from_micros(microseconds);
            tokio::time::timeout(Duration::from_secs(5), timer.until(when)).await.unwrap().unwrap();
            assert!(Instant::now() >= when);
        }
    }
}
