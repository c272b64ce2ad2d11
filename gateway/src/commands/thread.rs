//! A thread: the messages that answer one message, oldest first.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Message};
use parlor_core::ids::{MessageId, RoomId, Seq};
use parlor_core::ports::store::{Read, StoredMessage};

use super::page::{heads, page};
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
    let place = find::root(shared, thread.message, thread.room.as_ref()).await?;
    let room = &place.room;
    let below = history::readable(shared, caller, room).await.map_err(|error| match error.code {
        parlor_core::error::Code::NotFound => ChatError::not_found("message"),
        _ => error,
    })?;
    if place.seq.is_some_and(|seq| seq >= below) {
        return Err(ChatError::not_found("message"));
    }
    let after = thread.after.unwrap_or(Seq::ZERO);
    let heads = heads(shared, room).await;
    let limit = usize::try_from(thread.limit).unwrap_or(1);
    let partition = shared.ports.log.partition_of(room);
    let ask = Read { room, partition, after, before: below, limit, newest_first: false };
    let fetch = |ask| shared.ports.search.replies(thread.message, ask);
    let answers = |delivery: &Delivery, message: &Message| {
        let answers = message.reply_to.as_ref().is_some_and(|quote| quote.message == thread.message);
        answers && delivery.seq > after && delivery.seq < below
    };
    page(shared, ask, below, heads.as_ref(), fetch, answers).await
}
