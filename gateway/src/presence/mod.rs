//! Presence: leases while a user has a socket here, a grace when the last one goes, and what the rooms are told.
//!
//! A user has as many leases as gateways on which they have a socket; what others see is the strongest of them, and on
//! one gateway the strongest of the user's sockets: busy, else online, else away; offline where all are hidden
//! (`status`). During the grace a lease lingers: what its user takes or sets on another gateway ends it. What rooms
//! could not be told is told later, as it is then.
//!
//! A gateway has a lease of its own, under a name that no other process has had: when it falls silent, any other one
//! ends what it held and tells its users' rooms (`ghosts`). When somebody was last here is written to the store a few at
//! a time (`seen`).

mod counts;
mod ghosts;
mod seen;
mod status;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use parlor_core::event::{Actor, Ephemeral, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::RENEW;
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

pub(crate) use seen::flush as flush_seen;
pub(crate) use status::set as set_status;

use crate::Shared;
use crate::client::Client;
use crate::commands;
use crate::stays::WasIn;
use crate::vocabularies::{News, Vocabulary};

/// A reload, or a short loss of network, is no absence.
const GRACE: Duration = Duration::from_secs(10);
/// Leases ended side by side.
const DEPARTING: usize = 32;
/// Rooms told side by side.
const TELLING: usize = 16;
/// Between two heartbeats to sockets that speak snake (`snake-kafka.md`, Scalability 5).
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What could not be done is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// Users whose leases are renewed at once.
const USERS_AT_ONCE: usize = 500;
/// Channel leases renewed side by side.
const RENEWING: usize = 32;

/// What presence remembers on this gateway.
#[derive(Default)]
pub(crate) struct State {
    /// What this process's leases are held under.
    name: parking_lot::RwLock<String>,
    seen: seen::Seen,
    changes: status::Changes,
    counting: counts::Counting,
    leaving: Mutex<HashMap<UserId, Leaving>>,
}

/// A user's sockets that have gone and may be back.
#[derive(Default)]
struct Leaving {
    /// Graces that are not over.
    graces: usize,
    /// The rooms that they were in.
    rooms: HashSet<RoomId>,
}

impl State {
    pub(crate) fn new(gateway: &str) -> Self {
        let state = Self::default();
        state.begin_anew(gateway);
        state
    }

    /// The name under which leases are held.
    pub(crate) fn name(&self) -> String {
        self.name.read().clone()
    }

    /// Takes a name that nobody has had: what was held under another is ended by whoever buries it.
    fn begin_anew(&self, gateway: &str) {
        *self.name.write() = format!("{gateway}.{:08x}", rand::random::<u32>());
    }
}

/// A socket has become somebody and has entered its rooms.
pub(crate) async fn arrived(shared: &Arc<Shared>, client: &Arc<Client>) {
    let Some(user) = client.user() else { return };
    if let Err(error) = arrive(shared, client, &user).await {
        tracing::debug!(%error, "a presence lease could not be taken; it is tried again");
        let (shared, client) = (shared.clone(), client.clone());
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            let arrived = again(|| !client.socket.is_open(), || arrive(&shared, &client, &user)).await;
            if arrived.is_some() {
                // A renewal may have taken the lease meanwhile, and told nobody.
                shared.presence.changes.tell_later(&user.id, Status::Offline);
            }
        });
    }
}

async fn arrive(shared: &Shared, client: &Client, user: &Actor) -> Result<(), Unavailable> {
    take_lease(shared, user, &client.rooms()).await?;
    status::begin(shared, &user.id).await
}

/// Takes a user's lease here, and tells the rooms what they see of the user by that.
async fn take_lease(shared: &Shared, user: &Actor, rooms: &[RoomId]) -> Result<(), Unavailable> {
    let came = shared.ports.presence.arrive(&shared.presence.name(), std::slice::from_ref(&user.id)).await?;
    // Who has set something else is told of as that, in a moment.
    if let Some((_, status)) = came.first().filter(|_| status::here(shared, &user.id) == Some(Status::Online))
        && let Err(error) = announce(shared, user, rooms, *status).await
    {
        tracing::debug!(%error, "presence could not be told; it is told later");
        shared.presence.changes.tell_later(&user.id, Status::Offline);
    }
    Ok(())
}

