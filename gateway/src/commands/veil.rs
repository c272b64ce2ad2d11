//! What an ex-member does not see of messages that they may read: what was done to them after the leaving.
//!
//! The store keeps a message as it is now. What was changed since the leaving is found among the room's changes; of an
//! edited message the text is left out, for the old one is gone, and so are reactions and pins that came later.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::Kind;
use parlor_core::ids::{RoomId, Seq};
use parlor_core::ports::store::StoredMessage;

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
