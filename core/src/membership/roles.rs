//! A member gets another role.

use super::{By, Decision, Known, Rank};
use crate::error::{ChatError, Code};
use crate::event::{Kind, Member, Role, RoomKind};
use crate::ids::UserId;

pub(super) fn set(known: &Known, by: &By, user: &UserId, role: Role) -> Result<Decision, ChatError> {
    let (room, _) = known.changeable(by, Rank::Admin, "changing roles")?;
    if role == Role::Left {
        return Err(ChatError::field("role", "`role` must be one of admin, moderator, member"));
    }
    let (target, before) = match known.role(user) {
        Some(before) => (known.profile(user)?, before),
        // A channel's rows are roles alone: any user may be given one.
        None if room.kind == RoomKind::Channel => (known.profile(user)?, Role::Member),
        None => return Err(ChatError { field: Some("userId"), ..ChatError::not_found(&format!("member {user}")) }),
    };
    if before == role {
        return Ok(Decision::nothing(room));
    }
    let stays = |(id, role): (&UserId, &Role)| *role == Role::Admin && id != user;
    if before == Role::Admin && known.other_admins == 0 && !known.roles.iter().any(stays) {
        return Err(ChatError::new(Code::Conflict, "a room needs an admin: make somebody else one first"));
    }
    let actor = by.actor();
    let joined_at = known.joined.get(user).copied().unwrap_or(known.now);
    let mut decision = Decision::next(room);
    let member = Member { user: target.clone(), role, joined_at };
    let version = decision.room.version;
    decision.tell(actor, Kind::RoleChanged { member: member.clone(), version });
    let what = match role {
        Role::Admin => "an admin",
        Role::Moderator => "a moderator",
        Role::Member | Role::Left => "a member",
    };
    decision.say(actor, format!("{} made {} {what}", actor.name, target.name));
    decision.members.push(member);
    Ok(decision)
}
