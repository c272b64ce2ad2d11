//! One room's order at this gateway: what has been delivered, what must wait, and what is missing.
//!
//! Pure: no I/O, no clock. `hub/mod.rs` does what it says.

use std::collections::VecDeque;

use parlor_core::event::Delivery;
use parlor_core::ids::{EventId, Seq};

/// Ids of a room's last events, kept to recognise copies under another seq.
const IDS: usize = 256;
/// Deliveries held while a gap is filled; beyond, they are fetched like the rest.
const HELD: usize = 1024;

/// Everything of the room at or below `last` has been delivered here (or was there before anyone here listened).
#[derive(Debug)]
pub(crate) struct Chain {
    last: Seq,
    ids: VecDeque<EventId>,
    repairing: bool,
    held: VecDeque<Delivery>,
    /// What overflowed `held`: must be fetched up to here.
    wanted: Seq,
}

/// A range that must be read: `after` < seq ≤ `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) after: Seq,
    pub(crate) through: Seq,
}

/// What to do with a delivery.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Deliver it now.
    Deliver(Delivery),
    /// Seen before: drop it.
    Duplicate,
    /// It waits; `Some`: for this gap, which is to be read now.
    Held(Option<Gap>),
}

impl Chain {
    /// A chain that holds everything back until [`Chain::open`].
    pub(crate) fn opening() -> Self {
        Self { last: Seq::ZERO, ids: VecDeque::new(), repairing: true, held: VecDeque::new(), wanted: Seq::ZERO }
    }

    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// A delivery came.
    pub(crate) fn offer(&mut self, delivery: Delivery) -> Verdict {
        if delivery.seq <= self.last {
            return Verdict::Duplicate;
        }
        if self.repairing {
            self.hold(delivery);
            return Verdict::Held(None);
        }
        if self.ids.contains(&delivery.event.id) {
            // A copy that the worker could not recognise: its place counts, it does not.
            if self.joins(&delivery) {
                self.last = delivery.seq;
            }
            return Verdict::Duplicate;
        }
        if self.joins(&delivery) {
            self.pass(&delivery);
            return Verdict::Deliver(delivery);
        }
        // What is known to come before it; where nothing is known, everything may.
        let through = delivery.prev.unwrap_or(Seq(delivery.seq.0.saturating_sub(1)));
        self.hold(delivery);
        Verdict::Held(self.miss(through))
    }

    /// Whether nothing can lie between `last` and this delivery.
    fn joins(&self, delivery: &Delivery) -> bool {
        delivery.prev.is_some_and(|prev| prev <= self.last) || delivery.seq.0 <= self.last.0 + 1
    }

    /// The room is known to reach `through`: what is missing, if anything. `None` too while a gap is being filled.
    pub(crate) fn reaches(&mut self, through: Seq) -> Option<Gap> {
        if self.repairing {
            self.wanted = self.wanted.max(through);
            return None;
        }
        self.miss(through)
    }

    fn miss(&mut self, through: Seq) -> Option<Gap> {
        if through <= self.last {
            return None;
        }
        self.repairing = true;
        Some(Gap { after: self.last, through })
    }

    fn hold(&mut self, delivery: Delivery) {
        if self.held.len() < HELD {
            self.held.push_back(delivery);
        } else {
            self.wanted = self.wanted.max(delivery.seq);
        }
    }

    fn pass(&mut self, delivery: &Delivery) {
        self.last = delivery.seq;
        if self.ids.len() >= IDS {
            self.ids.pop_front();
        }
        self.ids.push_back(delivery.event.id);
    }

    /// Listening has begun, and everything up to `last` lies before it. Returns what came meanwhile, as
    /// [`Chain::repaired`] does.
    pub(crate) fn open(&mut self, last: Seq) -> (Vec<Delivery>, Option<Gap>) {
        self.last = self.last.max(last);
        self.repaired(Vec::new(), last)
    }

