//! Answers → acks. The document has none; these are for clients that ask.

use parlor_core::ids::{MessageId, RoomId, Seq};
use serde::Serialize;

use super::forms::{MessageForm, UserForm};
use crate::vocabularies::outgoing::{Answer, Iso, Nothing, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    id: MessageId,
    cafe_id: &'a RoomId,
    created_at: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
}

/// The ack of `join:cafe` and `leave:cafe`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InCafe<'a> {
    cafe_id: &'a RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<UserForm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    message_id: MessageId,
    cafe_id: &'a RoomId,
    timestamp: Iso,
}

/// The ack of `message:read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pointed<'a> {
    cafe_id: &'a RoomId,
    message_ids: &'a [MessageId],
    seq: Seq,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: Vec<MessageForm<'a>>,
}

pub(in crate::vocabularies) fn ack(answer: &Answer<'_>) -> String {
    match *answer {
        Answer::Sent { message, room, time, seq, temp_id } => {
            json(&Sent { id: message, cafe_id: room, created_at: Iso(time), seq, temp_id })
        }
        Answer::Joined { room, live, users } => json(&InCafe {
            cafe_id: &room.id,
            name: room.name.as_deref(),
            user_count: live,
            users: users.iter().map(UserForm::from).collect(),
        }),
        Answer::Left { room } => json(&InCafe { cafe_id: room, name: None, user_count: None, users: Vec::new() }),
        Answer::Edited { message, room, time }
        | Answer::Deleted { message, room, time }
        | Answer::Reacted { message, room, time, .. } => {
            json(&Changed { message_id: message, cafe_id: room, timestamp: Iso(time) })
        }
        Answer::Pointed { room, messages, seq, .. } => json(&Pointed { cafe_id: room, message_ids: messages, seq }),
        Answer::Page(page) => json(&Messages { messages: page.messages.iter().map(MessageForm::stored).collect() }),
        // No event here asks for more.
        _ => json(&Nothing {}),
    }
}
