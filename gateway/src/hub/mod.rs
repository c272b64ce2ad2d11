//! The hub: every room that has a client on this gateway, subscribed once, delivered in order, without holes.

mod catch_up;
mod chain;
mod enter;
mod gaps;
mod heads;
mod lately;
mod missed;
mod places;
mod recent;
mod repair;
mod ring;
mod room;
mod said;
mod warm;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Delivery, Ephemeral, Event, Kind, MessageType};
use parlor_core::ids::{EventId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::ports::fanout::Signal;
use parlor_core::time::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::stays::ALWAYS;
pub(crate) use catch_up::{Behind, Caught, catch_up, up_to_leaving};
pub(crate) use chain::Gap;
pub(crate) use enter::{From, adds, enter, live_through, opened};
pub(crate) use gaps::{Past, Tail, Unread, deletions, page, sent, shows_in_history, tail};
pub(crate) use lately::{Heard, Words, heard, newest, reaches};
pub(crate) use missed::{Missed, missed};
pub(crate) use recent::{Place, Recent};
pub(crate) use room::Frames;
pub(crate) use said::Said;
pub(crate) use warm::warm_soon;

use crate::client::Client;
use crate::closing::Closing;
use crate::memberships::Standing;
use crate::stays::Leaving;
use crate::vocabularies::News;
use crate::{Ports, Shared, auth, commands, resume};
use chain::Verdict;
use repair::repair;
use room::Room;

const SHARDS: usize = 64;
/// Gaps read at once.
const REPAIRS: usize = 32;
/// An empty room stays subscribed for this long: reloads come back.
const LINGER: Duration = Duration::from_secs(10);
/// Between two questions whether somebody is a member, while the store does not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the store is asked how far it is, at most.
const STORED_AGAIN: Duration = Duration::from_millis(500);
/// Signals handled before the task yields.
const BATCH: usize = 256;

pub(crate) struct Hub {
    ports: Ports,
    shards: Vec<Shard>,
    hasher: RandomState,
    pub(crate) recent: Recent,
    repairs: Semaphore,
    /// Turns to warm a room's cache.
    warming: Arc<Semaphore>,
    /// The newest place at which this gateway itself appended, per partition.
    appended: Mutex<HashMap<u32, Seq>>,
    /// Where the fan-out's memory began, per partition, as last seen.
    began: Mutex<HashMap<u32, Offset>>,
    /// How far the store had applied each partition, and when that was asked.
    stored: Mutex<HashMap<u32, (Offset, Instant)>>,
    /// Where rooms end, asked for by many at once.
    places: places::Places,
    /// What the rings of all rooms hold.
    budget: ring::Budget,
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
            warming: Arc::new(Semaphore::new(warm::AT_ONCE)),
            appended: Mutex::default(),
            began: Mutex::default(),
            stored: Mutex::default(),
            places: places::Places::new(),
            budget: ring::Budget::default(),
            compare: tokio::sync::Notify::new(),
        }
    }

    fn shard(&self, room: &RoomId) -> &Shard {
        let at = self.hasher.hash_one(room) % u64::try_from(SHARDS).unwrap_or(1);
        &self.shards[usize::try_from(at).unwrap_or(0)]
    }

    /// How far the store had applied a partition a moment ago; before everything where it does not answer.
    pub(crate) async fn applied(&self, partition: Partition) -> Offset {
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
        self.leave_by(client, room, ALWAYS);
    }

    /// Takes a client out of a room, by a leaving that made this version of its membership, unless it has come in again
    /// by a later one.
    pub(crate) fn leave_by(&self, client: &Arc<Client>, room: &RoomId, version: u64) {
        client.left_by(room, version);
        self.release(client, room);
    }

    /// Delivers nothing of a room to a client any more, unless it has entered it again meanwhile.
    fn release(&self, client: &Arc<Client>, room: &RoomId) {
        let mut rooms = self.shard(room).rooms.lock();
        if let Some(entry) = rooms.get_mut(room)
            && !client.is_in(room)
        {
            entry.clients.retain(|other| !Arc::ptr_eq(other, client));
            if entry.clients.is_empty() {
                entry.idle_since = Some(Instant::now());
            }
        }
    }

    /// What the marks of a room call it; 0 while it is not open.
    pub(crate) fn stream(&self, room: &RoomId) -> u64 {
        self.shard(room).rooms.lock().get(room).map_or(0, |entry| entry.stream)
    }

    /// Whether another socket of the same user is in the room here.
    pub(crate) fn has_user(&self, room: &RoomId, user: &UserId) -> bool {
        let rooms = self.shard(room).rooms.lock();
        rooms.get(room).is_some_and(|entry| entry.clients.iter().any(|client| client.is(user)))
    }
}

