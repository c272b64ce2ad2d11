//! Client events → commands.

use parlor_core::command::{Command, Direction, History, NewRoom, Send};
use parlor_core::error::ChatError;
use parlor_core::event::{MessageType, RoomKind};
use parlor_core::ids::RoomId;

use crate::vocabularies::payload::{Entry, Payload, room_id};
use crate::vocabularies::rules::Rules;

// `connection.authenticate` and `connection.disconnect` are in `vocabularies/connection.rs`.
pub(in crate::vocabularies) const COMMANDS: &[Entry] = &[
    Entry {
        name: "message.send",
        fields: &["roomId", "content", "type", "replyToId", "metadata", "tempId"],
        read: send,
    },
    Entry { name: "message.edit", fields: &["messageId", "roomId", "content"], read: edit },
    Entry { name: "message.delete", fields: &["messageId", "roomId"], read: delete },
    Entry { name: "message.history", fields: &["roomId", "cursor", "limit", "direction"], read: history },
    Entry { name: "typing.start", fields: &["roomId"], read: |payload, _| typing(payload, true) },
    Entry { name: "typing.stop", fields: &["roomId"], read: |payload, _| typing(payload, false) },
    Entry {
        name: "room.create",
        fields: &["type", "roomId", "name", "description", "avatar", "isPrivate", "memberIds"],
        read: create,
    },
    Entry { name: "room.join", fields: &["roomId"], read: |payload, _| Ok(Command::Join { room: payload.room()? }) },
    Entry { name: "room.leave", fields: &["roomId"], read: |payload, _| Ok(Command::Leave { room: payload.room()? }) },
];

fn send(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let room = payload.room()?;
    let kind = payload.word("type", "text, image, file, audio, video, voice", |text| {
        // Only the server makes system messages.
        MessageType::parse(text).filter(|kind| *kind != MessageType::System)
    })?;
    let kind = kind.unwrap_or(MessageType::Text);
    Ok(Command::Send(Send {
        room,
        // A picture or a file may come without a word.
        content: payload.content(rules, kind != MessageType::Text)?,
        kind,
        reply_to: payload.message("replyToId")?,
        metadata: payload.metadata(rules)?,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: payload.temp_id(rules)?,
    }))
}

fn edit(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Edit {
        message: payload.required("messageId", payload.message("messageId")?)?,
        room: payload.optional_room()?,
        content: payload.content(rules, false)?,
        encrypted: false,
    })
}

fn delete(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Delete {
        message: payload.required("messageId", payload.message("messageId")?)?,
        room: payload.optional_room()?,
    })
}

fn history(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let direction = payload.word("direction", "before, after", |text| match text {
        "before" => Some(Direction::Before),
        "after" => Some(Direction::After),
        _ => None,
    })?;
    Ok(Command::History(History {
        room: payload.room()?,
        cursor: payload.cursor()?,
        direction: direction.unwrap_or(Direction::Before),
        limit: payload.limit(rules)?,
    }))
}

fn typing(payload: &Payload<'_>, active: bool) -> Result<Command, ChatError> {
    Ok(Command::Typing { room: payload.room()?, active })
}

/// A group needs a name and members; a direct room takes one member and no name; a channel is named by its maker, and
/// its name is its id unless `roomId` gives another.
fn create(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let kind = payload.word("type", "direct, group, channel", RoomKind::parse)?.unwrap_or(RoomKind::Group);
    let name = payload.short_text("name", rules.max_name_chars)?.filter(|name| !name.trim().is_empty());
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
        avatar: payload.short_text("avatar", rules.max_avatar_chars)?.filter(|text| !text.is_empty()),
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
