//! The hub: every room that has a client on this gateway, subscribed once, delivered in order, without holes.

mod chain;
mod gaps;
mod heads;
mod recent;
mod room;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Delivery, Ephemeral, Kind};
use parlor_core::ids::{Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Signal;
use parlor_core::time::Timestamp;
use parlor_socketio::CloseReason;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use gaps::{Unread, shows_in_history, tail};
pub(crate) use recent::{Place, Recent};
pub(crate) use room::Frames;

use crate::client::Client;
use crate::vocabularies::told_by_inbox;
use crate::{Ports, Shared};
use chain::{Gap, Verdict};
use room::Room;

const SHARDS: usize = 64;
/// Gaps read at once.
const REPAIRS: usize = 32;
/// An empty room stays subscribed for this long: reloads come back.
const LINGER: Duration = Duration::from_secs(10);
/// How often the store is asked how far it is, at most.
const STORED_AGAIN: Duration = Duration::from_millis(500);
/// Signals handled before the task yields.
const BATCH: usize = 256;

/// Reads of what was said since a user was added, before what is delivered meanwhile is left to history.
const ENTER_TRIES: u32 = 10;

/// The membership version of rooms that have none to compare: channels and inboxes.
pub(crate) const ALWAYS: u64 = u64::MAX;

/// Where a client enters a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// From now on.
    Now,
    /// From the event that made this user a member, as far as the cache still has it: they were told by their inbox,
    /// and what was said meanwhile is theirs too.
    Added,
}

pub(crate) struct Hub {
    ports: Ports,
    shards: Vec<Shard>,
    hasher: RandomState,
    pub(crate) recent: Recent,
    repairs: Semaphore,
    /// The newest place at which this gateway itself appended, per partition.
    appended: Mutex<HashMap<u32, Seq>>,
    /// Where the fan-out's memory began, per partition, as last seen.
    began: Mutex<HashMap<u32, Offset>>,
    /// How far the store had applied each partition, and when that was asked.
    stored: Mutex<HashMap<u32, (Offset, Instant)>>,
    /// Asks for a comparison of heads now.
    compare: tokio::sync::Notify,
}

#[derive(Default)]
struct Shard {
    rooms: Mutex<HashMap<RoomId, Room>>,
    /// Held while a channel of this shard is subscribed or unsubscribed, so that the two never cross.
    channels: tokio::sync::Mutex<()>,
}

impl Hub {
    pub(crate) fn new(ports: Ports) -> Self {
        Self {
            ports,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            recent: Recent::default(),
            repairs: Semaphore::new(REPAIRS),
            appended: Mutex::default(),
            began: Mutex::default(),
            stored: Mutex::default(),
            compare: tokio::sync::Notify::new(),
        }
    }

    fn shard(&self, room: &RoomId) -> &Shard {
        let at = self.hasher.hash_one(room) % u64::try_from(SHARDS).unwrap_or(1);
        &self.shards[usize::try_from(at).unwrap_or(0)]
    }

    /// How far the store had applied a partition a moment ago; before everything where it does not answer.
    async fn applied(&self, partition: Partition) -> Offset {
        let known = self.stored.lock().get(&partition.0).copied().filter(|(_, at)| at.elapsed() < STORED_AGAIN);
        if let Some((offset, _)) = known {
            return offset;
        }
        let offset = self.ports.store.position(partition).await.map_or(Offset::NONE, |position| position.offset);
        self.stored.lock().insert(partition.0, (offset, Instant::now()));
        offset
    }

    /// Takes note of where this gateway appended.
    pub(crate) fn note_appended(&self, room: &RoomId, seq: Seq) {
        let partition = self.ports.log.partition_of(room);
        let mut appended = self.appended.lock();
        let newest = appended.entry(partition.0).or_insert(seq);
        *newest = seq.max(*newest);
    }

    /// The newest place at which this gateway appended on the room's partition.
    pub(crate) fn appended(&self, room: &RoomId) -> Option<Seq> {
        self.appended.lock().get(&self.ports.log.partition_of(room).0).copied()
    }

