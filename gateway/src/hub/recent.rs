//! Recently seen messages of all rooms, so that a command that names only a message finds its room and author without
//! asking the store.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};

/// Messages remembered by one gateway.
const CAPACITY: usize = 32_768;

/// Where a message is and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) room: RoomId,
    pub(crate) sender: UserId,
    /// `None`: accepted by this gateway, not delivered yet.
    pub(crate) seq: Option<Seq>,
    /// It was taken back.
    pub(crate) deleted: bool,
}

#[derive(Default)]
pub(crate) struct Recent(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    places: HashMap<MessageId, Place>,
    order: VecDeque<MessageId>,
}

impl Recent {
    /// True: the message was accepted by this gateway, and this is the first place that is known of it.
    pub(crate) fn note(&self, message: MessageId, place: Place) -> bool {
        let mut ring = self.0.lock();
        if let Some(known) = ring.places.get_mut(&message) {
            let first = known.seq.is_none() && place.seq.is_some();
            known.seq = known.seq.or(place.seq);
            return first;
        }
        ring.places.insert(message, place);
        ring.order.push_back(message);
        if ring.order.len() > CAPACITY
            && let Some(oldest) = ring.order.pop_front()
        {
            ring.places.remove(&oldest);
        }
        false
    }

    /// Takes note that a message was taken back.
    pub(crate) fn delete(&self, message: MessageId) {
        if let Some(place) = self.0.lock().places.get_mut(&message) {
            place.deleted = true;
        }
    }

    pub(crate) fn find(&self, message: MessageId) -> Option<Place> {
        self.0.lock().places.get(&message).cloned()
    }
}
