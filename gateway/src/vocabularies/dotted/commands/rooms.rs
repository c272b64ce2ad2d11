//! Rooms and their members.

use parlor_core::command::{Command, NewRoom, RoomPatch};
use parlor_core::error::ChatError;
use parlor_core::event::RoomKind;
use parlor_core::ids::{RoomId, UserId};

use crate::vocabularies::payload::{Payload, room_id};
use crate::vocabularies::rules::Rules;

/// A group needs a name and members; a direct room takes one member and no name; a channel is named by its maker, and
/// its name is its id unless `roomId` gives another.
pub(super) fn create(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let kind = payload.word("type", "direct, group, channel", RoomKind::parse)?.unwrap_or(RoomKind::Group);
    // An empty name is none; one in which nothing can be seen is a mistake.
    let given = payload.text("name")?.is_some_and(|name| !name.is_empty());
    let name = if given { payload.said("name", rules.max_name_chars)? } else { None };
    let id = payload.text("roomId")?;
    let members = payload.users("memberIds", rules.max_named_members)?;
    let private = payload.flag("isPrivate")?.unwrap_or(false);
    let (name, members, id) = match kind {
        RoomKind::Direct => (None, payload.required("memberIds", members)?, None),
        RoomKind::Group => (Some(payload.required("name", name)?), payload.required("memberIds", members)?, None),
        RoomKind::Channel => {
            if private {
                return Err(ChatError::field("isPrivate", "a channel is public"));
            }
            let id = match (id, &name) {
                (Some(id), _) => channel_id("roomId", &id)?,
                (None, Some(name)) => channel_id("name", name)?,
                (None, None) => payload.required("name", None)?,
            };
            (name, Vec::new(), Some(id))
        }
    };
    Ok(Command::CreateRoom(NewRoom {
        kind,
        name,
        description: payload.short_text("description", rules.max_description_chars)?.filter(|text| !text.is_empty()),
        avatar: payload.url("avatar", rules.max_avatar_chars)?.filter(|url| !url.is_empty()),
        private,
        members,
        id,
    }))
}

/// A channel may not take an id that a direct room or a group has, or may have one day.
fn channel_id(field: &'static str, text: &str) -> Result<RoomId, ChatError> {
    if text.starts_with("direct_") || text.starts_with("group_") {
        return Err(ChatError::field(field, "a channel's id may not begin with `direct_` or `group_`"));
    }
    room_id(field, text)
}

/// What is named changes; at least something is.
pub(super) fn update(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let room = payload.room()?;
    let patch = RoomPatch {
        name: payload.said("name", rules.max_name_chars)?,
        description: payload.short_text("description", rules.max_description_chars)?,
        avatar: payload.url("avatar", rules.max_avatar_chars)?,
        private: payload.flag("isPrivate")?,
    };
    if patch == RoomPatch::default() {
        return Err(ChatError::field("name", "one of `name`, `description`, `avatar`, `isPrivate` is required"));
    }
    Ok(Command::UpdateRoom { room, patch })
}

pub(super) fn list(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Rooms { limit: payload.limit(rules)?, offset: payload.offset()? })
}

pub(super) fn members(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Members {
        room: payload.room()?,
        after: payload.optional_user("cursor")?,
        limit: payload.limit(rules)?,
    })
}

pub(super) fn add_members(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::AddMembers { room: payload.room()?, users: named(payload, rules)? })
}

/// `memberIds`, or `userId` for one.
pub(super) fn remove_members(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let users = match payload.optional_user("userId")? {
        Some(user) if payload.raw("memberIds").is_none() => vec![user],
        _ => named(payload, rules)?,
    };
    Ok(Command::RemoveMembers { room: payload.room()?, users })
}

fn named(payload: &Payload<'_>, rules: &Rules) -> Result<Vec<UserId>, ChatError> {
    let users = payload.users("memberIds", rules.max_named_members)?.filter(|users| !users.is_empty());
    payload.required("memberIds", users)
}

pub(super) fn set_role(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::SetRole { room: payload.room()?, user: payload.user("userId")?, role: payload.role("role")? })
}

pub(super) fn ban(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Ban {
        room: payload.room()?,
        user: payload.user("userId")?,
        until: payload.time("until")?,
        reason: payload.said("reason", rules.max_reason_chars)?,
        on: true,
    })
}

pub(super) fn unban(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Ban { room: payload.room()?, user: payload.user("userId")?, until: None, reason: None, on: false })
}