    /// Takes a client out of a room.
    pub(crate) fn leave(&self, client: &Arc<Client>, room: &RoomId) {
        client.left(room);
        let mut rooms = self.shard(room).rooms.lock();
        if let Some(entry) = rooms.get_mut(room) {
            entry.clients.retain(|other| !Arc::ptr_eq(other, client));
            if entry.clients.is_empty() {
                entry.idle_since = Some(Instant::now());
            }
        }
    }

    /// Whether another socket of the same user is in the room here.
    pub(crate) fn has_user(&self, room: &RoomId, user: &parlor_core::ids::UserId) -> bool {
        let rooms = self.shard(room).rooms.lock();
        rooms.get(room).is_some_and(|entry| entry.clients.iter().any(|client| client.is(user)))
    }
}

/// Puts a client into a room: from when this returns, it gets everything that happens there. `version` is the room's
/// membership version by which the client belongs there ([`ALWAYS`] where membership has none): a removal that its
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
    let shard = shared.hub.shard(room);
    let mut tries = 0;
    loop {
        tries += 1;
        let (opened, seen) = {
            let mut rooms = shard.rooms.lock();
            let entry = rooms.entry(room.clone()).or_insert_with(Room::new);
            (entry.opened.clone(), entry.delivered)
        };
        opened.get_or_try_init(|| open(shared, room)).await.map_err(|error| {
            tracing::warn!(%error, "a room cannot be opened");
            ChatError::busy("live delivery cannot be set up right now")
        })?;
        let missed = match from {
            From::Now => Vec::new(),
            From::Added => since_added(shared, client, room).await,
        };
        let mut rooms = shard.rooms.lock();
        // The room was closed meanwhile, or more was delivered than what was read: once more.
        let Some(entry) = rooms.get_mut(room).filter(|entry| entry.opened.initialized()) else { continue };
        if from == From::Added && entry.delivered != seen && tries < ENTER_TRIES {
            continue;
        }
        if entry.clients.len() >= shared.config.rooms.connections_per_room {
            return Err(ChatError::new(Code::RoomFull, "too many are connected to this room here"));
        }
        if client.entered(room, version) {
            let last = entry.chain.last();
            let news = missed.iter().filter(|delivery| delivery.seq <= last);
            for delivery in news.filter(|delivery| told_by_inbox(&delivery.event).is_none_or(|user| !client.is(user))) {
                client.deliver(delivery, &mut Frames::default());
            }
            entry.clients.push(client.clone());
            entry.idle_since = None;
        }
        return Ok(());
    }
}

/// Subscribes a room's channel, and finds the place from which on everything is delivered.
async fn open(shared: &Arc<Shared>, room: &RoomId) -> Result<(), Unavailable> {
    let ports = &shared.ports;
    let shard = shared.hub.shard(room);
    let _crossing = shard.channels.lock().await;
    // With the bus away the wish is remembered there; what is missed until then is found by comparing heads.
    let live = ports.fanout.subscribe(room).await;
    let partition = ports.log.partition_of(room);
    let place = match live {
        Ok(()) => ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok().and_then(|heads| heads.position),
        Err(_) => None,
    };
    let offset = match place {
        // A bus that has forgotten replays what is long in history: that is nothing new to who comes in now.
        Some(position) => position.offset.max(shared.hub.applied(partition).await),
        None => Offset(ports.log.ends(partition).await?.next.0 - 1),
    };
    let gap = {
        let mut rooms = shard.rooms.lock();
        let Some(entry) = rooms.get_mut(room) else { return Ok(()) };
        let (ready, gap) = entry.chain.open(Seq::new(ports.log.generation(), offset));
        for delivery in &ready {
            deliver(shared, entry, delivery);
        }
        gap
    };
    if let Some(gap) = gap {
        repair(shared, room.clone(), gap);
    }
    Ok(())
}

/// What the cache has of a room since `client`'s user was made a member.
async fn since_added(shared: &Shared, client: &Arc<Client>, room: &RoomId) -> Vec<Delivery> {
    let cached = shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, 100).await.unwrap_or_default();
    let Some(user) = client.user() else { return Vec::new() };
    let added = cached.iter().rposition(|delivery| match &delivery.event.kind {
        Kind::RoomCreated { .. } => true,
        Kind::MemberJoined { member, .. } => member.user.id == user.id,
        _ => false,
    });
    added.map(|at| cached[at..].to_vec()).unwrap_or_default()
}