/// Runs the hub: signals from the bus, heads, empty rooms. Ends with `stop`. A failure of one signal is logged; the
/// task itself has no way to fail.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut signals = shared.ports.fanout.listen();
    let mut batch = Vec::with_capacity(BATCH);
    let heads = tokio::spawn(heads::run(shared.clone(), stop.clone()));
    let places = tokio::spawn(places::run(shared.clone(), stop.clone()));
    let sweep = tokio::spawn(sweep(shared.clone(), stop.clone()));
    let warming = tokio::spawn({
        let (shared, stop) = (shared.clone(), stop.clone());
        async move { _ = stop.run_until_cancelled(warm::at_start(&shared)).await }
    });
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
                Signal::Ephemeral(room, Ephemeral::Superseded { socket, by }) => {
                    resume::superseded(&shared, &room, &socket, &by);
                }
                Signal::Ephemeral(room, news) => tell(&shared, &room, &news),
                Signal::Gap => {
                    metrics::counter!("parlor_bus_gaps_seen_total").increment(1);
                    shared.due.doubt();
                    shared.hub.compare.notify_one();
                }
            }
        }
    }
    for task in [heads, places, sweep, warming] {
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
    let without = room.without(delivery.seq);
    let clients = without.as_deref().unwrap_or(&room.clients);
    expect(clients, delivery);
    remember(shared, room, delivery);
    room.deliver(delivery, clients);
    room.ring.push(Instant::now(), delivery);
    let age = Timestamp::now().0.saturating_sub(delivery.time.0).max(0);
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a latency")]
    metrics::histogram!("parlor_send_to_device_seconds", "stage" => "bus").record(age as f64 / 1000.0);
    let event = &delivery.event;
    if let Kind::MemberJoined { members: Some(members), version, .. }
    | Kind::MemberLeft { members: Some(members), version, .. } = &event.kind
    {
        shared.memberships.learn_members(&event.room, *version, *members);
    }
    match &event.kind {
        Kind::MemberJoined { member, .. } | Kind::RoleChanged { member, .. } => {
            shared.memberships.forget(&event.room, &member.user.id);
        }
        Kind::MemberLeft { user, version, .. } => {
            shared.memberships.forget(&event.room, user);
            put_out(room, &event.room, without.as_deref(), *version, |client| client.is(user));
        }
        Kind::UserBanned { user, name, version, .. } => {
            shared.memberships.forget(&event.room, user);
            let gone = put_out(room, &event.room, without.as_deref(), *version, |client| client.is(user));
            // A group's member has left by an event before this one.
            if !gone.is_empty() && !commands::reserved(&event.room) {
                gone.iter().for_each(|client| tell_out(client, delivery));
                let user = Actor { id: user.clone(), name: name.clone(), avatar: None };
                let (shared, id) = (shared.clone(), event.room.clone());
                tokio::spawn(async move { commands::end_lease(&shared, &user, &id).await });
            }
        }
        Kind::UserUnbanned { user, .. } => shared.memberships.forget(&event.room, user),
        Kind::RoomUpdated { room: updated } => {
            let users = room.clients.iter().filter_map(|client| client.user()).map(|user| user.id);
            shared.memberships.learn_room(updated, users);
        }
        Kind::RoomDeleted { .. } => {
            for user in room.clients.iter().filter_map(|client| client.user()) {
                shared.memberships.forget(&event.room, &user.id);
            }
            put_out(room, &event.room, without.as_deref(), ALWAYS, |_| true);
        }
        Kind::UserBlocked { user, .. } => {
            if let Some(owner) = event.room.inbox_owner() {
                shared.blocks.forget(&owner, user);
            }
        }
        Kind::RoomAdded { .. } | Kind::RoomRemoved { .. } | Kind::LoggedOut { .. } => {
            heed_inbox(shared, without.as_deref().unwrap_or(&room.clients), delivery);
        }
        Kind::MessageSent(_)
        | Kind::MessageDeleted { .. }
        | Kind::MessageEdited { .. }
        | Kind::MessageReacted { .. }
        | Kind::MessagePinned { .. }
        | Kind::RoomCreated { .. }
        | Kind::RoomMuted { .. }
        | Kind::BannedFrom { .. }
        | Kind::Receipt { .. }
        | Kind::Other { .. } => {}
    }
    room.caught_up(delivery.seq);
}

