//! A thread: the messages that answer one message, oldest first.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::ids::{MessageId, RoomId, Seq};
use parlor_core::ports::store::{Read, StoredMessage};

use super::overlay::lay_over;
use super::{Reply, find, history};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::{Answer, Page};

/// Which page of which thread.
pub(super) struct Thread {
    pub(super) message: MessageId,
    pub(super) room: Option<RoomId>,
    pub(super) after: Option<Seq>,
    pub(super) limit: u32,
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, thread: Thread, reply: Reply) {
    match read(shared, caller, &thread).await {
        Ok((messages, has_more)) => {
            let page = Page {
                next: messages.last().filter(|_| has_more).map(|message| message.seq),
                prev: messages.first().map(|message| message.seq),
                messages: &messages,
                has_more,
            };
            reply.ok(&Answer::Page(&page));
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn read(shared: &Arc<Shared>, caller: &Caller, thread: &Thread) -> Result<(Vec<StoredMessage>, bool), ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    let place = find::place(shared, thread.message, thread.room.as_ref()).await?;
    let room = &place.room;
    let below = history::readable(shared, caller, room).await.map_err(|error| match error.code {
        parlor_core::error::Code::NotFound => ChatError::not_found("message"),
        _ => error,
    })?;
    if place.seq.is_some_and(|seq| seq >= below) {
        return Err(ChatError::not_found("message"));
    }
    let (after, before) = (thread.after.unwrap_or(Seq::ZERO), below);
    let heads = history::heads(shared, room).await;
    let limit = usize::try_from(thread.limit).unwrap_or(1);
    let partition = shared.ports.log.partition_of(room);
    // As in history: some of these may turn out to be deleted.
    let ask = Read { room, partition, after, before, limit: limit + 1, newest_first: false };
    let stored = shared.ports.search.replies(thread.message, ask).await.map_err(history::busy)?;
    let tail = history::tail(shared, room, stored.applied, heads.as_ref()).await?;
    let gone = history::deletions(&tail.events);
    let stored = if gone > 0 && stored.rows.len() > limit {
        let ask = Read { limit: limit + 1 + gone, ..ask };
        shared.ports.search.replies(thread.message, ask).await.map_err(history::busy)?
    } else {
        stored
    };
    let mut messages = lay_over(stored.rows, &tail.events, |delivery, message| {
        let answers = message.reply_to.as_ref().is_some_and(|quote| quote.message == thread.message);
        answers && delivery.seq > after && delivery.seq < before
    });
    messages.sort_by_key(|message| message.seq);
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    Ok((messages, has_more))
}
