//! What a vocabulary is asked to say, and what it makes of it; and the JSON that vocabularies share.

use std::time::Duration;

use parlor_core::device::DeviceKeys;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Delivery, Ephemeral, Member, Message, Room};
use parlor_core::file::File;
use parlor_core::ids::{FileId, MessageId, RoomId, Seq, UserId};
use parlor_core::ports::presence::Seen;
pub use parlor_core::ports::safety::Ban;
use parlor_core::ports::store::{Reaction, RoomSummary, StoredMessage};
use parlor_core::receipts::Got;
use parlor_core::time::Timestamp;
use parlor_socketio::CloseReason;
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
    /// The log has the reaction, or that it was taken back.
    Reacted {
        /// To which message.
        message: MessageId,
        /// In which room.
        room: &'a RoomId,
        /// As sent.
        emoji: &'a str,
        /// False: taken back.
        on: bool,
        /// The log's time.
        time: Timestamp,
    },
    /// The log has the pin, or its removal.
    Pinned {
        /// Which message.
        message: MessageId,
        /// In which room.
        room: &'a RoomId,
        /// False: unpinned.
        on: bool,
        /// The log's time.
        time: Timestamp,
    },
    /// The pinned messages of a room, the last pinned first.
    Pins(&'a [StoredMessage]),
    /// Messages that a search found.
    Found(&'a Found<'a>),
    /// What happened in a room since a place.
    Changes(&'a Changes<'a>),
    /// A page counted from the newest message.
    Counted(&'a Counted<'a>),
    /// What a room talks about.
    Topics {
        /// Which room.
        room: &'a RoomId,
        /// Words, the most frequent first.
        topics: &'a [String],
    },
    /// The caller's pointer in a room has moved, or was there already.
    Pointed {
        /// In which room.
        room: &'a RoomId,
        /// True: read. False: delivered.
        read: bool,
        /// Where it is now.
        seq: Seq,
        /// The messages that the command named.
        messages: &'a [MessageId],
        /// Messages of the room that the caller has not read, where that is known.
        unread: Option<u64>,
    },
    /// Whom a message has reached.
    Receipts(&'a Receipts<'a>),
    /// The presence of users.
    Presence(&'a [(Actor, Seen)]),
    /// Who is in a room now.
    Live {
        /// Which room.
        room: &'a RoomId,
        /// How many.
        count: u32,
        /// Some of them.
        users: &'a [(Actor, Seen)],
    },
    /// Who types in a room.
    Typists {
        /// Which room.
        room: &'a RoomId,
        /// Who.
        users: &'a [Actor],
    },
    /// A room, as it is (now).
    Room {
        /// The room.
        room: &'a Room,
        /// Its members, or the first of them.
        members: &'a [Member],
        /// The newest message that is not deleted, where it was asked for.
        last_message: Option<&'a StoredMessage>,
        /// Messages of the room that the caller has not read, where that was asked for.
        unread: Option<u64>,
    },
    /// The caller's rooms.
    Rooms {
        /// The latest message first.
        rooms: &'a [RoomSummary],
        /// How many there are in all.
        total: u64,
    },
    /// Members of a room.
    Members {
        /// By id.
        members: &'a [Member],
        /// Where the next page begins: after this user.
        next: Option<&'a UserId>,
    },
    /// The room is deleted.
    RoomDeleted {
        /// Which.
        room: &'a RoomId,
    },
    /// Push notifications of a room are off, or on.
    Muted {
        /// Which room.
        room: &'a RoomId,
        /// True: off.
        on: bool,
    },
    /// A user is banned from a room, or not any more.
    Banned {
        /// From which room.
        room: &'a RoomId,
        /// Whom.
        user: &'a UserId,
        /// False: not any more.
        on: bool,
        /// Until when; `None`: until it is lifted.
        until: Option<Timestamp>,
    },
    /// Who is banned from a room.
    Bans {
        /// Which room.
        room: &'a RoomId,
        /// The newest ban first.
        bans: &'a [Ban],
    },
    /// The caller blocks a user, or does so no more.
    Blocked {
        /// Whom.
        user: &'a UserId,
        /// False: no more.
        on: bool,
    },
    /// Whom the caller blocks.
    Blocks(&'a [Actor]),
    /// The report was taken.
    Reported {
        /// Its id, for the team.
        id: uuid::Uuid,
    },
    /// Where the declared file goes.
    UploadStarted(&'a Upload<'a>),
    /// The file is there and is what it was declared to be.
    UploadComplete {
        /// The file.
        file: &'a File,
        /// From where it can be read for a while without a token.
        url: &'a str,
    },
    /// From where a file can be read for a while without a token.
    FileUrl {
        /// Which file.
        file: FileId,
        /// An absolute path or URL.
        url: &'a str,
        /// Until when.
        expires: Timestamp,
    },
    /// The key with which browsers subscribe to Web Push, base64url.
    PushKey(&'a str),
    /// Public keys of users' devices; in the answer to a claim each with its one-time key.
    Keys(&'a [DeviceKeys]),
}

/// Messages that a search found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The newest first, each with its text where the words stand between `<mark>` and `</mark>` and all else is
    /// escaped for HTML.
    pub hits: &'a [(StoredMessage, String)],
    /// Where the next page begins.
    pub next: Option<&'a str>,
}

/// What happened in a room since a place.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// In order.
    pub events: &'a [Delivery],
    /// Where the next page begins: after this place. It is also where a client stands that has taken all of them in.
    pub next: Seq,
    /// More lies beyond.
    pub has_more: bool,
}

/// A page counted from the newest message.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Of which room.
    pub room: &'a RoomId,
    /// The newest first.
    pub messages: &'a [StoredMessage],
    /// Messages of the room that are not deleted.
    pub total: u64,
    /// As asked for, or the most there may be.
    pub limit: u32,
    /// As asked for.
    pub offset: u64,
}

/// Whom a message has reached.
#[derive(Clone, Copy, Debug)]
pub struct Receipts<'a> {
    /// The message.
    pub message: MessageId,
    /// Its room.
    pub room: &'a RoomId,
    /// Members whom it has reached, the sender left out.
    pub delivered: u32,
    /// Members who have read it, the sender left out.
    pub read: u32,
    /// Member by member; none in a big room.
    pub members: &'a [MemberReceipt],
}

