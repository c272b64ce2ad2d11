//! A page of a room's messages: the store's, with what it does not have yet laid over it.

use std::collections::HashMap;
use std::sync::Arc;

use parlor_core::command::{Cursor, Direction, History};
use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind, Role, RoomKind};
use parlor_core::ids::{MessageId, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::{self, Read, StoredMessage};
use parlor_core::time::Timestamp;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::hub::{self, Unread};
use crate::vocabularies::{Answer, Page};

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, history: History, reply: Reply) {
    match read(shared, caller, &history).await {
        Ok((messages, has_more)) => {
            let page = Page {
                next: if has_more { messages.last().map(|message| message.seq) } else { None },
                prev: messages.first().map(|message| message.seq),
                messages: &messages,
                has_more,
            };
            reply.ok(&Answer::Page(&page));
        }
        Err(error) => reply.refuse(&error),
    }
}

/// The range asked for: `after` < seq < `before`, and for a time no message earlier than it.
#[derive(Clone, Copy)]
struct Bounds {
    after: Seq,
    before: Seq,
    since: Option<Timestamp>,
    /// And none at or after this one, where no seq is known for it.
    until: Option<Timestamp>,
}

pub(super) async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    history: &History,
) -> Result<(Vec<StoredMessage>, bool), ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    let room = &history.room;
    let ceiling = readable(shared, caller, room).await?;
    let bounds = bounds(shared, history).await?;
    let bounds = Bounds { before: bounds.before.min(ceiling), ..bounds };

    let partition = shared.ports.log.partition_of(room);
    // What is there when this is answered: asked before the store, so that nothing can fall between the two.
    let heads = shared.ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok();
    let newest_first = history.direction == Direction::Before;
    let limit = usize::try_from(history.limit).unwrap_or(100);
    let ask = Read { room, partition, after: bounds.after, before: bounds.before, limit: limit + 1, newest_first };
    let stored = shared.ports.store.messages(ask).await.map_err(busy)?;
    let own = shared.hub.appended(room);
    let tail = hub::tail(&shared.ports, room, stored.applied, heads.as_ref(), own).await.map_err(|error| {
        if let Unread::Unavailable(error) = &error {
            tracing::debug!(%error, "the newest messages could not be read");
        }
        ChatError::busy("the newest messages cannot be read right now")
    })?;
    let gone = tail.events.iter().filter(|delivery| matches!(delivery.event.kind, Kind::MessageDeleted { .. })).count();
    let stored = if gone > 0 && stored.rows.len() > limit {
        // Some of these rows will fall out: read so many more.
        shared.ports.store.messages(Read { limit: limit + 1 + gone, ..ask }).await.map_err(busy)?
    } else {
        stored
    };
    let mut messages = lay_over(stored, &tail.events, bounds);
    messages.sort_by_key(|message| message.seq);
    if newest_first {
        messages.reverse();
    }
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    if tail.raw {
        drop_resends(shared, &mut messages, &tail.events).await?;
    }
    Ok((messages, has_more))
}

/// Leaves out messages of a raw tail that the store has at an earlier place: they were sent again.
async fn drop_resends(
    shared: &Arc<Shared>,
    messages: &mut Vec<StoredMessage>,
    tail: &[Delivery],
) -> Result<(), ChatError> {
    let Some(first) = tail.first().map(|delivery| delivery.seq) else { return Ok(()) };
    let mut resent = Vec::new();
    for message in messages.iter().filter(|message| message.seq >= first) {
        let stored = shared.ports.store.message(message.id).await.map_err(busy)?;
        if stored.is_some_and(|stored| stored.seq < message.seq) {
            resent.push(message.seq);
        }
    }
    messages.retain(|message| !resent.contains(&message.seq));
    Ok(())
}

/// The store's rows with the tail's messages, edits and deletions laid over them.
fn lay_over(stored: store::Page<StoredMessage>, tail: &[Delivery], bounds: Bounds) -> Vec<StoredMessage> {
    let mut order: Vec<MessageId> = stored.rows.iter().map(|message| message.id).collect();
    let mut messages: HashMap<MessageId, StoredMessage> =
        stored.rows.into_iter().map(|message| (message.id, message)).collect();
    for delivery in tail.iter().filter(|delivery| hub::shows_in_history(&delivery.event.kind)) {
        match &delivery.event.kind {
            Kind::MessageSent(message) => {
                let inside = delivery.seq > bounds.after
                    && delivery.seq < bounds.before
                    && bounds.since.is_none_or(|since| delivery.time >= since)
                    && bounds.until.is_none_or(|until| delivery.time < until);
                let id = MessageId(delivery.event.id.0);
                if inside && !messages.contains_key(&id) {
                    order.push(id);
                    messages.insert(id, as_stored(delivery, id, message));
                }
            }
            Kind::MessageEdited { message, content, .. } => {
                if let Some(message) = messages.get_mut(message) {
                    message.message.content.clone_from(content);
                    message.edited_at = Some(delivery.time);
                }
            }
            Kind::MessageDeleted { message } => {
                messages.remove(message);
            }
            _ => {}
        }
    }
    order.into_iter().filter_map(|id| messages.remove(&id)).collect()
}

