//! What the log tells: events of conversations, and of a user's inbox.

use parlor_core::event::{Actor, Delivery, Kind, Member, Room};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::Serialize;

use crate::vocabularies::conversations::forms::{ConversationForm, MessageForm, ParticipantForm, plain};
use crate::vocabularies::outgoing::{Iso, Outgoing, Said};

/// `chat:message_edited`, `chat:message_deleted`, `chat:message_reaction` and `chat:message_pinned`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    message_id: MessageId,
    conversation_id: &'a RoomId,
    user_id: &'a UserId,
    #[serde(flatten)]
    change: Change<'a>,
    timestamp: Iso,
    seq: Seq,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Change<'a> {
    #[serde(rename_all = "camelCase")]
    Edited {
        content_encrypted: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
        is_encrypted: bool,
    },
    Deleted {},
    Reacted {
        emoji: &'a str,
        action: &'static str,
    },
    Pinned {
        pinned: bool,
    },
}

/// `conversation:updated`: what about the conversation is not as it was.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Updated<'a> {
    conversation_id: &'a RoomId,
    action: &'static str,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<ParticipantForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Iso>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl<'a> Updated<'a> {
    fn new(conversation_id: &'a RoomId, action: &'static str) -> Self {
        Self {
            conversation_id,
            action,
            user_id: None,
            participant: None,
            participant_id: None,
            conversation: None,
            unread_count: None,
            online_count: None,
            timestamp: None,
            seq: None,
        }
    }

    fn of(delivery: &'a Delivery, action: &'static str) -> Self {
        Self {
            user_id: Some(&delivery.event.actor.id),
            timestamp: Some(Iso(delivery.time)),
            seq: Some(delivery.seq),
            ..Self::new(&delivery.event.room, action)
        }
    }

    fn member(delivery: &'a Delivery, action: &'static str, member: &'a Member) -> Self {
        Self { participant: Some(member.into()), participant_id: Some(&member.user.id), ..Self::of(delivery, action) }
    }

    /// From an inbox: its seq is none of the conversation's.
    fn own(delivery: &'a Delivery, room: &'a RoomId, action: &'static str) -> Self {
        Self { conversation_id: room, seq: None, ..Self::of(delivery, action) }
    }

    /// Somebody came into a channel or left it.
    pub(super) fn live(room: &'a RoomId, action: &'static str, user: &'a Actor, count: u32) -> Self {
        Self {
            participant: Some(user.into()),
            participant_id: Some(&user.id),
            online_count: Some(count),
            ..Self::new(room, action)
        }
    }

    pub(super) fn online(room: &'a RoomId, count: u32) -> Self {
        Self { online_count: Some(count), ..Self::new(room, "online") }
    }

    pub(super) fn unread(room: &'a RoomId, count: u64) -> Self {
        Self { unread_count: Some(count), ..Self::new(room, "unread") }
    }

    pub(super) fn told(self) -> Outgoing {
        Outgoing::new("conversation:updated", &self)
    }
}

pub(super) fn render(delivery: &Delivery) -> Option<Outgoing> {
    let event = &*delivery.event;
    let changed = |name, message_id, change| {
        let (conversation_id, user_id) = (&event.room, &event.actor.id);
        let (timestamp, seq) = (Iso(delivery.time), delivery.seq);
        Outgoing::new(name, &Changed { message_id, conversation_id, user_id, change, timestamp, seq })
    };
    let updated = |action| Updated::of(delivery, action);
    let with = |action, room: &Room| Updated { conversation: Some(room.into()), ..updated(action) }.told();
    Some(match &event.kind {
        Kind::MessageSent(message) => {
            Outgoing::new("chat:message_received", &MessageForm::from(Said::live(delivery, message)))
        }
        Kind::MessageEdited { message, content, encrypted } => {
            let (plain, is_encrypted) = (plain(content, *encrypted), *encrypted);
            let change = Change::Edited { content_encrypted: content, content: plain, is_encrypted };
            changed("chat:message_edited", *message, change)
        }
        Kind::MessageDeleted { message } => changed("chat:message_deleted", *message, Change::Deleted {}),
        Kind::MessageReacted { message, emoji, on } => {
            let action = if *on { "add" } else { "remove" };
            changed("chat:message_reaction", *message, Change::Reacted { emoji, action })
        }
        Kind::MessagePinned { message, on } => changed("chat:message_pinned", *message, Change::Pinned { pinned: *on }),
        Kind::MemberJoined { member, .. } => Updated::member(delivery, "participant_added", member).told(),
        Kind::MemberLeft { user, .. } => {
            Updated { participant_id: Some(user), ..updated("participant_removed") }.told()
        }
        Kind::RoleChanged { member, .. } => Updated::member(delivery, "role_changed", member).told(),
        Kind::RoomUpdated { room } => with("updated", room),
        Kind::RoomDeleted { .. } => updated("deleted").told(),
        Kind::UserBanned { user, .. } => Updated { participant_id: Some(user), ..updated("banned") }.told(),
        Kind::UserUnbanned { user, .. } => Updated { participant_id: Some(user), ..updated("unbanned") }.told(),
        Kind::RoomAdded { .. } | Kind::RoomRemoved { .. } | Kind::BannedFrom { .. } | Kind::RoomMuted { .. } => {
            return inbox(delivery);
        }
        // No event here asks for it.
        Kind::UserBlocked { .. } => return None,
        // The members hear of their new conversation through their inboxes.
        Kind::RoomCreated { .. } => return None,
        // Its sockets are closed; receipts have a log of their own.
        Kind::LoggedOut { .. } | Kind::Receipt { .. } => return None,
        // A newer version's: this one has no words for it.
        Kind::Other { .. } => return None,
    })
}

/// What a user's own sockets alone hear. `None`: the event is in no inbox.
fn inbox(delivery: &Delivery) -> Option<Outgoing> {
    let owner = delivery.event.room.inbox_owner()?;
    Some(match &delivery.event.kind {
        Kind::RoomAdded { room, pair } => {
            let action = if room.version > 1 { "joined" } else { "created" };
            let conversation =
                if pair.is_empty() { room.into() } else { ConversationForm::with_participants(room, pair) };
            Updated { conversation: Some(conversation), ..Updated::own(delivery, &room.id, action) }.told()
        }
        Kind::RoomRemoved { room, .. } => {
            Updated { participant_id: Some(&owner), ..Updated::own(delivery, room, "participant_removed") }.told()
        }
        Kind::BannedFrom { room, .. } => {
            Updated { participant_id: Some(&owner), ..Updated::own(delivery, room, "banned") }.told()
        }
        Kind::RoomMuted { room, on } => Updated::own(delivery, room, if *on { "muted" } else { "unmuted" }).told(),
        _ => return None,
    })
}
