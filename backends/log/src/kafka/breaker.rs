//! Knows when Kafka does not answer, so that a send is refused at once (`busy`) instead of waiting for its own timeout.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parlor_core::ids::Partition;

use crate::index_of;

/// A partition whose oldest record has waited this long is taken to be away, in milliseconds.
const STALL: u64 = 2_000;
/// The same while the client says that every broker is gone.
const STALL_WHILE_DOWN: u64 = 250;
/// After a failure one record in this many milliseconds goes through as a probe.
const PROBE: u64 = 1_000;

/// One breaker for each partition, because each has a leader of its own.
///
/// It is closed while reports come. It opens when records of the partition have waited for 2 s without a single report
/// (250 ms while no broker can be reached), and after a report that timed out. What is in flight then is the probe;
/// where nothing is, one record a second is let through. The first success closes it.
pub(super) struct Breaker {
    began: Instant,
    down: AtomicBool,
    partitions: Vec<State>,
}

#[derive(Default)]
struct State {
    in_flight: AtomicU32,
    /// When the last report came, or the oldest record was enqueued if that is later.
    progress: AtomicU64,
    failed: AtomicBool,
    probed: AtomicU64,
}

impl Breaker {
    pub(super) fn new(partitions: u32) -> Self {
        let partitions = (0..partitions).map(|_| State::default()).collect();
        Self { began: Instant::now(), down: AtomicBool::new(false), partitions }
    }

    /// Whether a record for this partition may be enqueued now. If so it counts as in flight until [`Self::answered`].
    pub(super) fn admit(&self, partition: Partition) -> bool {
        self.admit_at(partition, self.now())
    }

    /// A record was answered: it is in the log (`true`), or nobody knows (`false`).
    pub(super) fn answered(&self, partition: Partition, success: bool) {
        let Some(state) = self.partitions.get(index_of(partition)) else { return };
        state.progress.store(self.now(), Relaxed);
        state.failed.store(!success, Relaxed);
        if success {
            self.down.store(false, Relaxed);
        }
        state.in_flight.fetch_sub(1, Relaxed);
    }

    /// An admitted record never got as far as Kafka, or was refused by it: that says nothing about its health.
    pub(super) fn released(&self, partition: Partition) {
        if let Some(state) = self.partitions.get(index_of(partition)) {
            state.in_flight.fetch_sub(1, Relaxed);
        }
    }

    /// The client lost every broker, or found one again.
    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Relaxed);
    }

    fn now(&self) -> u64 {
        // Not 0, so that "never probed" is always long ago.
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(PROBE)
    }

    fn admit_at(&self, partition: Partition, now: u64) -> bool {
        let Some(state) = self.partitions.get(index_of(partition)) else { return true };
        let patience = if self.down.load(Relaxed) { STALL_WHILE_DOWN } else { STALL };
        let waiting = state.in_flight.load(Relaxed) > 0;
        if waiting && now.saturating_sub(state.progress.load(Relaxed)) > patience {
            return false;
        }
        if state.failed.load(Relaxed) {
            let probed = state.probed.load(Relaxed);
            let due = now.saturating_sub(probed) >= PROBE;
            if !due || state.probed.compare_exchange(probed, now, Relaxed, Relaxed).is_err() {
                return false;
            }
        }
        if state.in_flight.fetch_add(1, Relaxed) == 0 {
            state.progress.store(now, Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(0);

    #[test]
    fn it_opens_when_nothing_is_answered_and_closes_at_the_first_success() {
        let breaker = Breaker::new(2);
        assert!(breaker.admit_at(P, 5_000));
        assert!(breaker.admit_at(P, 5_000 + STALL));
        assert!(!breaker.admit_at(P, 5_001 + STALL), "two seconds without a report");
        assert!(breaker.admit_at(Partition(1), 5_001 + STALL), "another partition has another leader");
        breaker.partitions[0].progress.store(9_000, Relaxed);
        breaker.partitions[0].failed.store(false, Relaxed);
        assert!(breaker.admit_at(P, 9_001));
    }

    #[test]
    fn after_a_timeout_one_record_a_second_probes() {
        let breaker = Breaker::new(1);
        assert!(breaker.admit(P));
        breaker.answered(P, false);
        let now = breaker.now();
        assert!(breaker.admit_at(P, now), "the first probe");
        assert!(!breaker.admit_at(P, now + 1));
        breaker.released(P);
        assert!(!breaker.admit_at(P, now + PROBE - 1));
        assert!(breaker.admit_at(P, now + PROBE), "the next probe");
        breaker.answered(P, true);
        assert!(breaker.admit(P) && breaker.admit(P), "closed");
    }

    #[test]
    fn it_is_less_patient_when_every_broker_is_gone() {
        let breaker = Breaker::new(1);
        breaker.set_down(true);
        assert!(breaker.admit_at(P, 5_000));
        assert!(!breaker.admit_at(P, 5_001 + STALL_WHILE_DOWN));
    }
}
