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
}

#[derive(Default)]
pub(crate) struct Recent(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    places: HashMap<MessageId, Place>,
    order: VecDeque<MessageId>,
}

impl Recent {
    pub(crate) fn note(&self, message: MessageId, place: Place) {
        let mut ring = self.0.lock();
        if ring.places.insert(message, place).is_some() {
            return;
        }
        ring.order.push_back(message);
        if ring.order.len() > CAPACITY
            && let Some(oldest) = ring.order.pop_front()
        {
            ring.places.remove(&oldest);
        }
    }

    pub(crate) fn find(&self, message: MessageId) -> Option<Place> {
        self.0.lock().places.get(&message).cloned()
    }
}
