//! What a client may ask for, parsed in full. Vocabularies make these; the gateway's commands act on them.

use crate::event::MessageType;
use crate::ids::{MessageId, RoomId, Seq, UserId};
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
