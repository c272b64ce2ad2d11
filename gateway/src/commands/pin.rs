//! Pin a message to its room, or unpin it. What changes nothing is answered, and not told to the room.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind, RoomKind};
use parlor_core::ids::{MessageId, RoomId};
use parlor_core::membership;

use super::redundant::Known;
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
    let room = target.place.room;
    let known = Known::of(shared, &room, message, &user.id).await;
    let told = |event: &Event| match &event.kind {
        Kind::MessagePinned { message: of, on } => (*of == message).then_some(*on),
        _ => None,
    };
    if known.is(shared, &room, on, |stored| Some(stored.pinned), told).await {
        return Ok(alter::already(room));
    }
    if on {
        fits(shared, &room, message).await?;
    }
    alter::append(shared, caller, room, message, Kind::MessagePinned { message, on })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Stage, caller};

    #[tokio::test]
    async fn a_pin_that_changes_nothing_is_not_told_and_one_that_does_always_is() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann"]).await;
        let message = stage.say(&room, "ann", "hello").await;
        stage.persist().await;
        let tells = async |on| {
            let accepted = accept(&stage.shared, &caller("ann"), message, None, on).await.expect("accepted");
            accepted.told(&stage.shared).await
        };
        assert!(!tells(false).await, "it was not pinned");
        assert!(tells(true).await);
        assert!(tells(false).await, "the store does not know yet that it was pinned");
        assert!(tells(true).await);
        stage.persist().await;
        assert!(!tells(true).await, "it is pinned");
        assert!(tells(false).await);
        stage.persist().await;
        assert!(!tells(false).await, "it is not pinned any more");
    }
}
