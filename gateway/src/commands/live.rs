//! Who is in a room now: the live users of a channel, the online members of other rooms.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, RoomKind, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::Seen;

use super::{Reply, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Users whom the answer names.
const NAMED: usize = 100;
/// Members who are looked at: in a room of more, who comes after these by id is not counted.
const LOOKED_AT: usize = 5_000;
const PAGE: usize = 500;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    match read(shared, caller, &room).await {
        Ok((count, users)) => reply.ok(&Answer::Live { room: &room, count, users: &users }),
        Err(error) => reply.refuse(&error),
    }
}

async fn read(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<(u32, Vec<(Actor, Seen)>), ChatError> {
    let standing = rooms::look(shared, caller, room).await?;
    match standing.room.kind {
        RoomKind::Channel => {
            let (count, users) = shared.ports.presence.live(room, NAMED).await.map_err(away)?;
            Ok((count, seen(shared, users).await?))
        }
        RoomKind::Direct | RoomKind::Group => online(shared, room).await,
    }
}

async fn online(shared: &Arc<Shared>, room: &RoomId) -> Result<(u32, Vec<(Actor, Seen)>), ChatError> {
    let (mut count, mut named, mut after): (u32, _, Option<UserId>) = (0, Vec::new(), None);
    for _ in 0..LOOKED_AT / PAGE {
        let page = shared.ports.store.members(room, after.as_ref(), PAGE).await.map_err(rooms::busy)?;
        let whole = page.len() == PAGE;
        after = page.last().map(|member| member.user.id.clone());
        let users = page.into_iter().map(|member| member.user).collect();
        for (user, seen) in seen(shared, users).await? {
            if seen.status != Status::Offline {
                count += 1;
                if named.len() < NAMED {
                    named.push((user, seen));
                }
            }
        }
        if !whole {
            break;
        }
    }
    Ok((count, named))
}

async fn seen(shared: &Arc<Shared>, users: Vec<Actor>) -> Result<Vec<(Actor, Seen)>, ChatError> {
    let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
    let seen = shared.ports.presence.look(&ids).await.map_err(away)?;
    Ok(users.into_iter().zip(seen).collect())
}

fn away(error: Unavailable) -> ChatError {
    tracing::debug!(%error, "presence could not be read");
    ChatError::busy("presence cannot be read right now")
}
