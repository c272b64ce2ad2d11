//! Whom a message has reached and who has read it: member by member in small rooms, counts in big ones.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::Actor;
use parlor_core::ids::{MessageId, RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::progress::Reached;
use parlor_core::receipts::Pointers;

use super::{Reply, find};
use crate::Shared;
use crate::caller::Caller;
use crate::hub::Place;
use crate::vocabularies::{Answer, MemberReceipt, Receipts};

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, message: MessageId, room: Option<RoomId>, reply: Reply) {
    let found = async {
        shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
        let (place, role) = find::message(shared, &caller.user, message, room.as_ref()).await?;
        let nobody = (Reached { delivered: 0, read: 0 }, Vec::new());
        // A channel keeps no pointers; nor has a message that nobody was given yet come anywhere.
        let (reached, members) = if role.is_none() || place.seq.is_none() {
            nobody
        } else {
            reached(shared, &caller.user.id, &place).await.map_err(|error| {
                tracing::debug!(%error, "receipts could not be read");
                ChatError::busy("receipts cannot be read right now")
            })?
        };
        Ok::<_, ChatError>((place.room, reached, members))
    };
    match found.await {
        Ok((room, Reached { delivered, read }, members)) => {
            reply.ok(&Answer::Receipts(&Receipts { message, room: &room, delivered, read, members: &members }));
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn reached(
    shared: &Arc<Shared>,
    caller: &UserId,
    place: &Place,
) -> Result<(Reached, Vec<MemberReceipt>), Unavailable> {
    let (room, Some(seq)) = (&place.room, place.seq) else {
        return Ok((Reached { delivered: 0, read: 0 }, Vec::new()));
    };
    let limit = shared.config.rooms.big;
    if shared.memberships.size(room, caller).is_some_and(|members| members > limit) {
        return Ok((shared.ports.progress.reached(room, seq, &place.sender).await?, Vec::new()));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut members = shared.ports.progress.of_room(room, limit).await?;
    members.retain(|(member, _)| member.id != place.sender);
    let ids: Vec<UserId> = members.iter().map(|(member, _)| member.id.clone()).collect();
    // The fan-out's memory is ahead of the store by a moment, if it answers.
    let fresh = shared.ports.pointers.pointers(room, &ids).await.unwrap_or_default();
    let receipt = |(at, (user, stored)): (usize, (Actor, Pointers))| {
        let mut to = stored;
        to.raise(&fresh.get(at).copied().unwrap_or_default());
        MemberReceipt { user, delivered_at: to.delivered.passed(seq), read_at: to.read.passed(seq) }
    };
    let members: Vec<MemberReceipt> = members.into_iter().enumerate().map(receipt).collect();
    let count = |has: fn(&MemberReceipt) -> bool| {
        u32::try_from(members.iter().filter(|member| has(member)).count()).unwrap_or(u32::MAX)
    };
    let reached = Reached {
        delivered: count(|member| member.delivered_at.is_some()),
        read: count(|member| member.read_at.is_some()),
    };
    Ok((reached, members))
}
