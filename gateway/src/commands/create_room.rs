//! Make a room: a group, a direct room by its partner, a channel by its name.

use std::sync::Arc;

use parlor_core::command::NewRoom;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Member, Role, Room, RoomKind};
use parlor_core::ids::RoomId;
use parlor_core::membership::Change;
use parlor_core::ports::store::Membership;

use super::{Reply, append, join};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Members that the answer names.
const NAMED: usize = 100;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, new: NewRoom, reply: Reply) {
    match create(shared, caller, new).await {
        Ok((room, members)) => reply.ok(&Answer::Created { room: &room, members: &members }),
        Err(error) => reply.refuse(&error),
    }
}

/// Who may make rooms: users, and guests where the settings say so.
pub(super) fn may_create(shared: &Shared, caller: &Caller) -> Result<(), ChatError> {
    if caller.guest && !shared.config.rooms.guests_create {
        return Err(ChatError::new(Code::Forbidden, "guests may not make rooms"));
    }
    Ok(())
}

async fn create(shared: &Arc<Shared>, caller: &Caller, new: NewRoom) -> Result<(Room, Vec<Member>), ChatError> {
    let user = &caller.user;
    may_create(shared, caller)?;
    shared.limiter.pass(&user.id, "room_create", shared.config.limits.room_create).await?;
    let id = match new.kind {
        RoomKind::Group => RoomId::new_group(),
        RoomKind::Direct => {
            let partner = new.members.iter().find(|id| **id != user.id);
            let partner = partner.ok_or_else(|| ChatError::field("memberIds", "a direct room needs a partner"))?;
            RoomId::direct(&user.id, partner)
        }
        RoomKind::Channel => new
            .id
            .or_else(|| new.name.as_deref().and_then(RoomId::parse))
            .ok_or_else(|| ChatError::field("name", "a channel needs a name"))?,
    };
    if new.kind == RoomKind::Channel && join::reserved(&id) {
        return Err(ChatError::field("name", "a channel's name may not begin with `direct_` or `group_`"));
    }
    let name = if new.kind == RoomKind::Direct { None } else { new.name };
    let room = Room {
        description: new.description,
        avatar: new.avatar,
        private: new.private,
        ..join::new_room(id.clone(), new.kind, user, name)
    };
    let limit = shared.config.rooms.member_limit;
    let change = Change::Create { room, creator: user.clone(), members: new.members, limit };
    let decision = append::decide(shared, &id, &change).await?;
    if decision.events.is_empty() && new.kind == RoomKind::Channel {
        let exists = ChatError::new(Code::Conflict, "a room of that name exists");
        return Err(ChatError { field: Some("roomId"), ..exists });
    }
    let own = decision.members.iter().find(|member| member.user.id == user.id);
    let role = own.map_or(Role::Member, |member| member.role);
    if new.kind != RoomKind::Channel {
        let membership = Membership { role, reads_through: None };
        shared.memberships.learn(decision.room.clone(), &user.id, Some(membership));
        // In the room before its events are, so that this socket hears all of them.
        join::enter(shared, caller, &id, decision.room.version).await?;
    }
    append::relay(shared, &id).await;
    let mut members = decision.members;
    if members.is_empty() && new.kind == RoomKind::Direct {
        members = shared.ports.store.members(&id, None, NAMED).await.unwrap_or_default();
    }
    members.truncate(NAMED);
    Ok((decision.room, members))
}
