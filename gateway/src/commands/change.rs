//! What the commands that change a room have in common: the limit, the decision, and telling it.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Member, Role, Room};
use parlor_core::ids::RoomId;
use parlor_core::membership::{By, Change, Decision};

use super::{Reply, append, typing};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Members that an answer names.
const NAMED: usize = 100;

/// The caller, with the rights of their role.
pub(super) fn by(caller: &Caller) -> By {
    By::Member(caller.user.clone())
}

/// Counts it, decides it, and tells those whom it concerns: when this returns, the log has it (or the relay will see to
/// that).
pub(super) async fn carry_out(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    change: Change,
) -> Result<Decision, ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "room_change", shared.config.limits.room_change).await?;
    let decision = append::decide(shared, room, &change).await?;
    for member in &decision.members {
        shared.memberships.forget(room, &member.user.id);
    }
    if decision.deleted {
        shared.memberships.forget(room, &user.id);
    } else {
        shared.memberships.learn_room(&decision.room, std::iter::once(user.id.clone()));
    }
    append::relay(shared, room).await;
    // Who took themselves out is out when they are answered.
    let gone = decision.members.iter().any(|member| member.user.id == user.id && member.role == Role::Left);
    if let (true, Some(client)) = (gone, caller.client()) {
        typing::end(shared, client, room).await;
        shared.hub.leave_by(client, room, decision.room.version);
    }
    Ok(decision)
}

/// Answers with the room as it is now, and the first of its members.
pub(super) async fn answer(shared: &Arc<Shared>, outcome: Result<Decision, ChatError>, reply: Reply) {
    match outcome {
        Ok(decision) => {
            let members = members(shared, &decision.room).await;
            let answer = Answer::Room { room: &decision.room, members: &members, last_message: None, unread: None };
            reply.ok(&answer);
        }
        Err(error) => reply.refuse(&error),
    }
}

/// The first members of a room, for an answer; none where the store does not answer in time.
pub(super) async fn members(shared: &Arc<Shared>, room: &Room) -> Vec<Member> {
    shared.ports.store.members(&room.id, None, NAMED).await.unwrap_or_default()
}
