//! A room is made.

use super::{Decision, Known, forbidden, full, unknown};
use crate::error::ChatError;
use crate::event::{Actor, Kind, Member, Role, Room, RoomKind};
use crate::ids::UserId;

/// How many of a new room's members its first event names.
const NAMED_MEMBERS: usize = 100;

/// `everyone`: the creator and the members, each once.
pub(super) fn create(
    known: &Known,
    wanted: &Room,
    creator: &Actor,
    members: &[UserId],
    limit: u32,
    everyone: &[UserId],
) -> Result<Decision, ChatError> {
    if let Some(room) = &known.room {
        // Two users starting the same direct chat at once get one room; so do two first joins of a channel.
        return Ok(Decision::nothing(room));
    }
    let channel = wanted.kind == RoomKind::Channel;
    let everyone = if channel { std::slice::from_ref(&creator.id) } else { everyone };
    if everyone.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err(full(limit));
    }
    if wanted.kind == RoomKind::Direct && everyone.len() != 2 {
        return Err(ChatError::field("memberIds", "a direct room has exactly one other member"));
    }
    if !channel {
        if let Some(first) = members.iter().find(|id| **id != creator.id && !known.users.contains_key(*id)) {
            return Err(unknown("memberIds", first));
        }
        if let Some(first) = everyone.iter().find(|id| **id != creator.id && known.blockers.contains(*id)) {
            return Err(forbidden(format!("user {first} cannot be brought into a room")));
        }
    }
    let first = if wanted.kind == RoomKind::Direct { Role::Member } else { Role::Admin };
    let rows: Vec<Member> = everyone
        .iter()
        .map(|id| Member {
            user: if *id == creator.id { creator.clone() } else { known.users[id].clone() },
            role: if *id == creator.id { first } else { Role::Member },
            joined_at: known.now,
        })
        .collect();
    let room = Room {
        version: 1,
        created_at: known.now,
        created_by: creator.id.clone(),
        // A channel's row is its maker's role: who is in it is a lease.
        member_count: if channel { 0 } else { u32::try_from(rows.len()).unwrap_or(u32::MAX) },
        ..wanted.clone()
    };
    let mut decision = Decision::nothing(&room);
    let named = if channel { Vec::new() } else { rows.iter().take(NAMED_MEMBERS).cloned().collect() };
    decision.tell(creator, Kind::RoomCreated { room: room.clone(), members: named });
    decision.say(creator, format!("{} created the group", creator.name));
    if !channel {
        let pair = if wanted.kind == RoomKind::Direct { rows.clone() } else { Vec::new() };
        for id in everyone {
            decision.tell_inbox(id, creator, Kind::RoomAdded { room: room.clone(), pair: pair.clone() });
        }
    }
    decision.members = rows;
    Ok(decision)
}
