//! A log and a sink that do what a test tells them to. Time is paused in these tests: waiting costs nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::consume::{Outcome, Sink, SinkError};
use crate::event::{Actor, Event, Kind};
use crate::ids::{EventId, Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::ports::Unavailable;
use crate::ports::log::{AppendError, Consumer, Ends, Log, Malformed, Pending, Polled, Position, Range, Record};
use crate::time::Timestamp;

pub(super) const GENERATION: Generation = Generation(1);

fn away() -> Unavailable {
    Unavailable::new("double", "told to be away")
}

fn index(partition: Partition) -> usize {
    usize::try_from(partition.0).unwrap()
}

// ---- the log -------------------------------------------------------------------------------------------------------

#[derive(Default)]
pub(super) struct Broker {
    state: Mutex<BrokerState>,
    changed: Notify,
}

#[derive(Default)]
struct BrokerState {
    parts: Vec<Part>,
    members: BTreeMap<String, mpsc::Sender<Polled>>,
    owners: BTreeMap<Partition, String>,
    committed: Vec<Option<Offset>>,
    aside: Vec<(Partition, Offset)>,
    fail_set_aside: u32,
    fail_ends: u32,
    fail_polls: u32,
    /// Starts that are accepted but bring nothing.
    dumb_starts: u32,
    /// So many starts begin three offsets too far on.
    far_starts: u32,
    closed: Vec<String>,
}

#[derive(Default)]
struct Part {
    first: i64,
    next: i64,
    records: Vec<Record>,
}

impl Broker {
    pub(super) fn new(partitions: usize) -> Arc<Self> {
        let parts = (0..partitions).map(|_| Part::default()).collect();
        let state = BrokerState { parts, committed: vec![None; partitions], ..BrokerState::default() };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, BrokerState> {
        self.state.lock().unwrap()
    }

    /// Appends one record after a gap of `gap` offsets. Its content is told by `salt` and its offset.
    pub(super) fn add(&self, partition: Partition, gap: i64, decodes: bool, salt: &str) -> Offset {
        let mut state = self.state();
        let part = &mut state.parts[index(partition)];
        let offset = Offset(part.next + gap);
        part.next = offset.0 + 1;
        let user = UserId::trusted("u");
        let event = Event {
            id: EventId::now(),
            room: RoomId::trusted(format!("r{partition}")),
            actor: Actor { id: user.clone(), name: "u".into(), avatar: None },
            kind: Kind::MessageDeleted { message: MessageId::now() },
        };
        part.records.push(Record {
            partition,
            seq: Seq::new(GENERATION, offset),
            time: Timestamp::now(),
            encoded: Bytes::from(format!("{salt}/{partition}/{offset}")),
            event: if decodes { Ok(Arc::new(event)) } else { Err(Malformed("not a record".to_owned())) },
            trace: None,
        });
        drop(state);
        self.changed.notify_waiters();
        offset
    }

    pub(super) fn fill(&self, partition: Partition, count: usize) {
        for _ in 0..count {
            self.add(partition, 0, true, "a");
        }
    }

    pub(super) fn offsets(&self, partition: Partition) -> Vec<Offset> {
        self.state().parts[index(partition)].records.iter().map(Record::offset).collect()
    }

    pub(super) fn position_of(&self, partition: Partition, at: Offset) -> Position {
        let state = self.state();
        state.parts[index(partition)].records.iter().find(|record| record.offset() == at).unwrap().position()
    }

    /// Removes everything before `first`, as retention does.
    pub(super) fn expire(&self, partition: Partition, first: i64) {
        let part = &mut self.state().parts[index(partition)];
        part.first = first;
        part.records.retain(|record| record.offset().0 >= first);
    }

    /// Deletes the partition's records and begins again at 0.
    pub(super) fn recreate(&self, partition: Partition, count: usize) {
        self.state().parts[index(partition)] = Part::default();
        for _ in 0..count {
            self.add(partition, 0, true, "another life");
        }
    }

    /// Gives a partition to a member. Its earlier owner is told only if `tell`: otherwise it becomes a zombie.
    pub(super) fn assign(&self, partition: Partition, instance: &str, tell: bool) {
        let (before, after) = {
            let mut state = self.state();
            let before = state.owners.insert(partition, instance.to_owned());
            let before = before.and_then(|owner| state.members.get(&owner).cloned()).filter(|_| tell);
            (before, state.members.get(instance).cloned())
        };
        if let Some(before) = before {
            let _ = before.try_send(Polled::Revoked(vec![partition]));
        }
        if let Some(after) = after {
            after.try_send(Polled::Assigned(vec![partition])).expect("a test announces little");
        }
        self.changed.notify_waiters();
    }

    /// Tells a zombie at last.
    pub(super) fn revoke(&self, partition: Partition, instance: &str) {
        let member = self.state().members.get(instance).cloned();
        if let Some(member) = member {
            let _ = member.try_send(Polled::Revoked(vec![partition]));
        }
        self.changed.notify_waiters();
    }

    pub(super) async fn wait_for_member(&self, instance: &str) {
        while !self.state().members.contains_key(instance) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn fail(&self, set_asides: u32, ends: u32, polls: u32) {
        let mut state = self.state();
        (state.fail_set_aside, state.fail_ends, state.fail_polls) = (set_asides, ends, polls);
    }

    /// The next so many starts begin three offsets too far on.
    pub(super) fn start_too_far(&self, starts: u32) {
        self.state().far_starts = starts;
    }

    pub(super) fn make_starts_dumb(&self, starts: u32) {
        self.state().dumb_starts = starts;
    }

    pub(super) fn committed_of(&self, partition: Partition) -> Option<Offset> {
        self.state().committed[index(partition)]
    }

    pub(super) fn set_aside_of(&self, partition: Partition) -> Vec<Offset> {
        self.state().aside.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect()
    }

    pub(super) fn closed(&self) -> Vec<String> {
        self.state().closed.clone()
    }
}

fn takes(left: &mut u32) -> bool {
    let fails = *left > 0;
    *left = left.saturating_sub(1);
    fails
}

/// The broker as seen by one process.
#[derive(Clone)]
pub(super) struct Client(pub(super) Arc<Broker>);

#[async_trait]
impl Log for Client {
    fn partitions(&self) -> u32 {
        u32::try_from(self.0.state().parts.len()).unwrap()
    }

    fn generation(&self) -> Generation {
        GENERATION
    }

    fn append(&self, _event: &Event) -> Result<Pending, AppendError> {
        Err(AppendError::Full)
    }

    async fn read_range(&self, at: Partition, after: Offset, through: Offset, _: usize) -> Result<Range, Unavailable> {
        let state = self.0.state();
        let part = &state.parts[index(at)];
        if part.first > after.0 + 1 {
            return Err(away());
        }
        let wanted = |record: &&Record| record.offset() > after && record.offset() <= through;
        let records: Vec<_> = part.records.iter().filter(wanted).take(1).cloned().collect();
        Ok(Range { complete_through: records.last().map_or(through, Record::offset), records })
    }

    async fn ends(&self, partition: Partition) -> Result<Ends, Unavailable> {
        let mut state = self.0.state();
        if takes(&mut state.fail_ends) {
            return Err(away());
        }
        let part = &state.parts[index(partition)];
        Ok(Ends { first: Offset(part.first), next: Offset(part.next) })
    }

    async fn offset_at(&self, _: Partition, _: Timestamp) -> Result<Offset, Unavailable> {
        Err(away())
    }

    async fn set_aside(&self, record: &Record, _reason: &str) -> Result<(), Unavailable> {
        let mut state = self.0.state();
        if takes(&mut state.fail_set_aside) {
            return Err(away());
        }
        state.aside.push((record.partition, record.offset()));
        Ok(())
    }

    async fn consume(&self, _group: &str, instance: &str, _gather: Duration) -> Result<Box<dyn Consumer>, Unavailable> {
        let (news_in, news) = mpsc::channel(256);
        self.0.state().members.insert(instance.to_owned(), news_in);
        let (broker, instance) = (Arc::clone(&self.0), instance.to_owned());
        Ok(Box::new(Member { broker, instance, news, assigned: BTreeMap::new() }))
    }

    async fn committed(&self, _group: &str) -> Result<Vec<Option<Offset>>, Unavailable> {
        Ok(self.0.state().committed.clone())
    }

    async fn flush(&self, _within: Duration) {}

    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

struct Member {
    broker: Arc<Broker>,
    instance: String,
    news: mpsc::Receiver<Polled>,
    /// The next offset to hand over; `None`: paused.
    assigned: BTreeMap<Partition, Option<Offset>>,
}

impl Member {
    fn ready(&mut self) -> Option<Polled> {
        let state = self.broker.state();
        // The emptiest handed over first, or one busy partition would hide the others.
        for (&partition, from) in &mut self.assigned {
            let Some(next) = *from else { continue };
            let part = &state.parts[index(partition)];
            let records: Vec<_> = part.records.iter().filter(|r| r.offset() >= next).take(7).cloned().collect();
            if let Some(last) = records.last() {
                *from = Some(last.offset().next());
                return Some(Polled::Records(partition, records));
            }
        }
        None
    }
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<Polled, Unavailable> {
        loop {
            if takes(&mut self.broker.state().fail_polls) {
                return Err(away());
            }
            let broker = Arc::clone(&self.broker);
            let changed = broker.changed.notified();
            if let Ok(news) = self.news.try_recv() {
                match &news {
                    Polled::Assigned(these) => self.assigned.extend(these.iter().map(|partition| (*partition, None))),
                    Polled::Revoked(these) => self.assigned.retain(|partition, _| !these.contains(partition)),
                    Polled::Records(..) => {}
                }
                return Ok(news);
            }
            if let Some(records) = self.ready() {
                return Ok(records);
            }
            // Long for a test, so that time passes in few steps; faults that need no news are seen by then.
            let _ = tokio::time::timeout(Duration::from_millis(500), changed).await;
        }
    }

    fn start(&mut self, partition: Partition, from: Offset) -> Result<(), Unavailable> {
        let dumb = takes(&mut self.broker.state().dumb_starts);
        let far = takes(&mut self.broker.state().far_starts);
        if let Some(next) = self.assigned.get_mut(&partition) {
            *next = (!dumb).then_some(if far { Offset(from.0 + 3) } else { from });
        }
        Ok(())
    }

    fn pause(&mut self, partition: Partition) -> Result<(), Unavailable> {
        if let Some(next) = self.assigned.get_mut(&partition) {
            *next = None;
        }
        Ok(())
    }

    fn commit(&mut self, partition: Partition, next: Offset) -> Result<(), Unavailable> {
        let mut state = self.broker.state();
        if state.owners.get(&partition) == Some(&self.instance) {
            state.committed[index(partition)] = Some(next);
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {
        self.broker.state().closed.push(self.instance.clone());
    }
}

// ---- the sink ------------------------------------------------------------------------------------------------------

/// What goes wrong with one call of `apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done.
    Away,
    /// It is done, but nobody hears of it.
    AwayAfter,
    /// The partition is forgotten first.
    Forget,
    /// The last two effects are lost first, as in a failover.
    LoseTail,
    /// It takes five seconds.
    Slow,
}

#[derive(Default)]
pub(super) struct Effects(Mutex<BTreeMap<Partition, Place>>);

#[derive(Default)]
pub(super) struct Place {
    /// `None`: forgotten (or never begun).
    pub(super) position: Option<Position>,
    /// Offsets applied with an effect, in the order of their application.
    pub(super) effects: Vec<Offset>,
    history: Vec<(Position, usize)>,
    pub(super) poison: BTreeSet<Offset>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) position_away: u32,
    /// Sizes of the batches that were handed over.
    pub(super) batches: Vec<usize>,
}

impl Effects {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(super) fn at<T>(&self, partition: Partition, see: impl FnOnce(&mut Place) -> T) -> T {
        see(self.0.lock().unwrap().entry(partition).or_default())
    }
}

#[async_trait]
impl Sink for Effects {
    async fn position(&self, partition: Partition, applied: Option<Position>) -> Result<Position, SinkError> {
        self.at(partition, |place| {
            if takes(&mut place.position_away) {
                return Err(away().into());
            }
            // A forgetful sink begins a little before what the loop saw applied.
            let claim = Position { offset: Offset(applied.map_or(-1, |p| (p.offset.0 - 3).max(-1))), digest: 0 };
            Ok(*place.position.get_or_insert(claim))
        })
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Outcome, SinkError> {
        let fault = self.at(partition, |place| place.faults.pop_front());
        match fault {
            Some(Fault::Away) => return Err(away().into()),
            Some(Fault::Slow) => tokio::time::sleep(Duration::from_secs(5)).await,
            _ => {}
        }
        self.at(partition, |place| {
            place.batches.push(records.len());
            match fault {
                Some(Fault::Forget) => place.position = None,
                Some(Fault::LoseTail) => {
                    place.history.truncate(place.history.len().saturating_sub(2));
                    let (position, effects) = place.history.last().copied().unwrap_or((Position::START, 0));
                    place.position = Some(position);
                    place.effects.truncate(effects);
                }
                _ => {}
            }
            let Some(stands) = place.position else { return Ok(Outcome::Elsewhere(None)) };
            if stands.offset != previous.offset {
                return Ok(Outcome::Elsewhere(Some(stands)));
            }
            let poison = |r: &&Record| r.event.is_ok() && place.poison.contains(&r.offset());
            if let Some(record) = records.iter().find(poison) {
                return Err(SinkError::Poison(format!("told that {} is poison", record.offset())));
            }
            for record in records {
                assert!(record.offset() > place.position.unwrap().offset, "records rise");
                if record.event.is_ok() {
                    place.effects.push(record.offset());
                }
                place.position = Some(record.position());
                place.history.push((record.position(), place.effects.len()));
            }
            if fault == Some(Fault::AwayAfter) {
                return Err(away().into());
            }
            Ok(Outcome::Applied { position: records.last().unwrap().position(), duplicates: 0 })
        })
    }

    fn remedy(&self) -> &'static str {
        "Do as the double says"
    }
}
