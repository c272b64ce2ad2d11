//! Whether a reaction or a pin changes anything: one that does not is answered, and told to nobody.
//!
//! A real change must never be left out, so a message counts as being that way only if it certainly is: as the store has
//! it, with all that happened since, up to the log's end at the time of asking. Where that is not known for little (the
//! store is away or far behind, something of the caller is still on its way into the log) the change is told, for
//! telling it twice does no harm.

use parlor_core::event::{Delivery, Event};
use parlor_core::ids::{MessageId, Offset, RoomId, Seq, UserId};
use parlor_core::ports::store::StoredMessage;

use crate::Shared;
use crate::hub;

/// Records of the room's partition that are looked through at most for what the store does not have yet.
const RECORDS: i64 = 100;

/// What is known of a message that somebody is about to change.
pub(super) struct Known {
    /// As the store has it; `None` too where the store does not answer.
    pub(super) stored: Option<StoredMessage>,
    /// What is stored has at least all up to here.
    applied: Offset,
    /// An earlier change of the same user may not be in the log yet.
    changing: bool,
}

impl Known {
    /// Looks the message up.
    pub(super) async fn of(shared: &Shared, room: &RoomId, message: MessageId, user: &UserId) -> Self {
        let changing = shared.hub.recent.is_changing(message, user);
        // Before the message: what is read then has seen no less.
        let applied = shared.hub.applied(shared.ports.log.partition_of(room)).await;
        // A store that is away is not asked again.
        let stored = match applied {
            Offset::NONE => None,
            _ => shared.ports.store.message(message).await.ok().flatten(),
        };
        Self { stored: stored.filter(|message| message.deleted_at.is_none()), applied, changing }
    }

    /// Whether the message certainly is `wanted` already. `stored` reads that off the message (`None`: it cannot be
    /// told), and `told` off an event that made it so or otherwise.
    pub(super) async fn is(
        &self,
        shared: &Shared,
        room: &RoomId,
        wanted: bool,
        stored: impl Fn(&StoredMessage) -> Option<bool>,
        told: impl Fn(&Event) -> Option<bool>,
    ) -> bool {
        if self.changing {
            return false;
        }
        let last = |events: &[Delivery]| events.iter().rev().find_map(|delivery| told(&delivery.event));
        let stored = self.stored.as_ref().and_then(stored);
        // Most changes change something, and that costs no more than this.
        if last(&shared.hub.lately(room)).or(stored) != Some(wanted) {
            return false;
        }
        let since = since(shared, room, self.applied).await;
        since.is_some_and(|since| last(&since).or(stored) == Some(wanted))
    }
}

/// All that happened in a room behind `applied`, up to the log's end now. `None`: that cannot be told for little.
async fn since(shared: &Shared, room: &RoomId, applied: Offset) -> Option<Vec<Delivery>> {
    let ports = &shared.ports;
    let partition = ports.log.partition_of(room);
    let last = Offset(ports.log.ends(partition).await.ok()?.next.0 - 1);
    if last.0.saturating_sub(applied.0) > RECORDS {
        return None;
    }
    // Behind the log's end, so that a fan-out which has got there answers from its cache.
    let heads = ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok();
    let end = Seq::new(ports.log.generation(), last);
    hub::tail(ports, room, applied, heads.as_ref(), Some(end)).await.ok().map(|tail| tail.events)
}
