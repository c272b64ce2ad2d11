//! A client enters a room: the room is made live here first, then the client joins it at a known place.

use std::sync::Arc;
use std::time::Instant;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{Offset, RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;

use super::catch_up::{Behind, Caught, catch_up};
use super::chain::Gap;
use super::room::Room;
use super::{deliver, gaps, repair};
use crate::Shared;
use crate::client::Client;
use crate::stays::is_channel;

/// Where a client enters a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// From now on.
    Now,
    /// From the event that made this user a member, as far as the cache still has it: they were told by their inbox,
    /// and what was said meanwhile is theirs too.
    Added,
}

/// Puts a client into a room: from when this returns, it gets everything that happens there. `version` is the room's
/// membership version by which the client belongs there ([`super::ALWAYS`] where membership has none): a removal that its
/// inbox told at or above it wins, whichever comes first.
///
/// # Errors
/// `busy` when neither bus nor log can be asked where the room is; `ROOM_FULL`.
pub(crate) async fn enter(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    from: From,
    version: u64,
) -> Result<(), ChatError> {
    if from == From::Added {
        // Live first: what the cache does not have by then comes from the bus, however late the room's own record of the
        // adding is. A room that cannot be opened now is tried again below.
        let live = opened(shared, room).await.ok().and_then(|()| place(shared, room));
        let since = since_added(shared, client, room, version).await;
        let added = since.first().map(|added| Seq(added.seq.0.saturating_sub(1)));
        if let Some(after) = added {
            fill(shared, room, after, &since);
        }
        if let Some(after) = added.or(live) {
            return enter_behind(shared, client, room, after, version).await;
        }
    }
    loop {
        opened(shared, room).await.map_err(|error| {
            tracing::warn!(%error, "a room cannot be opened");
            ChatError::busy("live delivery cannot be set up right now")
        })?;
        let mut rooms = shared.hub.shard(room).rooms.lock();
        // The room was closed meanwhile: once more.
        let Some(entry) = rooms.get_mut(room).filter(|entry| entry.opened.initialized()) else { continue };
        if entry.clients.len() >= shared.config.rooms.connections_per_room {
            return Err(ChatError::new(Code::RoomFull, "too many are connected to this room here"));
        }
        if client.entered(room, version) {
            if client.track.enter(room, is_channel(room, version), entry.stream, entry.chain.last()) {
                client.socket.emit_offset();
            }
            entry.join(client, Seq::ZERO);
            forget_if_out(client, room);
        }
        return Ok(());
    }
}

/// Puts a client into a room that it has up to `after`: it gets what lies between, then what happens.
async fn enter_behind(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    after: Seq,
    version: u64,
) -> Result<(), ChatError> {
    if !client.entered(room, version) {
        return Ok(());
    }
    // One that was put out a moment ago may still be of the list: it would hear live what it is about to be handed.
    if let Some(entry) = shared.hub.shard(room).rooms.lock().get_mut(room) {
        entry.clients.retain(|other| !Arc::ptr_eq(other, client));
    }
    client.track.enter(room, is_channel(room, version), shared.hub.stream(room), after);
    forget_if_out(client, room);
    match catch_up(shared, client, room, after, version).await {
        // Who is gone was in the room: that its user has gone is told there.
        Ok(Caught::Up | Caught::Gone) => Ok(()),
        Ok(Caught::Left) => {
            client.left_by(room, version.saturating_add(1));
            Ok(())
        }
        Err(behind) => {
            client.dropped(room);
            match behind {
                Behind::TooLong => Err(ChatError::busy("too much has been said in the room")),
                Behind::Failed(error) => Err(error),
            }
        }
    }
}

/// Up to where a room has been delivered here.
fn place(shared: &Shared, room: &RoomId) -> Option<Seq> {
    shared.hub.shard(room).rooms.lock().get(room).map(|entry| entry.chain.last())
}

/// A removal that came between [`Client::entered`] and the track's noting it has found nothing there to leave.
fn forget_if_out(client: &Client, room: &RoomId) {
    // Of a socket that is gone the session remembers where it was.
    if !client.is_in(room) && !client.is_closed() {
        client.track.leave(room);
    }
}

/// Up to where a room that is live here has been delivered.
pub(crate) fn live_through(shared: &Shared, room: &RoomId) -> Option<Seq> {
    let rooms = shared.hub.shard(room).rooms.lock();
    rooms.get(room).and_then(|entry| entry.ring.newest())
}

