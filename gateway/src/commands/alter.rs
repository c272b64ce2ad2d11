//! What edits, deletions, reactions and pins have in common: an event about a message is appended in the caller's
//! order, and the answer waits until the log has it.

use std::sync::Arc;
use std::time::Duration;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind};
use parlor_core::ids::{EventId, MessageId, RoomId, UserId};
use parlor_core::ports::log::Pending;
use parlor_core::time::Timestamp;

use super::Reply;
use super::append as log;
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// An event of which nobody knows whether the log has it may still come into it within so long.
const LATE: Duration = Duration::from_secs(30);

/// What was accepted of a message of this room.
pub(super) struct Accepted {
    room: RoomId,
    /// The event that is on its way into the log; `None`: nothing had to be told.
    underway: Option<Underway>,
}

struct Underway {
    message: MessageId,
    user: UserId,
    pending: Pending,
}

/// Enqueues what the caller does to a message of `room`.
pub(super) fn append(
    shared: &Shared,
    caller: &Caller,
    room: RoomId,
    message: MessageId,
    kind: Kind,
) -> Result<Accepted, ChatError> {
    let event = Event { id: EventId::now(), room, actor: caller.user.clone(), kind };
    let pending = log::append(shared, &event)?;
    let user = event.actor.id;
    shared.hub.recent.changes(message, &user);
    Ok(Accepted { room: event.room, underway: Some(Underway { message, user, pending }) })
}

#[cfg(test)]
impl Accepted {
    /// Waits until the log has it. False: nothing had to be told.
    pub(super) async fn told(self, shared: &Shared) -> bool {
        let Some(Underway { message, user, pending }) = self.underway else { return false };
        pending.await.expect("appended");
        shared.hub.recent.changed(message, &user);
        true
    }
}

/// The message of `room` is already as the caller wants it: that is answered, and told to nobody.
pub(super) fn already(room: RoomId) -> Accepted {
    Accepted { room, underway: None }
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
    let (room, Underway { message, user, pending }) = match accepted {
        Ok(Accepted { room, underway: Some(underway) }) => (room, underway),
        Ok(Accepted { room, underway: None }) => return reply.ok(&done(shared, &told, &room, Timestamp::now())),
        Err(error) => return reply.refuse(&error),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        let outcome = log::answer(&shared, &room, pending).await;
        let unknown = outcome.as_ref().is_err_and(|error| error.code == Code::Unknown);
        reply.settle(outcome.map(|appended| done(&shared, &told, &room, appended.time)));
        if unknown {
            tokio::time::sleep(LATE).await;
        }
        shared.hub.recent.changed(message, &user);
    });
}
