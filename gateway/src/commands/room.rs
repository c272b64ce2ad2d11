//! A room, as its members see it.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Member, Room, RoomKind};
use parlor_core::ids::RoomId;
use parlor_core::ports::store::RoomSummary;

use super::{Reply, change, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::receipts;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    match read(shared, caller, &room).await {
        Ok((room, members, mut summary)) => {
            if reply.shows_status() {
                let newest = summary.as_mut().and_then(|summary| summary.last_message.as_mut());
                receipts::tell_got(shared, &caller.user.id, newest).await;
            }
            reply.ok(&Answer::Room {
                room: &room,
                members: &members,
                last_message: summary.as_ref().and_then(|summary| summary.last_message.as_ref()),
                unread: summary.as_ref().map(|summary| summary.unread),
            });
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    id: &RoomId,
) -> Result<(Arc<Room>, Vec<Member>, Option<RoomSummary>), ChatError> {
    let standing = rooms::look(shared, caller, id).await?;
    let summary = match standing.room.kind {
        RoomKind::Channel => None,
        RoomKind::Direct | RoomKind::Group => {
            shared.ports.store.summary(id, &caller.user.id).await.map_err(rooms::busy)?
        }
    };
    let mut summary = summary;
    if let Some(summary) = &mut summary {
        receipts::overlay(shared, &caller.user.id, std::slice::from_mut(summary)).await;
    }
    let members = change::members(shared, &standing.room).await;
    Ok((standing.room, members, summary))
}
