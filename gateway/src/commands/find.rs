//! Finding a message that a command names, with its room and author.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Role};
use parlor_core::ids::{MessageId, Offset, Partition, RoomId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Placed;

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
    let place = place(shared, id, room).await?;
    let standing = standing(shared, user, &place.room).await?;
    Ok(Target { place, standing })
}

/// The same of many messages, in their order: one look-up for all, and the caller's standing asked for once a room.
pub(super) async fn messages(
    shared: &Arc<Shared>,
    user: &Actor,
    ids: &[MessageId],
    room: Option<&RoomId>,
) -> Vec<Result<Place, ChatError>> {
    let mut places = places(shared, ids, room).await;
    let mut refused: HashMap<RoomId, Option<ChatError>> = HashMap::new();
    for found in &mut places {
        let Ok(place) = found else { continue };
        if !refused.contains_key(&place.room) {
            refused.insert(place.room.clone(), standing(shared, user, &place.room).await.err());
        }
        if let Some(Some(error)) = refused.get(&place.room) {
            *found = Err(error.clone());
        }
    }
    places
}

/// The caller's standing in a message's room. To those who are no members the message is not there.
async fn standing(shared: &Arc<Shared>, user: &Actor, room: &RoomId) -> Result<Standing, ChatError> {
    let not_found = || ChatError::not_found("message");
    let version = shared.ports.fanout.version(room).await.ok().flatten();
    let standing = shared.memberships.standing(room, &user.id, version).await?.ok_or_else(not_found)?;
    standing.bars()?;
    let in_channel = standing.room.kind == parlor_core::event::RoomKind::Channel;
    if standing.role().is_none() && !in_channel {
        return Err(not_found());
    }
    Ok(standing)
}

/// Where a message is, whoever asks. A deleted one is nowhere, and one of another room than the one named neither.
pub(crate) async fn place(shared: &Arc<Shared>, id: MessageId, room: Option<&RoomId>) -> Result<Place, ChatError> {
    let found = places(shared, &[id], room).await.pop();
    found.unwrap_or_else(|| Err(ChatError::not_found("message")))
}

/// The same of many, in their order.
async fn places(shared: &Arc<Shared>, ids: &[MessageId], room: Option<&RoomId>) -> Vec<Result<Place, ChatError>> {
    let mut known: HashMap<MessageId, Place> = HashMap::with_capacity(ids.len());
    known.extend(ids.iter().filter_map(|id| Some((*id, shared.hub.recent.find(*id)?))));
    let mut missing: Vec<MessageId> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
    missing.sort_unstable();
    missing.dedup();
    let rest = stored(shared, missing, room, &mut known).await;
    let absent = rest.err().unwrap_or_else(|| ChatError::not_found("message"));
    let here = |place: &&Place| !place.deleted && room.is_none_or(|room| *room == place.room);
    let each = ids.iter().map(|id| match known.get(id) {
        Some(place) => Some(place).filter(here).cloned().ok_or_else(|| ChatError::not_found("message")),
        None => Err(absent.clone()),
    });
    each.collect()
}

/// Asks the store, and waits for it while it lags: what is missing then was not there once the store had seen all that
/// the log had on arrival. However many are asked for, each look is one query.
///
/// # Errors
/// `busy`: what was not found may be there all the same.
async fn stored(
    shared: &Arc<Shared>,
    mut missing: Vec<MessageId>,
    room: Option<&RoomId>,
    found: &mut HashMap<MessageId, Place>,
) -> Result<(), ChatError> {
    let busy = |error: Unavailable| {
        tracing::debug!(%error, "a message could not be looked up");
        ChatError::busy("the message cannot be looked up right now")
    };
    let ports = &shared.ports;
    let until = Instant::now() + PATIENCE;
    let mut ends: Option<Vec<(Partition, Offset)>> = None;
    let mut caught_up = false;
    while !missing.is_empty() {
        for place in ports.store.places(&missing).await.map_err(busy)? {
            let Placed { message, room, seq, sender, deleted } = place;
            found.insert(message, Place { room, sender, seq: Some(seq), deleted });
        }
        missing.retain(|id| !found.contains_key(id));
        if caught_up || missing.is_empty() {
            break;
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
        caught_up = behind.is_empty();
        if caught_up {
            continue;
        }
        *ends = behind;
        if Instant::now() >= until {
            return Err(ChatError::busy("the message may not be stored yet"));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use parlor_core::error::Code;
    use parlor_core::event::{Kind, RoomKind};

    use super::*;
    use crate::stage::{Calls, Stage, user};

    #[tokio::test]
    async fn a_hundred_messages_that_nobody_remembers_are_looked_up_at_once() {
        let stage = Stage::set().await;
        let ours = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let theirs = stage.room("group_2", RoomKind::Group, &["ann", "cem"]).await;
        let (first, gone) = (stage.say(&ours, "ann", "hello").await, stage.say(&ours, "ann", "oops").await);
        let secret = stage.say(&theirs, "ann", "not for ben").await;
        stage.tell(&ours, "ann", Kind::MessageDeleted { message: gone }).await;
        stage.persist().await;
        let mut ids = vec![first, gone, secret];
        ids.resize_with(100, MessageId::now);
        let calls = Calls::default();
        let found = {
            let _counting = calls.count();
            messages(&stage.shared, &user("ben"), &ids, None).await
        };
        assert!(calls.of("places") <= 2 && calls.of("message") == 0, "one by one");
        let place = found[0].as_ref().expect("a place");
        assert_eq!((&place.room, place.sender.as_str(), place.seq.is_some()), (&ours, "ann", true));
        let refused = found[1..].iter().map(|one| one.as_ref().map_err(|error| error.code));
        assert!(refused.into_iter().all(|one| one == Err(Code::NotFound)));
    }

    #[tokio::test]
    async fn what_the_log_has_and_the_store_has_not_is_not_called_missing() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let old = stage.say(&room, "ann", "stored").await;
        stage.persist().await;
        let new = stage.say(&room, "ann", "not yet stored").await;
        let found = messages(&stage.shared, &user("ben"), &[new, old], Some(&room)).await;
        assert_eq!(found[0].as_ref().expect_err("nobody knows").code, Code::Busy);
        assert_eq!(found[1].as_ref().expect("a place").room, room);
    }
}
