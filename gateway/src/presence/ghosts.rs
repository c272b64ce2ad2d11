//! Dead gateways leave no ghosts: one that is silent for 10 s is buried by another, and its users' rooms are told within
//! a few seconds more (`snake-kafka.md`, Scalability 5, asks for 30 s).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Ephemeral, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::presence::{GATEWAY_LEASE, Ghosts, Hold};
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::take_all_anew;
use crate::Shared;

/// How often a gateway renews its own lease, and looks for those who do not.
const EVERY: Duration = Duration::from_secs(3);
/// Rooms of one ghost that are told.
const ROOMS: usize = 1_000;
/// Users whose names are read together.
const NAMED: usize = 500;

/// Holds this gateway's lease and buries others, until `stop`. It has no way to fail: what cannot be done now is done
/// at the next turn.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Since when this gateway has renewed its lease without a break. After an outage of the memory all gateways are
    // late alike: who has not been steady for a lease's length judges nobody.
    let mut steady: Option<Instant> = None;
    let mut known = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match shared.ports.presence.hold(&shared.presence.name(), GATEWAY_LEASE).await {
            Ok(Hold::Kept) => {
                steady.get_or_insert_with(Instant::now);
            }
            Ok(Hold::New) => {
                steady = Some(Instant::now());
                if std::mem::replace(&mut known, true) {
                    // The memory was emptied.
                    take_all_anew(&shared, false).await;
                }
            }
            Ok(Hold::Buried) => {
                tracing::warn!("this gateway was silent and taken for dead; its users are told to be online again");
                steady = None;
                shared.presence.begin_anew(&shared.config.name);
                take_all_anew(&shared, true).await;
                continue;
            }
            Err(error) => {
                tracing::debug!(%error, "this gateway's lease could not be renewed");
                steady = None;
            }
        }
        if steady.is_some_and(|since| since.elapsed() > GATEWAY_LEASE)
            && shared.ports.presence.turn("bury", EVERY / 2).await.unwrap_or(false)
        {
            match shared.ports.presence.bury().await {
                Ok(ghosts) => tell(&shared, ghosts).await,
                Err(error) => tracing::debug!(%error, "dead gateways could not be looked for"),
            }
        }
    }
}

/// Tells the rooms of those who were on a dead gateway and are nowhere else.
async fn tell(shared: &Arc<Shared>, ghosts: Ghosts) {
    if ghosts == Ghosts::default() {
        return;
    }
    tracing::info!(
        users = ghosts.users.len(),
        channels = ghosts.exits.len(),
        "a dead gateway's users are told to be gone"
    );
    metrics::counter!("parlor_ghosts_total").increment(u64::try_from(ghosts.users.len()).unwrap_or(u64::MAX));
    let at = Timestamp::now();
    let mut channels: HashMap<UserId, Vec<(RoomId, u32)>> = HashMap::new();
    for (room, user, count) in ghosts.exits {
        channels.entry(user.id.clone()).or_default().push((room.clone(), count));
        publish(shared, &room, &Ephemeral::Exited { user, count }).await;
    }
    let mut names = names(shared, &ghosts.users).await;
    for (user, status) in ghosts.users {
        if status == Status::Offline {
            shared.presence.seen.note(&user, at);
        }
        let name = names.remove(&user).unwrap_or_else(|| "".into());
        let members = shared.ports.contacts.rooms(&user, ROOMS).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the rooms of a dead gateway's user cannot be read; they are not told");
            Vec::new()
        });
        let presence = |count, gone| {
            let (user, name) = (user.clone(), name.clone());
            Ephemeral::Presence { user, name, status, count, gone, at }
        };
        for (room, size) in members {
            if size > shared.config.rooms.big {
                shared.presence.counting.later(&room);
            } else {
                publish(shared, &room, &presence(Some(size), false)).await;
            }
        }
        for (room, live) in channels.remove(&user).unwrap_or_default() {
            if live <= shared.config.rooms.big {
                publish(shared, &room, &presence(None, true)).await;
            }
        }
    }
}

/// The names of those whom the store knows.
async fn names(shared: &Shared, ghosts: &[(UserId, Status)]) -> HashMap<UserId, Arc<str>> {
    let mut names = HashMap::new();
    for ghosts in ghosts.chunks(NAMED) {
        let ids: Vec<UserId> = ghosts.iter().map(|(user, _)| user.clone()).collect();
        match shared.ports.store.users(&ids).await {
            Ok(users) => names.extend(users.into_iter().map(|user| (user.id, user.name))),
            Err(error) => tracing::debug!(%error, "the names of a dead gateway's users cannot be read"),
        }
    }
    names
}

async fn publish(shared: &Shared, room: &RoomId, news: &Ephemeral) {
    if let Err(error) = shared.ports.fanout.publish(room, news).await {
        tracing::debug!(%error, "a room could not be told who is gone");
    }
}
