//! One's own status, and the presence of users with whom one shares a room.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Status};
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::Seen;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::presence;
use crate::vocabularies::Answer;

/// Sets what the caller's device is; others see the strongest of all their devices.
pub(super) async fn set_status(shared: &Arc<Shared>, caller: &Caller, status: Status, reply: Reply) {
    // A request is no device: it has nothing that could be away.
    let Some(client) = caller.client() else { return reply.ok(&Answer::Done) };
    match presence::set_status(shared, client, &caller.user.id, status).await {
        Ok(()) => reply.ok(&Answer::Done),
        Err(error) => reply.refuse(&busy(&error)),
    }
}

/// The presence of those users whom the caller may know of; the others are left out, as if they did not exist.
pub(super) async fn look(shared: &Arc<Shared>, caller: &Caller, users: &[UserId], reply: Reply) {
    let looked = async {
        shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
        found(shared, &caller.user.id, users).await.map_err(|error| busy(&error))
    };
    match looked.await {
        Ok(found) => reply.ok(&Answer::Presence(&found)),
        Err(error) => reply.refuse(&error),
    }
}

async fn found(shared: &Shared, caller: &UserId, users: &[UserId]) -> Result<Vec<(Actor, Seen)>, Unavailable> {
    let known = shared.ports.contacts.acquainted(caller, users).await?;
    let profiles = shared.ports.store.users(&known).await?;
    let ids: Vec<UserId> = profiles.iter().map(|profile| profile.id.clone()).collect();
    let mut seen = shared.ports.presence.look(&ids).await?;
    if seen.iter().any(|seen| seen.last_seen.is_none()) {
        // The memory has forgotten; the store has not.
        let stored = shared.ports.contacts.last_seen(&ids).await?;
        for (seen, stored) in seen.iter_mut().zip(stored) {
            seen.last_seen = seen.last_seen.or(stored);
        }
    }
    Ok(profiles.into_iter().zip(seen).collect())
}

fn busy(error: &Unavailable) -> ChatError {
    tracing::debug!(%error, "presence could not be told or set");
    ChatError::busy("presence is not available right now")
}