/// Takes note of what messages are where. Before anybody hears of it: who acts on what they heard finds it so.
fn remember(shared: &Shared, room: &Room, delivery: &Delivery) {
    let event = &delivery.event;
    match &event.kind {
        Kind::MessageSent(message) => {
            let (of, sender) = (event.room.clone(), event.actor.id.clone());
            let system = message.kind == MessageType::System;
            let place = Place { room: of, sender, system, seq: Some(delivery.seq), deleted: false };
            if shared.hub.recent.note(parlor_core::ids::MessageId(event.id.0), place) && !event.room.is_of_channel() {
                sender_has_read(shared, room, delivery);
            }
        }
        Kind::MessageDeleted { message } => shared.hub.recent.delete(*message),
        _ => {}
    }
}

/// Whose message comes back has read what precedes it, if others said something there since they last read.
fn sender_has_read(shared: &Shared, room: &Room, delivery: &Delivery) {
    let (id, sender) = (&delivery.event.room, &delivery.event.actor.id);
    let known = shared.receipts.known(id, sender).read.seq;
    let anothers = |said: &Delivery| said.event.actor.id != *sender && gaps::sent(said).is_some();
    // The newest first: where others speak too, one of them is near.
    if room.ring.behind(known).is_none_or(|said| said.rev().any(anothers)) {
        commands::has_sent(shared, id, sender, delivery.seq);
    }
}

/// Takes these clients out of a room, by a leaving that made this version of its membership. Those who had the event
/// before (they are not in `without`) may have come in again since, and stay. Returns those who went by this.
fn put_out(
    room: &mut Room,
    id: &RoomId,
    without: Option<&[Arc<Client>]>,
    version: u64,
    out: impl Fn(&Client) -> bool,
) -> Vec<Arc<Client>> {
    let had = |client: &Arc<Client>| without.is_some_and(|w| !w.iter().any(|c| Arc::ptr_eq(c, client)));
    let mut gone = Vec::new();
    room.clients.retain(|client| {
        if had(client) || !out(client) {
            return true;
        }
        match client.left_by(id, version) {
            Leaving::Out => gone.push(client.clone()),
            // Its inbox was first: it is out of the room, but not yet of this list. What comes next is not for it.
            Leaving::WasOut => {}
            Leaving::Back => return true,
        }
        false
    });
    if room.clients.is_empty() {
        room.idle_since = Some(Instant::now());
    }
    gone
}

/// Tells a client that a ban has put it out of a channel, as its inbox tells it of a group: a channel has no members, so
/// no event says that one has left.
fn tell_out(client: &Client, ban: &Delivery) {
    let (Some(user), Some(version)) = (client.user(), ban.event.kind.version()) else { return };
    let kind = Kind::RoomRemoved { room: ban.event.room.clone(), version };
    let event = Event { id: EventId::now(), room: RoomId::inbox(&user.id), actor: ban.event.actor.clone(), kind };
    client.tell_all(&News::Delivery(&Delivery { prev: None, seq: ban.seq, time: ban.time, event: Arc::new(event) }));
}

/// What an inbox is about to say to these sockets of its owner. Called before it does, so that none is told of a room
/// that its place leaves out, and who hears of a room and goes at once has gone from it.
fn expect(clients: &[Arc<Client>], delivery: &Delivery) {
    if let Kind::RoomAdded { room, .. } = &delivery.event.kind {
        for client in clients {
            client.track.expect(&room.id);
            client.enters(&room.id);
        }
    }
}

