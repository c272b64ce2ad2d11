//! Pin a message to its room, or unpin it.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Kind, RoomKind};
use parlor_core::ids::{MessageId, RoomId};
use parlor_core::membership;

use super::{Reply, alter, find};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Pinned messages of one room.
pub(super) const PINS: usize = 100;

pub(super) async fn act(
    shared: &Arc<Shared>,
    caller: &Caller,
    message: MessageId,
    room: Option<RoomId>,
    on: bool,
    reply: Reply,
) {
    let accepted = accept(shared, caller, message, room, on).await;
    alter::settle(shared, accepted, reply, (message, on), |_, (message, on), room, time| Answer::Pinned {
        message: *message,
        room,
        on: *on,
        time,
    });
}

async fn accept(
    shared: &Arc<Shared>,
    caller: &Caller,
    message: MessageId,
    room: Option<RoomId>,
    on: bool,
) -> Result<alter::Accepted, ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "message", shared.config.limits.message).await?;
    let target = find::target(shared, user, message, room.as_ref()).await?;
    if target.standing.room.kind == RoomKind::Channel {
        target.standing.admits(caller)?;
    }
    if !membership::may_pin(&target.standing.room, &user.id, target.standing.role()) {
        return Err(ChatError::new(Code::Forbidden, "only a moderator or an admin may pin a message"));
    }
    if target.standing.room.kind == RoomKind::Direct {
        shared.blocks.pass(&target.place.room, &user.id).await?;
    }
    if on {
        fits(shared, &target.place.room, message).await?;
    }
    alter::append(shared, caller, target.place.room, Kind::MessagePinned { message, on })
}

/// As with reactions, what is not stored yet is not counted.
async fn fits(shared: &Shared, room: &RoomId, message: MessageId) -> Result<(), ChatError> {
    let partition = shared.ports.log.partition_of(room);
    let Ok(pins) = shared.ports.search.pins(room, partition, PINS).await else { return Ok(()) };
    if pins.rows.len() >= PINS && !pins.rows.iter().any(|pinned| pinned.id == message) {
        return Err(ChatError::new(Code::Conflict, format!("a room has at most {PINS} pinned messages")));
    }
    Ok(())
}
