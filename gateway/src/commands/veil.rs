//! What an ex-member does not see of messages that they may read: what was done to them after the leaving.
//!
//! The store keeps a message as it is now. What was changed since the leaving is found among the room's changes; of an
//! edited message the text is left out, for the old one is gone, and so are reactions and pins that came later.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{RoomId, Seq};
use parlor_core::ports::store::{Read, StoredMessage};

use super::history;
use crate::Shared;

/// Changes looked at in one page, and pages at most: with more, whatever was ever changed is left out.
const PAGE: usize = 500;
const PAGES: usize = 10;

/// Takes from `messages` what happened at or above `below`.
pub(super) async fn veil(
    shared: &Arc<Shared>,
    room: &RoomId,
    below: Seq,
    messages: &mut [StoredMessage],
) -> Result<(), ChatError> {
    if below == Seq::MAX || !messages.iter().any(is_changed) {
        return Ok(());
    }
    let partition = shared.ports.log.partition_of(room);
    let mut after = Seq(below.0.saturating_sub(1));
    for _ in 0..PAGES {
        let page = shared.ports.store.changes(room, partition, after, Seq::MAX, PAGE).await.map_err(history::busy)?;
        for delivery in &page.rows {
            let (Kind::MessageEdited { message, .. }
            | Kind::MessageReacted { message, .. }
            | Kind::MessagePinned { message, .. }) = delivery.event.kind
            else {
                continue;
            };
            if let Some(message) = messages.iter_mut().find(|known| known.id == message) {
                hide(message, &delivery.event.kind);
            }
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == PAGE => after = last.seq,
            _ => return Ok(()),
        }
    }
    for message in messages.iter_mut().filter(|message| is_changed(message)) {
        if message.edited_at.is_some() {
            blank(message);
        }
        message.reactions.clear();
        message.pinned = false;
    }
    Ok(())
}

/// The same for events of a room, in order: messages among them are told as they are now.
pub(super) async fn veil_events(
    shared: &Arc<Shared>,
    room: &RoomId,
    below: Seq,
    events: &mut [Delivery],
) -> Result<(), ChatError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    if below == Seq::MAX {
        return Ok(());
    }
    let (partition, limit) = (shared.ports.log.partition_of(room), events.len());
    let (after, before) = (Seq(first.seq.0.saturating_sub(1)), Seq(last.seq.0.saturating_add(1)));
    let range = Read { room, partition, after, before, limit, newest_first: false };
    let mut messages = shared.ports.store.messages(range).await.map_err(history::busy)?.rows;
    veil(shared, room, below, &mut messages).await?;
    for delivery in events {
        let stored = messages.iter().find(|message| message.seq == delivery.seq);
        if let Some(stored) = stored.filter(|message| message.edited_at.is_some())
            && let Kind::MessageSent(message) = &mut Arc::make_mut(&mut delivery.event).kind
        {
            message.content.clone_from(&stored.message.content);
        }
    }
    Ok(())
}

fn is_changed(message: &StoredMessage) -> bool {
    message.edited_at.is_some() || !message.reactions.is_empty() || message.pinned
}

fn hide(message: &mut StoredMessage, kind: &Kind) {
    match kind {
        Kind::MessageEdited { .. } => blank(message),
        Kind::MessageReacted { .. } => message.reactions.clear(),
        _ => message.pinned = false,
    }
}

fn blank(message: &mut StoredMessage) {
    message.message.content.clear();
}
