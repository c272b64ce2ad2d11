//! What happened. Events of a room are records of the log, in one order; ephemeral ones never get there.

use std::sync::Arc;

use bytes::Bytes;

use crate::ids::{EventId, FileId, MessageId, RoomId, Seq, UserId};
use crate::time::Timestamp;

/// One change of a room (or of a user's inbox), as it is appended to the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// A second record with this id is a copy.
    pub id: EventId,
    /// The room, or the inbox, whose order it belongs to: the record's key.
    pub room: RoomId,
    /// Who did it.
    pub actor: Actor,
    /// What.
    pub kind: Kind,
}

/// A user as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The id.
    pub id: UserId,
    /// The display name; the id where none is known.
    pub name: Arc<str>,
    /// A URL, never fetched by the server.
    pub avatar: Option<Arc<str>>,
}

/// The kinds of event this version knows, and the ones it does not.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A message. Its id is the event's.
    MessageSent(Message),
    /// New content for a message.
    MessageEdited {
        /// Which.
        message: MessageId,
        /// The new content.
        content: String,
        /// The content is ciphertext.
        encrypted: bool,
    },
    /// A message was taken back.
    MessageDeleted {
        /// Which.
        message: MessageId,
    },
    /// The room's first event.
    RoomCreated {
        /// The room as made.
        room: Room,
        /// Its first members, 100 at most; the store has them all.
        members: Vec<Member>,
    },
    /// A user became a member.
    MemberJoined {
        /// Who, with their role.
        member: Member,
        /// How many there are with them. `None` in records from before this was told.
        members: Option<u32>,
        /// The room's membership version from now on.
        version: u64,
    },
    /// A user is no member any more.
    MemberLeft {
        /// Who left or was removed.
        user: UserId,
        /// Their display name.
        name: Arc<str>,
        /// How many there are without them. `None` in records from before this was told.
        members: Option<u32>,
        /// The room's membership version from now on.
        version: u64,
    },
    /// In a user's inbox: they are now a member of `room`.
    RoomAdded {
        /// The room.
        room: Room,
        /// Both users of a direct room, which has no name but theirs. Empty for other kinds, and in records of versions
        /// that did not say it.
        pair: Vec<Member>,
    },
    /// In a user's inbox: they are no member of `room` any more.
    RoomRemoved {
        /// The room.
        room: RoomId,
        /// The room's membership version from now on.
        version: u64,
    },
    /// A reaction was added to a message, or taken back.
    MessageReacted {
        /// To which.
        message: MessageId,
        /// As sent.
        emoji: String,
        /// False: taken back.
        on: bool,
    },
    /// A message was pinned to its room, or unpinned.
    MessagePinned {
        /// Which.
        message: MessageId,
        /// False: unpinned.
        on: bool,
    },
    /// The room's settings changed.
    RoomUpdated {
        /// As it is now.
        room: Room,
    },
    /// The room is no more: its members hear it, and nobody reads or sends there again.
    RoomDeleted {
        /// The room's membership version from now on.
        version: u64,
    },
    /// A member's role changed.
    RoleChanged {
        /// Who, with the new role.
        member: Member,
        /// The room's membership version from now on.
        version: u64,
    },
    /// A user is kept out of the room. Who was a member has left by an event of its own.
    UserBanned {
        /// Who.
        user: UserId,
        /// Their display name.
        name: Arc<str>,
        /// Until when; `None`: until it is lifted.
        until: Option<Timestamp>,
        /// The room's membership version from now on.
        version: u64,
    },
    /// A ban was lifted.
    UserUnbanned {
        /// Whose.
        user: UserId,
        /// The room's membership version from now on.
        version: u64,
    },
    /// In a user's inbox: they were banned from `room`, a group of which they were a member. The room's own event comes
    /// when their sockets are out of it; a channel's finds them there.
    BannedFrom {
        /// The room.
        room: RoomId,
        /// Their display name.
        name: Arc<str>,
        /// Until when; `None`: until it is lifted.
        until: Option<Timestamp>,
    },
    /// In a user's inbox: whether they get push notifications of a room.
    RoomMuted {
        /// Which room.
        room: RoomId,
        /// True: none.
        on: bool,
    },
    /// In a user's inbox: they block somebody, or do so no more.
    UserBlocked {
        /// Whom.
        user: UserId,
        /// False: no more.
        on: bool,
    },
    /// In a user's inbox: sockets whose token belongs to this session are closed.
    LoggedOut {
        /// The session's id, a token's `sid`; `None`: all of the user's sockets, whatever their token.
        session: Option<String>,
    },
    /// In the log of receipts alone: how far the actor has got in a room.
    Receipt {
        /// Everything up to here has reached a device of theirs.
        delivered: Option<Seq>,
        /// Everything up to here is read.
        read: Option<Seq>,
    },
    /// A kind that a newer version made: forwarded as it is, never dropped.
    Other {
        /// Its number in `proto`.
        kind: u32,
        /// Its body, untouched.
        body: Bytes,
    },
}

