//! The pinned messages of a room, the last pinned first.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{MessageId, RoomId};
use parlor_core::ports::store::StoredMessage;

use super::overlay::{as_stored, lay_over};
use super::page::{heads, tail};
use super::pin::PINS;
use super::{Reply, history, quotes};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    match read(shared, caller, &room).await {
        Ok(pins) => reply.ok(&Answer::Pins(&pins)),
        Err(error) => reply.refuse(&error),
    }
}

async fn read(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<Vec<StoredMessage>, ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    history::present(shared, caller, room).await?;
    let heads = heads(shared, room).await;
    let partition = shared.ports.log.partition_of(room);
    let stored = shared.ports.search.pins(room, partition, PINS).await.map_err(history::busy)?;
    let tail = tail(shared, room, stored.applied, heads.as_ref()).await?;
    let mut order: Vec<MessageId> = stored.rows.iter().map(|message| message.id).collect();
    let mut pinned = stored.rows;
    for delivery in &tail.events {
        let Kind::MessagePinned { message, on } = &delivery.event.kind else { continue };
        match (on, order.iter().position(|known| known == message)) {
            (true, None) => {
                order.insert(0, *message);
                pinned.extend(message_of(shared, &tail.events, *message).await?);
            }
            (false, Some(at)) => _ = order.remove(at),
            (true, Some(_)) | (false, None) => {}
        }
    }
    let mut pinned = lay_over(pinned, &tail.events, |_, _| false);
    pinned.retain(|message| message.room == *room && order.contains(&message.id));
    pinned.sort_by_key(|message| order.iter().position(|id| *id == message.id));
    pinned.truncate(PINS);
    quotes::forget_gone_of(shared, &mut pinned, &tail.events).await;
    Ok(pinned)
}

/// A message that was pinned a moment ago.
async fn message_of(shared: &Shared, tail: &[Delivery], id: MessageId) -> Result<Option<StoredMessage>, ChatError> {
    let sent = tail.iter().find_map(|delivery| match &delivery.event.kind {
        Kind::MessageSent(message) if delivery.event.id == id.into() => Some(as_stored(delivery, id, message)),
        _ => None,
    });
    let found = match sent {
        Some(sent) => Some(sent),
        None => shared.ports.store.message(id).await.map_err(history::busy)?,
    };
    Ok(found.filter(|message| message.deleted_at.is_none()))
}
