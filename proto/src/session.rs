//! Session snapshots and their wire form.

use bytes::Bytes;
use parlor_core::event::{Actor, Role, RoomKind, Status};
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::log::Malformed;
use parlor_core::session::{Snapshot, Standing};
use prost::Message;

use crate::wire;

/// The format that this version writes and reads.
const FORMAT: u8 = 1;
/// Bytes of a snapshot; a larger one is neither written nor read.
const MAX_BYTES: usize = 256 * 1024;

const KINDS: [RoomKind; 3] = [RoomKind::Direct, RoomKind::Group, RoomKind::Channel];
const ROLES: [Role; 3] = [Role::Admin, Role::Moderator, Role::Member];

/// The snapshot as it is kept. `None`: it would be too large to be kept (256 KiB).
pub fn encode_snapshot(snapshot: &Snapshot) -> Option<Bytes> {
    let session = wire::Session {
        user: snapshot.user.id.as_str().to_owned(),
        name: snapshot.user.name.to_string(),
        avatar: snapshot.user.avatar.as_deref().map(str::to_owned),
        guest: snapshot.guest,
        vocabulary: snapshot.vocabulary.clone().unwrap_or_default(),
        socket: snapshot.socket.clone(),
        key: Bytes::copy_from_slice(&snapshot.key),
        rooms: snapshot.rooms.iter().map(standing_to).collect(),
        status: Some(snapshot.status).filter(|status| *status != Status::Online).map_or("", Status::as_str).to_owned(),
    };
    let size = 1 + session.encoded_len();
    if size > MAX_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(size);
    bytes.push(FORMAT);
    // A vector takes whatever it is given.
    session.encode(&mut bytes).ok()?;
    Some(bytes.into())
}

/// Reads a snapshot.
///
/// # Errors
/// The bytes are none, are too many, or are of a format that this version does not know.
pub fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, Malformed> {
    let malformed = |text: &str| Malformed(text.to_owned());
    if bytes.len() > MAX_BYTES {
        return Err(malformed("too large"));
    }
    let (format, session) = bytes.split_first().ok_or_else(|| malformed("empty"))?;
    if *format != FORMAT {
        return Err(Malformed(format!("a snapshot of format {format}")));
    }
    let session = wire::Session::decode(session).map_err(|error| Malformed(error.to_string()))?;
    let key = session.key.as_ref().try_into().map_err(|_| malformed("a key that is not 16 bytes"))?;
    let user = Actor {
        id: UserId::parse(&session.user).ok_or_else(|| malformed("no user"))?,
        name: session.name.into(),
        avatar: session.avatar.map(Into::into),
    };
    Ok(Snapshot {
        user,
        guest: session.guest,
        vocabulary: Some(session.vocabulary).filter(|name| !name.is_empty()),
        socket: session.socket,
        key,
        status: Status::parse(&session.status).unwrap_or(Status::Online),
        rooms: session.rooms.into_iter().map(standing_from).collect(),
    })
}

fn standing_to(standing: &Standing) -> wire::Standing {
    wire::Standing {
        room: standing.room.as_str().to_owned(),
        seq: standing.seq.0,
        kind: place_in(&KINDS, standing.kind),
        role: place_in(&ROLES, standing.role),
        version: standing.version,
        members: standing.members,
    }
}

fn standing_from(standing: wire::Standing) -> Standing {
    Standing {
        room: RoomId::trusted(standing.room),
        seq: Seq(standing.seq),
        kind: at(&KINDS, standing.kind),
        role: at(&ROLES, standing.role),
        version: standing.version,
        members: standing.members,
    }
}

/// Where a value is in a list, from 1; 0 for none, and for one that the list does not have.
fn place_in<T: PartialEq>(all: &[T], value: Option<T>) -> u32 {
    let at = value.and_then(|value| all.iter().position(|known| *known == value));
    at.map_or(0, |at| u32::try_from(at + 1).unwrap_or(0))
}

fn at<T: Copy>(all: &[T], place: u32) -> Option<T> {
    usize::try_from(place).ok().and_then(|place| place.checked_sub(1)).and_then(|at| all.get(at).copied())
}
