//! The objects that events and REST bodies are made of. Their fields are in snake case, as in the document; those of
//! events that are no such object are in camel case, as there.

use parlor_core::event::{Actor, Member, MessageType, Room, RoomKind};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::store::{Reaction, RoomSummary, StoredMessage};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::vocabularies::outgoing::{Iso, Said};

/// A message (`conversations.md`, messages).
#[derive(Serialize)]
pub(super) struct MessageForm<'a> {
    id: MessageId,
    conversation_id: &'a RoomId,
    sender_id: &'a UserId,
    sender_name: &'a str,
    content_encrypted: &'a str,
    /// Plain text, for those who look for it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    is_encrypted: bool,
    message_type: &'static str,
    created_at: Iso,
    is_edited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Iso>,
    is_deleted: bool,
    /// How far it has got with the furthest of those who did not send it.
    status: &'static str,
    reactions: Vec<ReactionForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none", rename = "tempId")]
    temp_id: Option<&'a str>,
}

#[derive(Serialize)]
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

impl<'a> From<Said<'a>> for MessageForm<'a> {
    fn from(said: Said<'a>) -> Self {
        let message = said.message;
        Self {
            id: said.id,
            conversation_id: said.room,
            sender_id: &said.sender.id,
            sender_name: &said.sender.name,
            content_encrypted: &message.content,
            content: plain(&message.content, message.encrypted),
            is_encrypted: message.encrypted,
            message_type: nearest(message.kind),
            created_at: Iso(said.time),
            is_edited: said.edited_at.is_some(),
            edited_at: said.edited_at.map(Iso),
            is_deleted: false,
            status: said.got.as_str(),
            reactions: said.reactions.iter().map(ReactionForm::from).collect(),
            reply_to_id: message.reply_to.as_ref().map(|quote| quote.message),
            metadata: said.metadata(),
            seq: said.seq,
            temp_id: message.temp_id.as_deref(),
        }
    }
}

impl<'a> MessageForm<'a> {
    pub(super) fn stored(message: &'a StoredMessage) -> Self {
        Self { is_deleted: message.deleted_at.is_some(), ..Said::stored(message).into() }
    }
}

/// The content, where it is no ciphertext.
pub(super) fn plain(content: &str, encrypted: bool) -> Option<&str> {
    (!encrypted).then_some(content)
}

/// The document's types are text, image, file, system and voice.
pub(super) fn nearest(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Audio => MessageType::Voice,
        MessageType::Video => MessageType::File,
        kind => kind,
    }
    .as_str()
}

/// A conversation (`conversations.md`, conversations).
#[derive(Serialize)]
pub(super) struct ConversationForm<'a> {
    id: &'a RoomId,
    r#type: &'static str,
    /// Null for a direct conversation.
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<&'a str>,
    created_by: &'a UserId,
    created_at: Iso,
    is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<ParticipantForm<'a>>>,
    participant_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Option<MessageForm<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message_at: Option<Iso>,
}

/// A user in a conversation (`conversations.md`, conversation_participants).
#[derive(Serialize)]
pub(super) struct ParticipantForm<'a> {
    user_id: &'a UserId,
    username: &'a str,
    display_name: &'a str,
    avatar_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_at: Option<Iso>,
}

impl<'a> From<&'a Actor> for ParticipantForm<'a> {
    fn from(user: &'a Actor) -> Self {
        Self {
            user_id: &user.id,
            username: &user.name,
            display_name: &user.name,
            avatar_url: user.avatar.as_deref(),
            role: None,
            joined_at: None,
        }
    }
}

impl<'a> From<&'a Member> for ParticipantForm<'a> {
    fn from(member: &'a Member) -> Self {
        let (role, joined_at) = (Some(member.role.as_str()), Some(Iso(member.joined_at)));
        Self { role, joined_at, ..Self::from(&member.user) }
    }
}

impl<'a> From<&'a Room> for ConversationForm<'a> {
    fn from(room: &'a Room) -> Self {
        Self {
            id: &room.id,
            r#type: room.kind.as_str(),
            title: if room.kind == RoomKind::Direct { None } else { room.name.as_deref() },
            description: room.description.as_deref(),
            avatar_url: room.avatar.as_deref(),
            created_by: &room.created_by,
            created_at: Iso(room.created_at),
            is_active: true,
            participants: None,
            participant_count: room.member_count,
            unread_count: None,
            last_message: None,
            last_message_at: None,
        }
    }
}

impl<'a> ConversationForm<'a> {
    pub(super) fn with_participants(room: &'a Room, members: &'a [Member]) -> Self {
        Self { participants: Some(members.iter().map(ParticipantForm::from).collect()), ..Self::from(room) }
    }

    /// With what only those are told who ask; `last_message` is null where there is none.
    pub(super) fn told_to_asker(self, last_message: Option<&'a StoredMessage>, unread_count: Option<u64>) -> Self {
        Self {
            unread_count,
            last_message_at: last_message.map(|message| Iso(message.time)),
            last_message: Some(last_message.map(MessageForm::stored)),
            ..self
        }
    }
}

impl<'a> From<&'a RoomSummary> for ConversationForm<'a> {
    fn from(summary: &'a RoomSummary) -> Self {
        let form = Self::with_participants(&summary.room, &summary.first_members);
        form.told_to_asker(summary.last_message.as_ref(), Some(summary.unread))
    }
}
