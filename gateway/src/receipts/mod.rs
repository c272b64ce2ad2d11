//! Receipts: how far this gateway's users have got in their rooms (DESIGN.md §2).
//!
//! What commands, answered pings (`deliveries`) and sends say is gathered here per (room, user) for a moment, so that
//! ten receipts become one. `settle` then appends each to the log of receipts, raises the pointers in the fan-out's
//! memory, and tells: the room whom its messages have got to, message by message in small rooms (`covered`) and by
//! counts in big ones (`counts`), and the reader's own devices how much is unread (`unread`). Who asks for messages is told
//! how far each has got (`got`).

mod counts;
mod covered;
mod deliveries;
mod got;
mod missed;
mod settle;
mod unread;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::receipts::Pointers;
use tokio_util::sync::CancellationToken;

pub(crate) use got::tell_got;
pub(crate) use missed::tell_missed;
pub(crate) use settle::settle_all;
pub(crate) use unread::overlay;

use crate::Shared;

/// A reader sees on another device that a room is read within so long.
pub(crate) const READ_WITHIN: Duration = Duration::from_millis(200);
/// Nobody waits for these: one receipt tells of what came within so long.
pub(crate) const SLOWLY: Duration = Duration::from_secs(1);
/// How often what is due is looked for.
const TICK: Duration = Duration::from_millis(100);
/// Rooms are kept apart in so many parts: going through one of them holds up no delivery in the others.
const PARTS: usize = 32;
/// Receipts gathered at once in a part; what comes beyond is dropped, and covered by a later one.
const GATHERED: usize = 16_384;
/// Pointers remembered in a part, so that what is known is not told again.
const KNOWN: usize = 16_384;

#[derive(Default)]
pub(crate) struct Receipts {
    parts: [Part; PARTS],
    hasher: RandomState,
    counting: Mutex<HashMap<RoomId, counts::Counting>>,
}

/// What is known of some rooms.
#[derive(Default)]
struct Part {
    gathered: Mutex<HashMap<(RoomId, UserId), Gathered>>,
    known: Mutex<HashMap<(RoomId, UserId), Pointers>>,
}

struct Gathered {
    to: Pointers,
    /// `None`: it is being settled.
    due: Option<Instant>,
}

impl Receipts {
    fn part(&self, room: &RoomId) -> &Part {
        let at = self.hasher.hash_one(room) % u64::try_from(PARTS).unwrap_or(1);
        &self.parts[usize::try_from(at).unwrap_or(0)]
    }

    /// A user has got so far in a room of which they are a member. It is told within `within`.
    pub(crate) fn note(&self, room: &RoomId, user: &UserId, to: Pointers, within: Duration) {
        let (part, key) = (self.part(room), (room.clone(), user.clone()));
        if part.known.lock().get(&key).is_some_and(|known| known.covers(&to)) {
            return;
        }
        let due = Instant::now() + within;
        let mut gathered = part.gathered.lock();
        if let Some(waiting) = gathered.get_mut(&key) {
            waiting.to.raise(&to);
            waiting.due = Some(waiting.due.map_or(due, |before| before.min(due)));
        } else if gathered.len() < GATHERED {
            gathered.insert(key, Gathered { to, due: Some(due) });
        } else {
            metrics::counter!("parlor_receipts_dropped_total").increment(1);
        }
    }

    /// How far a user has read as far as anybody here knows, told or about to be.
    fn read_here(&self, room: &RoomId, user: &UserId) -> Seq {
        let (part, key) = (self.part(room), (room.clone(), user.clone()));
        let gathered = part.gathered.lock().get(&key).map_or(Seq::ZERO, |waiting| waiting.to.read.seq);
        gathered.max(part.known.lock().get(&key).map_or(Seq::ZERO, |known| known.read.seq))
    }

    /// How far a user is known here to have got.
    pub(crate) fn known(&self, room: &RoomId, user: &UserId) -> Pointers {
        self.part(room).known.lock().get(&(room.clone(), user.clone())).copied().unwrap_or_default()
    }

