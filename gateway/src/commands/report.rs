//! Tell the team of a message, a user or a room. Kept in the store, for the team's own eyes.

use std::sync::Arc;
use std::time::Duration;

use parlor_core::command::Report;
use parlor_core::error::{ChatError, Code, Limit};
use parlor_core::event::RoomKind;
use parlor_core::ports::safety;
use uuid::Uuid;

use super::{Reply, find, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Reports that one user may make in 24 hours.
const PER_DAY: u32 = 50;
/// Characters of a report's reason.
const MAX_REASON: usize = 2_000;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, report: Report, reply: Reply) {
    let outcome = keep(shared, caller, report).await;
    reply.settle(outcome.map(|id| Answer::Reported { id }));
}

async fn keep(shared: &Arc<Shared>, caller: &Caller, report: Report) -> Result<Uuid, ChatError> {
    let by = &caller.user;
    shared.limiter.pass(&by.id, "room_change", shared.config.limits.room_change).await?;
    let Report { message, mut room, mut user, reason } = report;
    if reason.trim().is_empty() || reason.chars().count() > MAX_REASON {
        return Err(ChatError::field("reason", format!("`reason` must have 1 to {MAX_REASON} characters")));
    }
    // Only what the caller can see, so that a report tells them nothing that they do not know.
    if let Some(id) = message {
        let (place, _) = find::message(shared, by, id, room.as_ref()).await?;
        (room, user) = (Some(place.room), Some(place.sender));
    } else if let Some(room) = &room {
        visible(shared, caller, room).await?;
    } else if user.is_none() {
        return Err(ChatError::field("messageId", "a report is of a message, a room or a user: name one"));
    }
    if let Some(user) = user.as_ref().filter(|_| message.is_none())
        && shared.ports.store.users(std::slice::from_ref(user)).await.map_err(rooms::busy)?.is_empty()
    {
        return Err(ChatError::not_found("user"));
    }
    let id = Uuid::now_v7();
    let report = safety::Report { id, by: by.id.clone(), message, room, user, reason };
    match shared.ports.safety.report(&report, PER_DAY).await.map_err(rooms::busy)? {
        None => {
            tracing::info!(%id, by = %by.id, "something was reported");
            metrics::counter!("parlor_reports_total").increment(1);
            Ok(id)
        }
        Some(wait) => Err(ChatError {
            retry_after: Some(wait),
            limit: Some(Limit { limit: PER_DAY, window: Duration::from_secs(24 * 60 * 60) }),
            ..ChatError::new(Code::RateLimited, "Too many reports. Please try again later.")
        }),
    }
}

/// Rooms that the caller is or was in, and whatever is public.
async fn visible(shared: &Arc<Shared>, caller: &Caller, room: &parlor_core::ids::RoomId) -> Result<(), ChatError> {
    let standing = shared.memberships.standing(room, &caller.user.id, None).await?;
    let standing = standing.ok_or_else(|| ChatError::not_found("room"))?;
    let public = standing.room.kind != RoomKind::Direct && !standing.room.private;
    if public || standing.membership.is_some() { Ok(()) } else { Err(standing.refusal()) }
}
