//! Catch up: all that happened in a room since a place, page by page, as a resuming client hears it. A range ends where
//! the room was known to end when it was asked for, so what was just acked to the caller is in it.

use std::sync::Arc;

use parlor_core::command::Cursor;
use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{MessageId, RoomId, Seq};

use super::{Reply, find, history, page, quotes, veil};
use crate::Shared;
use crate::caller::Caller;
use crate::hub::{self, Gap, Unread};
use crate::vocabularies::{Answer, Changes};

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, after: Cursor, limit: u32, reply: Reply) {
    match read(shared, caller, &room, after, limit).await {
        Ok((events, next, has_more)) => reply.ok(&Answer::Changes(&Changes { events: &events, next, has_more })),
        Err(error) => reply.refuse(&error),
    }
}

async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    after: Cursor,
    limit: u32,
) -> Result<(Vec<Delivery>, Seq, bool), ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    let below = history::readable(shared, caller, room).await?;
    let after = match after {
        Cursor::Seq(seq) => seq,
        Cursor::Message(id) => find::cursor(shared, room, id).await?,
        Cursor::Time(time) => history::before_time(shared, room, time).await?,
    };
    let end = hub::reaches(shared, room).await.map_err(|error| unread(&error))?;
    let through = end.min(Seq(below.0.saturating_sub(1)));
    if through <= after {
        return Ok((Vec::new(), after, false));
    }
    let limit = usize::try_from(limit).unwrap_or(1).max(1);
    let gap = Gap { after, through };
    let (mut events, mut seen) = hub::page(&shared.ports, room, gap, limit).await.map_err(|error| match error {
        Unread::TooLong => ChatError::busy("what happened since is not stored yet"),
        Unread::Unavailable(error) => unread(&error),
    })?;
    if events.len() > limit {
        events.truncate(limit);
        seen = events.last().map_or(seen, |last| last.seq);
    }
    as_now(shared, room, &mut events).await?;
    veil::veil_events(shared, room, below, &mut events).await?;
    Ok((events, seen, seen < through))
}

/// Leaves out messages that are deleted, wherever the events came from: the store knows, and what it does not have yet
/// is in the tail. Quotes of deleted ones are left out too.
async fn as_now(shared: &Arc<Shared>, room: &RoomId, events: &mut Vec<Delivery>) -> Result<(), ChatError> {
    let asked: Vec<MessageId> = events.iter().filter_map(quotes::sent).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let heads = page::heads(shared, room).await;
    let tail = match shared.ports.store.position(shared.ports.log.partition_of(room)).await {
        Ok(position) => page::tail(shared, room, position.offset, heads.as_ref()).await?.events,
        Err(error) => since(shared, room, events).await.ok_or_else(|| history::busy(error))?,
    };
    let gone = quotes::gone(shared, &asked, &tail).await;
    events.retain(|delivery| quotes::sent(delivery).is_none_or(|message| !gone.contains(&message)));
    let messages = events.iter_mut().filter(|delivery| quotes::sent(delivery).is_some()).filter_map(|delivery| {
        match &mut Arc::make_mut(&mut delivery.event).kind {
            Kind::MessageSent(message) => Some(message),
            _ => None,
        }
    });
    quotes::forget_gone(shared, messages, &tail).await;
    Ok(())
}

/// All that happened since the first of these events, if the recent cache has it: it misses nothing behind what it has.
async fn since(shared: &Shared, room: &RoomId, events: &[Delivery]) -> Option<Vec<Delivery>> {
    let first = events.first()?.seq;
    let fanout = &shared.ports.fanout;
    let cached = fanout.recent(room, Seq(first.0.saturating_sub(1)), Seq::MAX, fanout.remembers()).await.ok()?;
    cached.first().is_some_and(|cached| cached.seq == first).then_some(cached)
}

fn unread(error: &parlor_core::ports::Unavailable) -> ChatError {
    tracing::debug!(%error, "what happened since a place could not be read");
    ChatError::busy("what happened since cannot be read right now")
}
