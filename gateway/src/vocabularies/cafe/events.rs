//! News → server events. What the document has no event for is told in its style.

use parlor_core::event::{Delivery, Ephemeral, Kind};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::forms::{MessageForm, UserForm};
use crate::vocabularies::outgoing::{Iso, News, Outgoing, Said, receipts};
use crate::vocabularies::snake;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connected<'a> {
    user_id: &'a UserId,
    username: &'a str,
}

#[derive(Serialize)]
struct New<'a> {
    message: MessageForm<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    cafe_id: &'a RoomId,
    messages: Vec<MessageForm<'a>>,
}

/// `message:edited`, `message:deleted`, `message:reaction`, `message:pinned`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    cafe_id: &'a RoomId,
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

/// `users:update` (`cafe.md`, Key Features 5).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Users<'a> {
    cafe_id: &'a RoomId,
    /// Who is in it now: of a café, that is those who are there; of a group, its members.
    /// None where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
    action: &'static str,
    /// Whose coming, going or status this is; none where only the number is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserForm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typing<'a> {
    cafe_id: &'a RoomId,
    user_id: &'a UserId,
    username: &'a str,
    is_typing: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics<'a> {
    cafe_id: &'a RoomId,
    topics: &'a [String],
}

/// `message:delivered` and `message:read`: by whom, or by how many in a big café.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    cafe_id: &'a RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    message_ids: &'a [MessageId],
    #[serde(skip_serializing_if = "Option::is_none")]
    read_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Iso>,
}

/// `cafe:updated` and `cafe:deleted`; in the user's inbox `cafe:joined` and `cafe:left`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cafe<'a> {
    cafe_id: &'a RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    timestamp: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unread<'a> {
    cafe_id: &'a RoomId,
    unread_count: u64,
}

#[derive(Serialize)]
struct Waiting {
    count: u64,
}

pub(in crate::vocabularies) fn render(news: &News<'_>) -> SmallVec<[Outgoing; 2]> {
    match *news {
        News::Delivery(delivery) => logged(delivery).into_iter().collect(),
        News::Ephemeral { room, news, .. } => ephemeral(room, news).into_iter().collect(),
        News::Authenticated { user, .. } => {
            smallvec![Outgoing::new("connected", &Connected { user_id: &user.id, username: &user.name })]
        }
        News::Entered { room, messages } => {
            let messages = messages.iter().map(MessageForm::stored).collect();
            smallvec![Outgoing::new("message:history", &Page { cafe_id: room, messages })]
        }
        News::Waited(message) => {
            smallvec![Outgoing::new("message:new", &New { message: MessageForm::stored(message) })]
        }
        News::Waiting { count } => smallvec![Outgoing::new("messages:waiting", &Waiting { count })],
        News::AskToken | News::Recovered | News::Heartbeat | News::Closing(_) => SmallVec::new(),
        // `error` `{code, message}`, as snake's.
        News::Unauthorized { .. } | News::TokenExpired | News::Failed(_) | News::ServerFull => {
            snake::events::render(news)
        }
    }
}

