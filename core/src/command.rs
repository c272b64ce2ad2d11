//! What a client may ask for, parsed in full. Vocabularies make these; the gateway's commands act on them.

use crate::device::{Address, Bundle};
use crate::event::{MessageType, Role, Status};
use crate::ids::{FileId, MessageId, RoomId, Seq, UserId};
use crate::time::Timestamp;

/// One request. Who asks is known from the connection, never from the payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Present a token on a live socket.
    Authenticate {
        /// The JWT.
        token: String,
    },
    /// Enter a room: membership in a group, live presence in a channel, the pair's room for a direct id.
    Join {
        /// Which.
        room: RoomId,
    },
    /// Leave a room.
    Leave {
        /// Which.
        room: RoomId,
    },
    /// Make a room.
    CreateRoom(NewRoom),
    /// Send a message.
    Send(Send),
    /// Change the content of one's own message.
    Edit {
        /// Which.
        message: MessageId,
        /// Its room where the client names it; otherwise it is found from the id.
        room: Option<RoomId>,
        /// The new content.
        content: String,
        /// The content is ciphertext.
        encrypted: bool,
    },
    /// Delete a message.
    Delete {
        /// Which.
        message: MessageId,
        /// Its room where the client names it; otherwise it is found from the id.
        room: Option<RoomId>,
    },
    /// Read a page of a room's messages.
    History(History),
    /// Start or stop typing.
    Typing {
        /// Where.
        room: RoomId,
        /// True on start.
        active: bool,
    },
    /// Keeps presence alive; answered with nothing but an ack.
    Heartbeat,
    /// Ask for a clean close.
    Disconnect,

    // ---- messages -------------------------------------------------------------------------------------------------
    /// Add a reaction to a message, or take one's own back.
    React {
        /// To which.
        message: MessageId,
        /// Its room where the client names it.
        room: Option<RoomId>,
        /// The emoji, as sent.
        emoji: String,
        /// False takes it back.
        on: bool,
    },
    /// Pin a message to its room, or unpin it.
    Pin {
        /// Which.
        message: MessageId,
        /// Its room where the client names it.
        room: Option<RoomId>,
        /// False unpins.
        on: bool,
    },
    /// The pinned messages of a room.
    Pins {
        /// Which.
        room: RoomId,
    },
    /// Full-text search in the caller's rooms.
    Search(Search),
    /// Messages that answer one message, the oldest first.
    Thread {
        /// Which.
        message: MessageId,
        /// Its room where the client names it.
        room: Option<RoomId>,
        /// After this place.
        after: Option<Seq>,
        /// Messages on a page.
        limit: u32,
    },
    /// All that happened in a room since a place: messages, edits, deletions, reactions, pins, membership.
    Sync {
        /// Of which room.
        room: RoomId,
        /// After this place.
        after: Cursor,
        /// Events on a page.
        limit: u32,
    },
    /// A page counted from the newest message, with the total.
    Messages {
        /// Of which room.
        room: RoomId,
        /// Messages on the page.
        limit: u32,
        /// Newest messages left out.
        offset: u64,
    },
    /// Words that a room talks about now.
    Topics {
        /// Which room.
        room: RoomId,
        /// At most so many, the most frequent first.
        limit: u32,
    },

    // ---- receipts -------------------------------------------------------------------------------------------------
    /// Messages have reached the caller's device; all before them have too.
    Delivered {
        /// Their room where the client names it.
        room: Option<RoomId>,
        /// Which, at least one.
        messages: Vec<MessageId>,
    },
    /// The caller has read messages; all before them too.
    Read {
        /// Their room where the client names it.
        room: Option<RoomId>,
        /// Which. None, with a room: all that it holds.
        messages: Vec<MessageId>,
    },
    /// Whom a message has reached, and who has read it.
    Receipts {
        /// Which.
        message: MessageId,
        /// Its room where the client names it.
        room: Option<RoomId>,
    },

    // ---- presence -------------------------------------------------------------------------------------------------
    /// Set one's own status.
    Status {
        /// To what. Offline: hidden, while the socket stays and hears.
        status: Status,
    },
    /// The presence of users with whom the caller shares a room.
    Presence {
        /// Whose.
        users: Vec<UserId>,
    },
    /// Who is in a room now: live users of a channel, online members of other rooms.
    Live {
        /// Which.
        room: RoomId,
    },
    /// Who types in a room now.
    Typists {
        /// Which.
        room: RoomId,
    },

    // ---- rooms ----------------------------------------------------------------------------------------------------
    /// A room, as its members see it.
    Room {
        /// Which.
        room: RoomId,
    },
    /// The caller's rooms, the latest message first.
    Rooms {
        /// Rooms on the page.
        limit: u32,
        /// Rooms left out before them.
        offset: u64,
    },
    /// Change a room's name, description, avatar or privacy.
    UpdateRoom {
        /// Which.
        room: RoomId,
        /// What changes.
        patch: RoomPatch,
    },
    /// Delete a room.
    DeleteRoom {
        /// Which.
        room: RoomId,
    },
    /// Members of a room, by id.
    Members {
        /// Which room.
        room: RoomId,
        /// After this one.
        after: Option<UserId>,
        /// At most.
        limit: u32,
    },
    /// Make users members.
    AddMembers {
        /// Of which room.
        room: RoomId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Make users members no more.
    RemoveMembers {
        /// Of which room.
        room: RoomId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Give a member another role.
    SetRole {
        /// In which room.
        room: RoomId,
        /// Whom.
        user: UserId,
        /// Admin, moderator or member.
        role: Role,
    },
    /// Whether the caller gets push notifications of a room.
    Mute {
        /// Which.
        room: RoomId,
        /// True: none.
        on: bool,
    },

    // ---- safety ---------------------------------------------------------------------------------------------------
    /// Keep a user out of a room, member or not; or let them in again.
    Ban {
        /// Of which room.
        room: RoomId,
        /// Whom.
        user: UserId,
        /// Until when; `None`: until it is lifted.
        until: Option<Timestamp>,
        /// For the room's moderators.
        reason: Option<String>,
        /// False lifts it.
        on: bool,
    },
    /// Who is banned from a room.
    Bans {
        /// Which.
        room: RoomId,
    },
    /// Take no direct messages from a user; or take them again.
    Block {
        /// Whom.
        user: UserId,
        /// False lifts it.
        on: bool,
    },
    /// Whom the caller blocks.
    Blocks,
    /// Tell the moderators of a message, a user or a room.
    Report(Report),

    // ---- files ----------------------------------------------------------------------------------------------------
    /// Declare a file that is to be uploaded.
    StartUpload(NewFile),
    /// The file is uploaded: check it.
    CompleteUpload {
        /// Which.
        upload: FileId,
    },
    /// The file is not wanted after all.
    CancelUpload {
        /// Which.
        upload: FileId,
    },
    /// An address from which a file can be read for a while without a token.
    FileUrl {
        /// Which.
        file: FileId,
    },

    // ---- devices --------------------------------------------------------------------------------------------------
    /// Send push notifications to this device.
    Subscribe(Address),
    /// Send none any more.
    Unsubscribe {
        /// The endpoint or token that was given.
        address: String,
    },
    /// The key with which browsers subscribe to Web Push.
    PushKey,
    /// Publish a device's public keys, or more one-time keys.
    PublishKeys(Box<Bundle>),
    /// The public keys of users' devices.
    Keys {
        /// Whose.
        users: Vec<UserId>,
    },
    /// Take one of a device's one-time keys: nobody else gets it.
    ClaimKey {
        /// Whose.
        user: UserId,
        /// Of which device; `None`: one of each.
        device: Option<String>,
    },
}

impl Command {
    /// The room that the client names, of one that is there or a direct one that may be made. `None`: it names none.
    pub fn room_mut(&mut self) -> Option<&mut RoomId> {
        match self {
            Self::Join { room }
            | Self::Leave { room }
            | Self::Typing { room, .. }
            | Self::Pins { room }
            | Self::Sync { room, .. }
            | Self::Messages { room, .. }
            | Self::Topics { room, .. }
            | Self::Live { room }
            | Self::Typists { room }
            | Self::Room { room }
            | Self::UpdateRoom { room, .. }
            | Self::DeleteRoom { room }
            | Self::Members { room, .. }
            | Self::AddMembers { room, .. }
            | Self::RemoveMembers { room, .. }
            | Self::SetRole { room, .. }
            | Self::Mute { room, .. }
            | Self::Ban { room, .. }
            | Self::Bans { room }
            | Self::Send(Send { room, .. })
            | Self::History(History { room, .. })
            | Self::StartUpload(NewFile { room, .. }) => Some(room),
            Self::Edit { room, .. }
            | Self::Delete { room, .. }
            | Self::React { room, .. }
            | Self::Pin { room, .. }
            | Self::Thread { room, .. }
            | Self::Delivered { room, .. }
            | Self::Read { room, .. }
            | Self::Receipts { room, .. }
            | Self::Search(Search { room, .. })
            | Self::Report(Report { room, .. }) => room.as_mut(),
            // A new room's id is its maker's to give.
            Self::CreateRoom(_)
            | Self::Authenticate { .. }
            | Self::Heartbeat
            | Self::Disconnect
            | Self::Status { .. }
            | Self::Presence { .. }
            | Self::Rooms { .. }
            | Self::Block { .. }
            | Self::Blocks
            | Self::CompleteUpload { .. }
            | Self::CancelUpload { .. }
            | Self::FileUrl { .. }
            | Self::Subscribe(_)
            | Self::Unsubscribe { .. }
            | Self::PushKey
            | Self::PublishKeys(_)
            | Self::Keys { .. }
            | Self::ClaimKey { .. } => None,
        }
    }
}

/// What is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Words, and phrases in double quotes; all must be there.
    pub query: String,
    /// In this room alone.
    pub room: Option<RoomId>,
    /// By this sender alone.
    pub sender: Option<UserId>,
    /// Where the page before ended, as its answer said.
    pub cursor: Option<String>,
    /// Messages on a page.
    pub limit: u32,
}

