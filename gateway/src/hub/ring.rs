//! A room's newest deliveries, kept for clients that come back a moment later: what a hundred of them missed is read
//! once, or not at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::Seq;

/// Deliveries kept of one room.
const EVENTS: usize = 256;
/// Bytes kept of all rooms, about; a room that is delivered to beyond that drops its oldest.
const BYTES: usize = 32 * 1024 * 1024;
/// For how long a delivery is kept.
pub(super) const KEPT: Duration = Duration::from_secs(60);
/// What a delivery costs beside its text.
const OVERHEAD: usize = 512;

/// Bytes that all rings of a hub hold.
pub(super) type Budget = Arc<AtomicUsize>;

/// Everything that was delivered behind `base`.
pub(crate) struct Ring {
    base: Seq,
    events: VecDeque<(Instant, Delivery)>,
    bytes: usize,
    budget: Budget,
}

impl Ring {
    pub(super) fn new(budget: Budget) -> Self {
        Self { base: Seq::ZERO, events: VecDeque::new(), bytes: 0, budget }
    }

    /// Begins anew: what lies at or before `base` is not here.
    pub(super) fn restart(&mut self, base: Seq) {
        self.clear();
        self.base = base;
    }

    /// What lies behind this is here.
    pub(super) fn base(&self) -> Seq {
        self.base
    }

    /// Everything behind `after`, if it is here.
    pub(super) fn behind(&self, after: Seq) -> Option<impl DoubleEndedIterator<Item = &Delivery> + ExactSizeIterator> {
        let from = self.events.partition_point(|(_, delivery)| delivery.seq <= after);
        (after >= self.base).then(|| self.events.iter().skip(from).map(|(_, delivery)| delivery))
    }

    /// Everything that is here.
    pub(super) fn all(&self) -> impl Iterator<Item = &Delivery> {
        self.events.iter().map(|(_, delivery)| delivery)
    }

    /// The newest delivery, if one is here.
    pub(super) fn newest(&self) -> Option<Seq> {
        self.events.back().map(|(_, delivery)| delivery.seq)
    }

    /// The next delivery.
    pub(super) fn push(&mut self, now: Instant, delivery: &Delivery) {
        self.events.push_back((now, delivery.clone()));
        self.grow(cost(delivery));
        while self.events.len() > EVENTS || (self.budget.load(Ordering::Relaxed) > BYTES && !self.events.is_empty()) {
            self.drop_oldest();
        }
    }

    /// Everything between `after` and the base, just read. Kept only if it fits.
    pub(super) fn fill(&mut self, now: Instant, after: Seq, through: Seq, events: &[Delivery]) {
        let size: usize = events.iter().map(cost).sum();
        let fits = self.events.len() + events.len() <= EVENTS && self.budget.load(Ordering::Relaxed) + size <= BYTES;
        if through != self.base || after >= self.base || !fits {
            return;
        }
        for delivery in events.iter().rev() {
            self.events.push_front((now, delivery.clone()));
        }
        self.grow(size);
        self.base = after;
    }

    /// Drops what has been here for longer than [`KEPT`].
    pub(super) fn trim(&mut self, now: Instant) {
        while self.events.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT) {
            self.drop_oldest();
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, delivery)) = self.events.pop_front() {
            self.base = delivery.seq;
            self.shrink(cost(&delivery));
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.shrink(self.bytes);
    }

    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.budget.fetch_add(bytes, Ordering::Relaxed);
    }

    fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What a delivery holds in memory, about, in bytes.
pub(super) fn cost(delivery: &Delivery) -> usize {
    OVERHEAD
        + match &delivery.event.kind {
            Kind::MessageSent(message) => message.content.len() + message.metadata.as_ref().map_or(0, String::len),
            Kind::MessageEdited { content, .. } => content.len(),
            Kind::RoomCreated { members, .. } => 64 * members.len(),
            Kind::Other { body, .. } => body.len(),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::Event;
    use parlor_core::ids::{EventId, MessageId, RoomId, UserId};
    use parlor_core::membership::nameless;
    use parlor_core::time::Timestamp;

    use super::*;

    fn edit(seq: u64, bytes: usize) -> Delivery {
        let event = Event {
            id: EventId::now(),
            room: RoomId::trusted("r"),
            actor: nameless(&UserId::trusted("u")),
            kind: Kind::MessageEdited { message: MessageId::now(), content: "x".repeat(bytes), encrypted: false },
        };
        Delivery { prev: None, seq: Seq(seq), time: Timestamp(0), event: Arc::new(event) }
    }

    fn seqs(ring: &Ring, after: u64) -> Option<Vec<u64>> {
        ring.behind(Seq(after)).map(|events| events.map(|delivery| delivery.seq.0).collect())
    }

    #[test]
    fn what_was_delivered_behind_the_base_is_there_and_nothing_is_said_of_the_rest() {
        let mut ring = Ring::new(Budget::default());
        ring.restart(Seq(10));
        assert_eq!(seqs(&ring, 10), Some(vec![]));
        for seq in [12, 15, 19] {
            ring.push(Instant::now(), &edit(seq, 1));
        }
        assert_eq!(seqs(&ring, 9), None);
        assert_eq!(seqs(&ring, 10), Some(vec![12, 15, 19]));
        assert_eq!(seqs(&ring, 15), Some(vec![19]));
        assert_eq!(seqs(&ring, 30), Some(vec![]));
    }

    #[test]
    fn what_was_read_fills_it_downwards_if_it_reaches_the_base() {
        let mut ring = Ring::new(Budget::default());
        ring.restart(Seq(10));
        ring.push(Instant::now(), &edit(12, 1));
        ring.fill(Instant::now(), Seq(2), Seq(9), &[edit(5, 1)]);
        assert_eq!(seqs(&ring, 2), None, "it does not reach");
        ring.fill(Instant::now(), Seq(2), Seq(10), &[edit(5, 1), edit(8, 1)]);
        assert_eq!(seqs(&ring, 2), Some(vec![5, 8, 12]));
        ring.fill(Instant::now(), Seq(0), Seq(10), &[edit(1, 1)]);
        assert_eq!(seqs(&ring, 2), Some(vec![5, 8, 12]), "another has filled it meanwhile");
    }

    #[test]
    fn it_is_bounded_in_number_in_time_and_in_the_bytes_of_all_rooms() {
        let budget = Budget::default();
        let mut ring = Ring::new(budget.clone());
        let begun = Instant::now();
        let last = u64::try_from(EVENTS).unwrap() + 5;
        for seq in 1..=last {
            ring.push(begun, &edit(seq, 1));
        }
        assert_eq!((seqs(&ring, 4), seqs(&ring, 5).map(|seqs| seqs.len())), (None, Some(EVENTS)));
        ring.trim(begun + KEPT);
        assert!(seqs(&ring, 5).is_some());
        ring.trim(begun + KEPT + Duration::from_secs(1));
        assert_eq!((seqs(&ring, last - 1), seqs(&ring, last)), (None, Some(vec![])));
        assert_eq!(budget.load(Ordering::Relaxed), 0);
        ring.push(begun, &edit(last + 1, BYTES / 2));
        let mut other = Ring::new(budget.clone());
        other.push(begun, &edit(1, 1));
        other.push(begun, &edit(2, BYTES / 2));
        assert_eq!((seqs(&other, 0), seqs(&other, 2)), (None, Some(vec![])));
        drop((ring, other));
        assert_eq!(budget.load(Ordering::Relaxed), 0);
    }
}
