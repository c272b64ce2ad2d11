//! [`Fanout`] in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Delivery, Ephemeral};
use parlor_core::ids::{EventId, Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::{Applied, Fanout, Heads, Signal};
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Faults, Memory};
use crate::outlet::Outlet;

/// Ids of events are remembered so long.
const IDS_LIVE: Duration = Duration::from_secs(3600);
/// What is known of a room without events for so long (by the log's time) is dropped.
const ROOMS_LIVE_MS: i64 = 24 * 3600 * 1000;
/// How often (by the log's time) a partition looks for such rooms.
const TRIM_EVERY_MS: i64 = 600_000;

#[derive(Default)]
pub(super) struct State {
    places: HashMap<Partition, Place>,
    rooms: HashMap<RoomId, RoomState>,
    /// Versions filled in for rooms without an event here.
    recalled: HashMap<RoomId, u64>,
    ids: HashMap<EventId, Seq>,
    /// Ids in the order in which they are forgotten.
    ids_by_age: VecDeque<(Instant, EventId)>,
    channels: HashMap<RoomId, Vec<Arc<Outlet>>>,
}

struct Place {
    position: Option<Position>,
    from: Offset,
    /// The highest time applied.
    high: Timestamp,
    /// `high` when rooms were last trimmed.
    looked: Timestamp,
    trimmed: Timestamp,
}

impl Default for Place {
    fn default() -> Self {
        let zero = Timestamp(0);
        Self { position: None, from: Offset::NONE, high: zero, looked: zero, trimmed: zero }
    }
}

struct RoomState {
    partition: Partition,
    head: Option<Seq>,
    /// The highest time of its events.
    latest: Timestamp,
    recent: VecDeque<Delivery>,
    version: Option<u64>,
}

impl State {
    pub(super) fn forget(&mut self) {
        let channels = std::mem::take(&mut self.channels);
        *self = Self { channels, ..Self::default() };
    }

    pub(super) fn forget_position(&mut self, partition: Partition) {
        if let Some(place) = self.places.get_mut(&partition) {
            place.position = None;
        }
    }

    pub(super) fn version(&self, room: &RoomId) -> Option<u64> {
        self.rooms.get(room).and_then(|room| room.version).or_else(|| self.recalled.get(room).copied())
    }

    /// The seq under which an event was seen.
    pub(super) fn seen(&self, id: EventId) -> Option<Seq> {
        self.ids.get(&id).copied()
    }

    /// Those who are subscribed to anything, each once.
    pub(super) fn outlets(&self) -> Vec<Arc<Outlet>> {
        let mut outlets: Vec<_> = self.channels.values().flatten().cloned().collect();
        outlets.sort_unstable_by_key(Arc::as_ptr);
        outlets.dedup_by(|one, other| Arc::ptr_eq(one, other));
        outlets
    }

    fn publish(&self, faults: &mut Faults, room: &RoomId, signal: &Signal) {
        for outlet in self.channels.get(room).into_iter().flatten() {
            if !faults.drops() {
                outlet.offer(signal.clone());
            }
        }
    }

    /// One record: true if its id was seen under another seq.
    fn apply(&mut self, faults: &mut Faults, partition: Partition, record: &Record, recent: usize) -> bool {
        let Ok(event) = &record.event else { return false };
        let seen = self.ids.get(&event.id).copied();
        if seen.is_some_and(|seen| seen != record.seq) {
            return true;
        }
        let recalled = self.recalled.remove(&event.room);
        let room = self.rooms.entry(event.room.clone()).or_insert_with(|| RoomState {
            partition,
            head: None,
            latest: record.time,
            recent: VecDeque::new(),
            version: None,
        });
        room.version = room.version.max(recalled);
        let rises = room.head.is_none_or(|head| head < record.seq);
        let prev = room.head.filter(|_| rises && seen.is_none());
        let delivery = Delivery { prev, seq: record.seq, time: record.time, event: Arc::clone(event) };
        // A replay must not stand beside the copy that knows its prev.
        if let Err(place) = room.recent.binary_search_by_key(&record.seq, |cached| cached.seq) {
            room.recent.insert(place, delivery.clone());
            if room.recent.len() > recent {
                room.recent.pop_front();
            }
        }
        if rises {
            room.head = Some(record.seq);
        }
        room.latest = room.latest.max(record.time);
        room.version = room.version.max(event.kind.version());
        self.publish(faults, &event.room, &Signal::Delivery(delivery));
        if self.ids.insert(event.id, record.seq).is_none() {
            self.ids_by_age.push_back((Instant::now() + IDS_LIVE, event.id));
        }
        false
    }