/// Tries until it works, or it is `over`: there are never more of these than users who have come or gone.
async fn again<T, F>(over: impl Fn() -> bool, attempt: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    loop {
        match attempt().await {
            Ok(done) => return Some(done),
            Err(error) => tracing::debug!(%error, "presence could not be changed or told; it is tried again"),
        }
        tokio::time::sleep(AGAIN).await;
        if over() {
            return None;
        }
    }
}

/// The user's rooms here may not know yet that they are there.
pub(crate) fn tell_later(shared: &Shared, user: &UserId) {
    shared.presence.changes.tell_later(user, Status::Offline);
}

/// A socket is gone; `rooms` are those it was in.
pub(crate) async fn left(shared: &Arc<Shared>, client: &Arc<Client>, rooms: Vec<WasIn>) {
    let Some(user) = client.user() else { return };
    let last = shared.clients.remove(&user.id, client);
    for WasIn { room, channel } in &rooms {
        shared.hub.leave(client, room);
        commands::end_typing(shared, client, room).await;
        if *channel {
            commands::exit_channel(shared, &user, room).await;
        }
    }
    let (shared, seen) = (shared.clone(), Timestamp::now());
    {
        let mut leaving = shared.presence.leaving.lock();
        let leaving = leaving.entry(user.id.clone()).or_default();
        leaving.graces += 1;
        leaving.rooms.extend(rooms.into_iter().map(|was| was.room));
    }
    tokio::spawn(async move {
        if last {
            linger(&shared, &user).await;
        }
        tokio::time::sleep(GRACE).await;
        let all = grace_over(&shared, &user.id);
        if !shared.clients.of(&user.id).is_empty() {
            // What is left of the user here may be weaker.
            status::refresh(&shared, &user.id).await;
        } else if let Some(rooms) = all {
            depart(&shared, &user, &rooms, seen).await;
        }
    });
}

/// A grace of the user's is over. The rooms that they have left, if it was the last one.
fn grace_over(shared: &Shared, user: &UserId) -> Option<Vec<RoomId>> {
    let mut all = shared.presence.leaving.lock();
    let leaving = all.get_mut(user)?;
    leaving.graces -= 1;
    if leaving.graces > 0 {
        return None;
    }
    all.remove(user).map(|leaving| leaving.rooms.into_iter().collect())
}

/// The user may be back in a moment, here or elsewhere. Best effort.
async fn linger(shared: &Shared, user: &Actor) {
    if let Err(error) = shared.ports.presence.linger(&shared.presence.name(), &user.id).await {
        tracing::debug!(%error, "a presence lease does not linger but counts");
    }
    if !shared.clients.of(&user.id).is_empty() {
        // They are back already, and may have been before the lease began to linger.
        _ = take_lease(shared, user, &rooms_here(shared, &user.id)).await;
    }
}

async fn depart(shared: &Shared, user: &Actor, rooms: &[RoomId], seen: Timestamp) {
    let hidden = shared.presence.changes.is_hidden(&user.id);
    let back = || !shared.clients.of(&user.id).is_empty();
    let name = shared.presence.name();
    let Some(moved) = again(back, || shared.ports.presence.depart(&name, &user.id, seen)).await else { return };
    tracing::debug!(user = %user.id, ?moved, ?rooms, "a user's presence here has ended");
    shared.presence.changes.forget(&user.id);
    if moved.after == Status::Offline {
        shared.presence.seen.note(&user.id, seen);
    }
    if back() && take_lease(shared, user, &rooms_here(shared, &user.id)).await.is_err() {
        // The lease that they took when they came back may have ended with the old one.
        tell_later(shared, &user.id);
    }
    // Where the lease had run out before, nobody was told.
    if moved.before != moved.after || (moved.after == Status::Offline && !hidden) {
        tell_departed(shared, user, rooms, moved.after, seen).await;
    }
}

/// Tells the rooms of a user whose lease here has ended what others see of them since.
async fn tell_departed(shared: &Shared, user: &Actor, rooms: &[RoomId], status: Status, seen: Timestamp) {
    let back = || !shared.clients.of(&user.id).is_empty();
    if status != Status::Offline {
        again(back, || announce(shared, user, rooms, status)).await;
        return;
    }
    again(back, || announce_at(shared, user, rooms, status, seen, false)).await;
    let told = [(user.clone(), rooms.to_vec())];
    if again(back, || tell_back(shared, &told)).await.is_none() {
        tell_later(shared, &user.id);
    }
}