fn logged(delivery: &Delivery) -> Option<Outgoing> {
    let event = &*delivery.event;
    let (cafe_id, actor) = (&event.room, &event.actor);
    let changed = |message_id| Changed {
        cafe_id,
        message_id,
        user_id: &actor.id,
        content: None,
        encrypted: false,
        emoji: None,
        action: None,
        timestamp: Iso(delivery.time),
        seq: delivery.seq,
    };
    let users = |user_count, action, user| {
        Some(Outgoing::new("users:update", &Users { cafe_id, user_count, action, user: Some(user) }))
    };
    let in_inbox = event.room.inbox_owner().is_some();
    // An inbox's seq is none of the café's.
    let seq = (!in_inbox).then_some(delivery.seq);
    let cafe = |cafe_id| Cafe { cafe_id, name: None, description: None, timestamp: Iso(delivery.time), seq };
    match &event.kind {
        Kind::MessageSent(message) => {
            Some(Outgoing::new("message:new", &New { message: Said::live(delivery, message).into() }))
        }
        Kind::MessageEdited { message, content, encrypted } => Some(Outgoing::new(
            "message:edited",
            &Changed { content: Some(content), encrypted: *encrypted, ..changed(*message) },
        )),
        Kind::MessageDeleted { message } => Some(Outgoing::new("message:deleted", &changed(*message))),
        Kind::MessageReacted { message, emoji, on } => {
            let action = Some(if *on { "add" } else { "remove" });
            Some(Outgoing::new("message:reaction", &Changed { emoji: Some(emoji), action, ..changed(*message) }))
        }
        Kind::MessagePinned { message, on } => {
            let action = Some(if *on { "add" } else { "remove" });
            Some(Outgoing::new("message:pinned", &Changed { action, ..changed(*message) }))
        }
        Kind::MemberJoined { member, members, .. } => users(*members, "join", UserForm::from(&member.user)),
        Kind::MemberLeft { user, name, members, .. } => users(*members, "leave", UserForm::new(user, Some(name), None)),
        // However a user came into a room, made, added or joined, their own sockets hear it in these words.
        Kind::RoomAdded { room, .. } if in_inbox => Some(Outgoing::new(
            "cafe:joined",
            &Cafe { name: room.name.as_deref(), description: room.description.as_deref(), ..cafe(&room.id) },
        )),
        Kind::RoomRemoved { room, .. } if in_inbox => Some(Outgoing::new("cafe:left", &cafe(room))),
        Kind::RoomUpdated { room } => Some(Outgoing::new(
            "cafe:updated",
            &Cafe { name: room.name.as_deref(), description: room.description.as_deref(), ..cafe(cafe_id) },
        )),
        Kind::RoomDeleted { .. } => Some(Outgoing::new("cafe:deleted", &cafe(cafe_id))),
        // Cafés are open to all: roles are nothing that its clients show; bans tell by the leaving.
        Kind::RoleChanged { .. } | Kind::UserBanned { .. } | Kind::BannedFrom { .. } | Kind::UserUnbanned { .. } => {
            None
        }
        // No event here asks for these.
        Kind::RoomMuted { .. } | Kind::UserBlocked { .. } => None,
        // Its sockets are closed; receipts have a log of their own.
        Kind::LoggedOut { .. } | Kind::Receipt { .. } => None,
        Kind::RoomAdded { .. } | Kind::RoomRemoved { .. } | Kind::RoomCreated { .. } | Kind::Other { .. } => None,
    }
}

fn ephemeral(cafe_id: &RoomId, news: &Ephemeral) -> Option<Outgoing> {
    let users =
        |user_count, action, user| Some(Outgoing::new("users:update", &Users { cafe_id, user_count, action, user }));
    match news {
        Ephemeral::Typing { user, active } => Some(Outgoing::new(
            "typing:indicator",
            &Typing { cafe_id, user_id: &user.id, username: &user.name, is_typing: *active },
        )),
        // Who has left a café was told to have left, and has no status in it.
        Ephemeral::Presence { gone: true, .. } => None,
        Ephemeral::Presence { user, name, status, count, .. } => {
            let name = (!name.is_empty()).then_some(&**name);
            users(*count, "status", Some(UserForm::new(user, name, Some(status.as_str()))))
        }
        Ephemeral::Entered { user, count } => users(Some(*count), "join", Some(UserForm::from(user))),
        Ephemeral::Exited { user, count } => users(Some(*count), "leave", Some(UserForm::from(user))),
        Ephemeral::OnlineCount { online } => users(Some(*online), "status", None),
        Ephemeral::Receipt { user, delivered, read, messages, at } => {
            let receipts = receipts(*delivered, *read, messages);
            let (name, (_, message_ids)) = match (receipts.read, receipts.delivered) {
                (Some(read), None) => ("message:read", read),
                (_, Some(delivered)) => ("message:delivered", delivered),
                (None, None) => return None,
            };
            let (user_id, timestamp) = (Some(user), Some(Iso(*at)));
            Some(Outgoing::new(name, &Receipt { cafe_id, user_id, message_ids, read_count: None, timestamp }))
        }
        Ephemeral::ReadCount { message, readers } => {
            let (message_ids, read_count) = (std::slice::from_ref(message), Some(*readers));
            let body = Receipt { cafe_id, user_id: None, message_ids, read_count, timestamp: None };
            Some(Outgoing::new("message:read", &body))
        }
        Ephemeral::Unread { room, count, .. } => {
            Some(Outgoing::new("unread:update", &Unread { cafe_id: room, unread_count: *count }))
        }
        Ephemeral::Topics { topics } => Some(Outgoing::new("topics:update", &Topics { cafe_id, topics })),
        Ephemeral::UploadProgress { .. } | Ephemeral::UploadFailed { .. } => None,
        // Gateways alone hear of it.
        Ephemeral::Superseded { .. } => None,
    }
}
