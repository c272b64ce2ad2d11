//! The caller's rooms; and who may look at a room at all.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::RoomKind;
use parlor_core::ids::RoomId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::RoomSummary;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::memberships::Standing;
use crate::receipts;
use crate::vocabularies::Answer;

/// Members that a list names of each room, where it names any.
const NAMED: usize = 20;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, limit: u32, offset: u64, reply: Reply) {
    let named = if reply.shows_participants() { NAMED } else { 0 };
    match read(shared, caller, limit, offset, named).await {
        Ok((mut rooms, total)) => {
            if reply.shows_status() {
                let newest = rooms.iter_mut().filter_map(|room| room.last_message.as_mut());
                receipts::tell_got(shared, &caller.user.id, newest).await;
            }
            reply.ok(&Answer::Rooms { rooms: &rooms, total });
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    limit: u32,
    offset: u64,
    named: usize,
) -> Result<(Vec<RoomSummary>, u64), ChatError> {
    let user = &caller.user.id;
    shared.limiter.pass(user, "history", shared.config.limits.history).await?;
    let limit = usize::try_from(limit.min(shared.config.rules.max_page)).unwrap_or(1);
    let (mut rooms, total) = shared.ports.store.list_rooms(user, limit, offset, named).await.map_err(busy)?;
    receipts::overlay(shared, user, &mut rooms).await;
    Ok((rooms, total))
}

/// The caller's standing in a room that they may look at: members in theirs, and anybody who is not banned in a
/// channel. Who is banned hears that; to all others it is not there.
pub(super) async fn look(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<Standing, ChatError> {
    let user = &caller.user.id;
    shared.limiter.pass(user, "history", shared.config.limits.history).await?;
    let version = shared.ports.fanout.version(room).await.ok().flatten();
    let standing = shared.memberships.standing(room, user, version).await?;
    let standing = standing.ok_or_else(|| ChatError::not_found("room"))?;
    match standing.room.kind {
        RoomKind::Channel => standing.bars()?,
        RoomKind::Direct | RoomKind::Group if standing.role().is_some() => {}
        RoomKind::Direct | RoomKind::Group => return Err(standing.refusal()),
    }
    Ok(standing)
}

/// The answer to a caller who was found not to be in a room: whether that is for a ban is looked up.
pub(super) async fn refusal(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> ChatError {
    let user = &caller.user.id;
    if let Err(error) = shared.limiter.pass(user, "history", shared.config.limits.history).await {
        return error;
    }
    let version = shared.ports.fanout.version(room).await.ok().flatten();
    match shared.memberships.standing(room, user, version).await {
        Ok(Some(standing)) => standing.refusal(),
        Ok(None) => ChatError::not_found("room"),
        Err(error) => error,
    }
}

pub(super) fn busy(error: Unavailable) -> ChatError {
    tracing::debug!(%error, "rooms could not be read");
    ChatError::busy("rooms cannot be read right now")
}
