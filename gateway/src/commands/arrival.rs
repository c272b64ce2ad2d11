//! What a room has said lately, for a socket that has just entered it and whose vocabulary shows that unasked.

use std::sync::Arc;

use parlor_core::command::{Direction, History};
use parlor_core::ids::RoomId;

use super::history;
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::News;

/// Shows as many as a page has (`cafe.md`, Key Features 5 and Configuration), the newest first. Without them the socket is in the room all the same.
pub(super) async fn show(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) {
    let Some(client) = caller.client().filter(|client| client.vocabulary().shows_history_on_entry()) else { return };
    let limit = shared.config.rules.default_page;
    let newest = History { room: room.clone(), cursor: None, direction: Direction::Before, limit };
    match history::read(shared, caller, &newest).await {
        Ok((messages, _)) => client.tell(&News::Entered { room, messages: &messages }),
        Err(error) => tracing::debug!(%error, "the newest messages could not be shown to who has just joined"),
    }
}
