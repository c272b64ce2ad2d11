//! A page of a room's messages: the store's, with what it does not have yet laid over it.

use std::sync::Arc;

use parlor_core::command::{Cursor, Direction, History};
use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind, Role, RoomKind};
use parlor_core::ids::{MessageId, Offset, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Heads;
use parlor_core::ports::store::{Read, StoredMessage};
use parlor_core::time::Timestamp;

use super::Reply;
use super::overlay::lay_over;
use super::veil;
use crate::Shared;
use crate::caller::Caller;
use crate::hub::{self, Tail, Unread};
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

impl Bounds {
    fn hold(&self, delivery: &Delivery) -> bool {
        delivery.seq > self.after
            && delivery.seq < self.before
            && self.since.is_none_or(|since| delivery.time >= since)
            && self.until.is_none_or(|until| delivery.time < until)
    }
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
    let heads = heads(shared, room).await;
    let newest_first = history.direction == Direction::Before;
    let limit = usize::try_from(history.limit).unwrap_or(100);
    if newest_first && history.cursor.is_none() && ceiling == Seq::MAX {
        if let Some(page) = cached(shared, room, heads.as_ref(), limit).await {
            return Ok(page);
        }
        hub::warm_soon(shared, room);
    }
    let ask = Read { room, partition, after: bounds.after, before: bounds.before, limit: limit + 1, newest_first };
    let stored = shared.ports.store.messages(ask).await.map_err(busy)?;
    let tail = tail(shared, room, stored.applied, heads.as_ref()).await?;
    let gone = deletions(&tail.events);
    let stored = if gone > 0 && stored.rows.len() > limit {
        // Some of these rows will fall out: read so many more.
        shared.ports.store.messages(Read { limit: limit + 1 + gone, ..ask }).await.map_err(busy)?
    } else {
        stored
    };
    let mut messages = lay_over(stored.rows, &tail.events, |delivery, _| bounds.hold(delivery));
    messages.sort_by_key(|message| message.seq);
    if newest_first {
        messages.reverse();
    }
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    if tail.raw {
        drop_resends(shared, &mut messages, &tail.events).await?;
    }
    veil::veil(shared, room, ceiling, &mut messages).await?;
    Ok((messages, has_more))
}

/// The newest page from the recent cache alone, without a look at the store: where the cache's chain reaches the room's
/// end, and it holds more messages than are asked for, or the room from its beginning.
async fn cached(
    shared: &Arc<Shared>,
    room: &RoomId,
    heads: Option<&Heads>,
    limit: usize,
) -> Option<(Vec<StoredMessage>, bool)> {
    let found = async {
        let events = hub::newest(shared, room, heads?).await?;
        let mut messages = lay_over(Vec::new(), &events.events, |_, _| true);
        messages.sort_by_key(|message| std::cmp::Reverse(message.seq));
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        (has_more || events.whole).then_some((messages, has_more))
    };
    let found = found.await;
    let outcome = if found.is_some() { "hit" } else { "miss" };
    metrics::counter!("parlor_recent_cache_total", "outcome" => outcome).increment(1);
    found
}

/// Where the room ends, as the fan-out knows it; `None` while that is away.
pub(super) async fn heads(shared: &Shared, room: &RoomId) -> Option<Heads> {
    let partition = shared.ports.log.partition_of(room);
    shared.ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok()
}

/// What the store does not have yet, behind what it has applied.
pub(super) async fn tail(
    shared: &Shared,
    room: &RoomId,
    applied: Offset,
    heads: Option<&Heads>,
) -> Result<Tail, ChatError> {
    let own = shared.hub.appended(room);
    hub::tail(&shared.ports, room, applied, heads, own).await.map_err(|error| {
        if let Unread::Unavailable(error) = &error {
            tracing::debug!(%error, "the newest messages could not be read");
        }
        ChatError::busy("the newest messages cannot be read right now")
    })
}

/// How many rows may fall out of a page.
pub(super) fn deletions(tail: &[Delivery]) -> usize {
    tail.iter().filter(|delivery| matches!(delivery.event.kind, Kind::MessageDeleted { .. })).count()
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

/// Whether the caller may know what goes on in a room now: members, and in a channel who has entered it. Who has left
/// may read what was said, and no more.
pub(super) async fn present(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<(), ChatError> {
    match readable(shared, caller, room).await? {
        Seq::MAX => Ok(()),
        _ => Err(ChatError::not_found("room")),
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

/// A place behind which everything at or after a time is.
pub(super) async fn before_time(shared: &Arc<Shared>, room: &RoomId, time: Timestamp) -> Result<Seq, ChatError> {
    let partition = shared.ports.log.partition_of(room);
    let (first, applied) = shared.ports.store.seq_at(room, partition, time).await.map_err(busy)?;
    Ok(match first {
        Some(first) => Seq(first.0.saturating_sub(1)),
        None => Seq::new(shared.ports.log.generation(), applied),
    })
}

/// The place of a message that serves as a cursor.
pub(super) async fn place(shared: &Arc<Shared>, room: &RoomId, id: MessageId) -> Result<Seq, ChatError> {
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

pub(super) fn busy(error: Unavailable) -> ChatError {
    tracing::debug!(%error, "history could not be read");
    ChatError::busy("history cannot be read right now")
}
