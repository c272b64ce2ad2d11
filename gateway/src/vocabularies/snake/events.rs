//! News → server events. What this vocabulary has no event for shows as the nearest it has, or not at all.

use parlor_core::error::Code;
use parlor_core::event::{Delivery, Ephemeral, Kind, MessageType, Status};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::Serialize;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::errors;
use crate::vocabularies::outgoing::{
    Iso, News, Nothing, Outgoing, Said, TOKEN_EXPIRED, TOKEN_GRACE, receipts, server_full,
};

/// `message` (`snake-kafka.md`, WebSocket Events), with what a client needs beyond it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageForm<'a> {
    id: MessageId,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    username: &'a str,
    content: &'a str,
    r#type: &'static str,
    timestamp: Iso,
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Iso>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    /// The content is ciphertext.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
}

impl<'a> From<Said<'a>> for MessageForm<'a> {
    fn from(said: Said<'a>) -> Self {
        Self {
            id: said.id,
            room_id: said.room,
            user_id: &said.sender.id,
            username: &said.sender.name,
            content: &said.message.content,
            r#type: nearest(said.message.kind),
            timestamp: Iso(said.time),
            seq: said.seq,
            edited_at: said.edited_at.map(Iso),
            metadata: said.metadata(),
            encrypted: said.message.encrypted,
            temp_id: said.message.temp_id.as_deref(),
        }
    }
}

/// The document's types are text, image and file.
fn nearest(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Text | MessageType::System => MessageType::Text,
        MessageType::Image => MessageType::Image,
        MessageType::File | MessageType::Audio | MessageType::Video | MessageType::Voice => MessageType::File,
    }
    .as_str()
}

/// What happened to a message: `message_edited`, `message_deleted`, `message_reaction`, `message_pinned`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    room_id: &'a RoomId,
    message_id: MessageId,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    timestamp: Iso,
    seq: Seq,
}

/// What happened to a room or a member. `user_id` is who it happened to, else who did it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Room<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    timestamp: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl<'a> Room<'a> {
    fn of(delivery: &'a Delivery) -> Self {
        Self {
            room_id: &delivery.event.room,
            user_id: &delivery.event.actor.id,
            username: None,
            name: None,
            description: None,
            role: None,
            timestamp: Iso(delivery.time),
            seq: Some(delivery.seq),
        }
    }
}

/// `message_read` and `message_delivered`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    room_id: &'a RoomId,
    message_id: MessageId,
    user_id: &'a UserId,
}

/// `message_read_count`, `room_online` and `room_unread`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Count<'a> {
    room_id: &'a RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics<'a> {
    room_id: &'a RoomId,
    topics: &'a [String],
}

#[derive(Serialize)]
struct Waiting {
    count: u64,
}

/// `user_joined`, `user_left` and `typing`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InRoom<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    /// Live users, in a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Presence<'a> {
    user_id: &'a UserId,
    status: &'static str,
}

pub(in crate::vocabularies) fn render(news: &News<'_>) -> SmallVec<[Outgoing; 2]> {
    said(news).into_iter().collect()
}

fn said(news: &News<'_>) -> Option<Outgoing> {
    match *news {
        News::Delivery(delivery) => logged(delivery),
        News::Ephemeral { room, news, .. } => ephemeral(room, news),
        News::Unauthorized { message } => Some(errors::notice(Code::Unauthorized.as_str(), message)),
        News::TokenExpired => {
            let grace = TOKEN_GRACE.as_secs();
            let message = format!("Your token has expired. Present a new one within {grace} seconds.");
            Some(errors::notice(TOKEN_EXPIRED, &message))
        }
        News::Failed(error) => Some(errors::failed(error)),
        News::ServerFull => Some(errors::failed(&server_full())),
        News::Heartbeat => Some(Outgoing::new("heartbeat", &Nothing {})),
        News::Waited(message) => Some(Outgoing::new("message", &MessageForm::from(Said::stored(message)))),
        News::Waiting { count } => Some(Outgoing::new("messages_waiting", &Waiting { count })),
        // Dotted's events of the connection; a snake client needs none of them.
        News::Authenticated { .. } | News::AskToken | News::Recovered | News::Entered { .. } | News::Closing(_) => None,
    }
}

