//! The objects that café events and REST bodies are made of.

use parlor_core::event::{Actor, MessageType};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::presence::Seen;
use parlor_core::ports::store::StoredMessage;
use parlor_core::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::vocabularies::outgoing::{Iso, Said};

/// A message, the same in events and in REST (`cafe.md`, REST), with what a client needs beyond the document's fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageForm<'a> {
    id: MessageId,
    cafe_id: &'a RoomId,
    user_id: &'a UserId,
    username: &'a str,
    content: &'a str,
    created_at: Iso,
    deleted: bool,
    seq: Seq,
    /// What it is, where it is more than text.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
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
        let message = said.message;
        Self {
            id: said.id,
            cafe_id: said.room,
            user_id: &said.sender.id,
            username: &said.sender.name,
            content: &message.content,
            created_at: Iso(said.time),
            deleted: false,
            seq: said.seq,
            r#type: (message.kind != MessageType::Text).then(|| message.kind.as_str()),
            edited_at: said.edited_at.map(Iso),
            metadata: said.metadata(),
            encrypted: message.encrypted,
            temp_id: message.temp_id.as_deref(),
        }
    }
}

impl<'a> MessageForm<'a> {
    pub(super) fn stored(message: &'a StoredMessage) -> Self {
        Self { deleted: message.deleted_at.is_some(), ..Said::stored(message).into() }
    }
}

/// A user in a café.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserForm<'a> {
    id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Iso>,
}

impl<'a> UserForm<'a> {
    pub(super) fn new(id: &'a UserId, username: Option<&'a str>, status: Option<&'static str>) -> Self {
        Self { id, username, status, last_seen: None }
    }

    /// With their presence.
    pub(super) fn seen((user, seen): &'a (Actor, Seen)) -> Self {
        Self { last_seen: seen.last_seen.map(Iso), ..Self::new(&user.id, Some(&user.name), Some(seen.status.as_str())) }
    }
}

impl UserForm<'_> {
    pub(super) fn seen_at(self, time: Timestamp) -> Self {
        Self { last_seen: Some(Iso(time)), ..self }
    }
}

impl<'a> From<&'a Actor> for UserForm<'a> {
    fn from(user: &'a Actor) -> Self {
        Self::new(&user.id, Some(&user.name), None)
    }
}