/// Looks once more at users of whom rooms were told that they are offline: of who came back meanwhile, a room may have
/// been told that before.
async fn tell_back(shared: &Shared, told: &[(Actor, Vec<RoomId>)]) -> Result<(), Unavailable> {
    let users: Vec<UserId> = told.iter().map(|(user, _)| user.id.clone()).collect();
    let seen = shared.ports.presence.look(&users).await?;
    for ((user, rooms), seen) in told.iter().zip(seen).filter(|(_, seen)| seen.status != Status::Offline) {
        announce_at(shared, user, rooms, seen.status, Timestamp::now(), true).await?;
    }
    Ok(())
}

/// Tells the rooms of a user that their presence changed; big rooms show counts instead.
async fn announce(shared: &Shared, user: &Actor, rooms: &[RoomId], status: Status) -> Result<(), Unavailable> {
    announce_at(shared, user, rooms, status, Timestamp::now(), false).await
}

/// The same, of a change at that time: of who is offline, when they were last seen. `back`: they were told to be offline,
/// and may not be in all of these rooms any more.
async fn announce_at(
    shared: &Shared,
    user: &Actor,
    rooms: &[RoomId],
    status: Status,
    at: Timestamp,
    back: bool,
) -> Result<(), Unavailable> {
    let rooms = rooms.iter().filter(|room| room.inbox_owner().is_none()).map(Ok);
    let telling = futures_util::stream::iter(rooms).try_for_each_concurrent(TELLING, |room| async move {
        let big = |count| count > shared.config.rooms.big;
        let (count, gone) = if room.is_of_channel() {
            // Who has no socket left in it was told to have left it.
            let gone = (back || status == Status::Offline) && !shared.hub.has_user(room, &user.id);
            let count = if gone { None } else { Some(shared.ports.presence.live(room, 1).await?.0) };
            if count.is_some_and(big) {
                // That somebody came or went was told with a count.
                return Ok(());
            }
            (count, gone)
        } else {
            let size = shared.memberships.size(room, &user.id);
            if size.is_some_and(big) {
                shared.presence.counting.later(room);
                return Ok(());
            }
            (size, false)
        };
        let (user, name) = (user.id.clone(), user.name.clone());
        shared.ports.fanout.publish(room, &Ephemeral::Presence { user, name, status, count, gone, at }).await
    });
    telling.await
}

/// Renews the leases of everybody here, until `stop`, beside the other tasks of presence. It has no way to fail: a
/// lease that could not be renewed is renewed the next time.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut renew = tokio::time::interval(RENEW);
    let others = [
        tokio::spawn(beat(shared.clone(), stop.clone())),
        tokio::spawn(ghosts::run(shared.clone(), stop.clone())),
        tokio::spawn(seen::run(shared.clone(), stop.clone())),
        tokio::spawn(status::run(shared.clone(), stop.clone())),
        tokio::spawn(counts::run(shared.clone(), stop.clone())),
    ];
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = renew.tick() => renew_all(&shared, false).await,
        }
    }
    for task in others {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task of presence ended badly");
        }
    }
}

/// Beats for those who speak snake, until `stop`.
async fn beat(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(HEARTBEAT);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for client in shared.clients.all() {
            if client.vocabulary() == Vocabulary::Snake && !client.undecided() {
                client.tell(&News::Heartbeat);
            }
        }
    }
}

/// Takes every lease anew, with its status: the memory has lost them. `tell`: others were told that everybody here is
/// offline.
async fn take_all_anew(shared: &Arc<Shared>, tell: bool) {
    let set = shared.presence.changes.take_set();
    renew_all(shared, tell).await;
    for user in set {
        status::refresh(shared, &user).await;
    }
}

async fn renew_all(shared: &Arc<Shared>, tell: bool) {
    if let Err(error) = renew(shared, shared.clients.users(), tell).await {
        tracing::debug!(%error, "presence leases could not be renewed");
        return;
    }
    renew_in_channels(shared, in_channels(shared), tell).await;
}

/// Renews the leases of those of these users who are still here.
async fn renew(shared: &Shared, mut users: Vec<UserId>, tell: bool) -> Result<(), Unavailable> {
    let name = shared.presence.name();
    while !users.is_empty() {
        let mut some = users.split_off(users.len().saturating_sub(USERS_AT_ONCE));
        // Telling the ones before may have taken a while.
        some.retain(|user| !shared.clients.of(user).is_empty());
        let came = shared.ports.presence.arrive(&name, &some).await?;
        // Where their lease had run out because Redis was emptied, they are online as before.
        for (user, status) in came.into_iter().filter(|_| tell) {
            let Some(actor) = shared.clients.who(&user) else { continue };
            if announce(shared, &actor, &rooms_here(shared, &user), status).await.is_err() {
                shared.presence.changes.tell_later(&user, Status::Offline);
            }
        }
    }
    Ok(())
}

