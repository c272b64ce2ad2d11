//! Enter a room: membership in a group, live presence in a channel, the pair's room for a direct id.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Ephemeral, Role, Room, RoomKind, Status};
use parlor_core::ids::RoomId;
use parlor_core::membership::Change;
use parlor_core::ports::store::Membership;
use parlor_core::time::Timestamp;

use super::{Reply, append, arrival, create_room, direct};
use crate::Shared;
use crate::caller::Caller;
use crate::hub::{self, From};
use crate::memberships::Standing;
use crate::vocabularies::Answer;

/// Live users whom the answer names.
const NAMED: usize = 100;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, reply: Reply) {
    match join(shared, caller, &room).await {
        Ok(room) => {
            let (live, users) = match (room.kind, caller.client()) {
                (RoomKind::Channel, Some(_)) => enter_channel(shared, &caller.user, &room.id).await,
                // A request is nowhere: nobody would be told of its going.
                (RoomKind::Channel, None) => {
                    let live = shared.ports.presence.live(&room.id, NAMED).await.ok();
                    live.map_or((None, Vec::new()), |(count, users)| (Some(count), users))
                }
                _ => (None, Vec::new()),
            };
            reply.ok(&Answer::Joined { room: &room, live, users: &users });
            arrival::show(shared, caller, &room.id).await;
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn join(shared: &Arc<Shared>, caller: &Caller, id: &RoomId) -> Result<Arc<Room>, ChatError> {
    let user = &caller.user;
    shared.limiter.pass(&user.id, "join", shared.config.limits.join).await?;
    let full = caller
        .client()
        .is_some_and(|client| !client.is_in(id) && client.room_count() >= shared.config.rooms.per_socket);
    if full {
        return Err(ChatError::new(Code::RoomFull, "this connection is in as many rooms as it may be"));
    }
    let version = shared.ports.fanout.version(id).await.ok().flatten();
    let standing = match shared.memberships.standing(id, &user.id, version).await? {
        Some(standing) => standing,
        None => match begin(shared, caller, id).await? {
            Some(standing) => standing,
            None if shared.config.rooms.create_on_join
                && !reserved(id)
                && create_room::may_create(shared, caller).is_ok() =>
            {
                channel(shared, user, id).await?
            }
            None => return Err(ChatError::not_found("room")),
        },
    };
    match standing.room.kind {
        RoomKind::Channel => {
            standing.bars()?;
            enter(shared, caller, id, hub::ALWAYS).await?;
            // A ban that was told while it entered found nobody to put out.
            let version = shared.ports.fanout.version(id).await.ok().flatten();
            let now = shared.memberships.standing(id, &user.id, version).await;
            if let (Ok(Some(now)), Some(client)) = (now, caller.client())
                && let Err(banned) = now.bars()
            {
                shared.hub.leave(client, id);
                return Err(banned);
            }
            Ok(standing.room)
        }
        RoomKind::Direct | RoomKind::Group if standing.role().is_some() => {
            enter(shared, caller, id, standing.room.version).await?;
            Ok(standing.room)
        }
        RoomKind::Group => {
            let limit = shared.config.rooms.member_limit;
            let decision = append::decide(shared, id, &Change::Join { user: user.clone(), limit }).await?;
            let standing = match decision.members.first() {
                Some(member) => {
                    let membership = Membership { role: member.role, reads_through: None };
                    shared.memberships.learn(decision.room, &user.id, Some(membership))
                }
                // Another socket of theirs was first, or somebody added them: with whatever role.
                None => {
                    shared.memberships.forget(id, &user.id);
                    let standing = shared.memberships.standing(id, &user.id, None).await?;
                    // Who has been removed meanwhile is in nothing.
                    standing.filter(|standing| standing.role().is_some()).ok_or_else(|| ChatError::not_found("room"))?
                }
            };
            // In the room before its events are, so that this socket hears of its own joining.
            enter(shared, caller, id, standing.room.version).await?;
            append::relay(shared, id).await;
            Ok(standing.room)
        }
        RoomKind::Direct => Err(ChatError::not_found("room")),
    }
}

/// Puts the caller's socket into a room; a request has none, and the user's sockets follow their inbox.
pub(super) async fn enter(shared: &Arc<Shared>, caller: &Caller, id: &RoomId, version: u64) -> Result<(), ChatError> {
    match caller.client() {
        Some(client) => hub::enter(shared, client, id, From::Now, version).await,
        None => Ok(()),
    }
}

/// Makes the direct room that `id` names, if it names one of `user` and an existing partner, and puts this socket into
/// it. `None`: it names none.
pub(super) async fn begin(shared: &Arc<Shared>, caller: &Caller, id: &RoomId) -> Result<Option<Standing>, ChatError> {
    let user = &caller.user;
    let candidates = id.direct_partners(&user.id);
    if candidates.is_empty() {
        return Ok(None);
    }
    let known = direct::existing(shared, &candidates).await?;
    // The id must be the one that both sides compute.
    let Some(partner) = known.into_iter().find(|partner| RoomId::direct(&user.id, &partner.id) == *id) else {
        return Ok(None);
    };
    create_room::may_create(shared, caller)?;
    let room = new_room(id.clone(), RoomKind::Direct, user, None);
    let change = Change::Create { room, creator: user.clone(), members: vec![partner.id], limit: 2 };
    let decision = append::decide(shared, id, &change).await?;
    let membership = Membership { role: Role::Member, reads_through: None };
    let standing = shared.memberships.learn(decision.room, &user.id, Some(membership));
    enter(shared, caller, id, standing.room.version).await?;
    append::relay(shared, id).await;
    Ok(Some(standing))
}

/// Ids that name direct rooms and groups are nobody's to take for a channel.
pub(crate) fn reserved(id: &RoomId) -> bool {
    id.as_str().starts_with("direct_") || id.as_str().starts_with("group_")
}

/// Makes a channel of that name.
async fn channel(shared: &Arc<Shared>, user: &Actor, id: &RoomId) -> Result<Standing, ChatError> {
    shared.limiter.pass(&user.id, "room_create", shared.config.limits.room_create).await?;
    let room = new_room(id.clone(), RoomKind::Channel, user, Some(id.as_str().to_owned()));
    let limit = shared.config.rooms.member_limit;
    let change = Change::Create { room, creator: user.clone(), members: Vec::new(), limit };
    let decision = append::decide(shared, id, &change).await?;
    append::relay(shared, id).await;
    if decision.events.is_empty() {
        // Somebody else has just made it.
        let standing = shared.memberships.standing(id, &user.id, None).await?;
        return standing.ok_or_else(|| ChatError::not_found("room"));
    }
    let membership = Membership { role: Role::Admin, reads_through: None };
    Ok(shared.memberships.learn(decision.room, &user.id, Some(membership)))
}

/// A room as asked for; the decision sets the rest.
pub(crate) fn new_room(id: RoomId, kind: RoomKind, creator: &Actor, name: Option<String>) -> Room {
    Room {
        id,
        kind,
        name,
        description: None,
        avatar: None,
        private: false,
        created_by: creator.id.clone(),
        created_at: Timestamp::now(),
        version: 0,
        member_count: 0,
    }
}

/// Takes a lease on a channel, and tells it who came. Returns the live count and who is there, as far as it is known.
async fn enter_channel(shared: &Arc<Shared>, user: &Actor, room: &RoomId) -> (Option<u32>, Vec<Actor>) {
    let Some(live) = rejoin_channel(shared, user, room).await else { return (None, Vec::new()) };
    let here = shared.ports.presence.live(room, NAMED).await.map(|(_, here)| here).unwrap_or_default();
    (Some(live), here)
}

/// Takes a lease on a channel, and tells it who came if they were not there. Returns the live count.
pub(crate) async fn rejoin_channel(shared: &Arc<Shared>, user: &Actor, room: &RoomId) -> Option<u32> {
    let live = match shared.ports.presence.enter(room, user, &shared.presence.name()).await {
        Ok(live) => live,
        Err(error) => {
            tracing::debug!(%error, "a channel lease could not be taken");
            return None;
        }
    };
    if live.changed {
        tracing::info!(user = %user.id, %room, count = live.count, "joined a channel");
        tell(shared, room, &Ephemeral::Entered { user: user.clone(), count: live.count }).await;
        if live.count <= shared.config.rooms.big {
            let (user, name, at) = (user.id.clone(), user.name.clone(), Timestamp::now());
            let (status, count) = (Status::Online, Some(live.count));
            tell(shared, room, &Ephemeral::Presence { user, name, status, count, gone: false, at }).await;
        }
    }
    Some(live.count)
}

/// Ends the lease on a channel when a user's last socket here has left it, and tells the channel who went.
pub(crate) async fn exit_channel(shared: &Arc<Shared>, user: &Actor, room: &RoomId) {
    if shared.hub.has_user(room, &user.id) {
        return;
    }
    end_lease(shared, user, room).await;
    // Who is back by now took a lease that may have ended with the old one.
    if shared.hub.has_user(room, &user.id) {
        rejoin_channel(shared, user, room).await;
    }
}

/// Ends a user's lease on a channel here, and tells the channel who went.
pub(crate) async fn end_lease(shared: &Arc<Shared>, user: &Actor, room: &RoomId) {
    match shared.ports.presence.exit(room, &user.id, &shared.presence.name()).await {
        Ok(live) if live.changed => {
            tell(shared, room, &Ephemeral::Exited { user: user.clone(), count: live.count }).await;
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "a channel lease could not be ended; it expires"),
    }
}

async fn tell(shared: &Shared, room: &RoomId, news: &Ephemeral) {
    if let Err(error) = shared.ports.fanout.publish(room, news).await {
        tracing::debug!(%error, "a channel could not be told");
    }
}
