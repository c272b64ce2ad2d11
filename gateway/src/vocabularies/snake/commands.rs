//! Client events → commands.

use parlor_core::command::{Command, Send};
use parlor_core::error::ChatError;
use parlor_core::event::MessageType;

use crate::vocabularies::payload::{Entry, Payload};
use crate::vocabularies::rules::Rules;

pub(in crate::vocabularies) const COMMANDS: &[Entry] = &[
    Entry { name: "join_room", fields: &["roomId"], read: |payload, _| Ok(Command::Join { room: payload.room()? }) },
    Entry { name: "leave_room", fields: &["roomId"], read: |payload, _| Ok(Command::Leave { room: payload.room()? }) },
    Entry { name: "send_message", fields: &["roomId", "content", "type", "metadata", "tempId"], read: send },
    Entry { name: "edit_message", fields: &["messageId", "roomId", "content"], read: edit },
    Entry { name: "delete_message", fields: &["messageId", "roomId"], read: delete },
    Entry { name: "mark_read", fields: &["roomId", "messageId"], read: mark_read },
    Entry {
        name: "add_reaction",
        fields: &["messageId", "roomId", "emoji"],
        read: |payload, rules| react(payload, rules, true),
    },
    Entry {
        name: "remove_reaction",
        fields: &["messageId", "roomId", "emoji"],
        read: |payload, rules| react(payload, rules, false),
    },
    Entry { name: "typing_start", fields: &["roomId"], read: |payload, _| typing(payload, true) },
    Entry { name: "typing_stop", fields: &["roomId"], read: |payload, _| typing(payload, false) },
    Entry { name: "heartbeat", fields: &[], read: |_, _| Ok(Command::Heartbeat) },
];

fn send(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let room = payload.room()?;
    let kind = payload.word("type", "text, image, file", |text| {
        let kind = MessageType::parse(text)?;
        matches!(kind, MessageType::Text | MessageType::Image | MessageType::File).then_some(kind)
    })?;
    let kind = kind.unwrap_or(MessageType::Text);
    Ok(Command::Send(Send {
        room,
        // A picture or a file may come without a word.
        content: payload.content(rules, kind != MessageType::Text)?,
        kind,
        reply_to: None,
        metadata: payload.metadata(rules)?,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: payload.temp_id(rules)?,
    }))
}

/// The document's payload names no room: it is found from the message's id.
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

fn typing(payload: &Payload<'_>, active: bool) -> Result<Command, ChatError> {
    Ok(Command::Typing { room: payload.room()?, active })
}

fn mark_read(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Read { room: payload.optional_room()?, messages: vec![payload.named_message("messageId")?] })
}

/// The document has none; these follow its style.
fn react(payload: &Payload<'_>, rules: &Rules, on: bool) -> Result<Command, ChatError> {
    Ok(Command::React {
        message: payload.named_message("messageId")?,
        room: payload.optional_room()?,
        emoji: payload.emoji("emoji", rules)?,
        on,
    })
}