/// Runs the hub: signals from the bus, heads, empty rooms. Ends with `stop`. A failure of one signal is logged; the
/// task itself has no way to fail.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut signals = shared.ports.fanout.listen();
    let mut batch = Vec::with_capacity(BATCH);
    let heads = tokio::spawn(heads::run(shared.clone(), stop.clone()));
    let sweep = tokio::spawn(sweep(shared.clone(), stop.clone()));
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => break,
            received = signals.recv_many(&mut batch, BATCH) => received,
        };
        if received == 0 {
            // Another listener took over, or the bus has ended: nothing comes from it any more.
            tracing::error!("the bus has ended; this gateway delivers only what comparing heads finds");
            stop.cancelled().await;
            break;
        }
        for signal in batch.drain(..) {
            match signal {
                Signal::Delivery(delivery) => offer(&shared, delivery),
                Signal::Ephemeral(room, news) => tell(&shared, &room, &news),
                Signal::Gap => {
                    metrics::counter!("parlor_bus_gaps_seen_total").increment(1);
                    shared.hub.compare.notify_one();
                }
            }
        }
    }
    for task in [heads, sweep] {
        if let Err(error) = task.await {
            tracing::error!(%error, "a hub task ended badly");
        }
    }
}

fn tell(shared: &Shared, room: &RoomId, news: &Ephemeral) {
    let rooms = shared.hub.shard(room).rooms.lock();
    if let Some(entry) = rooms.get(room) {
        entry.tell(room, news);
    }
}

/// A delivery came from the bus.
fn offer(shared: &Arc<Shared>, delivery: Delivery) {
    let room = delivery.event.room.clone();
    let gap = {
        let mut rooms = shared.hub.shard(&room).rooms.lock();
        let Some(entry) = rooms.get_mut(&room) else { return };
        match entry.chain.offer(delivery) {
            Verdict::Deliver(delivery) => {
                deliver(shared, entry, &delivery);
                None
            }
            Verdict::Duplicate => {
                metrics::counter!("parlor_duplicates_dropped_total", "role" => "gateway").increment(1);
                None
            }
            Verdict::Held(gap) => gap,
        }
    };
    if let Some(gap) = gap {
        repair(shared, room, gap);
    }
}

/// Delivers to the room's clients, and does what the event means for this gateway. Called under the room's lock.
fn deliver(shared: &Arc<Shared>, room: &mut Room, delivery: &Delivery) {
    room.deliver(delivery);
    room.delivered += 1;
    let age = Timestamp::now().0.saturating_sub(delivery.time.0).max(0);
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a latency")]
    metrics::histogram!("parlor_send_to_device_seconds", "stage" => "bus").record(age as f64 / 1000.0);
    let event = &delivery.event;
    match &event.kind {
        Kind::MessageSent(_) => {
            let (room, sender) = (event.room.clone(), event.actor.id.clone());
            let place = Place { room, sender, seq: Some(delivery.seq), deleted: false };
            shared.hub.recent.note(parlor_core::ids::MessageId(event.id.0), place);
        }
        Kind::MemberJoined { member, .. } => shared.memberships.forget(&event.room, &member.user.id),
        Kind::MemberLeft { user, .. } => {
            shared.memberships.forget(&event.room, user);
            room.clients.retain(|client| !(client.is(user) && client.left(&event.room)));
            if room.clients.is_empty() {
                room.idle_since = Some(Instant::now());
            }
        }
        Kind::RoomAdded { room: added } => {
            for client in room.clients.clone() {
                let (shared, added, version) = (shared.clone(), added.id.clone(), added.version);
                tokio::spawn(async move {
                    if let Err(error) = enter(&shared, &client, &added, From::Added, version).await {
                        not_entered(&client, &added, &error);
                    }
                });
            }
        }
        Kind::RoomRemoved { room: removed, version } => {
            // The room's own MemberLeft usually comes too; whichever is first acts. Noted at once, so that no entering
            // that is under way undoes it.
            for client in &room.clients {
                client.removed(removed, *version);
            }
            let (shared, removed, clients) = (shared.clone(), removed.clone(), room.clients.clone());
            tokio::spawn(async move {
                for client in clients {
                    if let Some(user) = client.user() {
                        shared.memberships.forget(&removed, &user.id);
                    }
                    shared.hub.leave(&client, &removed);
                }
            });
        }
        Kind::MessageDeleted { message } => shared.hub.recent.delete(*message),
        Kind::MessageEdited { .. } | Kind::RoomCreated { .. } | Kind::Other { .. } => {}
    }
}

