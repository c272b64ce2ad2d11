//! A page of a room's members, by id; of a channel, whoever has a role in it.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::Member;
use parlor_core::ids::{RoomId, UserId};

use super::{Reply, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: RoomId,
    after: Option<UserId>,
    limit: u32,
    reply: Reply,
) {
    match read(shared, caller, &room, after.as_ref(), limit).await {
        Ok((members, more)) => {
            let next = members.last().map(|member| &member.user.id).filter(|_| more);
            reply.ok(&Answer::Members { members: &members, next });
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    after: Option<&UserId>,
    limit: u32,
) -> Result<(Vec<Member>, bool), ChatError> {
    rooms::look(shared, caller, room).await?;
    let limit = usize::try_from(limit.clamp(1, shared.config.rules.max_page)).unwrap_or(1);
    let mut members = shared.ports.store.members(room, after, limit + 1).await.map_err(rooms::busy)?;
    let more = members.len() > limit;
    members.truncate(limit);
    Ok((members, more))
}
