//! `/api/messages`.

use parlor_core::command::{Command, Send};
use parlor_core::event::MessageType;
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::vocabularies::conversations::commands::{Names, content, message_type};
use crate::vocabularies::conversations::forms::{MessageForm, nearest, plain};
use crate::vocabularies::outgoing::{Answer, Iso, Nothing, json};
use crate::vocabularies::payload::Entry;
use crate::vocabularies::route::Route;

const NAMES: Names = Names { ciphertext: "content_encrypted", plain: "content" };

/// A page counted from the newest message.
pub(crate) const PAGE: Route = Route {
    entry: Entry {
        name: "GET /api/messages/:conversationId",
        fields: &["conversationId", "limit", "offset"],
        read: |payload, rules| {
            let (limit, offset) = (payload.limit(rules)?, payload.offset()?);
            Ok(Command::Messages { room: payload.room_at("conversationId")?, limit, offset })
        },
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Counted(page) = answer else { return json(&Nothing {}) };
        let messages = page.messages.iter().map(MessageForm::stored).collect();
        json(&Page { messages, total: page.total, limit: page.limit, offset: page.offset })
    },
};

/// Sends one. The client's own id is `Idempotency-Key`, else `tempId`, else `id` (`conversations.md`, Duplicate
/// Prevention): what it names is stored once.
pub(crate) const SEND: Route = Route {
    entry: Entry {
        name: "POST /api/messages",
        fields: &[
            "conversation_id",
            "content_encrypted",
            "content",
            "message_type",
            "reply_to_id",
            "metadata",
            "tempId",
            "id",
        ],
        read: |payload, rules| {
            let room = payload.room_at("conversation_id")?;
            let kind = message_type(payload, "message_type")?;
            let (content, encrypted) = content(payload, &NAMES, rules, kind != MessageType::Text)?;
            let temp_id = payload.temp_id(rules)?;
            Ok(Command::Send(Send {
                room,
                content,
                kind,
                reply_to: payload.message("reply_to_id")?,
                metadata: payload.metadata(rules)?,
                mentions: Vec::new(),
                encrypted,
                temp_id: temp_id.or(payload.temp_id_at("id", rules)?),
            }))
        },
    },
    status: 201,
    body: |answer, asked| {
        let (&Answer::Sent { message, room, time, seq, temp_id }, Command::Send(send)) = (answer, &asked.command)
        else {
            return json(&Nothing {});
        };
        json(&Sent {
            id: message,
            conversation_id: room,
            sender_id: &asked.user.id,
            content_encrypted: &send.content,
            content: plain(&send.content, send.encrypted),
            is_encrypted: send.encrypted,
            message_type: nearest(send.kind),
            created_at: Iso(time),
            is_edited: false,
            is_deleted: false,
            status: "sent",
            reply_to_id: send.reply_to,
            metadata: send.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            seq,
            temp_id,
        })
    },
};

/// Changes one's own.
pub(crate) const EDIT: Route = Route {
    entry: Entry {
        name: "PATCH /api/messages/:messageId",
        fields: &["messageId", "content_encrypted", "content"],
        read: |payload, rules| {
            let (content, encrypted) = content(payload, &NAMES, rules, false)?;
            let message = payload.named_message("messageId")?;
            Ok(Command::Edit { message, room: None, content, encrypted })
        },
    },
    status: 200,
    body: |answer, asked| {
        let (&Answer::Edited { message, room, time }, Command::Edit { content, encrypted, .. }) =
            (answer, &asked.command)
        else {
            return json(&Nothing {});
        };
        json(&Edited {
            id: message,
            conversation_id: room,
            content_encrypted: content,
            content: plain(content, *encrypted),
            is_encrypted: *encrypted,
            is_edited: true,
            edited_at: Iso(time),
        })
    },
};

/// Takes one back: one's own, or as a moderator.
pub(crate) const DELETE: Route = Route {
    entry: Entry {
        name: "DELETE /api/messages/:messageId",
        fields: &["messageId"],
        read: |payload, _| Ok(Command::Delete { message: payload.named_message("messageId")?, room: None }),
    },
    status: 200,
    body: |_, _| json(&Done { success: true }),
};

/// Says how far one has got.
pub(crate) const STATUS: Route = Route {
    entry: Entry {
        name: "POST /api/messages/:messageId/status",
        fields: &["messageId", "status_type"],
        read: |payload, _| {
            let messages = vec![payload.named_message("messageId")?];
            let read = payload.word("status_type", "delivered, read", |word| match word {
                "delivered" => Some(false),
                "read" => Some(true),
                _ => None,
            })?;
            Ok(if payload.required("status_type", read)? {
                Command::Read { room: None, messages }
            } else {
                Command::Delivered { room: None, messages }
            })
        },
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Pointed { read, messages, .. } = answer else { return json(&Nothing {}) };
        let status_type = if read { "read" } else { "delivered" };
        json(&Status { message_id: messages.last().copied(), status_type })
    },
};

/// Adds an emoji to one.
pub(crate) const REACT: Route = Route {
    entry: Entry {
        name: "POST /api/messages/:messageId/reactions",
        fields: &["messageId", "emoji"],
        read: |payload, rules| {
            let (message, emoji) = (payload.named_message("messageId")?, payload.emoji("emoji", rules)?);
            Ok(Command::React { message, room: None, emoji, on: true })
        },
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Reacted { message, emoji, .. } = answer else { return json(&Nothing {}) };
        json(&Reaction { message_id: message, reaction_emoji: emoji })
    },
};

/// Takes one's own emoji back.
pub(crate) const UNREACT: Route = Route {
    entry: Entry {
        name: "DELETE /api/messages/:messageId/reactions/:emoji",
        fields: &["messageId", "emoji"],
        read: |payload, rules| {
            let (message, emoji) = (payload.named_message("messageId")?, payload.emoji("emoji", rules)?);
            Ok(Command::React { message, room: None, emoji, on: false })
        },
    },
    status: 200,
    body: |_, _| json(&Done { success: true }),
};

#[derive(Serialize)]
struct Page<'a> {
    messages: Vec<MessageForm<'a>>,
    total: u64,
    limit: u32,
    offset: u64,
}

#[derive(Serialize)]
struct Sent<'a> {
    id: MessageId,
    conversation_id: &'a RoomId,
    sender_id: &'a UserId,
    content_encrypted: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    is_encrypted: bool,
    message_type: &'static str,
    created_at: Iso,
    is_edited: bool,
    is_deleted: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "tempId")]
    temp_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Edited<'a> {
    id: MessageId,
    conversation_id: &'a RoomId,
    content_encrypted: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    is_encrypted: bool,
    is_edited: bool,
    edited_at: Iso,
}

#[derive(Serialize)]
struct Done {
    success: bool,
}

#[derive(Serialize)]
struct Status {
    message_id: Option<MessageId>,
    status_type: &'static str,
}

#[derive(Serialize)]
struct Reaction<'a> {
    message_id: MessageId,
    reaction_emoji: &'a str,
}
