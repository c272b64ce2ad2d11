//! Catch up: all that happened in a room since a place, page by page, as a resuming client hears it. A range ends where
//! the room was known to end when it was asked for, so what was just acked to the caller is in it.

use std::sync::Arc;

use parlor_core::command::Cursor;
use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{RoomId, Seq};

use super::quotes::Known;
use super::{Reply, find, history, quotes, veil};
use crate::Shared;
use crate::caller::Caller;
use crate::hub::{self, Gap, Past, Unread};
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
    let past = hub::page(shared, room, gap, limit).await.map_err(|error| match error {
        Unread::TooLong => ChatError::busy("what happened since is not stored yet"),
        Unread::Unavailable(error) => unread(&error),
    })?;
    let Past { mut events, through: mut seen, gone } = past;
    if events.len() > limit {
        events.truncate(limit);
        seen = events.last().map_or(seen, |last| last.seq);
    }
    let there = events.iter().filter_map(hub::sent).collect();
    let messages = events.iter_mut().filter(|delivery| hub::sent(delivery).is_some()).filter_map(|delivery| {
        match &mut Arc::make_mut(&mut delivery.event).kind {
            Kind::MessageSent(message) => Some(message),
            _ => None,
        }
    });
    quotes::forget_gone(shared, messages, Known { gone, there }).await;
    veil::veil_events(shared, room, below, &mut events).await?;
    Ok((events, seen, seen < through))
}

fn unread(error: &parlor_core::ports::Unavailable) -> ChatError {
    tracing::debug!(%error, "what happened since a place could not be read");
    ChatError::busy("what happened since cannot be read right now")
}
