//! A room's settings change, or it is deleted.

use super::{By, Decision, Known, Rank};
use crate::command::RoomPatch;
use crate::error::ChatError;
use crate::event::{Kind, Room, RoomKind};

pub(super) fn update(known: &Known, by: &By, patch: &RoomPatch) -> Result<Decision, ChatError> {
    // Whom a channel's maker trusts with it may name it too.
    let needed = match known.there()?.kind {
        RoomKind::Channel => Rank::Moderator,
        RoomKind::Direct | RoomKind::Group => Rank::Admin,
    };
    let (room, _) = known.changeable(by, needed, "changing its settings")?;
    if room.kind == RoomKind::Channel && patch.private == Some(true) {
        return Err(ChatError::field("isPrivate", "a channel is public"));
    }
    if patch.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
        return Err(ChatError::field("name", "`name` is empty"));
    }
    let given = |new: &Option<String>, old: &Option<String>| match new {
        None => old.clone(),
        Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
    };
    let wanted = Room {
        name: patch.name.clone().or_else(|| room.name.clone()),
        description: given(&patch.description, &room.description),
        avatar: given(&patch.avatar, &room.avatar),
        private: patch.private.unwrap_or(room.private),
        ..room.clone()
    };
    if wanted == *room {
        return Ok(Decision::nothing(room));
    }
    let actor = by.actor();
    let mut decision = Decision::next(&wanted);
    let updated = decision.room.clone();
    decision.tell(actor, Kind::RoomUpdated { room: updated });
    if let Some(name) = wanted.name.as_deref().filter(|_| wanted.name != room.name) {
        decision.say(actor, format!("{} renamed the group to {name}", actor.name));
    }
    Ok(decision)
}

pub(super) fn delete(known: &Known, by: &By) -> Result<Decision, ChatError> {
    let (room, _) = known.changeable(by, Rank::Admin, "deleting it")?;
    let mut decision = Decision { deleted: true, ..Decision::next(room) };
    let version = decision.room.version;
    decision.tell(by.actor(), Kind::RoomDeleted { version });
    Ok(decision)
}