impl Kind {
    /// The membership version of the event's own room that this event brings.
    pub fn version(&self) -> Option<u64> {
        match self {
            Self::RoomCreated { room, .. } | Self::RoomUpdated { room } => Some(room.version),
            Self::MemberJoined { version, .. }
            | Self::MemberLeft { version, .. }
            | Self::RoomDeleted { version }
            | Self::RoleChanged { version, .. }
            | Self::UserBanned { version, .. }
            | Self::UserUnbanned { version, .. } => Some(*version),
            _ => None,
        }
    }
}

/// A message's own fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Verbatim.
    pub content: String,
    /// What it is.
    pub kind: MessageType,
    /// The quoted message.
    pub reply_to: Option<Quote>,
    /// A JSON object, stored and returned as it is.
    pub metadata: Option<String>,
    /// Users whom it names.
    pub mentions: Vec<UserId>,
    /// The content is ciphertext: stored and returned as it is, neither searched nor mined for topics.
    pub encrypted: bool,
    /// The sender's own id for it.
    pub temp_id: Option<String>,
}

impl Message {
    /// A message of that kind with this content, and nothing else.
    pub fn new(kind: MessageType, content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            kind,
            reply_to: None,
            metadata: None,
            mentions: Vec::new(),
            encrypted: false,
            temp_id: None,
        }
    }
}

/// A quoted message. Where only the id is known the rest is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Which.
    pub message: MessageId,
    /// Its content when it was quoted.
    pub content: Option<String>,
    /// That content is ciphertext.
    pub encrypted: bool,
    /// Who wrote it.
    pub sender: Option<UserId>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Plain text.
    Text,
    /// A picture.
    Image,
    /// Any file.
    File,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// A voice note.
    Voice,
    /// Made by the server alone.
    System,
}

impl MessageType {
    /// Every type with its name on the wire.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Text, "text"),
        (Self::Image, "image"),
        (Self::File, "file"),
        (Self::Audio, "audio"),
        (Self::Video, "video"),
        (Self::Voice, "voice"),
        (Self::System, "system"),
    ];

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::File => "file",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Voice => "voice",
            Self::System => "system",
        }
    }

    /// Reads a name. `None` where no type has it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(kind, name)| (name == text).then_some(kind))
    }
}

/// What a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoomKind {
    /// Two users.
    Direct,
    /// Members by row.
    Group,
    /// Public; being in it is a lease, not a row.
    Channel,
}

impl RoomKind {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Channel => "channel",
        }
    }

    /// Reads a name. `None` where no kind has it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Direct, Self::Group, Self::Channel].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The id.
    pub id: RoomId,
    /// What it is.
    pub kind: RoomKind,
    /// `None` for direct rooms.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// A URL.
    pub avatar: Option<String>,
    /// Joined by addition only.
    pub private: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When, by the store's clock.
    pub created_at: Timestamp,
    /// Rises with every change of membership or settings, from 1.
    pub version: u64,
    /// Members who have not left.
    pub member_count: u32,
}

