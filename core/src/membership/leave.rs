//! A user goes out of a group, and somebody stays its admin.

use super::{Decision, Known, forbidden};
use crate::error::ChatError;
use crate::event::{Actor, Kind, Member, Role, RoomKind};
use crate::ids::UserId;

pub(super) fn leave(known: &Known, user: &Actor) -> Result<Decision, ChatError> {
    let room = known.there()?;
    if known.role(&user.id).is_none() || room.kind == RoomKind::Channel {
        return Err(ChatError::not_found("room"));
    }
    if room.kind == RoomKind::Direct {
        return Err(forbidden("a direct room cannot be left"));
    }
    let mut decision = Decision::next(room);
    exit(&mut decision, known, user, user);
    decision.say(user, format!("{} left the group", user.name));
    inherit(&mut decision, known, user, &[&user.id]);
    Ok(decision)
}

/// The row of who is a member no more, and what the room and they are told.
pub(super) fn exit(decision: &mut Decision, known: &Known, actor: &Actor, user: &Actor) {
    decision.room.member_count = decision.room.member_count.saturating_sub(1);
    let (members, version) = (Some(decision.room.member_count), decision.room.version);
    decision.tell(actor, Kind::MemberLeft { user: user.id.clone(), name: user.name.clone(), members, version });
    let removed = Kind::RoomRemoved { room: decision.room.id.clone(), version };
    decision.tell_inbox(&user.id, actor, removed);
    decision.members.push(Member { user: user.clone(), role: Role::Left, joined_at: known.now });
}

/// Makes the heir admin if no admin stays when `going` have gone.
pub(super) fn inherit(decision: &mut Decision, known: &Known, actor: &Actor, going: &[&UserId]) {
    let stays = |(id, role): (&UserId, &Role)| *role == Role::Admin && !going.contains(&id);
    if known.other_admins > 0 || known.roles.iter().any(stays) {
        return;
    }
    let Some(heir) = &known.heir else { return };
    let member = Member { role: Role::Admin, ..heir.clone() };
    let version = decision.room.version;
    decision.tell(actor, Kind::RoleChanged { member: member.clone(), version });
    decision.say(actor, format!("{} is now an admin", heir.user.name));
    decision.members.push(member);
}
