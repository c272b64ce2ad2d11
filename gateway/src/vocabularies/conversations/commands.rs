//! Client events → commands. `chat:message_edit`, `_delete`, `_react` and `conversation:join` are not in the document,
//! which leaves them to REST or out.

use parlor_core::command::{Command, Send};
use parlor_core::error::ChatError;
use parlor_core::event::{MessageType, Status};

use crate::vocabularies::payload::{Entry, Payload};
use crate::vocabularies::rules::Rules;

const CONVERSATION: &str = "conversationId";

pub(in crate::vocabularies) const COMMANDS: &[Entry] = &[
    Entry { name: "presence:online", fields: &[], read: |_, _| Ok(Command::Status { status: Status::Online }) },
    Entry { name: "presence:offline", fields: &[], read: |_, _| Ok(Command::Status { status: Status::Offline }) },
    Entry {
        name: "chat:message_send",
        fields: &[CONVERSATION, "contentEncrypted", "content", "messageType", "replyToId", "metadata", "tempId"],
        read: send,
    },
    Entry {
        name: "chat:message_edit",
        fields: &["messageId", CONVERSATION, "contentEncrypted", "content"],
        read: |payload, rules| {
            let (content, encrypted) = content(payload, &SOCKET, rules, false)?;
            let (message, room) = message(payload)?;
            Ok(Command::Edit { message, room, content, encrypted })
        },
    },
    Entry {
        name: "chat:message_delete",
        fields: &["messageId", CONVERSATION],
        read: |payload, _| {
            let (message, room) = message(payload)?;
            Ok(Command::Delete { message, room })
        },
    },
    Entry {
        name: "chat:message_react",
        fields: &["messageId", CONVERSATION, "emoji"],
        read: |payload, rules| react(payload, rules, true),
    },
    Entry {
        name: "chat:message_unreact",
        fields: &["messageId", CONVERSATION, "emoji"],
        read: |payload, rules| react(payload, rules, false),
    },
    Entry {
        name: "chat:message_delivered",
        fields: &["messageId", CONVERSATION],
        read: |payload, _| {
            let (message, room) = message(payload)?;
            Ok(Command::Delivered { room, messages: vec![message] })
        },
    },
    Entry {
        name: "chat:message_read",
        fields: &["messageId", CONVERSATION],
        read: |payload, _| {
            let (message, room) = message(payload)?;
            Ok(Command::Read { room, messages: vec![message] })
        },
    },
    Entry { name: "chat:typing", fields: &[CONVERSATION, "isTyping"], read: typing },
    Entry {
        name: "conversation:join",
        fields: &[CONVERSATION],
        read: |payload, _| Ok(Command::Join { room: payload.room_at(CONVERSATION)? }),
    },
    Entry {
        name: "conversation:leave",
        fields: &[CONVERSATION],
        read: |payload, _| Ok(Command::Leave { room: payload.room_at(CONVERSATION)? }),
    },
];

/// What the two kinds of content are called.
pub(super) struct Names {
    pub(super) ciphertext: &'static str,
    pub(super) plain: &'static str,
}

const SOCKET: Names = Names { ciphertext: "contentEncrypted", plain: "content" };

/// Ciphertext or plain text, and whether it is ciphertext. Both at once would leave open which one counts.
pub(super) fn content(
    payload: &Payload<'_>,
    names: &Names,
    rules: &Rules,
    blank: bool,
) -> Result<(String, bool), ChatError> {
    let max = rules.max_content_chars;
    match (payload.raw(names.ciphertext), payload.raw(names.plain)) {
        (Some(_), Some(_)) => {
            let message = format!("`{}` and `{}` exclude each other", names.ciphertext, names.plain);
            Err(ChatError::field(names.plain, message))
        }
        (None, Some(_)) => Ok((payload.content_at(names.plain, max, blank)?, false)),
        _ => Ok((payload.content_at(names.ciphertext, max, blank)?, true)),
    }
}

/// What a client may say that a message is. Text where it says nothing.
pub(super) fn message_type(payload: &Payload<'_>, field: &'static str) -> Result<MessageType, ChatError> {
    let kind = payload.word(field, "text, image, file, audio, video, voice", |text| {
        // Only the server makes system messages.
        MessageType::parse(text).filter(|kind| *kind != MessageType::System)
    })?;
    Ok(kind.unwrap_or(MessageType::Text))
}

fn send(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let room = payload.room_at(CONVERSATION)?;
    let kind = message_type(payload, "messageType")?;
    let (content, encrypted) = content(payload, &SOCKET, rules, kind != MessageType::Text)?;
    Ok(Command::Send(Send {
        room,
        content,
        kind,
        reply_to: payload.message("replyToId")?,
        metadata: payload.metadata(rules)?,
        mentions: Vec::new(),
        encrypted,
        temp_id: payload.temp_id(rules)?,
    }))
}

fn message(
    payload: &Payload<'_>,
) -> Result<(parlor_core::ids::MessageId, Option<parlor_core::ids::RoomId>), ChatError> {
    Ok((payload.named_message("messageId")?, payload.optional_room_at(CONVERSATION)?))
}

fn react(payload: &Payload<'_>, rules: &Rules, on: bool) -> Result<Command, ChatError> {
    let (message, room) = message(payload)?;
    Ok(Command::React { message, room, emoji: payload.emoji("emoji", rules)?, on })
}

fn typing(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    let active = payload.required("isTyping", payload.flag("isTyping")?)?;
    Ok(Command::Typing { room: payload.room_at(CONVERSATION)?, active })
}
