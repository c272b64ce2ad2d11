//! What a client's session is remembered by, so that the client may go on with it on any gateway: who it is, how it
//! speaks, and where it stood in each of its rooms.

use crate::event::{Actor, Role, RoomKind, Status};
use crate::ids::{RoomId, Seq};

/// A session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose session it is; nobody else may go on with it.
    pub user: Actor,
    /// The user is a guest, whose credential is the session's private id.
    pub guest: bool,
    /// The name of the vocabulary, once the client has decided it.
    pub vocabulary: Option<String>,
    /// The public id of the session's sockets.
    pub socket: String,
    /// What offsets that are counted from this snapshot are sealed with. Never told to a client.
    pub key: [u8; 16],
    /// What the user is on this device.
    pub status: Status,
    /// The rooms it was in, its inbox among them, in the order that offsets count them by.
    pub rooms: Vec<Standing>,
}

/// A client in one room, as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which room, or inbox.
    pub room: RoomId,
    /// Everything up to here has gone out to the client, or was there before it came.
    pub seq: Seq,
    /// What the room is; `None` for an inbox.
    pub kind: Option<RoomKind>,
    /// What the user is in it; `None` where being in it is no membership.
    pub role: Option<Role>,
    /// The room's membership version by which they are.
    pub version: u64,
    /// How many members the room had, as far as was known.
    pub members: u32,
}