/// A client that belongs in a room could not be put there: it would hear nothing and not know. So it comes back.
pub(crate) fn not_entered(client: &Client, room: &RoomId, error: &ChatError) {
    tracing::warn!(%error, %room, "a client could not be put into its room");
    if error.code.retryable() {
        client.socket.close(CloseReason::Application { code: 4101, text: "rooms not ready" });
    }
}

/// Reads a gap and delivers what was in it, until the room is whole. Retries while nothing can be read.
fn repair(shared: &Arc<Shared>, room: RoomId, gap: Gap) {
    let shared = shared.clone();
    tokio::spawn(async move {
        let mut gap = gap;
        let mut wait = Duration::from_millis(50);
        loop {
            let permit = shared.hub.repairs.acquire().await;
            let read = gaps::read(&shared.ports, &room, gap).await;
            drop(permit);
            match read {
                Ok(events) => {
                    wait = Duration::from_millis(50);
                    match repaired(&shared, &room, events, gap.through) {
                        Some(next) => gap = next,
                        None => return,
                    }
                }
                Err(Unread::TooLong) => {
                    tracing::warn!(%room, "a gap is too long to be filled; its clients reconnect");
                    match given_up(&shared, &room, gap.through) {
                        Some(next) => gap = next,
                        None => return,
                    }
                }
                Err(Unread::Unavailable(error)) => {
                    tracing::debug!(%error, %room, "a gap cannot be read yet");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(2));
                }
            }
        }
    });
}

/// Goes on behind a gap that cannot be filled. Who was in the room is closed and comes back, for what lies in the gap is
/// in history alone.
fn given_up(shared: &Arc<Shared>, room: &RoomId, through: Seq) -> Option<Gap> {
    let mut rooms = shared.hub.shard(room).rooms.lock();
    let entry = rooms.get_mut(room)?;
    for client in std::mem::take(&mut entry.clients) {
        client.left(room);
        client.socket.close(CloseReason::Application { code: 4100, text: "gap too long" });
    }
    entry.idle_since = Some(Instant::now());
    let (ready, next) = entry.chain.repaired(Vec::new(), through);
    for delivery in &ready {
        deliver(shared, entry, delivery);
    }
    next
}

fn repaired(shared: &Arc<Shared>, room: &RoomId, events: Vec<Delivery>, through: Seq) -> Option<Gap> {
    let mut rooms = shared.hub.shard(room).rooms.lock();
    // Nobody is here any more: whoever comes next begins anew.
    let entry = rooms.get_mut(room)?;
    let (ready, next) = entry.chain.repaired(events, through);
    for delivery in &ready {
        deliver(shared, entry, delivery);
    }
    next
}

/// Ends subscriptions of rooms that nobody here has been in for a while.
async fn sweep(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LINGER / 2);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let over =
            |entry: &Room| entry.clients.is_empty() && entry.idle_since.is_none_or(|since| since.elapsed() >= LINGER);
        for shard in &shared.hub.shards {
            let idle: Vec<RoomId> =
                shard.rooms.lock().iter().filter(|(_, entry)| over(entry)).map(|(id, _)| id.clone()).collect();
            for room in idle {
                let _crossing = shard.channels.lock().await;
                let gone = {
                    let mut rooms = shard.rooms.lock();
                    rooms.get(&room).is_some_and(over) && rooms.remove(&room).is_some()
                };
                if gone && let Err(error) = shared.ports.fanout.unsubscribe(&room).await {
                    tracing::debug!(%error, "a channel could not be left");
                }
            }
        }
    }
}
