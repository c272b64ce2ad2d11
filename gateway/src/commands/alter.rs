//! What edits, deletions, reactions and pins have in common: an event about a message is appended in the caller's
//! order, and the answer waits until the log has it.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Event, Kind};
use parlor_core::ids::{EventId, RoomId};
use parlor_core::ports::log::Pending;
use parlor_core::time::Timestamp;

use super::Reply;
use super::append as log;
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// An event that is on its way into the log of this room.
pub(super) struct Accepted {
    room: RoomId,
    pending: Pending,
}

/// Enqueues what the caller does to a message of `room`.
pub(super) fn append(shared: &Shared, caller: &Caller, room: RoomId, kind: Kind) -> Result<Accepted, ChatError> {
    let event = Event { id: EventId::now(), room, actor: caller.user.clone(), kind };
    let pending = log::append(shared, &event)?;
    Ok(Accepted { room: event.room, pending })
}

/// Answers what was accepted once the log has it. The caller's next event need not wait for that. `done` makes the
/// answer of `told`, what the command was about.
pub(super) fn settle<T: Send + Sync + 'static>(
    shared: &Arc<Shared>,
    accepted: Result<Accepted, ChatError>,
    reply: Reply,
    told: T,
    done: for<'a> fn(&Shared, &'a T, &'a RoomId, Timestamp) -> Answer<'a>,
) {
    let Accepted { room, pending } = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return reply.refuse(&error),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        let outcome = log::answer(&shared, &room, pending).await;
        reply.settle(outcome.map(|appended| done(&shared, &told, &room, appended.time)));
    });
}
