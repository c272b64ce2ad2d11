//! A user comes into a group by their own will.

use super::{Decision, Known, full};
use crate::error::ChatError;
use crate::event::{Actor, Kind, Member, Role, Room, RoomKind};

pub(super) fn join(known: &Known, user: &Actor, limit: u32) -> Result<Decision, ChatError> {
    let room = known.there()?;
    if room.kind != RoomKind::Channel && known.role(&user.id).is_some() {
        return Ok(Decision::nothing(room));
    }
    if room.private || room.kind != RoomKind::Group {
        return Err(ChatError::not_found("room"));
    }
    if known.banned.contains(&user.id) {
        return Err(ChatError::banned());
    }
    if room.member_count >= limit {
        return Err(full(limit));
    }
    let mut decision = Decision::next(room);
    let role = newcomer(room);
    enter(&mut decision, user, Member { user: user.clone(), role, joined_at: known.now });
    let room = decision.room.clone();
    decision.tell_inbox(&user.id, user, Kind::RoomAdded { room, pair: Vec::new() });
    decision.say(user, format!("{} joined the group", user.name));
    Ok(decision)
}

/// Who comes into an empty group is its admin.
pub(super) fn newcomer(room: &Room) -> Role {
    if room.kind == RoomKind::Group && room.member_count == 0 { Role::Admin } else { Role::Member }
}

/// The row of a new member, and what the room and they are told.
pub(super) fn enter(decision: &mut Decision, actor: &Actor, member: Member) {
    decision.room.member_count += 1;
    let (members, version) = (Some(decision.room.member_count), decision.room.version);
    decision.tell(actor, Kind::MemberJoined { member: member.clone(), members, version });
    decision.members.push(member);
}
