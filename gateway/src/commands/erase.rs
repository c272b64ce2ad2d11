//! Delete a user: out of every group, signed out everywhere, and what they wrote is nobody's from then on.

use std::sync::Arc;
use std::time::Duration;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, RoomKind};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::Change;
use parlor_core::ports::Unavailable;
use parlor_core::ports::accounts::DELETED_NAME;
use uuid::Uuid;

use super::append::{decide, relay};
use crate::{Shared, auth};

/// Rooms that one user may have to be taken out of at a time.
const ROOMS: usize = 1_000;

/// When to look again for what was on its way into the store when the user went: soon, and once it has certainly come.
const STRAGGLERS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(28)];

/// Deletes a user.
///
/// # Errors
/// `not_found`: there is none. `busy`: it is done in part, and may be asked again.
pub(crate) async fn erase(shared: &Arc<Shared>, user: &Actor) -> Result<(), ChatError> {
    let away = |error: Unavailable| {
        tracing::warn!(%error, "a user could not be deleted");
        ChatError::busy("users cannot be deleted right now")
    };
    let ports = &shared.ports;
    if ports.accounts.account(&user.id).await.map_err(away)?.is_none() {
        return Err(ChatError::not_found("user"));
    }
    // Signed out first: nothing more comes from them.
    ports.accounts.end_sessions(&user.id, None).await.map_err(away)?;
    auth::end(shared, user, None).await?;
    let rooms = leave_all(shared, user).await?;
    let id = UserId::trusted(format!("deleted-{}", Uuid::new_v4()));
    let heir = Actor { id, name: DELETED_NAME.into(), avatar: None };
    ports.accounts.delete(&user.id, &heir).await.map_err(away)?;
    cool(shared, &rooms).await;
    tracing::info!(user = %user.id, "a user was deleted");
    let (shared, user) = (shared.clone(), user.id.clone());
    tokio::spawn(async move {
        for wait in STRAGGLERS {
            tokio::time::sleep(wait).await;
            if matches!(shared.ports.accounts.account(&user).await, Ok(None))
                && let Err(error) = shared.ports.accounts.delete(&user, &heir).await
            {
                tracing::warn!(%error, "messages that a deleted user sent last may still have their name");
            }
            cool(&shared, &rooms).await;
        }
    });
    Ok(())
}

/// Has pages of these rooms read from the store again, where the user's name is gone. What is in the caches of channels
/// ends with them, a day after it was said.
async fn cool(shared: &Shared, rooms: &[RoomId]) {
    for room in rooms {
        if let Err(error) = shared.ports.fanout.cool(room).await {
            tracing::debug!(%error, "a recent cache may still have a deleted user's name");
        }
    }
}

/// Takes a user out of every room that can be left. Direct rooms stay, with nobody on the other side. Returns all of
/// their rooms.
async fn leave_all(shared: &Arc<Shared>, user: &Actor) -> Result<Vec<RoomId>, ChatError> {
    let mut seen = Vec::new();
    loop {
        let rooms = shared.ports.store.rooms_of(&user.id, ROOMS).await.map_err(|error| {
            tracing::warn!(%error, "a user's rooms could not be read");
            ChatError::busy("users cannot be deleted right now")
        })?;
        let full = rooms.len() == ROOMS;
        let mut left = 0;
        seen.extend(rooms.iter().map(|summary| summary.room.id.clone()));
        for room in rooms.iter().map(|summary| &summary.room).filter(|room| room.kind != RoomKind::Direct) {
            match decide(shared, &room.id, &Change::Leave { user: user.clone() }).await {
                Ok(_) => left += 1,
                Err(error) if error.code == Code::Busy => return Err(error),
                // Left, or deleted, meanwhile.
                Err(_) => {}
            }
            shared.memberships.forget(&room.id, &user.id);
            relay(shared, &room.id).await;
        }
        if !full || left == 0 {
            return Ok(seen);
        }
    }
}
