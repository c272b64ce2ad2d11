//! Presence: leases while a user has a socket here, a grace when the last one goes, and what the rooms are told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parlor_core::event::{Ephemeral, RoomKind, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::presence::RENEW;
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::client::Client;
use crate::commands;
use crate::vocabularies::{News, Vocabulary};

/// A reload, or a short loss of network, is no absence.
const GRACE: Duration = Duration::from_secs(10);
/// Leases ended side by side.
const DEPARTING: usize = 32;
/// Between two heartbeats to sockets that speak snake (`snake-kafka.md`, Scalability 5).
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A socket has become somebody and has entered its rooms.
pub(crate) async fn arrived(shared: &Arc<Shared>, client: &Arc<Client>) {
    let Some(user) = client.user() else { return };
    let came = shared.ports.presence.arrive(&shared.config.name, std::slice::from_ref(&user.id)).await;
    match came {
        Ok(came) if !came.is_empty() => announce(shared, &user.id, &client.rooms(), Status::Online).await,
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "a presence lease could not be taken"),
    }
}

/// A socket is gone; `rooms` are those it was in.
pub(crate) async fn left(shared: &Arc<Shared>, client: &Arc<Client>, rooms: Vec<RoomId>) {
    let Some(user) = client.user() else { return };
    let last = shared.clients.remove(&user.id, client);
    for room in &rooms {
        shared.hub.leave(client, room);
        commands::end_typing(shared, client, room).await;
        commands::exit_channel(shared, &user, room).await;
    }
    if last {
        let (shared, user) = (shared.clone(), user.id);
        tokio::spawn(async move {
            tokio::time::sleep(GRACE).await;
            if shared.clients.of(&user).is_empty() {
                depart(&shared, &user, &rooms).await;
            }
        });
    }
}

async fn depart(shared: &Arc<Shared>, user: &UserId, rooms: &[RoomId]) {
    match shared.ports.presence.depart(&shared.config.name, user).await {
        Ok(true) => announce(shared, user, rooms, Status::Offline).await,
        Ok(false) => {}
        Err(error) => tracing::debug!(%error, "a presence lease could not be ended; it expires"),
    }
}

/// Tells the rooms of a user that their presence changed; big rooms show counts instead.
async fn announce(shared: &Arc<Shared>, user: &UserId, rooms: &[RoomId], status: Status) {
    let news = Ephemeral::Presence { user: user.clone(), status, at: Timestamp::now() };
    for room in rooms.iter().filter(|room| room.inbox_owner().is_none()) {
        let big = shared.memberships.size(room, user).is_some_and(|members| members > shared.config.rooms.big);
        if !big && let Err(error) = shared.ports.fanout.publish(room, &news).await {
            tracing::debug!(%error, "presence could not be told");
            return;
        }
    }
}

/// Renews the leases of everybody here, and beats for those who speak snake, until `stop`. It has no way to fail: a
/// lease that could not be renewed is renewed the next time.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut renew = tokio::time::interval(RENEW);
    let mut beat = tokio::time::interval(HEARTBEAT);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = renew.tick() => renew_all(&shared).await,
            _ = beat.tick() => {
                for client in shared.clients.all() {
                    if client.vocabulary() == Vocabulary::Snake && !client.undecided() {
                        client.tell(&News::Heartbeat);
                    }
                }
            }
        }
    }
}

async fn renew_all(shared: &Arc<Shared>) {
    let users = shared.clients.users();
    for users in users.chunks(500) {
        // Those whose lease had run out meanwhile (Redis was emptied) are online as before: nobody is told.
        if let Err(error) = shared.ports.presence.arrive(&shared.config.name, users).await {
            tracing::debug!(%error, "presence leases could not be renewed");
            return;
        }
    }
    for client in shared.clients.all() {
        let Some(user) = client.user() else { continue };
        for room in client.rooms() {
            let channel = shared
                .memberships
                .peek(&room, &user.id)
                .is_some_and(|standing| standing.room.kind == RoomKind::Channel);
            if channel && let Err(error) = shared.ports.presence.enter(&room, &user, &shared.config.name).await {
                tracing::debug!(%error, "a channel lease could not be renewed");
                return;
            }
        }
    }
}

/// Who is here, and in which rooms: asked before the sockets are drained.
pub(crate) fn everybody(shared: &Shared) -> Vec<(UserId, Vec<RoomId>)> {
    let rooms = |user: &UserId| shared.clients.of(user).iter().flat_map(|client| client.rooms()).collect();
    shared.clients.users().into_iter().map(|user| (user.clone(), rooms(&user))).collect()
}

/// Ends the leases of those who were here: this gateway goes away. Who is not back on another one when `within` is over
/// is told to be offline.
pub(crate) async fn depart_all(shared: &Arc<Shared>, everybody: Vec<(UserId, Vec<RoomId>)>, within: Duration) {
    let presence = &shared.ports.presence;
    let departing = futures_util::stream::iter(everybody).map(|(user, rooms)| async move {
        let gone = presence.depart(&shared.config.name, &user).await.unwrap_or(false);
        gone.then_some((user, rooms))
    });
    let mut gone: Vec<_> = departing.buffer_unordered(DEPARTING).filter_map(std::future::ready).collect().await;
    let over = tokio::time::Instant::now() + within;
    while !gone.is_empty() {
        let users: Vec<UserId> = gone.iter().map(|(user, _)| user.clone()).collect();
        if let Ok(seen) = presence.look(&users).await {
            let mut back = seen.iter().map(|seen| seen.status != Status::Offline);
            gone.retain(|_| !back.next().unwrap_or(false));
        }
        if tokio::time::Instant::now() >= over {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (user, rooms) in gone {
        announce(shared, &user, &rooms, Status::Offline).await;
    }
}