    /// A user has got so far, and that is in the log.
    fn learn(&self, room: &RoomId, user: &UserId, to: &Pointers) {
        let (part, key) = (self.part(room), (room.clone(), user.clone()));
        {
            let mut known = part.known.lock();
            if known.len() >= KNOWN {
                // Asked for again when they are needed.
                known.clear();
            }
            known.entry(key.clone()).or_default().raise(to);
        }
        // Known first: in between it is in both.
        let mut gathered = part.gathered.lock();
        if gathered.get(&key).is_some_and(|waiting| waiting.due.is_none()) {
            gathered.remove(&key);
        }
    }

    /// What is due by now, by room. It stays gathered until it is learnt, or noted again.
    fn take_due(&self, now: Instant) -> HashMap<RoomId, Vec<(UserId, Pointers)>> {
        let mut due: HashMap<RoomId, Vec<(UserId, Pointers)>> = HashMap::new();
        for part in &self.parts {
            for ((room, user), waiting) in part.gathered.lock().iter_mut() {
                if waiting.due.take_if(|due| *due <= now).is_some() {
                    due.entry(room.clone()).or_default().push((user.clone(), waiting.to));
                }
            }
        }
        due
    }
}

/// Tells what is due, until `stop`. It has no way to fail: what the log does not take now is tried again.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let pings = tokio::spawn(deliveries::run(shared.clone(), stop.clone()));
    let counts = tokio::spawn(counts::run(shared.clone(), stop.clone()));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tick.tick() => settle::settle(&shared, Instant::now()).await,
        }
    }
    for task in [pings, counts] {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task of receipts ended badly");
        }
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::time::Timestamp;

    use super::*;

    #[test]
    fn what_is_gathered_of_a_user_in_a_room_is_one_receipt_and_what_is_known_is_none() {
        let (receipts, room, ann) = (Receipts::default(), RoomId::trusted("r"), UserId::trusted("ann"));
        let now = Instant::now();
        let (four, six) = (Pointers::delivered(Seq(4), Timestamp(1)), Pointers::read(Seq(6), Timestamp(2)));
        receipts.note(&room, &ann, four, SLOWLY);
        assert!(receipts.take_due(now + READ_WITHIN).is_empty(), "it is not due yet");
        receipts.note(&room, &ann, six, READ_WITHIN);
        receipts.note(&room, &ann, four, SLOWLY);
        let due = receipts.take_due(now + READ_WITHIN * 2);
        assert_eq!(due[&room], [(ann.clone(), six)], "as soon as the quickest");
        receipts.learn(&room, &ann, &six);
        receipts.note(&room, &ann, four, READ_WITHIN);
        receipts.note(&room, &ann, six, READ_WITHIN);
        assert!(receipts.take_due(now + SLOWLY).is_empty(), "the same again");
        receipts.note(&room, &ann, Pointers::read(Seq(7), Timestamp(3)), READ_WITHIN);
        assert_eq!(receipts.take_due(now + SLOWLY).len(), 1);
    }

    #[test]
    fn what_is_read_stays_read_while_it_is_settled() {
        let (receipts, room, ann) = (Receipts::default(), RoomId::trusted("r"), UserId::trusted("ann"));
        let (five, seven) = (Pointers::read(Seq(5), Timestamp(1)), Pointers::read(Seq(7), Timestamp(2)));
        let settle = || receipts.take_due(Instant::now() + SLOWLY).remove(&room);
        receipts.note(&room, &ann, five, READ_WITHIN);
        assert_eq!(settle(), Some(vec![(ann.clone(), five)]));
        assert_eq!(receipts.read_here(&room, &ann), Seq(5), "the log has not answered");
        assert_eq!(settle(), None, "it is being settled");
        receipts.note(&room, &ann, five, SLOWLY);
        assert_eq!(settle(), Some(vec![(ann.clone(), five)]), "the log did not take it");
        receipts.note(&room, &ann, seven, READ_WITHIN);
        receipts.learn(&room, &ann, &five);
        assert_eq!(receipts.read_here(&room, &ann), Seq(7));
        assert_eq!(settle(), Some(vec![(ann.clone(), seven)]), "read meanwhile");
        receipts.learn(&room, &ann, &seven);
        assert_eq!(receipts.read_here(&room, &ann), Seq(7));
        assert!(receipts.part(&room).gathered.lock().is_empty(), "nothing is kept twice");
    }
}
