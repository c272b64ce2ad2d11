//! Delivered and read: the caller's pointers in a room move to the messages named, or to the room's end.
//!
//! A pointer is told a moment after it was answered, together with what else moves it. Channels have no members and keep
//! no pointers: how far a socket has read there it knows itself, and the channel hears of the messages that it names.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Ephemeral, RoomKind};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::store::Read;
use parlor_core::receipts::Pointers;
use parlor_core::time::Timestamp;

use super::{Reply, find};
use crate::Shared;
use crate::caller::Caller;
use crate::receipts::{READ_WITHIN, SLOWLY};
use crate::vocabularies::Answer;

/// Messages that a channel hears of at once.
const NAMED: usize = 100;

pub(super) struct Pointing {
    pub(super) room: Option<RoomId>,
    pub(super) messages: Vec<MessageId>,
    /// False: delivered.
    pub(super) read: bool,
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, to: Pointing, reply: Reply) {
    match point(shared, caller, &to).await {
        Ok((room, seq)) => {
            let (read, messages) = (to.read, to.messages.as_slice());
            // At the room's end there is nothing left to read.
            let unread = (read && messages.is_empty()).then_some(0);
            reply.ok(&Answer::Pointed { room: &room, read, seq, messages, unread });
        }
        Err(error) => reply.refuse(&error),
    }
}

/// Moves the pointers in every room that the messages name. Returns the last of them.
async fn point(shared: &Arc<Shared>, caller: &Caller, to: &Pointing) -> Result<(RoomId, Seq), ChatError> {
    let mut places = places(shared, caller, to).await?;
    if let (Some(room), true) = (&to.room, to.messages.is_empty()) {
        places.insert(room.clone(), end(shared, room).await?);
    }
    let mut last = None;
    for (room, seq) in places {
        move_to(shared, caller, &room, seq, to).await.map_err(|error| match error.code {
            // Of a message one may not know whether it exists.
            Code::NotFound if !to.messages.is_empty() => ChatError::not_found("message"),
            _ => error,
        })?;
        last = Some((room, seq));
    }
    last.ok_or_else(|| ChatError::not_found("message"))
}

/// The furthest of the messages named, in each of their rooms.
async fn places(shared: &Arc<Shared>, caller: &Caller, to: &Pointing) -> Result<HashMap<RoomId, Seq>, ChatError> {
    let mut places: HashMap<RoomId, Seq> = HashMap::new();
    let mut missing = None;
    let mut add = |room: RoomId, seq: Seq| {
        let place = places.entry(room).or_insert(seq);
        *place = seq.max(*place);
    };
    let mut unknown = Vec::new();
    for message in &to.messages {
        let known = shared.hub.recent.find(*message).and_then(|place| Some((place.room, place.seq?)));
        match known {
            Some((room, seq)) if to.room.as_ref().is_none_or(|named| *named == room) => add(room, seq),
            Some(_) => {}
            None => unknown.push(*message),
        }
    }
    if !unknown.is_empty() {
        // What nobody here remembers is looked up as history is.
        shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    }
    let found = find::messages(shared, &caller.user, &unknown, to.room.as_ref()).await;
    let mut unplaced: HashMap<RoomId, Vec<MessageId>> = HashMap::new();
    for (message, found) in unknown.into_iter().zip(found) {
        match found {
            Ok(place) => match place.seq {
                Some(seq) => add(place.room, seq),
                // Sent here a moment ago: its place comes with its echo.
                None => unplaced.entry(place.room).or_default().push(message),
            },
            Err(error) => missing = Some(error),
        }
    }
    let looked_up = unplaced.into_iter().map(|(room, messages)| async move {
        let (seqs, rest) = find::seqs(shared, &room, &messages).await;
        (room, seqs, rest)
    });
    // Side by side: the store is waited for once.
    for (room, seqs, rest) in join_all(looked_up).await {
        seqs.into_values().for_each(|seq| add(room.clone(), seq));
        missing = missing.or(rest.err());
    }
    match missing {
        Some(error) if places.is_empty() => Err(error),
        _ => Ok(places),
    }
}

/// Where a room ends now, as far as anybody knows.
async fn end(shared: &Arc<Shared>, room: &RoomId) -> Result<Seq, ChatError> {
    let partition = shared.ports.log.partition_of(room);
    let heads = shared.ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok();
    let head = heads.and_then(|heads| heads.heads.first().copied().flatten());
    if let Some(head) = head {
        return Ok(head);
    }
    let (after, before) = (Seq::ZERO, Seq::MAX);
    let read = Read { room, partition, after, before, limit: 1, newest_first: true };
    let newest = shared.ports.store.messages(read).await.map_err(|error| {
        tracing::debug!(%error, "the end of a room could not be read");
        ChatError::busy("the room cannot be read right now")
    })?;
    Ok(newest.rows.first().map_or(Seq::ZERO, |message| message.seq))
}

async fn move_to(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    seq: Seq,
    to: &Pointing,
) -> Result<(), ChatError> {
    let user = &caller.user.id;
    let not_found = || ChatError::not_found("room");
    let version = shared.ports.fanout.version(room).await.ok().flatten();
    let standing = shared.memberships.standing(room, user, version).await?.ok_or_else(not_found)?;
    let now = Timestamp::now();
    if standing.room.kind == RoomKind::Channel {
        standing.admits(caller)?;
        return channel(shared, caller, room, seq, to).await;
    }
    if standing.role().is_none() {
        return Err(standing.refusal());
    }
    if to.read {
        shared.receipts.note(room, user, Pointers::read(seq, now), READ_WITHIN);
    } else {
        shared.receipts.note(room, user, Pointers::delivered(seq, now), SLOWLY);
    }
    Ok(())
}

/// A channel hears who has read which of its messages, once a socket and message; there is nothing to keep.
async fn channel(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    seq: Seq,
    to: &Pointing,
) -> Result<(), ChatError> {
    if !caller.is_in(room) {
        return Err(ChatError::not_found("room"));
    }
    let Some(client) = caller.client().filter(|_| to.read) else { return Ok(()) };
    let before = client.read_channel(room, seq);
    if seq <= before || to.messages.is_empty() {
        return Ok(());
    }
    // Above the threshold nobody is told one by one.
    let live = shared.ports.presence.live(room, 0).await.map_or(u32::MAX, |(live, _)| live);
    if live <= shared.config.rooms.big {
        let here = |message: &MessageId| shared.hub.recent.find(*message).is_some_and(|place| place.room == *room);
        let messages = to.messages.iter().copied().filter(here).take(NAMED).collect();
        let user = caller.user.id.clone();
        let news = Ephemeral::Receipt { user, delivered: None, read: Some(seq), messages, at: Timestamp::now() };
        if let Err(error) = shared.ports.fanout.publish(room, &news).await {
            tracing::debug!(%error, "a receipt could not be told");
        }
    }
    Ok(())
}

/// A member's message has its place: they have read what precedes it.
pub(crate) fn has_sent(shared: &Shared, room: &RoomId, user: &UserId, seq: Seq) {
    shared.receipts.note(room, user, Pointers::read(seq, Timestamp::now()), SLOWLY);
}
