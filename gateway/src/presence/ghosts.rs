//! Dead gateways leave no ghosts: one that is silent for 10 s is buried by another, and its users' rooms are told within
//! a few seconds more (`snake-kafka.md`, Scalability 5, asks for 30 s).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Actor, Ephemeral, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::presence::{GATEWAY_LEASE, Ghosts, Hold};
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{take_all_anew, tell_back};
use crate::Shared;

/// How often a gateway renews its own lease, and looks for those who do not.
const EVERY: Duration = Duration::from_secs(3);
/// Rooms of one ghost that are told.
const ROOMS: usize = 1_000;
/// Users whose names are read together, and who are looked at once more when they were told of.
const AT_ONCE: usize = 500;

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
pub(super) async fn tell(shared: &Shared, ghosts: Ghosts) {
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
    for some in ghosts.users.chunks(AT_ONCE) {
        let mut names = names(shared, some).await;
        let mut gone = Vec::new();
        for (id, status) in some {
            let name = names.remove(id).unwrap_or_else(|| "".into());
            let user = Actor { id: id.clone(), name, avatar: None };
            let offline = *status == Status::Offline;
            if offline {
                shared.presence.seen.note(id, at);
            }
            let told = tell_of(shared, &user, *status, at, channels.remove(id).unwrap_or_default()).await;
            if offline {
                gone.push((user, told));
            }
        }
        if let Err(error) = tell_back(shared, &gone).await {
            tracing::debug!(%error, "who is back from a dead gateway could not be looked at");
        }
    }
}

/// Tells the rooms of one user, and returns those that show each of their members; `channels` are those that the user
/// was in, with their live counts.
async fn tell_of(
    shared: &Shared,
    user: &Actor,
    status: Status,
    at: Timestamp,
    channels: Vec<(RoomId, u32)>,
) -> Vec<RoomId> {
    let members = shared.ports.contacts.rooms(&user.id, ROOMS).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the rooms of a dead gateway's user cannot be read; they are not told");
        Vec::new()
    });
    let presence = |count, gone| {
        let (user, name) = (user.id.clone(), user.name.clone());
        Ephemeral::Presence { user, name, status, count, gone, at }
    };
    let mut told = Vec::new();
    for (room, size) in members {
        if size > shared.config.rooms.big {
            shared.presence.counting.later(&room);
        } else {
            publish(shared, &room, &presence(Some(size), false)).await;
            told.push(room);
        }
    }
    for (room, live) in channels {
        if live <= shared.config.rooms.big {
            publish(shared, &room, &presence(None, true)).await;
            told.push(room);
        }
    }
    told
}

/// The names of those whom the store knows.
async fn names(shared: &Shared, ghosts: &[(UserId, Status)]) -> HashMap<UserId, Arc<str>> {
    let ids: Vec<UserId> = ghosts.iter().map(|(user, _)| user.clone()).collect();
    match shared.ports.store.users(&ids).await {
        Ok(users) => users.into_iter().map(|user| (user.id, user.name)).collect(),
        Err(error) => {
            tracing::debug!(%error, "the names of a dead gateway's users cannot be read");
            HashMap::new()
        }
    }
}

async fn publish(shared: &Shared, room: &RoomId, news: &Ephemeral) {
    if let Err(error) = shared.ports.fanout.publish(room, news).await {
        tracing::debug!(%error, "a room could not be told who is gone");
    }
}