/// Does what an inbox says to the sockets of its owner. Called under the inbox's lock.
fn heed_inbox(shared: &Arc<Shared>, clients: &[Arc<Client>], delivery: &Delivery) {
    match &delivery.event.kind {
        Kind::RoomAdded { room: added, .. } => {
            shared.memberships.learn_size(added);
            for client in clients {
                let (shared, client) = (shared.clone(), client.clone());
                let (added, version) = (added.id.clone(), added.version);
                tokio::spawn(async move {
                    let entered = enter(&shared, &client, &added, From::Added, version).await;
                    client.enters_no_more(&added);
                    if let Err(error) = entered {
                        not_entered(&client, &added, &error);
                    }
                });
            }
        }
        Kind::RoomRemoved { room: removed, version } => {
            // The room's own MemberLeft usually comes too; whichever is first acts, and who came in again by a later
            // version stays. Noted at once, so that no entering that is under way undoes it.
            for client in clients {
                client.removed(removed, *version);
            }
            for client in clients {
                let (shared, client, removed) = (shared.clone(), client.clone(), removed.clone());
                tokio::spawn(async move { out(&shared, &client, &removed).await });
            }
        }
        Kind::LoggedOut { session } => auth::heed_logout(clients, session.as_deref(), delivery.time),
        _ => {}
    }
}

/// Delivers nothing of a room to a client any more, whose inbox told that its user is out of it. If it seems to have come
/// in again by a later version, the store says whether it has: one that was restored from a backup counts from below.
async fn out(shared: &Arc<Shared>, client: &Arc<Client>, room: &RoomId) {
    let Some(user) = client.user() else { return };
    shared.memberships.forget(room, &user.id);
    if let Some(by) = client.by(room)
        && let Some(None) = member(shared, client, &user.id, room).await
    {
        client.left_by(room, by.saturating_add(1));
    }
    shared.hub.release(client, room);
}

/// What the store says of a client's user as a member of a room, once it answers; clients ask a few at a time. `None`:
/// the socket has closed before that; `Some(None)`: they are no member.
pub(crate) async fn member(
    shared: &Arc<Shared>,
    client: &Client,
    user: &UserId,
    room: &RoomId,
) -> Option<Option<Standing>> {
    shared.memberships.forget(room, user);
    while client.socket.is_open() {
        let turn = shared.telling.acquire().await;
        if let Ok(standing) = shared.memberships.standing(room, user, None).await {
            return Some(standing.filter(|standing| standing.role().is_some()));
        }
        drop(turn);
        tokio::time::sleep(AGAIN).await;
    }
    None
}

/// A client that belongs in a room could not be put there: it would hear nothing and not know. So it comes back.
pub(crate) fn not_entered(client: &Client, room: &RoomId, error: &ChatError) {
    tracing::warn!(%error, %room, "a client could not be put into its room");
    if error.code.retryable() {
        client.end(Closing::RoomsNotReady);
    }
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
            let now = Instant::now();
            shard.rooms.lock().values_mut().for_each(|entry| entry.ring.trim(now));
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

#[cfg(test)]
mod tests {
    use parlor_core::event::{Message, RoomKind};
    use parlor_core::ids::EventId;

    use super::*;
    use crate::receipts;
    use crate::stage::{Stage, user};

    #[tokio::test]
    async fn who_speaks_has_read_what_others_said_and_nothing_is_noted_where_they_said_nothing() {
        let stage = Stage::set().await;
        let id = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let (shared, ann) = (&stage.shared, user("ann"));
        let mut room = Room::new(&shared.hub.budget);
        for (seq, who, read) in [(1, "ann", 0), (2, "ann", 0), (3, "ben", 0), (4, "ann", 4), (5, "ann", 4)] {
            let kind = Kind::MessageSent(Message::new(MessageType::Text, "hi"));
            let event = Arc::new(Event { id: EventId::now(), room: id.clone(), actor: user(who), kind });
            // Each was sent from here.
            let place = Place { room: id.clone(), sender: user(who).id, system: false, seq: None, deleted: false };
            shared.hub.recent.note(parlor_core::ids::MessageId(event.id.0), place);
            let delivery = Delivery { prev: None, seq: Seq(seq), time: Timestamp::now(), event };
            remember(shared, &room, &delivery);
            room.ring.push(Instant::now(), &delivery);
            receipts::settle_all(shared).await;
            assert_eq!(shared.receipts.known(&id, &ann.id).read.seq, Seq(read), "at {seq}");
        }
    }
}
