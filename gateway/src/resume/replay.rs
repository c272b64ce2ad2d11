//! After CONNECT was answered: the client is put back into its rooms, and given what it missed.

use std::sync::Arc;

use futures_util::StreamExt;
use parlor_core::event::RoomKind;
use parlor_core::ids::RoomId;
use parlor_core::ports::store::Membership;
use parlor_core::session::Standing;

use super::plan::{Plan, Return, Stay};
use super::recall::{Session, count};
use super::{start_anew, supersede};
use crate::client::Client;
use crate::hub::{self, Behind, Caught};
use crate::{Shared, commands};

/// Rooms made live side by side.
const OPENING: usize = 32;
/// Rooms of which events are handed over side by side: what each may have in hand must fit into the queue together.
const REPLAYING: usize = 4;

/// Puts an identified client back where its session was. False: that cannot be done any more, and nothing was done; it
/// is to be welcomed as anybody.
pub(crate) async fn replay(shared: &Arc<Shared>, client: &Arc<Client>, mut session: Session) -> bool {
    let Some(plan) = session.plan(shared).await else { return false };
    count("recovered");
    learn(shared, client, &session);
    begin(client, session, &plan);
    // What was left goes first: the inbox then says that it was left.
    for place in plan.returns.iter().filter(|place| place.stay == Stay::Out) {
        let caught = hub::up_to_leaving(shared, client, &place.room, place.after, place.version).await;
        client.track.leave(&place.room);
        settle(shared, client, place, caught);
    }
    let (inbox, rooms): (Vec<&Return>, Vec<&Return>) =
        plan.returns.iter().filter(|place| place.stay != Stay::Out).partition(|place| is_inbox(place));
    for place in inbox {
        come_back(shared, client, place).await;
    }
    futures_util::stream::iter(&rooms)
        .for_each_concurrent(OPENING, |place| async move {
            // One that cannot be opened yet is tried again where it is entered.
            let _ = hub::opened(shared, &place.room).await;
        })
        .await;
    futures_util::stream::iter(&rooms).for_each_concurrent(REPLAYING, |place| come_back(shared, client, place)).await;
    let unsure: Vec<RoomId> = rooms.iter().filter(|place| place.version == 0).map(|place| place.room.clone()).collect();
    if !unsure.is_empty() {
        confirm(shared, client, unsure);
    }
    // One whose place was taken meanwhile takes none.
    if client.socket.is_open() {
        supersede(shared, client).await;
    }
    client.track.begin();
    client.socket.emit_offset();
    true
}

fn is_inbox(place: &Return) -> bool {
    place.room.inbox_owner().is_some()
}

/// What the snapshot knows of the user's memberships serves while the store is away.
fn learn(shared: &Shared, client: &Client, session: &Session) {
    let Some(user) = client.user() else { return };
    for Standing { room, kind, role, version, members, .. } in &session.snapshot.rooms {
        if let Some(kind) = kind {
            let membership = role.map(|role| Membership { role, reads_through: None });
            shared.memberships.recall(room, *kind, *version, *members, &user.id, membership);
        }
    }
    // Who is in a channel is in it whatever its version.
    for place in session.places.iter().filter(|place| place.channel && place.base.is_none()) {
        shared.memberships.recall(&place.room, RoomKind::Channel, u64::MAX, 0, &user.id, None);
    }
}

/// The client is noted to be in all its rooms, so that whatever else would put it there finds it there.
fn begin(client: &Client, session: Session, plan: &Plan) {
    client.track.resume(session.base, session.places, session.others);
    client.heard_inbox_through(plan.inbox);
    for place in plan.returns.iter().filter(|place| place.stay != Stay::Out) {
        client.entered(&place.room, place.version);
        if place.stay == Stay::Added {
            client.track.enter(&place.room, false, 0, place.after);
        }
    }
}

async fn come_back(shared: &Arc<Shared>, client: &Arc<Client>, place: &Return) {
    let caught = hub::catch_up(shared, client, &place.room, place.after, place.version).await;
    if matches!(caught, Ok(Caught::Up))
        && place.version == hub::ALWAYS
        && !is_inbox(place)
        && let Some(user) = client.user()
    {
        commands::rejoin_channel(shared, &user, &place.room).await;
    }
    settle(shared, client, place, caught);
}

fn settle(shared: &Arc<Shared>, client: &Arc<Client>, place: &Return, caught: Result<Caught, Behind>) {
    match caught {
        // Who is gone was in the room: that its user has gone is told there.
        Ok(Caught::Up | Caught::Gone) => {}
        Ok(Caught::Left) => {
            client.left_by(&place.room, place.version.saturating_add(1));
            if place.stay == Stay::In && place.version != hub::ALWAYS {
                confirm(shared, client, vec![place.room.clone()]);
            }
        }
        Err(Behind::Failed(error)) => {
            client.dropped(&place.room);
            hub::not_entered(client, &place.room, &error);
        }
        // It would find the same when it comes back.
        Err(Behind::TooLong) => start_anew(shared, client),
    }
}

/// Asks the store by which version a client is in these rooms: the session does not say it of what was entered since its
/// last snapshot. An older removal, of which the room has yet to tell, then does not put it out; and whom one has put out
/// already, though they have come in again since and been told so, begins anew and finds themselves in the room.
fn confirm(shared: &Arc<Shared>, client: &Arc<Client>, rooms: Vec<RoomId>) {
    let (shared, client) = (shared.clone(), client.clone());
    tokio::spawn(async move {
        let Some(user) = client.user() else { return };
        for room in rooms {
            let Some(member) = hub::member(&shared, &client, &user.id, &room).await else { return };
            if let Some(member) = member
                && !client.raise(&room, member.room.version)
            {
                return start_anew(&shared, &client);
            }
        }
    });
}
