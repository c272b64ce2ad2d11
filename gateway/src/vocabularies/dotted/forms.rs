//! The objects that dotted events and acks are made of.

use parlor_core::event::{Actor, Member, Room};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::store::{Reaction, RoomSummary, StoredMessage};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::vocabularies::outgoing::{CursorText, Iso, Page, Said};

/// `message.received`, and each message of a history (`dotted-architecture.md` §2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageForm<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    sender_id: &'a UserId,
    sender_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_avatar: Option<&'a str>,
    content: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<QuoteForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    timestamp: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Iso>,
    seq: Seq,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mentions: &'a [UserId],
    /// The content is ciphertext.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionForm<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    /// It waited for the user: it may be older than what they have heard.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
}

/// One emoji under a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReactionForm<'a> {
    emoji: &'a str,
    count: u32,
    user_ids: &'a [UserId],
}

impl<'a> From<&'a Reaction> for ReactionForm<'a> {
    fn from(reaction: &'a Reaction) -> Self {
        Self { emoji: &reaction.emoji, count: reaction.count, user_ids: &reaction.users }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuoteForm<'a> {
    message_id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    /// The content is ciphertext.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<&'a UserId>,
}

impl<'a> From<Said<'a>> for MessageForm<'a> {
    fn from(said: Said<'a>) -> Self {
        let message = said.message;
        Self {
            message_id: said.id,
            room_id: said.room,
            sender_id: &said.sender.id,
            sender_name: &said.sender.name,
            sender_avatar: said.sender.avatar.as_deref(),
            content: &message.content,
            r#type: message.kind.as_str(),
            reply_to: message.reply_to.as_ref().map(|quote| QuoteForm {
                message_id: quote.message,
                content: quote.content.as_deref(),
                encrypted: quote.encrypted,
                sender_id: quote.sender.as_ref(),
            }),
            metadata: said.metadata(),
            timestamp: Iso(said.time),
            edited_at: said.edited_at.map(Iso),
            seq: said.seq,
            mentions: &message.mentions,
            encrypted: message.encrypted,
            reactions: said.reactions.iter().map(ReactionForm::from).collect(),
            pinned: said.pinned,
            waited: false,
            temp_id: message.temp_id.as_deref(),
        }
    }
}

impl<'a> MessageForm<'a> {
    pub(super) fn stored(message: &'a StoredMessage) -> Self {
        Said::stored(message).into()
    }

    pub(super) fn waited(message: &'a StoredMessage) -> Self {
        Self { waited: true, ..Self::stored(message) }
    }
}

/// The ack of `message.history` and `message.history.response` (`dotted-architecture.md` §11).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageForm<'a> {
    messages: Vec<MessageForm<'a>>,
    next_cursor: Option<CursorText>,
    prev_cursor: Option<CursorText>,
    has_more: bool,
}

impl<'a> From<&Page<'a>> for PageForm<'a> {
    fn from(page: &Page<'a>) -> Self {
        Self {
            messages: page.messages.iter().map(MessageForm::stored).collect(),
            next_cursor: page.next.map(CursorText),
            prev_cursor: page.prev.map(CursorText),
            has_more: page.has_more,
        }
    }
}

/// A room, in acks and as `room.created`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomForm<'a> {
    room_id: &'a RoomId,
    r#type: &'static str,
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
    is_private: bool,
    created_by: &'a UserId,
    created_at: Iso,
    member_count: u32,
    /// To one of a direct room, which has no name of its own: the other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<UserForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<MemberForm<'a>>>,
    /// To those who asked for the room: messages that they have not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<MessageForm<'a>>,
}

/// A user in a room.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberForm<'a> {
    #[serde(flatten)]
    user: UserForm<'a>,
    role: &'static str,
    joined_at: Iso,
}

impl<'a> RoomForm<'a> {
    pub(super) fn with_members(room: &'a Room, members: &'a [Member]) -> Self {
        Self { members: Some(members.iter().map(MemberForm::from).collect()), ..Self::from(room) }
    }

    /// Of a direct room, with the other user.
    pub(super) fn with(self, partner: Option<&'a Actor>) -> Self {
        Self { partner: partner.map(UserForm::from), ..self }
    }

    /// With what only those are told who ask.
    pub(super) fn told_to_asker(self, last_message: Option<&'a StoredMessage>, unread_count: Option<u64>) -> Self {
        Self { unread_count, last_message: last_message.map(MessageForm::stored), ..self }
    }
}

impl<'a> From<&'a Member> for MemberForm<'a> {
    fn from(member: &'a Member) -> Self {
        Self { user: UserForm::from(&member.user), role: member.role.as_str(), joined_at: Iso(member.joined_at) }
    }
}

impl<'a> From<&'a Room> for RoomForm<'a> {
    fn from(room: &'a Room) -> Self {
        Self {
            room_id: &room.id,
            r#type: room.kind.as_str(),
            name: room.name.as_deref(),
            description: room.description.as_deref(),
            avatar: room.avatar.as_deref(),
            is_private: room.private,
            created_by: &room.created_by,
            created_at: Iso(room.created_at),
            member_count: room.member_count,
            partner: None,
            members: None,
            unread_count: None,
            last_message: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserForm<'a> {
    user_id: &'a UserId,
    user_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_avatar: Option<&'a str>,
}

impl<'a> From<&'a Actor> for UserForm<'a> {
    fn from(user: &'a Actor) -> Self {
        Self { user_id: &user.id, user_name: &user.name, user_avatar: user.avatar.as_deref() }
    }
}

/// One of the user's rooms in `connection.authenticated` and in `room.list`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SummaryForm<'a> {
    room_id: &'a RoomId,
    r#type: &'static str,
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
    is_private: bool,
    role: &'static str,
    member_count: u32,
    /// The other user of a direct room, which has no name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<UserForm<'a>>,
    unread_count: u64,
    /// Everything up to here is read.
    read_seq: Seq,
    muted: bool,
    last_message: Option<MessageForm<'a>>,
}

impl<'a> From<&'a RoomSummary> for SummaryForm<'a> {
    fn from(summary: &'a RoomSummary) -> Self {
        let room = &summary.room;
        Self {
            room_id: &room.id,
            r#type: room.kind.as_str(),
            name: room.name.as_deref(),
            avatar: room.avatar.as_deref(),
            is_private: room.private,
            role: summary.role.as_str(),
            member_count: room.member_count,
            partner: summary.partner.as_ref().map(UserForm::from),
            unread_count: summary.unread,
            read_seq: summary.read,
            muted: summary.muted,
            last_message: summary.last_message.as_ref().map(MessageForm::stored),
        }
    }
}