    /// The range up to `through` was read whole: `events`, in order. Returns what is to be delivered, in order, and
    /// what turned out to be missing next.
    pub(crate) fn repaired(&mut self, events: Vec<Delivery>, through: Seq) -> (Vec<Delivery>, Option<Gap>) {
        self.repairing = false;
        let mut out = Vec::with_capacity(events.len());
        for event in events {
            if event.seq <= self.last {
                continue;
            }
            let copy = self.ids.contains(&event.event.id);
            self.last = event.seq;
            if !copy {
                self.pass(&event);
                out.push(event);
            }
        }
        self.last = self.last.max(through);
        let mut held = std::mem::take(&mut self.held);
        held.make_contiguous().sort_by_key(|delivery| delivery.seq);
        let mut gap = None;
        for delivery in held {
            match self.offer(delivery) {
                Verdict::Deliver(delivery) => out.push(delivery),
                Verdict::Held(Some(next)) => gap = Some(next),
                Verdict::Duplicate | Verdict::Held(None) => {}
            }
        }
        let wanted = std::mem::replace(&mut self.wanted, Seq::ZERO);
        if gap.is_none() {
            gap = self.reaches(wanted);
        } else {
            self.wanted = wanted;
        }
        (out, gap)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parlor_core::event::{Event, Kind};
    use parlor_core::ids::{MessageId, RoomId, UserId};
    use parlor_core::membership::nameless;
    use parlor_core::time::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn delivery(prev: Option<u64>, seq: u64, id: u128) -> Delivery {
        let event = Event {
            id: EventId(Uuid::from_u128(id)),
            room: RoomId::trusted("r"),
            actor: nameless(&UserId::trusted("u")),
            kind: Kind::MessageDeleted { message: MessageId(Uuid::nil()) },
        };
        Delivery { prev: prev.map(Seq), seq: Seq(seq), time: Timestamp(0), event: Arc::new(event) }
    }

    fn open(last: u64) -> Chain {
        let mut chain = Chain::opening();
        assert_eq!(chain.open(Seq(last)), (Vec::new(), None));
        chain
    }

    #[test]
    fn a_chain_in_order_is_delivered_at_once() {
        let mut chain = open(4);
        assert!(matches!(chain.offer(delivery(Some(3), 5, 1)), Verdict::Deliver(_)));
        assert!(matches!(chain.offer(delivery(Some(5), 9, 2)), Verdict::Deliver(_)));
        assert_eq!(chain.offer(delivery(Some(3), 5, 1)), Verdict::Duplicate);
    }

    #[test]
    fn a_hole_holds_what_follows_until_it_is_filled() {
        let mut chain = open(4);
        let gap = Gap { after: Seq(4), through: Seq(7) };
        assert_eq!(chain.offer(delivery(Some(7), 9, 3)), Verdict::Held(Some(gap)));
        assert_eq!(chain.offer(delivery(Some(9), 10, 4)), Verdict::Held(None));
        let (out, next) = chain.repaired(vec![delivery(None, 6, 1), delivery(None, 7, 2)], Seq(7));
        assert_eq!(out.iter().map(|d| d.seq.0).collect::<Vec<_>>(), [6, 7, 9, 10]);
        assert_eq!(next, None);
    }

    #[test]
    fn an_unknown_predecessor_is_verified() {
        let mut chain = open(4);
        let gap = Gap { after: Seq(4), through: Seq(8) };
        assert_eq!(chain.offer(delivery(None, 9, 1)), Verdict::Held(Some(gap)));
        let (out, _) = chain.repaired(Vec::new(), Seq(8));
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn a_copy_under_another_seq_is_dropped_and_moves_the_place() {
        let mut chain = open(0);
        assert!(matches!(chain.offer(delivery(Some(0), 1, 7)), Verdict::Deliver(_)));
        assert_eq!(chain.offer(delivery(Some(1), 2, 7)), Verdict::Duplicate);
        assert!(matches!(chain.offer(delivery(Some(2), 3, 8)), Verdict::Deliver(_)));
    }

    #[test]
    fn what_is_too_much_to_hold_is_a_gap_of_its_own() {
        let mut chain = open(0);
        assert!(matches!(chain.offer(delivery(Some(1), 2, 1)), Verdict::Held(Some(_))));
        let more = u64::try_from(HELD).unwrap() + 10;
        for n in 2..=more {
            assert_eq!(chain.offer(delivery(Some(n), n + 1, n.into())), Verdict::Held(None));
        }
        // The first gap is given up, as one that is too long is: what could not be held must still be asked for.
        let (out, next) = chain.repaired(Vec::new(), Seq(1));
        assert_eq!(out.len(), HELD);
        let after = out.last().unwrap().seq;
        assert_eq!(next, Some(Gap { after, through: Seq(more + 1) }));
        assert_eq!(chain.offer(delivery(Some(more + 1), more + 2, 9_999)), Verdict::Held(None), "being repaired");
        let (_, next) = chain.repaired(Vec::new(), Seq(more + 1));
        assert_eq!((next, chain.last()), (None, Seq(more + 2)));
    }

    #[test]
    fn a_head_beyond_the_last_delivery_is_a_gap() {
        let mut chain = open(4);
        assert_eq!(chain.reaches(Seq(4)), None);
        assert_eq!(chain.reaches(Seq(6)), Some(Gap { after: Seq(4), through: Seq(6) }));
        assert_eq!(chain.reaches(Seq(8)), None, "one repair at a time");
        let (_, next) = chain.repaired(Vec::new(), Seq(6));
        assert_eq!(next, Some(Gap { after: Seq(6), through: Seq(8) }));
    }

    proptest! {
        /// Whatever the bus drops, repeats, reorders or forgets the predecessor of: with reads that know how far they
        /// see, every event is delivered once, in order.
        #[test]
        fn whatever_the_bus_does_every_event_is_delivered_once_in_order(
            count in 1_u64..60,
            bus in proptest::collection::vec((0_usize..60, any::<bool>(), 0_u8..4), 0..200),
        ) {
            let all: Vec<_> = (1..=count).map(|n| delivery(Some((n - 1) * 2), n * 2, n.into())).collect();
            let mut chain = open(0);
            let mut out: Vec<u64> = Vec::new();
            let mut open_gap: Option<Gap> = None;
            let fill = |chain: &mut Chain, open_gap: &mut Option<Gap>, out: &mut Vec<u64>| {
                while let Some(gap) = open_gap.take() {
                    let range = all.iter().filter(|d| d.seq > gap.after && d.seq <= gap.through).cloned().collect();
                    let (ready, next) = chain.repaired(range, gap.through);
                    out.extend(ready.iter().map(|d| d.seq.0));
                    *open_gap = next;
                }
            };
            for (at, forget, when) in bus {
                let mut next = all[at % all.len()].clone();
                if forget {
                    next.prev = None;
                }
                match chain.offer(next) {
                    Verdict::Deliver(d) => out.push(d.seq.0),
                    Verdict::Held(Some(gap)) => open_gap = Some(gap),
                    Verdict::Held(None) | Verdict::Duplicate => {}
                }
                if when == 0 {
                    fill(&mut chain, &mut open_gap, &mut out);
                }
            }
            fill(&mut chain, &mut open_gap, &mut out);
            open_gap = chain.reaches(Seq(count * 2));
            fill(&mut chain, &mut open_gap, &mut out);
            prop_assert_eq!(out, (1..=count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