/// How far a message has got with one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReceipt {
    /// Who.
    pub user: Actor,
    /// It has reached them, at the latest at this time.
    pub delivered_at: Option<Timestamp>,
    /// They have read it, at the latest at this time.
    pub read_at: Option<Timestamp>,
}

/// Where a declared file goes.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// The upload, and later the file.
    pub id: FileId,
    /// The request's method.
    pub method: &'a str,
    /// Its address: a path of this server, or a URL.
    pub url: &'a str,
    /// Headers that it must carry.
    pub headers: &'a [(String, String)],
    /// Until when it is taken.
    pub expires: Timestamp,
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
        /// When this gateway heard of it.
        at: Timestamp,
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
    /// The server closes the socket next, for this reason.
    Closing(CloseReason),
    /// Something failed that no command asked for.
    Failed(&'a ChatError),
    /// The gateway holds as many connections as it may; the socket is closed next. Its vocabulary may be unknown:
    /// dotted's form includes snake's.
    ServerFull,
    /// The time has come for the server's heartbeat.
    Heartbeat,
    /// A message that waited for a user who begins anew: told like a live one, but older than what they hear next.
    Waited(&'a StoredMessage),
    /// How many messages wait for a user who begins anew; told before them.
    Waiting {
        /// In all rooms.
        count: u64,
    },
    /// The socket goes on with its session.
    Recovered,
    /// A page of a channel, for the socket that has just joined it.
    Entered {
        /// Which.
        room: &'a RoomId,
        /// The newest first.
        messages: &'a [StoredMessage],
    },
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
    pub(super) reactions: &'a [Reaction],
    pub(super) pinned: bool,
    pub(super) got: Got,
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
            reactions: &[],
            pinned: false,
            got: Got::Sent,
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
            reactions: &stored.reactions,
            pinned: stored.pinned,
            got: stored.got,
        }
    }

    /// The metadata as it was sent; left out if it is not JSON after all.
    pub(super) fn metadata(&self) -> Option<&'a RawValue> {
        self.message.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }
}

/// A place that somebody has reached, and the messages that it newly covers.
pub(super) type Covered<'a> = (Seq, &'a [MessageId]);

/// What a receipt tells of delivery and of reading.
pub(super) struct ReceiptNews<'a> {
    pub(super) delivered: Option<Covered<'a>>,
    pub(super) read: Option<Covered<'a>>,
}

/// What is read has been delivered, and is told as read alone. Where the two pointers differ it is not known which of
/// the messages are read: they are told as delivered, and of the reading its place alone.
pub(super) fn receipts(delivered: Option<Seq>, read: Option<Seq>, messages: &[MessageId]) -> ReceiptNews<'_> {
    match (delivered, read) {
        (Some(delivered), Some(read)) if delivered > read => {
            ReceiptNews { delivered: Some((delivered, messages)), read: Some((read, &[])) }
        }
        (_, Some(read)) => ReceiptNews { delivered: None, read: Some((read, messages)) },
        (Some(delivered), None) => ReceiptNews { delivered: Some((delivered, messages)), read: None },
        (None, None) => ReceiptNews { delivered: None, read: None },
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

/// What a token whose time is over is called, at a handshake and on a live socket.
pub(crate) const TOKEN_EXPIRED: &str = "token_expired";

/// What [`News::ServerFull`] says.
pub(super) fn server_full() -> ChatError {
    ChatError::new(Code::ServerFull, "This server is full. Try again in a moment.")
}

/// A name that a client made up, short enough to be repeated to it.
pub(super) fn shown(name: &str) -> &str {
    name.char_indices().nth(64).map_or(name, |(end, _)| &name[..end])
}
