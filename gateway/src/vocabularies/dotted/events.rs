//! News → server events.

use parlor_core::error::Code;
use parlor_core::event::{Delivery, Ephemeral, Kind, Status};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::time::Timestamp;
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::errors;
use super::forms::{MessageForm, RoomForm, SummaryForm};
use crate::vocabularies::outgoing::{Iso, News, Nothing, Outgoing, Said, TOKEN_GRACE, server_full};
use crate::vocabularies::snake;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edited<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    content: &'a str,
    edited_at: Iso,
    seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    timestamp: Iso,
    seq: Seq,
}

/// `room.joined` and `room.left`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moved<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Iso>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    /// Live users, in a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
    /// The room, for the sockets of the user who joined it.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomForm<'a>>,
}

impl<'a> Moved<'a> {
    fn new(room_id: &'a RoomId, user_id: &'a UserId) -> Self {
        Self { room_id, user_id, user_name: None, timestamp: None, seq: None, user_count: None, room: None }
    }
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Authenticated<'a> {
    user_id: &'a UserId,
    user_name: &'a str,
    rooms: Vec<SummaryForm<'a>>,
}

#[derive(Serialize)]
struct Unauthorized<'a> {
    error: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expired {
    grace_seconds: u64,
}

#[derive(Serialize)]
struct Closing<'a> {
    code: &'a str,
    reason: &'a str,
}

pub(in crate::vocabularies) fn render(news: &News<'_>) -> SmallVec<[Outgoing; 2]> {
    match *news {
        News::Delivery(delivery) => logged(delivery).into_iter().collect(),
        News::Ephemeral { room, news } => ephemeral(room, news),
        News::Authenticated { user, rooms } => smallvec![Outgoing::new(
            "connection.authenticated",
            &Authenticated {
                user_id: &user.id,
                user_name: &user.name,
                rooms: rooms.iter().map(SummaryForm::from).collect(),
            },
        )],
        News::AskToken => smallvec![Outgoing::new("connection.authenticate", &Nothing {})],
        News::Unauthorized { message } => {
            let body = Unauthorized { error: Code::Unauthorized.as_str(), message };
            smallvec![Outgoing::new("connection.unauthorized", &body)]
        }
        News::TokenExpired => {
            smallvec![Outgoing::new("token.expired", &Expired { grace_seconds: TOKEN_GRACE.as_secs() })]
        }
        News::Closing { code, reason } => {
            smallvec![Outgoing::new("connection.disconnect", &Closing { code, reason })]
        }
        News::Failed(error) => smallvec![errors::failed(error)],
        // Sent before the socket's vocabulary is known: in snake's words too.
        News::ServerFull => smallvec![errors::failed(&server_full()), snake::errors::failed(&server_full())],
        News::Heartbeat | News::Waited(_) | News::Waiting { .. } | News::Recovered | News::Entered { .. } => {
            SmallVec::new()
        }
    }
}

fn logged(delivery: &Delivery) -> Option<Outgoing> {
    let event = &*delivery.event;
    let (room, actor) = (&event.room, &event.actor);
    let (timestamp, seq) = (Some(Iso(delivery.time)), Some(delivery.seq));
    match &event.kind {
        Kind::MessageSent(message) => {
            Some(Outgoing::new("message.received", &MessageForm::from(Said::live(delivery, message))))
        }
        Kind::MessageEdited { message, content, .. } => Some(Outgoing::new(
            "message.edited",
            &Edited {
                message_id: *message,
                room_id: room,
                user_id: &actor.id,
                content,
                edited_at: Iso(delivery.time),
                seq: delivery.seq,
            },
        )),
        Kind::MessageDeleted { message } => Some(Outgoing::new(
            "message.deleted",
            &Deleted {
                message_id: *message,
                room_id: room,
                user_id: &actor.id,
                timestamp: Iso(delivery.time),
                seq: delivery.seq,
            },
        )),
        Kind::MemberJoined { member, .. } => {
            let user_name = Some(&*member.user.name);
            let body = Moved { user_name, timestamp, seq, ..Moved::new(room, &member.user.id) };
            Some(Outgoing::new("room.joined", &body))
        }
        Kind::MemberLeft { user, name, .. } => {
            let body = Moved { user_name: Some(name), timestamp, seq, ..Moved::new(room, user) };
            Some(Outgoing::new("room.left", &body))
        }
        Kind::RoomAdded { room: added } => {
            let owner = room.inbox_owner()?;
            // Version 1 is the room's making. Later the owner joined by their own will, or somebody added them: to
            // those it is a room that appears out of nothing.
            if added.version > 1 && actor.id == owner {
                let body = Moved {
                    user_name: Some(&actor.name),
                    timestamp,
                    room: Some(added.into()),
                    ..Moved::new(&added.id, &owner)
                };
                return Some(Outgoing::new("room.joined", &body));
            }
            Some(Outgoing::new("room.created", &RoomForm::from(added)))
        }
        Kind::RoomRemoved { room: removed, .. } => {
            let owner = room.inbox_owner()?;
            Some(Outgoing::new("room.left", &Moved { timestamp, ..Moved::new(removed, &owner) }))
        }
        // The members hear of their new room through their inboxes.
        Kind::RoomCreated { .. } => None,
        Kind::MessageReacted { .. }
        | Kind::MessagePinned { .. }
        | Kind::RoomUpdated { .. }
        | Kind::RoomDeleted { .. }
        | Kind::RoleChanged { .. }
        | Kind::UserBanned { .. }
        | Kind::UserUnbanned { .. }
        | Kind::RoomMuted { .. }
        | Kind::UserBlocked { .. } => None,
        // Its sockets are closed; receipts have a log of their own.
        Kind::LoggedOut { .. } | Kind::Receipt { .. } => None,
        // A newer version's: this one has no words for it.
        Kind::Other { .. } => None,
    }
}

fn ephemeral(room: &RoomId, news: &Ephemeral) -> SmallVec<[Outgoing; 2]> {
    match news {
        Ephemeral::Typing { user, active } => smallvec![Outgoing::new(
            "typing.user",
            &Typing { room_id: room, user_id: &user.id, user_name: &user.name, is_typing: *active },
        )],
        Ephemeral::Presence { user, status, at } => presence(user, *status, *at),
        Ephemeral::Entered { user, count } => {
            let body = Moved { user_name: Some(&user.name), user_count: Some(*count), ..Moved::new(room, &user.id) };
            smallvec![Outgoing::new("room.joined", &body)]
        }
        Ephemeral::Exited { user, count } => {
            let body = Moved { user_name: Some(&user.name), user_count: Some(*count), ..Moved::new(room, &user.id) };
            smallvec![Outgoing::new("room.left", &body)]
        }
        Ephemeral::Receipt { .. }
        | Ephemeral::ReadCount { .. }
        | Ephemeral::OnlineCount { .. }
        | Ephemeral::Unread { .. }
        | Ephemeral::Topics { .. }
        | Ephemeral::UploadProgress { .. }
        | Ephemeral::UploadFailed { .. } => SmallVec::new(),
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
