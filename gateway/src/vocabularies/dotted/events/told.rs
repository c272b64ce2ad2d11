//! What is told and forgotten: typing, presence, receipts, counts.

use parlor_core::event::{Ephemeral, Status};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::time::Timestamp;
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::super::files;
use super::logged::Moved;
use crate::vocabularies::outgoing::{Iso, Outgoing, receipts};

/// `message.delivered` and `message.read`: who, and how far.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    message_ids: &'a [MessageId],
    room_id: &'a RoomId,
    user_id: &'a UserId,
    seq: Seq,
    timestamp: Iso,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadCount<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    read_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Online<'a> {
    room_id: &'a RoomId,
    online_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unread<'a> {
    room_id: &'a RoomId,
    unread_count: u64,
    read_seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics<'a> {
    room_id: &'a RoomId,
    topics: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typing<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    user_name: &'a str,
    is_typing: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Presence<'a> {
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Iso>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Iso>,
}

pub(super) fn render(room: &RoomId, news: &Ephemeral) -> SmallVec<[Outgoing; 2]> {
    match news {
        Ephemeral::Typing { user, active } => smallvec![Outgoing::new(
            "typing.user",
            &Typing { room_id: room, user_id: &user.id, user_name: &user.name, is_typing: *active },
        )],
        Ephemeral::Presence { user, status, at, .. } => presence(user, *status, *at),
        Ephemeral::Entered { user, count } => {
            smallvec![Outgoing::new("room.joined", &Moved::live(room, user, *count))]
        }
        Ephemeral::Exited { user, count } => {
            smallvec![Outgoing::new("room.left", &Moved::live(room, user, *count))]
        }
        Ephemeral::Receipt { user, delivered, read, messages, at } => {
            let receipts = receipts(*delivered, *read, messages);
            let event = |name, (seq, message_ids)| {
                Outgoing::new(name, &Receipt { message_ids, room_id: room, user_id: user, seq, timestamp: Iso(*at) })
            };
            let delivered = receipts.delivered.map(|covered| event("message.delivered", covered));
            delivered.into_iter().chain(receipts.read.map(|covered| event("message.read", covered))).collect()
        }
        Ephemeral::ReadCount { message, readers } => smallvec![Outgoing::new(
            "message.read.count",
            &ReadCount { message_id: *message, room_id: room, read_count: *readers },
        )],
        Ephemeral::OnlineCount { online } => {
            smallvec![Outgoing::new("room.online", &Online { room_id: room, online_count: *online })]
        }
        Ephemeral::Unread { room, count, read } => {
            smallvec![Outgoing::new("room.unread", &Unread { room_id: room, unread_count: *count, read_seq: *read })]
        }
        Ephemeral::Topics { topics } => {
            smallvec![Outgoing::new("topics.update", &Topics { room_id: room, topics })]
        }
        Ephemeral::UploadProgress { .. } | Ephemeral::UploadFailed { .. } => files::news(news).into_iter().collect(),
        // Gateways alone hear of it.
        Ephemeral::Superseded { .. } => SmallVec::new(),
    }
}

/// Coming and going have events of their own beside `presence.status.update`, which tells every change.
fn presence(user_id: &UserId, status: Status, at: Timestamp) -> SmallVec<[Outgoing; 2]> {
    let none = || Presence { user_id, status: None, last_seen: None, timestamp: None };
    let last_seen = || (status == Status::Offline).then_some(Iso(at));
    let update = Presence { status: Some(status.as_str()), last_seen: last_seen(), ..none() };
    let update = Outgoing::new("presence.status.update", &update);
    match status {
        Status::Online => {
            let body = Presence { status: Some(status.as_str()), timestamp: Some(Iso(at)), ..none() };
            smallvec![Outgoing::new("presence.online", &body), update]
        }
        Status::Offline => {
            smallvec![Outgoing::new("presence.offline", &Presence { last_seen: last_seen(), ..none() }), update]
        }
        Status::Away | Status::Busy => smallvec![update],
    }
}