    fn forget_old(&mut self, partition: Partition) {
        let now = Instant::now();
        while let Some((_, id)) = self.ids_by_age.pop_front_if(|(until, _)| *until <= now) {
            self.ids.remove(&id);
        }
        let Some(place) = self.places.get_mut(&partition) else { return };
        if place.high.0 - place.looked.0 < TRIM_EVERY_MS {
            return;
        }
        place.looked = place.high;
        let oldest = place.high.plus_millis(-ROOMS_LIVE_MS);
        let before = self.rooms.len();
        self.rooms.retain(|_, room| room.partition != partition || room.latest >= oldest);
        if self.rooms.len() < before {
            place.trimmed = place.trimmed.max(oldest);
        }
    }
}

#[async_trait]
impl Fanout for Memory {
    async fn position(&self, partition: Partition) -> Result<Option<Position>, Unavailable> {
        self.reach().await?;
        Ok(self.shared.fanout.lock().places.get(&partition).and_then(|place| place.position))
    }

    async fn claim(&self, partition: Partition, at: Position) -> Result<Position, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.fanout.lock();
        let place = state.places.entry(partition).or_default();
        if place.position.is_none() {
            place.from = at.offset;
        }
        Ok(*place.position.get_or_insert(at))
    }

    async fn apply(
        &self,
        partition: Partition,
        previous: Position,
        records: &[Record],
    ) -> Result<Applied, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.fanout.lock();
        let position = records.last().map_or(previous, Record::position);
        let Some(held) = state.places.get(&partition).and_then(|place| place.position) else {
            return Ok(Applied::Elsewhere(None));
        };
        if held.offset >= position.offset {
            return Ok(Applied::Done { position: held, duplicates: 0 });
        }
        if held != previous {
            return Ok(Applied::Elsewhere(Some(held)));
        }
        let mut faults = self.shared.faults.lock();
        let duplicates =
            records.iter().filter(|record| state.apply(&mut faults, partition, record, self.shared.recent)).count();
        let place = state.places.entry(partition).or_default();
        place.position = Some(position);
        place.high = records.iter().map(|record| record.time).fold(place.high, Timestamp::max);
        state.forget_old(partition);
        Ok(Applied::Done { position, duplicates })
    }

    async fn heads(&self, partition: Partition, rooms: &[RoomId]) -> Result<Heads, Unavailable> {
        self.reach().await?;
        let state = self.shared.fanout.lock();
        let heads = rooms.iter().map(|room| state.rooms.get(room).and_then(|room| room.head)).collect();
        Ok(match state.places.get(&partition) {
            Some(place) => Heads { position: place.position, from: place.from, trimmed: place.trimmed, heads },
            None => Heads { position: None, from: Offset::NONE, trimmed: Timestamp(0), heads },
        })
    }

    async fn recent(
        &self,
        room: &RoomId,
        after: Seq,
        through: Seq,
        limit: usize,
    ) -> Result<Vec<Delivery>, Unavailable> {
        self.reach().await?;
        let state = self.shared.fanout.lock();
        let Some(room) = state.rooms.get(room) else { return Ok(Vec::new()) };
        let inside = room.recent.iter().rev().filter(|cached| after < cached.seq && cached.seq <= through);
        let mut found: Vec<_> = inside.take(limit).cloned().collect();
        found.reverse();
        Ok(found)
    }

    async fn cool(&self, room: &RoomId) -> Result<(), Unavailable> {
        self.reach().await?;
        if let Some(room) = self.shared.fanout.lock().rooms.get_mut(room) {
            room.recent.clear();
        }
        Ok(())
    }

    fn remembers(&self) -> usize {
        self.shared.recent
    }

    async fn warm(
        &self,
        partition: Partition,
        room: &RoomId,
        applied: Offset,
        events: &[Delivery],
    ) -> Result<bool, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.fanout.lock();
        let Some(last) = events.last() else { return Ok(false) };
        let Some((position, from)) =
            state.places.get(&partition).and_then(|place| Some((place.position?.offset, place.from)))
        else {
            return Ok(false);
        };
        if applied < from {
            return Ok(false);
        }
        let fits = |delivery: &&Delivery| delivery.seq <= Seq::new(last.seq.generation(), position);
        let Some(newest) = events.iter().rfind(fits) else { return Ok(false) };
        let entry = state.rooms.entry(room.clone()).or_insert_with(|| RoomState {
            partition,
            head: None,
            latest: newest.time,
            recent: VecDeque::new(),
            version: None,
        });
        for delivery in events.iter().filter(fits) {
            if let Err(place) = entry.recent.binary_search_by_key(&delivery.seq, |cached| cached.seq) {
                entry.recent.insert(place, delivery.clone());
            }
        }
        while entry.recent.len() > self.shared.recent {
            entry.recent.pop_front();
        }
        entry.head.get_or_insert(newest.seq);
        Ok(true)
    }

    async fn subscribe(&self, room: &RoomId) -> Result<(), Unavailable> {
        let reached = self.reach().await;
        // The wish is kept where the memory is away: it is fulfilled when it comes back.
        let mut state = self.shared.fanout.lock();
        let channel = state.channels.entry(room.clone()).or_default();
        if !channel.iter().any(|outlet| Arc::ptr_eq(outlet, &self.outlet)) {
            channel.push(Arc::clone(&self.outlet));
        }
        reached
    }

    async fn unsubscribe(&self, room: &RoomId) -> Result<(), Unavailable> {
        let reached = self.reach().await;
        self.leave(room);
        reached
    }

    fn listen(&self) -> mpsc::Receiver<Signal> {
        self.outlet.listen()
    }

    async fn publish(&self, room: &RoomId, news: &Ephemeral) -> Result<(), Unavailable> {
        self.reach().await?;
        let state = self.shared.fanout.lock();
        state.publish(&mut self.shared.faults.lock(), room, &Signal::Ephemeral(room.clone(), news.clone()));
        Ok(())
    }

    async fn version(&self, room: &RoomId) -> Result<Option<u64>, Unavailable> {
        self.reach().await?;
        Ok(self.shared.fanout.lock().version(room))
    }

    async fn recall_version(&self, room: &RoomId, version: u64) -> Result<(), Unavailable> {
        self.reach().await?;
        let mut state = self.shared.fanout.lock();
        if state.version(room).is_none() {
            state.recalled.insert(room.clone(), version);
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), Unavailable> {
        self.reach().await
    }
}

impl Memory {
    fn leave(&self, room: &RoomId) {
        let mut state = self.shared.fanout.lock();
        if let Some(channel) = state.channels.get_mut(room) {
            channel.retain(|outlet| !Arc::ptr_eq(outlet, &self.outlet));
            if channel.is_empty() {
                state.channels.remove(room);
            }
        }
    }
}

/// A client that is gone hears nothing any more.
impl Drop for Memory {
    fn drop(&mut self) {
        self.shared.fanout.lock().channels.retain(|_, channel| {
            channel.retain(|outlet| !Arc::ptr_eq(outlet, &self.outlet));
            !channel.is_empty()
        });
    }
}
