//! Who is banned from a room: for its admins and moderators.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Role, RoomKind};
use parlor_core::ids::RoomId;
use parlor_core::ports::safety::Ban;

use super::{Reply, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Bans that the answer names: the newest.
const NAMED: usize = 200;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    match read(shared, caller, &room).await {
        Ok(bans) => reply.ok(&Answer::Bans { room: &room, bans: &bans }),
        Err(error) => reply.refuse(&error),
    }
}

async fn read(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<Vec<Ban>, ChatError> {
    let standing = rooms::look(shared, caller, room).await?;
    match standing.role() {
        Some(Role::Admin | Role::Moderator) if standing.room.kind != RoomKind::Direct => {
            shared.ports.safety.bans(room, NAMED).await.map_err(rooms::busy)
        }
        _ => Err(ChatError::new(Code::Forbidden, "only admins and moderators see who is banned")),
    }
}
