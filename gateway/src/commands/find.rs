//! Finding a message that a command names, with its room and author.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Role};
use parlor_core::ids::{MessageId, Offset, Partition, RoomId};
use parlor_core::ports::Unavailable;

use crate::Shared;
use crate::hub::Place;
use crate::memberships::Standing;

/// How long a command waits for a store that lags.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(25);

/// A message that a command acts on, and the caller's standing in its room.
pub(super) struct Target {
    pub(super) place: Place,
    pub(super) standing: Standing,
}

/// Where a message is, and the caller's role there. Those who are no members are told that it does not exist.
pub(super) async fn message(
    shared: &Arc<Shared>,
    user: &Actor,
    id: MessageId,
    room: Option<&RoomId>,
) -> Result<(Place, Option<Role>), ChatError> {
    let target = target(shared, user, id, room).await?;
    let role = target.standing.role();
    Ok((target.place, role))
}

/// Where a message is, and the caller's standing there. Those who are no members are told that it does not exist.
pub(super) async fn target(
    shared: &Arc<Shared>,
    user: &Actor,
    id: MessageId,
    room: Option<&RoomId>,
) -> Result<Target, ChatError> {
    let not_found = || ChatError::not_found("message");
    let place = place(shared, id, room).await?;
    let version = shared.ports.fanout.version(&place.room).await.ok().flatten();
    let standing = shared.memberships.standing(&place.room, &user.id, version).await?.ok_or_else(not_found)?;
    standing.bars()?;
    let in_channel = standing.room.kind == parlor_core::event::RoomKind::Channel;
    if standing.role().is_none() && !in_channel {
        return Err(not_found());
    }
    Ok(Target { place, standing })
}

/// Where a message is, whoever asks. A deleted one is nowhere, and one of another room than the one named neither.
pub(crate) async fn place(shared: &Arc<Shared>, id: MessageId, room: Option<&RoomId>) -> Result<Place, ChatError> {
    let not_found = || ChatError::not_found("message");
    let place = match shared.hub.recent.find(id) {
        Some(place) if place.deleted => return Err(not_found()),
        Some(place) => place,
        None => stored(shared, id, room).await?,
    };
    if room.is_some_and(|room| *room != place.room) {
        return Err(not_found());
    }
    Ok(place)
}

/// Asks the store, and waits for it while it lags: "not found" only once it has seen all that the log had on arrival.
async fn stored(shared: &Arc<Shared>, id: MessageId, room: Option<&RoomId>) -> Result<Place, ChatError> {
    let busy = |error: Unavailable| {
        tracing::debug!(%error, "a message could not be looked up");
        ChatError::busy("the message cannot be looked up right now")
    };
    let ports = &shared.ports;
    let until = Instant::now() + PATIENCE;
    let mut ends: Option<Vec<(Partition, Offset)>> = None;
    loop {
        if let Some(found) = ports.store.message(id).await.map_err(busy)? {
            if found.deleted_at.is_some() {
                return Err(ChatError::not_found("message"));
            }
            return Ok(Place { room: found.room, sender: found.sender.id, seq: Some(found.seq), deleted: false });
        }
        let ends = match &mut ends {
            Some(ends) => ends,
            None => ends.insert(log_ends(shared, room).await.map_err(busy)?),
        };
        let mut behind = Vec::new();
        for (partition, next) in ends.iter() {
            if ports.store.position(*partition).await.map_err(busy)?.offset.next() < *next {
                behind.push((*partition, *next));
            }
        }
        if behind.is_empty() {
            return match ports.store.message(id).await.map_err(busy)? {
                Some(found) if found.deleted_at.is_none() => {
                    Ok(Place { room: found.room, sender: found.sender.id, seq: Some(found.seq), deleted: false })
                }
                _ => Err(ChatError::not_found("message")),
            };
        }
        *ends = behind;
        if Instant::now() >= until {
            return Err(ChatError::busy("the message may not be stored yet"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn log_ends(shared: &Shared, room: Option<&RoomId>) -> Result<Vec<(Partition, Offset)>, Unavailable> {
    let log = &shared.ports.log;
    let partitions = match room {
        Some(room) => vec![log.partition_of(room)],
        None => (0..log.partitions()).map(Partition).collect(),
    };
    let mut ends = Vec::with_capacity(partitions.len());
    for partition in partitions {
        ends.push((partition, log.ends(partition).await?.next));
    }
    Ok(ends)
}
