//! Answers → acks. The document has none; these are for clients that ask.

use parlor_core::event::Room;
use parlor_core::ids::{MessageId, RoomId, Seq};
use serde::Serialize;

use super::events::MessageForm;
use crate::vocabularies::outgoing::{Answer, CursorText, Iso, Nothing, Said, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    id: MessageId,
    room_id: &'a RoomId,
    timestamp: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InRoom<'a> {
    room_id: &'a RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
}

impl<'a> InRoom<'a> {
    fn new(room: &'a Room, user_count: Option<u32>) -> Self {
        Self { room_id: &room.id, r#type: Some(room.kind.as_str()), name: room.name.as_deref(), user_count }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    timestamp: Iso,
}

/// The ack of `mark_read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pointed<'a> {
    room_id: &'a RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Messages<'a> {
    messages: Vec<MessageForm<'a>>,
    next_cursor: Option<CursorText>,
    prev_cursor: Option<CursorText>,
    has_more: bool,
}

pub(in crate::vocabularies) fn ack(answer: &Answer<'_>) -> String {
    match *answer {
        Answer::Sent { message, room, time, seq, temp_id } => {
            json(&Sent { id: message, room_id: room, timestamp: Iso(time), seq, temp_id })
        }
        Answer::Joined { room, live, .. } => json(&InRoom::new(room, live)),
        Answer::Left { room } => json(&InRoom { room_id: room, r#type: None, name: None, user_count: None }),
        Answer::Edited { message, room, time } | Answer::Deleted { message, room, time } => {
            json(&Changed { message_id: message, room_id: room, timestamp: Iso(time) })
        }
        // No snake command asks for these two.
        Answer::Created { room, .. } => json(&InRoom::new(room, None)),
        Answer::Page(page) => json(&Messages {
            messages: page.messages.iter().map(|message| Said::stored(message).into()).collect(),
            next_cursor: page.next.map(CursorText),
            prev_cursor: page.prev.map(CursorText),
            has_more: page.has_more,
        }),
        Answer::Done => json(&Nothing {}),
        Answer::Reacted { message, room, time, .. } => {
            json(&Changed { message_id: message, room_id: room, timestamp: Iso(time) })
        }
        Answer::Pointed { room, messages, seq, .. } => {
            json(&Pointed { room_id: room, message_id: messages.last().copied(), seq })
        }
        // No event here asks for these.
        Answer::Pinned { .. }
        | Answer::Pins(_)
        | Answer::Found(_)
        | Answer::Changes(_)
        | Answer::Counted(_)
        | Answer::Topics { .. }
        | Answer::Receipts(_)
        | Answer::Presence(_)
        | Answer::Live { .. }
        | Answer::Typists { .. }
        | Answer::Room { .. }
        | Answer::Rooms { .. }
        | Answer::Members { .. }
        | Answer::RoomDeleted { .. }
        | Answer::Muted { .. }
        | Answer::Banned { .. }
        | Answer::Bans { .. }
        | Answer::Blocked { .. }
        | Answer::Blocks(_)
        | Answer::Reported { .. }
        | Answer::UploadStarted(_)
        | Answer::UploadComplete { .. }
        | Answer::FileUrl { .. }
        | Answer::PushKey(_)
        | Answer::Keys(_) => json(&Nothing {}),
    }
}
