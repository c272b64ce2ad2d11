//! How far a user has got in a room (DESIGN.md §2): two pointers, which only move forward.
//!
//! Reading a message reads what precedes it, and what was read has been delivered. So a status per message is derived,
//! and goes one way: sent, delivered, read. Two pointers that were raised by the same marks are the same, in whatever
//! order and however often the marks came.

use crate::ids::{Seq, UserId};
use crate::time::Timestamp;

/// A place in a room's order, and when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Everything up to here. Zero: nothing.
    pub seq: Seq,
    /// When the pointer came here; nothing where it is at zero.
    pub at: Timestamp,
}

impl Default for Pointer {
    fn default() -> Self {
        Self { seq: Seq::ZERO, at: Timestamp(0) }
    }
}

impl Pointer {
    /// A pointer at a place since a time.
    pub fn new(seq: Seq, at: Timestamp) -> Self {
        Self { seq, at }
    }

    /// Whether it has come past a place, and since when at the latest.
    pub fn passed(&self, seq: Seq) -> Option<Timestamp> {
        (self.seq >= seq && self.seq > Seq::ZERO).then_some(self.at)
    }

    /// Moves to `to` if that is further. True: it moved.
    fn raise(&mut self, to: Self) -> bool {
        let moves = to.seq > self.seq;
        if moves {
            *self = to;
        }
        moves
    }
}

/// How far one user has got in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pointers {
    /// Everything up to here has reached a device of theirs; never behind `read`.
    pub delivered: Pointer,
    /// Everything up to here is read.
    pub read: Pointer,
}

impl Pointers {
    /// Everything up to `seq` reached a device at `at`.
    pub fn delivered(seq: Seq, at: Timestamp) -> Self {
        Self { delivered: Pointer::new(seq, at), read: Pointer::default() }
    }

    /// Everything up to `seq` was read at `at`, so it has been delivered too.
    pub fn read(seq: Seq, at: Timestamp) -> Self {
        Self { delivered: Pointer::new(seq, at), read: Pointer::new(seq, at) }
    }

    /// Moves each pointer forward to where `by` is further. True: some pointer moved.
    pub fn raise(&mut self, by: &Self) -> bool {
        let delivered = self.delivered.raise(by.delivered);
        let read = self.read.raise(by.read);
        let carried = self.delivered.raise(self.read);
        delivered || read || carried
    }

    /// Whether `other` is nowhere further.
    pub fn covers(&self, other: &Self) -> bool {
        self.delivered.seq >= other.delivered.seq.max(other.read.seq) && self.read.seq >= other.read.seq
    }
}

/// How far a message has got. In order: what is read has been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Got {
    /// The log has it.
    #[default]
    Sent,
    /// It has reached a device of a member who did not send it.
    Delivered,
    /// Such a member has read it.
    Read,
}

impl Got {
    /// As clients are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// Those who have got furthest in a room: of each pointer two users at least, so that it can be told for whoever sent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Furthest(Vec<(UserId, Pointers)>);

impl Furthest {
    /// Somebody has got so far.
    pub fn add(&mut self, user: UserId, to: Pointers) {
        self.0.push((user, to));
    }

    /// How far a message at `seq` has got with the furthest of those who did not send it.
    pub fn got(&self, seq: Seq, sender: &UserId) -> Got {
        let others = self.0.iter().filter(|(user, _)| user != sender);
        let each = others.map(|(_, to)| match (to.read.passed(seq), to.delivered.passed(seq)) {
            (Some(_), _) => Got::Read,
            (None, Some(_)) => Got::Delivered,
            (None, None) => Got::Sent,
        });
        each.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks() -> impl Strategy<Value = Vec<Pointers>> {
        let mark = (any::<bool>(), 0_u64..50).prop_map(|(read, seq)| {
            // A place is reached at one time in this test, so that the outcome is one whatever the order.
            let at = Timestamp(i64::try_from(seq).expect("small") * 10);
            if read { Pointers::read(Seq(seq), at) } else { Pointers::delivered(Seq(seq), at) }
        });
        prop::collection::vec(mark, 0..20)
    }

    fn raised(marks: &[Pointers]) -> Pointers {
        let mut pointers = Pointers::default();
        for mark in marks {
            let before = pointers;
            let moved = pointers.raise(mark);
            assert!(pointers.covers(&before) && pointers.covers(mark), "forward, and as far as the mark");
            assert!(pointers.delivered.seq >= pointers.read.seq, "what is read has been delivered");
            assert_eq!(moved, pointers != before);
        }
        pointers
    }

    proptest! {
        #[test]
        fn pointers_only_move_forward_and_end_where_the_marks_do_in_any_order(
            (marks, shuffled) in marks().prop_flat_map(|marks| (Just(marks.clone()), Just(marks).prop_shuffle())),
        ) {
            let mut twice = shuffled.clone();
            twice.extend(&marks);
            prop_assert_eq!(raised(&marks), raised(&shuffled));
            prop_assert_eq!(raised(&marks), raised(&twice));
        }
    }

    #[test]
    fn a_later_delivered_never_undoes_read() {
        let mut pointers = Pointers::read(Seq(9), Timestamp(90));
        assert!(!pointers.raise(&Pointers::delivered(Seq(4), Timestamp(100))));
        assert_eq!(pointers, Pointers::read(Seq(9), Timestamp(90)));
        assert_eq!(pointers.read.passed(Seq(9)), Some(Timestamp(90)));
        assert_eq!((pointers.read.passed(Seq(10)), Pointer::default().passed(Seq::ZERO)), (None, None));
    }
}