fn logged(delivery: &Delivery) -> Option<Outgoing> {
    let event = &*delivery.event;
    let (room_id, actor) = (&event.room, &event.actor);
    let seq = Some(delivery.seq);
    let changed = |message_id, content| Changed {
        room_id,
        message_id,
        user_id: &actor.id,
        content,
        encrypted: false,
        emoji: None,
        action: None,
        timestamp: Iso(delivery.time),
        seq: delivery.seq,
    };
    match &event.kind {
        Kind::MessageSent(message) => Some(Outgoing::new("message", &MessageForm::from(Said::live(delivery, message)))),
        Kind::MessageEdited { message, content, encrypted } => {
            let body = Changed { encrypted: *encrypted, ..changed(*message, Some(content)) };
            Some(Outgoing::new("message_edited", &body))
        }
        Kind::MessageDeleted { message } => Some(Outgoing::new("message_deleted", &changed(*message, None))),
        Kind::MemberJoined { member, .. } => {
            let user = &member.user;
            let username = Some(&*user.name);
            Some(Outgoing::new("user_joined", &InRoom { room_id, user_id: &user.id, username, seq, user_count: None }))
        }
        Kind::MemberLeft { user, name, .. } => Some(Outgoing::new(
            "user_left",
            &InRoom { room_id, user_id: user, username: Some(name), seq, user_count: None },
        )),
        // However a user came into a room, made, added or joined, their own sockets hear it in these words.
        Kind::RoomAdded { room, .. } => {
            let owner = room_id.inbox_owner()?;
            // Somebody else's doing does not say the owner's name: the id stands for it.
            let username = if actor.id == owner { &*actor.name } else { owner.as_str() };
            let body =
                InRoom { room_id: &room.id, user_id: &owner, username: Some(username), seq: None, user_count: None };
            Some(Outgoing::new("user_joined", &body))
        }
        Kind::RoomRemoved { room, .. } => {
            let owner = room_id.inbox_owner()?;
            let body = InRoom { room_id: room, user_id: &owner, username: None, seq: None, user_count: None };
            Some(Outgoing::new("user_left", &body))
        }
        Kind::MessageReacted { message, emoji, on } => {
            let action = Some(if *on { "add" } else { "remove" });
            let body = Changed { emoji: Some(emoji), action, ..changed(*message, None) };
            Some(Outgoing::new("message_reaction", &body))
        }
        Kind::MessagePinned { message, on } => {
            let name = if *on { "message_pinned" } else { "message_unpinned" };
            Some(Outgoing::new(name, &changed(*message, None)))
        }
        Kind::RoomUpdated { room } => {
            let body =
                Room { name: room.name.as_deref(), description: room.description.as_deref(), ..Room::of(delivery) };
            Some(Outgoing::new("room_updated", &body))
        }
        Kind::RoomDeleted { .. } => Some(Outgoing::new("room_deleted", &Room::of(delivery))),
        Kind::RoleChanged { member, .. } => {
            let body = Room { user_id: &member.user.id, role: Some(member.role.as_str()), ..Room::of(delivery) };
            Some(Outgoing::new("role_changed", &body))
        }
        Kind::UserBanned { user, name, .. } => {
            Some(Outgoing::new("user_banned", &Room { user_id: user, username: Some(name), ..Room::of(delivery) }))
        }
        Kind::BannedFrom { room, name, .. } => {
            let owner = room_id.inbox_owner()?;
            let body = Room { room_id: room, user_id: &owner, username: Some(name), seq: None, ..Room::of(delivery) };
            Some(Outgoing::new("user_banned", &body))
        }
        Kind::UserUnbanned { user, .. } => {
            Some(Outgoing::new("user_unbanned", &Room { user_id: user, ..Room::of(delivery) }))
        }
        // No event here asks for these.
        Kind::RoomMuted { .. } | Kind::UserBlocked { .. } => None,
        // Its sockets are closed; receipts have a log of their own.
        Kind::LoggedOut { .. } | Kind::Receipt { .. } => None,
        Kind::RoomCreated { .. } | Kind::Other { .. } => None,
    }
}

fn ephemeral(room_id: &RoomId, news: &Ephemeral) -> Option<Outgoing> {
    match news {
        // The payload cannot say that somebody stopped; clients let a name fade by themselves.
        Ephemeral::Typing { active: false, .. } => None,
        Ephemeral::Typing { user, active: true } => {
            let username = Some(&*user.name);
            Some(Outgoing::new("typing", &InRoom { room_id, user_id: &user.id, username, seq: None, user_count: None }))
        }
        Ephemeral::Presence { user, status, .. } => {
            let shown = if *status == Status::Offline { Status::Offline } else { Status::Online };
            Some(Outgoing::new("presence_update", &Presence { user_id: user, status: shown.as_str() }))
        }
        Ephemeral::Entered { user, count } => Some(Outgoing::new(
            "user_joined",
            &InRoom { room_id, user_id: &user.id, username: Some(&user.name), seq: None, user_count: Some(*count) },
        )),
        Ephemeral::Exited { user, count } => Some(Outgoing::new(
            "user_left",
            &InRoom { room_id, user_id: &user.id, username: Some(&user.name), seq: None, user_count: Some(*count) },
        )),
        Ephemeral::Receipt { user, delivered, read, messages, .. } => {
            let receipts = receipts(*delivered, *read, messages);
            let (name, (_, covered)) = match (receipts.read, receipts.delivered) {
                (Some(read), None) => ("message_read", read),
                (_, Some(delivered)) => ("message_delivered", delivered),
                (None, None) => return None,
            };
            // The newest: whoever has read it has read what precedes it.
            let body = Receipt { room_id, message_id: *covered.last()?, user_id: user };
            Some(Outgoing::new(name, &body))
        }
        Ephemeral::ReadCount { message, readers } => Some(Outgoing::new(
            "message_read_count",
            &Count { room_id, message_id: Some(*message), count: u64::from(*readers) },
        )),
        Ephemeral::OnlineCount { online } => {
            Some(Outgoing::new("room_online", &Count { room_id, message_id: None, count: u64::from(*online) }))
        }
        Ephemeral::Unread { room, count, .. } => {
            Some(Outgoing::new("room_unread", &Count { room_id: room, message_id: None, count: *count }))
        }
        Ephemeral::Topics { topics } => Some(Outgoing::new("topics_update", &Topics { room_id, topics })),
        Ephemeral::UploadProgress { .. } | Ephemeral::UploadFailed { .. } => None,
        // Gateways alone hear of it.
        Ephemeral::Superseded { .. } => None,
    }
}
