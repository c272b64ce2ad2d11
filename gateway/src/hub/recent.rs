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
    /// It is a system message: of the sender's doing, but not theirs.
    pub(crate) system: bool,
    /// `None`: accepted by this gateway, not delivered yet.
    pub(crate) seq: Option<Seq>,
    /// It was taken back.
    pub(crate) deleted: bool,
}

impl Place {
    /// Whose message it is; `None`: a system message, which is nobody's.
    pub(crate) fn author(&self) -> Option<&UserId> {
        (!self.system).then_some(&self.sender)
    }
}

#[derive(Default)]
pub(crate) struct Recent {
    ring: Mutex<Ring>,
    /// Changes of messages that this gateway has handed to the log and not heard of yet, by message and user.
    changing: Mutex<HashMap<(MessageId, UserId), usize>>,
}

#[derive(Default)]
struct Ring {
    places: HashMap<MessageId, Place>,
    order: VecDeque<MessageId>,
}

impl Recent {
    /// True: the message was accepted by this gateway, and this is the first place that is known of it.
    pub(crate) fn note(&self, message: MessageId, place: Place) -> bool {
        let mut ring = self.ring.lock();
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
        if let Some(place) = self.ring.lock().places.get_mut(&message) {
            place.deleted = true;
        }
    }

    pub(crate) fn find(&self, message: MessageId) -> Option<Place> {
        self.ring.lock().places.get(&message).cloned()
    }

    /// A user's change of a message was handed to the log. Ends with [`Self::changed`].
    pub(crate) fn changes(&self, message: MessageId, user: &UserId) {
        *self.changing.lock().entry((message, user.clone())).or_default() += 1;
    }

    /// The log has answered for a change.
    pub(crate) fn changed(&self, message: MessageId, user: &UserId) {
        let mut changing = self.changing.lock();
        let key = (message, user.clone());
        if let Some(underway) = changing.get_mut(&key) {
            *underway -= 1;
            if *underway == 0 {
                changing.remove(&key);
            }
        }
    }

    /// Whether a change of the message by the user is still on its way into the log.
    pub(crate) fn is_changing(&self, message: MessageId, user: &UserId) -> bool {
        self.changing.lock().contains_key(&(message, user.clone()))
    }
}
