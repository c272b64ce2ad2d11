//! How much a client has missed, told before any of it is read.

use std::sync::Arc;

use parlor_core::ids::{Offset, RoomId, Seq};
use parlor_core::ports::Unavailable;

use crate::Shared;

/// What happened in a room behind a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// So many events.
    Exactly(usize),
    /// At most `events`, and none behind `through`.
    AtMost { events: u64, through: Seq },
}

/// What happened in each of these rooms behind these places. A room that is live here answers by itself; of the others
/// the fan-out is asked, with what others ask at the same moment.
///
/// # Errors
/// The fan-out is away, or has forgotten where some room is.
pub(crate) async fn missed(shared: &Arc<Shared>, places: &[(RoomId, Seq)]) -> Result<Vec<Missed>, Unavailable> {
    let mut all: Vec<Option<Missed>> = places.iter().map(|(room, after)| here(shared, room, *after)).collect();
    let unknown: Vec<usize> = (0..places.len()).filter(|at| all[*at].is_none()).collect();
    let ends = shared.hub.places.ends(unknown.iter().map(|at| places[*at].0.clone()).collect()).await?;
    let generation = shared.ports.log.generation();
    for (at, end) in unknown.into_iter().zip(ends) {
        let end = end.ok_or_else(|| Unavailable::new("redis", "it has forgotten where rooms are"))?;
        let after = places[at].1;
        let through = end.head.unwrap_or_else(|| Seq::new(generation, end.from));
        all[at] = Some(between(after, through));
    }
    Ok(all.into_iter().map(|missed| missed.unwrap_or(Missed::Exactly(0))).collect())
}

fn here(shared: &Shared, room: &RoomId, after: Seq) -> Option<Missed> {
    let rooms = shared.hub.shard(room).rooms.lock();
    // A client that has more than was delivered here may lack more than the ring can tell.
    let entry = rooms.get(room).filter(|entry| entry.opened.initialized() && after <= entry.chain.last())?;
    entry.ring.behind(after).map(|rest| Missed::Exactly(rest.len()))
}

/// Records of a partition are not fewer than a room's.
fn between(after: Seq, through: Seq) -> Missed {
    if through <= after {
        return Missed::Exactly(0);
    }
    let from = if after.generation() == through.generation() { after.offset() } else { Offset::NONE };
    let events = u64::try_from(through.offset().0.saturating_sub(from.0)).unwrap_or(u64::MAX);
    Missed::AtMost { events, through }
}

#[cfg(test)]
mod tests {
    use parlor_core::ids::Generation;

    use super::*;

    #[test]
    fn there_are_no_more_events_between_two_places_than_records() {
        let at = |offset| Seq::new(Generation(2), Offset(offset));
        assert_eq!(between(at(7), at(7)), Missed::Exactly(0));
        assert_eq!(between(at(9), at(7)), Missed::Exactly(0));
        assert_eq!(between(at(7), at(17)), Missed::AtMost { events: 10, through: at(17) });
        assert_eq!(between(at(-1), at(1)), Missed::AtMost { events: 2, through: at(1) });
        let before = Seq::new(Generation(1), Offset(500));
        assert_eq!(between(before, at(17)), Missed::AtMost { events: 18, through: at(17) }, "another log");
    }
}
