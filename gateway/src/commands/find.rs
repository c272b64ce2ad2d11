//! Where a message is: for commands that name one, with its room and author, and for cursors, with its place. One look-up
//! answers both, however many are asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Kind, MessageType, Role};
use parlor_core::ids::{MessageId, Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Placed;

use crate::Shared;
use crate::hub::Place;
use crate::memberships::Standing;

/// How long a command waits for a store that lags.
const PATIENCE: Duration = Duration::from_secs(1);
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

/// The caller's standing in a message's room. Who is banned hears that; to all others who are no members the message is
/// not there.
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
    let (known, rest) = look_up(shared, ids, room, Wanted::Room).await;
    let absent = rest.err().unwrap_or_else(|| ChatError::not_found("message"));
    let here = |place: &&Place| !place.deleted && room.is_none_or(|room| *room == place.room);
    let each = ids.iter().map(|id| match known.get(id) {
        Some(place) => Some(place).filter(here).cloned().ok_or_else(|| ChatError::not_found("message")),
        None => Err(absent.clone()),
    });
    each.collect()
}

/// The same of a message that was answered, deleted or not: what others answered is there all the same.
pub(super) async fn root(shared: &Arc<Shared>, id: MessageId, room: Option<&RoomId>) -> Result<Place, ChatError> {
    let (mut known, rest) = look_up(shared, &[id], room, Wanted::Room).await;
    let here = known.remove(&id).filter(|place| room.is_none_or(|room| *room == place.room));
    here.ok_or_else(|| rest.err().unwrap_or_else(|| ChatError::not_found("message")))
}

/// The place of a message that serves as a cursor, deleted or not.
///
/// # Errors
/// `bad_request`, naming the cursor: the room has no such message. `busy`: that cannot be told now.
pub(super) async fn cursor(shared: &Arc<Shared>, room: &RoomId, id: MessageId) -> Result<Seq, ChatError> {
    let (mut seqs, rest) = seqs(shared, room, &[id]).await;
    match (seqs.remove(&id), rest) {
        (Some(seq), _) => Ok(seq),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(ChatError::field("cursor", "no message of this room has that id")),
    }
}

/// The places of messages in a room, deleted or not, as [`look_up`] finds them.
pub(super) async fn seqs(
    shared: &Arc<Shared>,
    room: &RoomId,
    ids: &[MessageId],
) -> (HashMap<MessageId, Seq>, Result<(), ChatError>) {
    let (found, rest) = look_up(shared, ids, Some(room), Wanted::Seq).await;
    let here = found.into_iter().filter(|(_, place)| place.room == *room);
    (here.filter_map(|(id, place)| Some((id, place.seq?))).collect(), rest)
}

/// What is asked of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Its room and author, which is known from the moment it is accepted.
    Room,
    /// Its place too, which is known once it is delivered.
    Seq,
}

impl Wanted {
    fn known(self, shared: &Shared, id: MessageId) -> Option<Place> {
        shared.hub.recent.find(id).filter(|place| self == Self::Room || place.seq.is_some())
    }
}

/// What this gateway remembers of these messages, else the store. The error is about those that are not among the found:
/// `Ok`, they are nowhere; `busy`, they may be somewhere all the same.
async fn look_up(
    shared: &Arc<Shared>,
    ids: &[MessageId],
    room: Option<&RoomId>,
    wanted: Wanted,
) -> (HashMap<MessageId, Place>, Result<(), ChatError>) {
    let mut known: HashMap<MessageId, Place> = HashMap::with_capacity(ids.len());
    known.extend(ids.iter().filter_map(|id| Some((*id, wanted.known(shared, *id)?))));
    let mut missing: Vec<MessageId> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
    missing.sort_unstable();
    missing.dedup();
    let rest = stored(shared, missing, room, wanted, &mut known).await;
    (known, rest)
}

/// What was delivered in a room a moment ago, behind `after`, perhaps to other gateways alone. Nothing while the fan-out
/// is away. Returns up to where it has been looked.
async fn delivered(
    shared: &Shared,
    room: &RoomId,
    after: Seq,
    missing: &[MessageId],
    found: &mut HashMap<MessageId, Place>,
) -> Seq {
    let fanout = &shared.ports.fanout;
    let recent = fanout.recent(room, after, Seq::MAX, fanout.remembers()).await.unwrap_or_default();
    for delivery in &recent {
        let id = MessageId(delivery.event.id.0);
        let Kind::MessageSent(message) = &delivery.event.kind else { continue };
        if missing.contains(&id) {
            let (room, sender) = (room.clone(), delivery.event.actor.id.clone());
            let system = message.kind == MessageType::System;
            found.insert(id, Place { room, sender, system, seq: Some(delivery.seq), deleted: false });
        }
    }
    for delivery in &recent {
        if let Kind::MessageDeleted { message } = delivery.event.kind
            && let Some(place) = found.get_mut(&message)
        {
            place.deleted = true;
        }
    }
    recent.last().map_or(after, |last| last.seq)
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
    wanted: Wanted,
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
    let mut looked = Seq::ZERO;
    while !missing.is_empty() {
        for place in ports.store.places(&missing).await.map_err(busy)? {
            let Placed { message, room, seq, sender, system, deleted } = place;
            found.insert(message, Place { room, sender, system, seq: Some(seq), deleted });
        }
        missing.retain(|id| !found.contains_key(id));
        if let (Some(room), false) = (room, missing.is_empty()) {
            looked = delivered(shared, room, looked, &missing, found).await;
        }
        // What was accepted here a moment ago is placed by its echo.
        found.extend(missing.iter().filter_map(|id| Some((*id, wanted.known(shared, *id)?))));
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
    use parlor_core::event::RoomKind;

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

    #[tokio::test]
    async fn a_cursor_is_waited_for_as_any_message_is() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let id = stage.say(&room, "ann", "hello").await;
        let stored = async {
            tokio::time::sleep(PATIENCE / 4).await;
            stage.persist().await;
        };
        let (found, ()) = tokio::join!(cursor(&stage.shared, &room, id), stored);
        let seq = found.expect("a place");
        assert_eq!(seqs(&stage.shared, &room, &[id]).await.0.get(&id), Some(&seq));
        let elsewhere = stage.room("group_2", RoomKind::Group, &["ann"]).await;
        for (room, id) in [(&elsewhere, id), (&room, MessageId::now())] {
            let refused = cursor(&stage.shared, room, id).await.expect_err("not there");
            assert_eq!((refused.code, refused.field), (Code::BadRequest, Some("cursor")));
        }
    }

    #[tokio::test]
    async fn what_is_delivered_while_it_is_looked_for_is_found_though_the_store_lags() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let id = stage.say(&room, "ann", "hello").await;
        let delivered = async {
            tokio::time::sleep(PATIENCE / 4).await;
            stage.deliver(Offset(-1)).await;
        };
        let (found, ()) = tokio::join!(place(&stage.shared, id, Some(&room)), delivered);
        assert_eq!(found.expect("a place").room, room);
    }

    #[tokio::test]
    async fn a_deleted_message_is_still_a_cursor() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let id = stage.say(&room, "ann", "oops").await;
        stage.tell(&room, "ann", Kind::MessageDeleted { message: id }).await;
        stage.persist().await;
        assert!(cursor(&stage.shared, &room, id).await.is_ok());
        assert_eq!(place(&stage.shared, id, Some(&room)).await.expect_err("deleted").code, Code::NotFound);
    }
}