/// A change of a room's settings: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomPatch {
    /// The name of a group or channel.
    pub name: Option<String>,
    /// Free text; empty: none.
    pub description: Option<String>,
    /// A URL; empty: none.
    pub avatar: Option<String>,
    /// Joined by addition only.
    pub private: Option<bool>,
}

/// Something that moderators should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// A message.
    pub message: Option<MessageId>,
    /// A room, or the message's where the client names it.
    pub room: Option<RoomId>,
    /// A user.
    pub user: Option<UserId>,
    /// In the caller's words.
    pub reason: String,
}

/// A file to be uploaded, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Whose members may read it.
    pub room: RoomId,
    /// As on the client's disk; cleaned of paths when stored.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// The media type, as declared.
    pub mime: String,
}

/// A room to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// What kind.
    pub kind: crate::event::RoomKind,
    /// The name; a direct room has none.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// A URL, never fetched by the server.
    pub avatar: Option<String>,
    /// Found and joined by addition only.
    pub private: bool,
    /// Who else is in it, as named by the client: with or without the creator, repeats allowed.
    pub members: Vec<UserId>,
    /// The id, for a channel that is named by its maker.
    pub id: Option<RoomId>,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// Where.
    pub room: RoomId,
    /// The text, verbatim.
    pub content: String,
    /// What it is.
    pub kind: MessageType,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// A JSON object, stored and returned as it is.
    pub metadata: Option<String>,
    /// Users whom it names.
    pub mentions: Vec<UserId>,
    /// The content is ciphertext, stored and returned as it is.
    pub encrypted: bool,
    /// The client's own id for it.
    pub temp_id: Option<String>,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Of which room.
    pub room: RoomId,
    /// From where; `None` is the newest end for `Before` and the oldest for `After`.
    pub cursor: Option<Cursor>,
    /// Older or newer than the cursor.
    pub direction: Direction,
    /// 1 to 100.
    pub limit: u32,
}

/// A place in a room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// A seq: exact, and what `nextCursor` and `prevCursor` are.
    Seq(Seq),
    /// The place of a message.
    Message(MessageId),
    /// Turned once into the lowest seq at or after it.
    Time(Timestamp),
}

impl Cursor {
    /// Reads a client's cursor: a seq, a message id or an ISO 8601 time. `None` where it is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        Seq::parse(text)
            .map(Self::Seq)
            .or_else(|| MessageId::parse(text).map(Self::Message))
            .or_else(|| Timestamp::parse(text).map(Self::Time))
    }
}

/// Which way a page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Older than the cursor, newest first.
    Before,
    /// Newer than the cursor, oldest first.
    After,
}
