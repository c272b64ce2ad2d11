//! A user is kept out of a room, or let in again.

use super::{Banning, By, Decision, Known, Rank, leave};
use crate::error::ChatError;
use crate::event::{Kind, Member, Role, RoomKind};
use crate::ids::UserId;
use crate::time::Timestamp;

pub(super) fn ban(
    known: &Known,
    by: &By,
    user: &UserId,
    until: Option<Timestamp>,
    reason: Option<&str>,
) -> Result<Decision, ChatError> {
    let (room, rank) = known.changeable(by, Rank::Moderator, "banning users")?;
    let actor = by.actor();
    if *user == actor.id {
        return Err(ChatError::field("userId", "nobody bans themselves"));
    }
    if until.is_some_and(|until| until <= known.now) {
        return Err(ChatError::field("until", "`until` has passed"));
    }
    known.may_act_on(rank, user)?;
    let target = known.profile(user)?;
    let mut decision = Decision::next(room);
    match known.role(user) {
        Some(_) if room.kind == RoomKind::Group => {
            let banned = Kind::BannedFrom { room: room.id.clone(), name: target.name.clone(), until };
            decision.tell_inbox(user, actor, banned);
            leave::exit(&mut decision, known, actor, target);
            decision.say(actor, format!("{} removed {}", actor.name, target.name));
            leave::inherit(&mut decision, known, actor, &[user]);
        }
        // A channel's moderator is none any more.
        Some(Role::Admin | Role::Moderator) => {
            let joined_at = known.joined.get(user).copied().unwrap_or(known.now);
            let member = Member { user: target.clone(), role: Role::Member, joined_at };
            let version = decision.room.version;
            decision.tell(actor, Kind::RoleChanged { member: member.clone(), version });
            decision.members.push(member);
        }
        _ => {}
    }
    let version = decision.room.version;
    decision.tell(actor, Kind::UserBanned { user: user.clone(), name: target.name.clone(), until, version });
    let (user, by) = (user.clone(), actor.id.clone());
    decision.ban = Some(Banning::Set { user, by, until, reason: reason.map(str::to_owned) });
    Ok(decision)
}

pub(super) fn unban(known: &Known, by: &By, user: &UserId) -> Result<Decision, ChatError> {
    let (room, _) = known.changeable(by, Rank::Moderator, "lifting bans")?;
    known.profile(user)?;
    if !known.banned.contains(user) {
        return Ok(Decision::nothing(room));
    }
    let mut decision = Decision::next(room);
    let version = decision.room.version;
    decision.tell(by.actor(), Kind::UserUnbanned { user: user.clone(), version });
    decision.ban = Some(Banning::Lifted { user: user.clone() });
    Ok(decision)
}
