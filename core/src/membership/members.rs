//! Users are brought into a group, or out of it, by somebody else.

use std::collections::HashSet;

use super::{By, Decision, Known, Rank, forbidden, full, join, leave, unknown};
use crate::error::{ChatError, Code};
use crate::event::{Actor, Kind, Member, RoomKind};
use crate::ids::UserId;

/// Names that one message spells out.
const SPELT: usize = 10;

pub(super) fn add(known: &Known, by: &By, users: &[UserId], limit: u32) -> Result<Decision, ChatError> {
    let (room, _) = known.changeable(by, Rank::Moderator, "adding members")?;
    if room.kind == RoomKind::Channel {
        return Err(forbidden("a channel has no members to add: whoever wants is in it"));
    }
    let mut seen = HashSet::new();
    let mut new: Vec<&Actor> = Vec::new();
    for id in users.iter().filter(|id| seen.insert(*id)) {
        let user = known.users.get(id).ok_or_else(|| unknown("memberIds", id))?;
        if known.role(id).is_some() {
            continue;
        }
        if known.banned.contains(id) {
            let message = format!("user {id} is banned from this room: lift the ban first");
            return Err(ChatError::new(Code::Conflict, message));
        }
        if known.blockers.contains(id) {
            return Err(forbidden(format!("user {id} cannot be brought into a room")));
        }
        new.push(user);
    }
    if new.is_empty() {
        return Ok(Decision::nothing(room));
    }
    if usize::try_from(limit.saturating_sub(room.member_count)).unwrap_or(usize::MAX) < new.len() {
        return Err(full(limit));
    }
    let actor = by.actor();
    let mut decision = Decision::next(room);
    for user in &new {
        let role = join::newcomer(&decision.room);
        join::enter(&mut decision, actor, Member { user: (*user).clone(), role, joined_at: known.now });
    }
    // As the room is with all of them.
    let room = decision.room.clone();
    for user in &new {
        decision.tell_inbox(&user.id, actor, Kind::RoomAdded { room: room.clone(), pair: Vec::new() });
    }
    decision.say(actor, format!("{} added {}", actor.name, listed(&new)));
    Ok(decision)
}

pub(super) fn remove(known: &Known, by: &By, users: &[UserId]) -> Result<Decision, ChatError> {
    let actor = by.actor();
    let itself = matches!(by, By::Member(_)) && users.contains(&actor.id);
    if itself && users.iter().all(|id| *id == actor.id) {
        return leave::leave(known, actor);
    }
    let (room, rank) = known.changeable(by, Rank::Moderator, "removing members")?;
    if room.kind == RoomKind::Channel {
        return Err(forbidden("a channel has no members to remove: ban who is not wanted there"));
    }
    if itself {
        return Err(ChatError::field("memberIds", "remove others without yourself: to go, leave the room"));
    }
    let mut seen = HashSet::new();
    let mut going: Vec<&Actor> = Vec::new();
    for id in users.iter().filter(|id| seen.insert(*id)) {
        if !known.roles.contains_key(id) {
            return Err(ChatError { field: Some("memberIds"), ..ChatError::not_found(&format!("member {id}")) });
        }
        if known.role(id).is_none() {
            continue;
        }
        known.may_act_on(rank, id)?;
        going.push(known.profile(id)?);
    }
    if going.is_empty() {
        return Ok(Decision::nothing(room));
    }
    let mut decision = Decision::next(room);
    for user in &going {
        leave::exit(&mut decision, known, actor, user);
    }
    decision.say(actor, format!("{} removed {}", actor.name, listed(&going)));
    let ids: Vec<&UserId> = going.iter().map(|user| &user.id).collect();
    leave::inherit(&mut decision, known, actor, &ids);
    Ok(decision)
}

/// `Ann`, `Ann and Ben`, `Ann, Ben and Cem`; of many the first ones and how many more.
fn listed(users: &[&Actor]) -> String {
    let names = |users: &[&Actor]| users.iter().map(|user| &*user.name).collect::<Vec<_>>().join(", ");
    match users {
        [] => String::new(),
        [one] => one.name.to_string(),
        [most @ .., last] if users.len() <= SPELT => format!("{} and {}", names(most), last.name),
        _ => format!("{} and {} others", names(&users[..SPELT]), users.len() - SPELT),
    }
}
