//! Answers → acks: `{success: true, …}`.

use parlor_core::ids::{MessageId, RoomId, Seq};
use serde::Serialize;

use super::forms::ConversationForm;
use crate::vocabularies::outgoing::{Answer, Iso, json};

/// What there is to say of what was done.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Iso>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationForm<'a>>,
}

pub(in crate::vocabularies) fn ack(answer: &Answer<'_>) -> String {
    let done = Done { success: true, ..Done::default() };
    json(&match *answer {
        Answer::Sent { message, room, time, seq, temp_id } => Done {
            message_id: Some(message),
            conversation_id: Some(room),
            timestamp: Some(Iso(time)),
            status: Some("sent"),
            seq,
            temp_id,
            ..done
        },
        Answer::Edited { message, room, time }
        | Answer::Deleted { message, room, time }
        | Answer::Reacted { message, room, time, .. } => {
            Done { message_id: Some(message), conversation_id: Some(room), timestamp: Some(Iso(time)), ..done }
        }
        Answer::Pointed { room, read, seq, messages, .. } => Done {
            message_id: messages.last().copied(),
            conversation_id: Some(room),
            status: Some(if read { "read" } else { "delivered" }),
            seq: Some(seq),
            ..done
        },
        Answer::Joined { room, live, .. } => Done { conversation: Some(room.into()), user_count: live, ..done },
        Answer::Left { room } => Done { conversation_id: Some(room), ..done },
        // No event here asks for more.
        _ => done,
    })
}