fn as_stored(delivery: &Delivery, id: MessageId, message: &parlor_core::event::Message) -> StoredMessage {
    StoredMessage {
        id,
        seq: delivery.seq,
        room: delivery.event.room.clone(),
        sender: delivery.event.actor.clone(),
        message: message.clone(),
        time: delivery.time,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
        pinned: false,
    }
}

/// Whether the caller may read here, and below which seq: members all, ex-members up to their leaving.
pub(crate) async fn readable(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<Seq, ChatError> {
    let not_found = || ChatError::not_found("room");
    let version = shared.ports.fanout.version(room).await.ok().flatten();
    let standing = shared.memberships.standing(room, &caller.user.id, version).await?.ok_or_else(not_found)?;
    if standing.room.kind == RoomKind::Channel {
        return standing.admits(caller).map(|()| Seq::MAX);
    }
    match standing.membership {
        Some(membership) if membership.role == Role::Left => {
            membership.reads_through.map(|seq| Seq(seq.0 + 1)).ok_or_else(not_found)
        }
        Some(_) => Ok(Seq::MAX),
        None => Err(not_found()),
    }
}

async fn bounds(shared: &Arc<Shared>, history: &History) -> Result<Bounds, ChatError> {
    let everything = Bounds { after: Seq::ZERO, before: Seq::MAX, since: None, until: None };
    let Some(cursor) = history.cursor else { return Ok(everything) };
    let place = match cursor {
        Cursor::Seq(seq) => seq,
        Cursor::Message(id) => place(shared, &history.room, id).await?,
        Cursor::Time(time) => {
            let partition = shared.ports.log.partition_of(&history.room);
            let (first, applied) = shared.ports.store.seq_at(&history.room, partition, time).await.map_err(busy)?;
            return Ok(match (history.direction, first) {
                (Direction::Before, Some(first)) => Bounds { before: first, ..everything },
                (Direction::Before, None) => Bounds { until: Some(time), ..everything },
                // The lowest seq at or after the time belongs to the page: equal times skip nothing.
                (Direction::After, Some(first)) => Bounds { after: Seq(first.0.saturating_sub(1)), ..everything },
                (Direction::After, None) => {
                    let after = Seq::new(shared.ports.log.generation(), applied);
                    Bounds { after, since: Some(time), ..everything }
                }
            });
        }
    };
    Ok(match history.direction {
        Direction::Before => Bounds { before: place, ..everything },
        Direction::After => Bounds { after: place, ..everything },
    })
}

/// The place of a message that serves as a cursor.
async fn place(shared: &Arc<Shared>, room: &RoomId, id: MessageId) -> Result<Seq, ChatError> {
    if let Some(place) = shared.hub.recent.find(id)
        && let (true, Some(seq)) = (place.room == *room, place.seq)
    {
        return Ok(seq);
    }
    let stored = shared.ports.store.message(id).await.map_err(busy)?;
    if let Some(stored) = stored.filter(|stored| stored.room == *room) {
        return Ok(stored.seq);
    }
    // Delivered elsewhere a moment ago, and not stored yet.
    let cached = shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, 100).await.unwrap_or_default();
    if let Some(found) = cached.iter().find(|delivery| delivery.event.id == id.into()) {
        return Ok(found.seq);
    }
    let partition = shared.ports.log.partition_of(room);
    let ends = shared.ports.log.ends(partition).await.map_err(busy)?;
    if shared.ports.store.position(partition).await.map_err(busy)?.offset.next() < ends.next {
        return Err(ChatError::busy("the cursor's message may not be stored yet"));
    }
    Err(ChatError::field("cursor", "no message of this room has that id"))
}

fn busy(error: Unavailable) -> ChatError {
    tracing::debug!(%error, "history could not be read");
    ChatError::busy("history cannot be read right now")
}
