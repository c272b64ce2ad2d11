//! What both databases look up before a change is decided, and keep of it after.

use std::collections::{HashMap, HashSet};

use parlor_core::event::{Actor, Event, Kind, Room, RoomKind};
use parlor_core::ids::{EventId, RoomId, UserId};
use parlor_core::membership::{Change, Decision, Known};
use parlor_core::time::Timestamp;
use sqlx::{FromRow, Row};

use crate::rows::{ConcernedRow, RoleRow, UserRow, role};

/// The two users of a direct room that is to be made, the lower id first: what the room is found by, whatever its id.
pub(crate) fn wanted_pair(change: &Change) -> Option<(UserId, UserId)> {
    match change {
        Change::Create { room, .. } if room.kind == RoomKind::Direct => sorted(change.concerned()),
        _ => None,
    }
}

/// The two users of a direct room that was decided on.
pub(crate) fn decided_pair(decision: &Decision) -> Option<(UserId, UserId)> {
    match decision.room.kind {
        RoomKind::Direct => sorted(decision.members.iter().map(|member| member.user.id.clone()).collect()),
        RoomKind::Group | RoomKind::Channel => None,
    }
}

fn sorted(mut ids: Vec<UserId>) -> Option<(UserId, UserId)> {
    ids.sort();
    <[UserId; 2]>::try_from(ids).ok().map(|[a, b]| (a, b))
}

/// What is known, where each row is a user who exists with their role in the room.
pub(crate) fn known<R>(room: Option<Room>, rows: &[R], now: Timestamp) -> Result<Known, sqlx::Error>
where
    R: Row,
    UserRow: for<'r> FromRow<'r, R>,
    RoleRow: for<'r> FromRow<'r, R>,
    ConcernedRow: for<'r> FromRow<'r, R>,
{
    let (roles, joined, users) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (banned, blockers) = (HashSet::new(), HashSet::new());
    let mut known = Known { room, roles, joined, users, banned, blockers, now, ..Known::default() };
    for row in rows {
        let user = Actor::from(UserRow::from_row(row)?);
        if let Some(text) = RoleRow::from_row(row)?.role {
            known.roles.insert(user.id.clone(), role(&text));
        }
        let concerned = ConcernedRow::from_row(row)?;
        if let Some(since) = concerned.since {
            known.joined.insert(user.id.clone(), since.0);
        }
        if concerned.banned {
            known.banned.insert(user.id.clone());
        }
        if concerned.blocks {
            known.blockers.insert(user.id.clone());
        }
        known.users.insert(user.id.clone(), user);
    }
    Ok(known)
}

/// Those whose rows the decision's memberships refer to, by id.
pub(crate) fn users(decision: &Decision) -> Vec<&Actor> {
    let mut users: Vec<&Actor> = decision.members.iter().map(|member| &member.user).collect();
    users.sort_by(|a, b| a.id.cmp(&b.id));
    users
}

/// What a user's own inbox is told.
pub(crate) fn told(owner: &Actor, kind: Kind) -> (RoomId, Event) {
    let room = RoomId::inbox(&owner.id);
    (room.clone(), Event { id: EventId::now(), room, actor: owner.clone(), kind })
}