/// A user in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: Actor,
    /// As what.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

/// What a member may do; see [`crate::membership`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Adds and removes members, changes settings, deletes the room.
    Admin,
    /// Adds and removes members, deletes others' messages.
    Moderator,
    /// Sends and reads.
    Member,
    /// Was a member: reads up to the leaving.
    Left,
}

impl Role {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Moderator => "moderator",
            Self::Member => "member",
            Self::Left => "left",
        }
    }

    /// Reads a name. `None` where no role has it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Moderator, Self::Member, Self::Left].into_iter().find(|role| role.as_str() == text)
    }
}

/// An event on its way to devices, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The seq of the room's event before this one; `None`: unknown, verify.
    pub prev: Option<Seq>,
    /// Its place.
    pub seq: Seq,
    /// The log's time.
    pub time: Timestamp,
    /// What happened.
    pub event: Arc<Event>,
}

/// What is told and forgotten: never in the log, lost when the bus drops it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ephemeral {
    /// A user types, or stopped.
    Typing {
        /// Who.
        user: Actor,
        /// True while typing.
        active: bool,
    },
    /// A user's presence changed.
    Presence {
        /// Who.
        user: UserId,
        /// Their display name; empty where it is not known.
        name: Arc<str>,
        /// To what.
        status: Status,
        /// Who is in the room now: a channel's live users, a group's members. `None`: that is not known here.
        count: Option<u32>,
        /// The user is in the room no more, and that was told.
        gone: bool,
        /// When: also how copies through several shared rooms are told apart.
        at: Timestamp,
    },
    /// A user entered a channel.
    Entered {
        /// Who.
        user: Actor,
        /// Live users in it now.
        count: u32,
    },
    /// A user's last socket left a channel.
    Exited {
        /// Who.
        user: Actor,
        /// Live users in it now.
        count: u32,
    },
    /// How far a user has got in a room.
    Receipt {
        /// Who.
        user: UserId,
        /// Everything up to here has reached a device of theirs.
        delivered: Option<Seq>,
        /// Everything up to here is read.
        read: Option<Seq>,
        /// The newest messages that are newly covered, oldest first, 100 at most.
        messages: Vec<MessageId>,
        /// When.
        at: Timestamp,
    },
    /// How many members of a big room have read a message: instead of receipts one by one.
    ReadCount {
        /// The message.
        message: MessageId,
        /// How many have read it.
        readers: u32,
    },
    /// How many members of a big room are online: instead of presence one by one.
    OnlineCount {
        /// How many.
        online: u32,
    },
    /// In a user's inbox: a room's count of unread messages, after they read on one device.
    Unread {
        /// Which room.
        room: RoomId,
        /// Messages that are not read.
        count: u64,
        /// Everything up to here is read.
        read: Seq,
    },
    /// What a room talks about changed.
    Topics {
        /// Words, the most frequent first.
        topics: Vec<String>,
    },
    /// In a user's inbox: an upload through a gateway goes on.
    UploadProgress {
        /// Which.
        upload: FileId,
        /// Bytes so far.
        loaded: u64,
        /// Bytes declared.
        total: u64,
    },
    /// In a user's inbox: an upload was refused or broke off.
    UploadFailed {
        /// Which.
        upload: FileId,
        /// An error code's name on the wire.
        code: String,
        /// For a person.
        message: String,
    },
    /// In a user's inbox, from gateway to gateway: a session goes on with another connection, and the ones before it
    /// are over. Clients are not told.
    Superseded {
        /// The public id of the session's sockets.
        socket: String,
        /// The connection that it goes on with.
        by: String,
    },
}

/// A user's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// At least one socket.
    Online,
    /// None.
    Offline,
    /// Online, by their own word away.
    Away,
    /// Online, by their own word busy.
    Busy,
}

impl Status {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Away => "away",
            Self::Busy => "busy",
        }
    }

    /// Reads a name. `None` where no status has it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Online, Self::Offline, Self::Away, Self::Busy].into_iter().find(|status| status.as_str() == text)
    }
}
