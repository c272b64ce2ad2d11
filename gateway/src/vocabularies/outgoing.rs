//! What a vocabulary is asked to say, and what it makes of it; and the JSON that vocabularies share.

use std::time::Duration;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Delivery, Ephemeral, Member, Message, Room};
use parlor_core::ids::{MessageId, RoomId, Seq};
use parlor_core::ports::store::{RoomSummary, StoredMessage};
use parlor_core::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// How long a socket whose token expired has to present a new one (DESIGN.md §9).
pub const TOKEN_GRACE: Duration = Duration::from_secs(60);

/// An event for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The event's name.
    pub name: &'static str,
    /// The one argument: a JSON object, `{}` where there is nothing to say.
    pub body: String,
}

impl Outgoing {
    pub(super) fn new(name: &'static str, body: &impl Serialize) -> Self {
        Self { name, body: json(body) }
    }
}

/// What an accepted command is answered with.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The log has the message.
    Sent {
        /// Its id.
        message: MessageId,
        /// Its room.
        room: &'a RoomId,
        /// The log's time.
        time: Timestamp,
        /// Its place, where the log's report was worth trusting.
        seq: Option<Seq>,
        /// The client's own id for it.
        temp_id: Option<&'a str>,
    },
    /// The caller is in the room.
    Joined {
        /// Which.
        room: &'a Room,
        /// Live users, in a channel.
        live: Option<u32>,
        /// Some of them.
        users: &'a [Actor],
    },
    /// The caller is not in the room any more.
    Left {
        /// Which.
        room: &'a RoomId,
    },
    /// The room exists.
    Created {
        /// The room.
        room: &'a Room,
        /// Its members, or the first of them.
        members: &'a [Member],
    },
    /// The log has the edit.
    Edited {
        /// Of which message.
        message: MessageId,
        /// In which room.
        room: &'a RoomId,
        /// The log's time.
        time: Timestamp,
    },
    /// The log has the deletion.
    Deleted {
        /// Of which message.
        message: MessageId,
        /// In which room.
        room: &'a RoomId,
        /// The log's time.
        time: Timestamp,
    },
    /// A page of history.
    Page(&'a Page<'a>),
    /// Done, and there is nothing to tell.
    Done,
}

/// A page of history.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// In the order of the direction asked for.
    pub messages: &'a [StoredMessage],
    /// Goes on in that direction.
    pub next: Option<Seq>,
    /// Goes back.
    pub prev: Option<Seq>,
    /// At least one message lies beyond.
    pub has_more: bool,
}

/// Something that clients may have to be told.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// From the log: an event of a room, or of the inbox of the user whose sockets are told.
    ///
    /// That a user is in a room, or no longer, their own sockets learn from the inbox alone; see
    /// [`told_by_inbox`](super::told_by_inbox).
    Delivery(&'a Delivery),
    /// Told and forgotten.
    Ephemeral {
        /// The room through which it came.
        room: &'a RoomId,
        /// What.
        news: &'a Ephemeral,
    },
    /// The socket's identity is known.
    Authenticated {
        /// Who it is.
        user: &'a Actor,
        /// Their rooms, the latest message first.
        rooms: &'a [RoomSummary],
    },
    /// The socket came without a token and is asked for one.
    AskToken,
    /// The socket's token is not valid, or none came in time; the socket is closed next.
    Unauthorized {
        /// For a person.
        message: &'a str,
    },
    /// The socket's token expired; it has [`TOKEN_GRACE`] for a new one.
    TokenExpired,
    /// The server closes the socket next.
    Closing {
        /// Why, for a program.
        code: &'a str,
        /// Why, for a person.
        reason: &'a str,
    },
    /// Something failed that no command asked for.
    Failed(&'a ChatError),
    /// The gateway holds as many connections as it may; the socket is closed next. Its vocabulary may be unknown:
    /// dotted's form includes snake's.
    ServerFull,
    /// The time has come for the server's heartbeat.
    Heartbeat,
}

/// A refusal's fields that every vocabulary shows alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal<'a> {
    message: &'a str,
    retryable: bool,
    /// Whole seconds, rounded up: after them the command is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
}

impl<'a> Refusal<'a> {
    pub(super) fn new(error: &'a ChatError, temp_id: Option<&'a str>) -> Self {
        let seconds = |duration: Duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
        Self {
            message: &error.message,
            retryable: error.code.retryable(),
            retry_after: error.retry_after.map(seconds),
            limit: error.limit.map(|limit| limit.limit),
            window: error.limit.map(|limit| seconds(limit.window)),
            field: error.field,
            temp_id,
        }
    }
}

/// A message, live or from history, before a vocabulary names its fields.
pub(super) struct Said<'a> {
    pub(super) id: MessageId,
    pub(super) room: &'a RoomId,
    pub(super) sender: &'a Actor,
    pub(super) message: &'a Message,
    pub(super) time: Timestamp,
    pub(super) edited_at: Option<Timestamp>,
    pub(super) seq: Seq,
}

impl<'a> Said<'a> {
    pub(super) fn live(delivery: &'a Delivery, message: &'a Message) -> Self {
        Self {
            id: MessageId(delivery.event.id.0),
            room: &delivery.event.room,
            sender: &delivery.event.actor,
            message,
            time: delivery.time,
            edited_at: None,
            seq: delivery.seq,
        }
    }

    pub(super) fn stored(stored: &'a StoredMessage) -> Self {
        Self {
            id: stored.id,
            room: &stored.room,
            sender: &stored.sender,
            message: &stored.message,
            time: stored.time,
            edited_at: stored.edited_at,
            seq: stored.seq,
        }
    }

    /// The metadata as it was sent; left out if it is not JSON after all.
    pub(super) fn metadata(&self) -> Option<&'a RawValue> {
        self.message.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }
}

/// A time in ISO 8601.
pub(super) struct Iso(pub(super) Timestamp);

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A seq as a cursor: text, because clients hand cursors back as they are.
pub(super) struct CursorText(pub(super) Seq);

impl Serialize for CursorText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Nothing to say: `{}`.
#[derive(Serialize)]
pub(super) struct Nothing {}

pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("structs of texts, numbers and raw JSON can always be written")
}

/// What [`News::ServerFull`] says.
pub(super) fn server_full() -> ChatError {
    ChatError::new(Code::ServerFull, "This server is full. Try again in a moment.")
}

/// A name that a client made up, short enough to be repeated to it.
pub(super) fn shown(name: &str) -> &str {
    name.char_indices().nth(64).map_or(name, |(end, _)| &name[..end])
}
