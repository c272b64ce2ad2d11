//! Client events → commands. `message:edit`, `message:delete`, `message:react` and `message:read` are not in the
//! document: without them nobody who speaks it could do what others do.

use parlor_core::command::{Command, Send};
use parlor_core::error::ChatError;
use parlor_core::event::MessageType;

use crate::vocabularies::payload::{Entry, Payload};
use crate::vocabularies::rules::Rules;

const CAFE: &str = "cafeId";

pub(in crate::vocabularies) const COMMANDS: &[Entry] = &[
    Entry { name: "join:cafe", fields: &[CAFE], read: |payload, _| Ok(Command::Join { room: payload.room_at(CAFE)? }) },
    Entry {
        name: "leave:cafe",
        fields: &[CAFE],
        read: |payload, _| Ok(Command::Leave { room: payload.room_at(CAFE)? }),
    },
    Entry { name: "message:send", fields: &[CAFE, "content", "tempId"], read: send },
    Entry { name: "message:edit", fields: &["messageId", CAFE, "content"], read: edit },
    Entry { name: "message:delete", fields: &["messageId", CAFE], read: delete },
    Entry {
        name: "message:react",
        fields: &["messageId", CAFE, "emoji"],
        read: |payload, rules| react(payload, rules, true),
    },
    Entry {
        name: "message:unreact",
        fields: &["messageId", CAFE, "emoji"],
        read: |payload, rules| react(payload, rules, false),
    },
    Entry { name: "message:read", fields: &["messageId", CAFE], read: mark_read },
    Entry { name: "typing:start", fields: &[CAFE], read: |payload, _| typing(payload, true) },
    Entry { name: "typing:stop", fields: &[CAFE], read: |payload, _| typing(payload, false) },
    Entry {
        name: "presence:update",
        fields: &["status"],
        read: |payload, _| Ok(Command::Status { status: payload.status("status")? }),
    },
];

/// The document's own limit, and the deployment's where that is lower.
fn content(payload: &Payload<'_>, rules: &Rules) -> Result<String, ChatError> {
    payload.content_at("content", rules.max_cafe_chars.min(rules.max_content_chars), false)
}

fn send(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Send(Send {
        room: payload.room_at(CAFE)?,
        content: content(payload, rules)?,
        kind: MessageType::Text,
        reply_to: None,
        metadata: None,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: payload.temp_id(rules)?,
    }))
}

fn edit(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Edit {
        message: payload.named_message("messageId")?,
        room: payload.optional_room_at(CAFE)?,
        content: content(payload, rules)?,
        encrypted: false,
    })
}

fn delete(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Delete { message: payload.named_message("messageId")?, room: payload.optional_room_at(CAFE)? })
}

fn react(payload: &Payload<'_>, rules: &Rules, on: bool) -> Result<Command, ChatError> {
    Ok(Command::React {
        message: payload.named_message("messageId")?,
        room: payload.optional_room_at(CAFE)?,
        emoji: payload.emoji("emoji", rules)?,
        on,
    })
}

fn mark_read(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Read { room: payload.optional_room_at(CAFE)?, messages: vec![payload.named_message("messageId")?] })
}

fn typing(payload: &Payload<'_>, active: bool) -> Result<Command, ChatError> {
    Ok(Command::Typing { room: payload.room_at(CAFE)?, active })
}
