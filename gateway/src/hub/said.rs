//! What was said in a room behind a place, as far as this gateway remembers: what receipts are about.

use parlor_core::event::Kind;
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};

use super::Hub;

/// A message that was delivered here a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) message: MessageId,
    pub(crate) seq: Seq,
    pub(crate) sender: UserId,
}

impl Hub {
    /// The messages of a room behind a place, in order. `None`: the room is not live here, or that was too long ago.
    pub(crate) fn said(&self, room: &RoomId, after: Seq) -> Option<Vec<Said>> {
        self.behind(room, |_| after)
    }

    /// All messages of a room that are remembered here, in order.
    pub(crate) fn remembered(&self, room: &RoomId) -> Vec<Said> {
        self.behind(room, |base| base).unwrap_or_default()
    }

    fn behind(&self, room: &RoomId, after: impl FnOnce(Seq) -> Seq) -> Option<Vec<Said>> {
        let rooms = self.shard(room).rooms.lock();
        let entry = rooms.get(room).filter(|entry| entry.opened.initialized())?;
        let after = after(entry.ring.base());
        let said = entry.ring.behind(after)?.filter_map(|delivery| match &delivery.event.kind {
            Kind::MessageSent(_) => {
                let (message, sender) = (MessageId(delivery.event.id.0), delivery.event.actor.id.clone());
                Some(Said { message, seq: delivery.seq, sender })
            }
            _ => None,
        });
        Some(said.collect())
    }
}
