//! What is told and forgotten: typing, presence, receipts, counts.

use parlor_core::event::{Ephemeral, Status};
use parlor_core::ids::{MessageId, RoomId, UserId};
use parlor_core::time::Timestamp;
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::logged::Updated;
use crate::vocabularies::outgoing::{Iso, Outgoing, receipts};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typing<'a> {
    conversation_id: &'a RoomId,
    user_id: &'a UserId,
    username: &'a str,
    is_typing: bool,
    timestamp: Iso,
}

/// `user:status_changed`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Presence<'a> {
    user_id: &'a UserId,
    status: &'static str,
    timestamp: Iso,
}

/// `chat:message_status_updated`, one for each message; in a big conversation with how many have read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updates<'a> {
    message_id: MessageId,
    conversation_id: &'a RoomId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_by: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_by: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_count: Option<u32>,
    timestamp: Iso,
}

pub(super) fn render(conversation_id: &RoomId, news: &Ephemeral, heard: Timestamp) -> SmallVec<[Outgoing; 2]> {
    smallvec![match news {
        Ephemeral::Typing { user, active } => Outgoing::new(
            "chat:user_typing",
            &Typing {
                conversation_id,
                user_id: &user.id,
                username: &user.name,
                is_typing: *active,
                timestamp: Iso(heard),
            },
        ),
        Ephemeral::Presence { user, status, at, .. } => {
            // The document knows two: who is away or busy is online.
            let shown = if *status == Status::Offline { Status::Offline } else { Status::Online };
            let body = Presence { user_id: user, status: shown.as_str(), timestamp: Iso(*at) };
            Outgoing::new("user:status_changed", &body)
        }
        Ephemeral::Entered { user, count } => {
            Updated::live(conversation_id, "participant_added", user, *count).told()
        }
        Ephemeral::Exited { user, count } => {
            Updated::live(conversation_id, "participant_removed", user, *count).told()
        }
        Ephemeral::OnlineCount { online } => Updated::online(conversation_id, *online).told(),
        Ephemeral::Unread { room, count, .. } => Updated::unread(room, *count).told(),
        Ephemeral::Receipt { user, delivered, read, messages, at } => {
            let receipts = receipts(*delivered, *read, messages);
            let (is_read, (_, covered)) = match (receipts.read, receipts.delivered) {
                (Some(read), None) => (true, read),
                (_, Some(delivered)) => (false, delivered),
                (None, None) => return SmallVec::new(),
            };
            let update = |message: &MessageId| {
                Outgoing::new(
                    "chat:message_status_updated",
                    &Updates {
                        message_id: *message,
                        conversation_id,
                        status: if is_read { "read" } else { "delivered" },
                        delivered_by: (!is_read).then_some(user),
                        read_by: is_read.then_some(user),
                        read_count: None,
                        timestamp: Iso(*at),
                    },
                )
            };
            return covered.iter().map(update).collect();
        }
        Ephemeral::ReadCount { message, readers } => Outgoing::new(
            "chat:message_status_updated",
            &Updates {
                message_id: *message,
                conversation_id,
                status: "read",
                delivered_by: None,
                read_by: None,
                read_count: Some(*readers),
                timestamp: Iso(heard),
            },
        ),
        // The document knows no topics.
        Ephemeral::Topics { .. } => return SmallVec::new(),
        Ephemeral::UploadProgress { .. } | Ephemeral::UploadFailed { .. } => return SmallVec::new(),
        // Gateways alone hear of it.
        Ephemeral::Superseded { .. } => return SmallVec::new(),
    }]
}
