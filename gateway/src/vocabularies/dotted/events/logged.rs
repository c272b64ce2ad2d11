//! What the log tells: events of rooms, and of a user's inbox.

use parlor_core::event::{Actor, Delivery, Kind};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use crate::vocabularies::dotted::answers::{Blocked, Muted, action};
use crate::vocabularies::dotted::forms::{MessageForm, RoomForm};
use crate::vocabularies::outgoing::{Iso, Outgoing, Said};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edited<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    content: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted: bool,
    edited_at: Iso,
    seq: Seq,
}

/// `message.deleted`, `message.pinned` and `message.unpinned`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    timestamp: Iso,
    seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reacted<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    user_name: &'a str,
    emoji: &'a str,
    action: &'static str,
    timestamp: Iso,
    seq: Seq,
}

/// `room.joined`, `room.left` and `room.deleted`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Moved<'a> {
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

    /// Of a channel, with who is in it now.
    pub(super) fn live(room_id: &'a RoomId, user: &'a Actor, count: u32) -> Self {
        Self { user_name: Some(&user.name), user_count: Some(count), ..Self::new(room_id, &user.id) }
    }
}

/// `room.members.add` and `room.members.remove`: `user_id` did it to the others.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Membership<'a> {
    room_id: &'a RoomId,
    member_ids: [&'a UserId; 1],
    user_id: &'a UserId,
    timestamp: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl<'a> Membership<'a> {
    fn new(room_id: &'a RoomId, member: &'a UserId, user_id: &'a UserId, timestamp: Iso, seq: Option<Seq>) -> Self {
        Self { room_id, member_ids: [member], user_id, timestamp, seq }
    }
}

/// `room.members.role`, `room.banned` and `room.unbanned`: `by` did it to `user_id`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Role<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Iso>,
    by: &'a UserId,
    timestamp: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl<'a> Role<'a> {
    fn new(room_id: &'a RoomId, user_id: &'a UserId, by: &'a UserId, delivery: &Delivery) -> Self {
        let (timestamp, seq) = (Iso(delivery.time), Some(delivery.seq));
        Self { room_id, user_id, user_name: None, role: None, until: None, by, timestamp, seq }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated<'a> {
    #[serde(flatten)]
    room: RoomForm<'a>,
    user_id: &'a UserId,
    timestamp: Iso,
    seq: Seq,
}

pub(super) fn render(delivery: &Delivery) -> SmallVec<[Outgoing; 2]> {
    let event = &*delivery.event;
    let (room, actor) = (&event.room, &event.actor);
    let (timestamp, seq) = (Some(Iso(delivery.time)), Some(delivery.seq));
    match &event.kind {
        Kind::MessageSent(message) => {
            smallvec![Outgoing::new("message.received", &MessageForm::from(Said::live(delivery, message)))]
        }
        Kind::MessageEdited { message, content, encrypted } => smallvec![Outgoing::new(
            "message.edited",
            &Edited {
                message_id: *message,
                room_id: room,
                user_id: &actor.id,
                content,
                encrypted: *encrypted,
                edited_at: Iso(delivery.time),
                seq: delivery.seq,
            },
        )],
        Kind::MessageDeleted { message } => smallvec![Outgoing::new(
            "message.deleted",
            &Deleted {
                message_id: *message,
                room_id: room,
                user_id: &actor.id,
                timestamp: Iso(delivery.time),
                seq: delivery.seq,
            },
        )],
        Kind::MessageReacted { message, emoji, on } => smallvec![Outgoing::new(
            "message.reaction",
            &Reacted {
                message_id: *message,
                room_id: room,
                user_id: &actor.id,
                user_name: &actor.name,
                emoji,
                action: action(*on),
                timestamp: Iso(delivery.time),
                seq: delivery.seq,
            },
        )],
        Kind::MessagePinned { message, on } => smallvec![Outgoing::new(
            if *on { "message.pinned" } else { "message.unpinned" },
            &Deleted {
                message_id: *message,
                room_id: room,
                user_id: &actor.id,
                timestamp: Iso(delivery.time),
                seq: delivery.seq,
            },
        )],
        Kind::MemberJoined { member, .. } => {
            let user = &member.user;
            let body = Moved { user_name: Some(&user.name), timestamp, seq, ..Moved::new(room, &user.id) };
            let joined = Outgoing::new("room.joined", &body);
            if actor.id == user.id {
                return smallvec![joined];
            }
            let body = Membership::new(room, &user.id, &actor.id, Iso(delivery.time), seq);
            smallvec![joined, Outgoing::new("room.members.add", &body)]
        }
        Kind::MemberLeft { user, name, .. } => {
            let body = Moved { user_name: Some(name), timestamp, seq, ..Moved::new(room, user) };
            let left = Outgoing::new("room.left", &body);
            if actor.id == *user {
                return smallvec![left];
            }
            let body = Membership::new(room, user, &actor.id, Iso(delivery.time), seq);
            smallvec![left, Outgoing::new("room.members.remove", &body)]
        }
        Kind::RoomUpdated { room } => smallvec![Outgoing::new(
            "room.updated",
            &Updated {
                room: RoomForm::from(room),
                user_id: &actor.id,
                timestamp: Iso(delivery.time),
                seq: delivery.seq,
            },
        )],
        Kind::RoomDeleted { .. } => {
            smallvec![Outgoing::new("room.deleted", &Moved { timestamp, seq, ..Moved::new(room, &actor.id) })]
        }
        Kind::RoleChanged { member, .. } => {
            let body =
                Role { role: Some(member.role.as_str()), ..Role::new(room, &member.user.id, &actor.id, delivery) };
            smallvec![Outgoing::new("room.members.role", &body)]
        }
        Kind::UserBanned { user, name, until, .. } => {
            let until = until.map(Iso);
            let body = Role { user_name: Some(name), until, ..Role::new(room, user, &actor.id, delivery) };
            smallvec![Outgoing::new("room.banned", &body)]
        }
        Kind::UserUnbanned { user, .. } => {
            smallvec![Outgoing::new("room.unbanned", &Role::new(room, user, &actor.id, delivery))]
        }
        Kind::RoomAdded { .. }
        | Kind::RoomRemoved { .. }
        | Kind::BannedFrom { .. }
        | Kind::RoomMuted { .. }
        | Kind::UserBlocked { .. } => inbox(delivery).unwrap_or_default(),
        // The members hear of their new room through their inboxes.
        Kind::RoomCreated { .. } => SmallVec::new(),
        // Its sockets are closed; receipts have a log of their own.
        Kind::LoggedOut { .. } | Kind::Receipt { .. } => SmallVec::new(),
        // A newer version's: this one has no words for it.
        Kind::Other { .. } => SmallVec::new(),
    }
}

/// What a user's own sockets alone hear. `None`: the event is in no inbox.
fn inbox(delivery: &Delivery) -> Option<SmallVec<[Outgoing; 2]>> {
    let actor = &delivery.event.actor;
    let owner = delivery.event.room.inbox_owner()?;
    let timestamp = Some(Iso(delivery.time));
    Some(match &delivery.event.kind {
        Kind::RoomAdded { room: added, pair } => {
            // Version 1 is the room's making. Later the owner joined by their own will, or somebody added them: to
            // those it is a room that appears out of nothing.
            if added.version > 1 && actor.id == owner {
                let body = Moved {
                    user_name: Some(&actor.name),
                    timestamp,
                    room: Some(added.into()),
                    ..Moved::new(&added.id, &owner)
                };
                return Some(smallvec![Outgoing::new("room.joined", &body)]);
            }
            let partner = pair.iter().map(|member| &member.user).find(|user| user.id != owner);
            smallvec![Outgoing::new("room.created", &RoomForm::from(added).with(partner))]
        }
        Kind::RoomRemoved { room, .. } => {
            let left = Outgoing::new("room.left", &Moved { timestamp, ..Moved::new(room, &owner) });
            if actor.id == owner {
                return Some(smallvec![left]);
            }
            let body = Membership::new(room, &owner, &actor.id, Iso(delivery.time), None);
            smallvec![left, Outgoing::new("room.members.remove", &body)]
        }
        Kind::BannedFrom { room, name, until } => {
            let (user_name, until) = (Some(&**name), until.map(Iso));
            let body = Role { user_name, until, seq: None, ..Role::new(room, &owner, &actor.id, delivery) };
            smallvec![Outgoing::new("room.banned", &body)]
        }
        Kind::RoomMuted { room, on } => {
            let name = if *on { "room.muted" } else { "room.unmuted" };
            smallvec![Outgoing::new(name, &Muted { room_id: room, muted: *on })]
        }
        Kind::UserBlocked { user, on } => {
            let name = if *on { "user.blocked" } else { "user.unblocked" };
            smallvec![Outgoing::new(name, &Blocked { user_id: user, blocked: *on })]
        }
        _ => return None,
    })
}