/// Makes sure that a room is live here.
pub(crate) async fn opened(shared: &Arc<Shared>, room: &RoomId) -> Result<(), Unavailable> {
    let opened = {
        let mut rooms = shared.hub.shard(room).rooms.lock();
        rooms.entry(room.clone()).or_insert_with(|| Room::new(&shared.hub.budget)).opened.clone()
    };
    opened.get_or_try_init(|| open(shared, room)).await?;
    Ok(())
}

/// Subscribes a room's channel, and finds the place from which on everything is delivered.
async fn open(shared: &Arc<Shared>, room: &RoomId) -> Result<(), Unavailable> {
    let ports = &shared.ports;
    let shard = shared.hub.shard(room);
    let _crossing = shard.channels.lock().await;
    // With the bus away the wish is remembered there; what is missed until then is found by comparing heads.
    let live = ports.fanout.subscribe(room).await;
    let partition = ports.log.partition_of(room);
    let end = match live {
        Ok(()) => {
            shared.hub.places.ends(vec![room.clone()]).await.ok().and_then(|ends| ends.first().copied().flatten())
        }
        Err(_) => None,
    };
    let offset = match end {
        // A bus that has forgotten replays what is long in history: that is nothing new to who comes in now.
        Some(end) => end.position.max(shared.hub.applied(partition).await),
        None => Offset(ports.log.ends(partition).await?.next.0 - 1),
    };
    let place = Seq::new(ports.log.generation(), offset);
    // Between the room's last event and the bus's position nothing has happened in it.
    let quiet = end
        .filter(|end| end.position == offset)
        .map(|end| end.head.unwrap_or_else(|| Seq::new(ports.log.generation(), end.from)).min(place));
    let gap = {
        let mut rooms = shard.rooms.lock();
        let Some(entry) = rooms.get_mut(room) else { return Ok(()) };
        entry.ring.restart(quiet.unwrap_or(place));
        let (ready, gap) = entry.chain.open(place);
        for delivery in &ready {
            deliver(shared, entry, delivery);
        }
        gap
    };
    if let Some(gap) = gap {
        repair(shared, room.clone(), gap);
    }
    super::warm::warm_if_cold(shared, room);
    Ok(())
}

/// What the cache has of a room since a client's user was made a member by that version, from that event on; nothing if
/// it does not have that (yet).
async fn since_added(shared: &Shared, client: &Client, room: &RoomId, version: u64) -> Vec<Delivery> {
    let Some(user) = client.user() else { return Vec::new() };
    let mut cached = shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, 100).await.unwrap_or_default();
    match cached.iter().rposition(|delivery| adds(&delivery.event.kind, &user.id, version)) {
        Some(at) => cached.split_off(at),
        None => Vec::new(),
    }
}

/// Puts what was read of a room into its ring, if nothing is missing between the two.
fn fill(shared: &Shared, room: &RoomId, after: Seq, events: &[Delivery]) {
    if let Some(entry) = shared.hub.shard(room).rooms.lock().get_mut(room) {
        let through = entry.ring.base();
        let before = events.partition_point(|delivery| delivery.seq <= through);
        if gaps::spans(&events[..before], Gap { after, through }) {
            entry.ring.fill(Instant::now(), after, through, &events[..before]);
        }
    }
}

/// Whether an event made the user a member, by that version of the room's membership or a later one: an earlier adding
/// is not the one that their inbox tells of.
pub(crate) fn adds(kind: &Kind, user: &UserId, version: u64) -> bool {
    match kind {
        Kind::RoomCreated { room, .. } => room.version >= version,
        Kind::MemberJoined { member, version: by, .. } => member.user.id == *user && *by >= version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::{Member, Role, RoomKind};
    use parlor_core::time::Timestamp;

    use super::*;
    use crate::commands::new_room;
    use crate::stage::user;

    #[test]
    fn what_made_one_a_member_before_is_not_what_their_inbox_tells_of() {
        let (ann, ben) = (user("ann"), user("ben"));
        let room = new_room(RoomId::trusted("group_1"), RoomKind::Group, &ann, None);
        let created = Kind::RoomCreated { room: parlor_core::event::Room { version: 1, ..room }, members: Vec::new() };
        let member = Member { user: ben.clone(), role: Role::Member, joined_at: Timestamp(1) };
        let joined = Kind::MemberJoined { member, members: Some(2), version: 3 };
        assert!(adds(&created, &ben.id, 1) && !adds(&created, &ben.id, 3), "added to a room that was there");
        assert!(adds(&joined, &ben.id, 3) && !adds(&joined, &ben.id, 5), "added again");
        assert!(!adds(&joined, &ann.id, 3), "somebody else");
        assert!(adds(&created, &ben.id, 0) && adds(&joined, &ben.id, 0), "whichever it was");
    }
}