/// Who has a socket here in which channels.
fn in_channels(shared: &Shared) -> HashMap<(RoomId, UserId), Actor> {
    let mut in_channels = HashMap::new();
    for client in shared.clients.all() {
        let Some(user) = client.user() else { continue };
        for room in client.channels() {
            in_channels.insert((room, user.id.clone()), user.clone());
        }
    }
    in_channels
}

async fn renew_in_channels(shared: &Arc<Shared>, in_channels: HashMap<(RoomId, UserId), Actor>, tell: bool) {
    let renewals =
        futures_util::stream::iter(in_channels).for_each_concurrent(RENEWING, |((room, _), user)| async move {
            renew_in_channel(shared, &room, &user, tell).await;
        });
    renewals.await;
}

async fn renew_in_channel(shared: &Arc<Shared>, room: &RoomId, user: &Actor, tell: bool) {
    match shared.ports.presence.enter(room, user, &shared.presence.name()).await {
        Ok(live) if live.changed && tell => {
            let news = Ephemeral::Entered { user: user.clone(), count: live.count };
            let _ = shared.ports.fanout.publish(room, &news).await;
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "a channel lease could not be renewed"),
    }
    let is_here = || shared.clients.of(&user.id).iter().any(|client| client.is_in(room));
    if !is_here() {
        // They have left since they were seen in it, and that may have ended the lease before it was renewed.
        commands::end_lease(shared, user, room).await;
        if is_here() {
            // They are back already, and may have been before the lease ended.
            commands::rejoin_channel(shared, user, room).await;
        }
    }
}

/// The rooms in which a user has a socket here.
fn rooms_here(shared: &Shared, user: &UserId) -> Vec<RoomId> {
    let mut rooms: Vec<RoomId> = shared.clients.of(user).iter().flat_map(|client| client.rooms()).collect();
    rooms.sort();
    rooms.dedup();
    rooms
}

/// Who is here, and in which rooms: asked before the sockets are drained.
pub(crate) fn everybody(shared: &Shared) -> Vec<(Actor, Vec<RoomId>)> {
    let users = shared.clients.users().into_iter().filter_map(|user| shared.clients.who(&user));
    users.map(|user| (user.clone(), rooms_here(shared, &user.id))).collect()
}

/// Ends the leases of those who were here: this gateway goes away. Who is not back on another one when `within` is over
/// is told to be offline.
pub(crate) async fn depart_all(shared: &Arc<Shared>, everybody: Vec<(Actor, Vec<RoomId>)>, within: Duration) {
    let (presence, name) = (&shared.ports.presence, shared.presence.name());
    let name = &name;
    let departing = futures_util::stream::iter(everybody).map(|(user, rooms)| async move {
        let gone =
            presence.depart(name, &user.id, Timestamp::now()).await.is_ok_and(|moved| moved.after == Status::Offline);
        gone.then_some((user, rooms))
    });
    let mut gone: Vec<_> = departing.buffer_unordered(DEPARTING).filter_map(std::future::ready).collect().await;
    let over = tokio::time::Instant::now() + within;
    while !gone.is_empty() {
        let users: Vec<UserId> = gone.iter().map(|(user, _)| user.id.clone()).collect();
        if let Ok(seen) = presence.look(&users).await {
            let mut back = seen.iter().map(|seen| seen.status != Status::Offline);
            gone.retain(|_| !back.next().unwrap_or(false));
        }
        if tokio::time::Instant::now() >= over {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tell_all_departed(shared, &gone).await;
    if let Err(error) = presence.release(name).await {
        tracing::debug!(%error, "this gateway is taken for dead, and leaves nothing behind");
    }
}

/// Tells the rooms of users who are offline since a moment ago. Best effort.
async fn tell_all_departed(shared: &Shared, gone: &[(Actor, Vec<RoomId>)]) {
    for (user, rooms) in gone {
        shared.presence.seen.note(&user.id, Timestamp::now());
        if let Err(error) = announce(shared, user, rooms, Status::Offline).await {
            tracing::debug!(%error, "presence could not be told");
        }
    }
    if let Err(error) = tell_back(shared, gone).await {
        tracing::debug!(%error, "who is back could not be told");
    }
}

#[cfg(test)]
mod tests;
