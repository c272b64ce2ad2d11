//! What a gateway works with, for tests of what it asks and answers: memory, SQLite, a folder, and no sockets.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, SharedString, Unit};
use parking_lot::Mutex;
use parlor_core::event::{Actor, Event, Kind, Message, MessageType, Room, RoomKind};
use parlor_core::ids::{EventId, MessageId, Offset, Partition, RoomId, UserId};
use parlor_core::membership::{Change, nameless};
use parlor_core::ports::blobs::Blobs;
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::files::Storage;
use parlor_core::ports::log::{Log, Position};
use parlor_core::ports::store::{Store, Stored};
use parlor_core::time::Timestamp;
use parlor_fanout::memory::{Memory, MemoryConfig};
use parlor_log::sqlite::SqliteLog;
use parlor_store::sqlite::Sqlite;

use crate::auth::Identity;
use crate::caller::Caller;
use crate::{Config, Gateway, Ports, Shared};

/// A gateway that serves nothing, and what it works with. Nothing of the log is stored before [`Stage::persist`].
pub(crate) struct Stage {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<Sqlite>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) log: Arc<SqliteLog>,
    pub(crate) files: Storage,
    positions: Mutex<HashMap<Partition, Position>>,
    _folder: tempfile::TempDir,
}

pub(crate) fn user(id: &str) -> Actor {
    nameless(&UserId::trusted(id))
}

/// A user who asks by request, with a token: no guest.
pub(crate) fn caller(id: &str) -> Caller {
    let (expires, session, issued) = (None, None, Timestamp::now());
    Caller::request(Identity { user: user(id), guest: false, expires, session, issued })
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_with(Config::for_testing("test")).await
    }

    pub(crate) async fn set_with(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = SqliteLog::open(folder.path().join("log.db"), 4).await.expect("a log");
        let receipts = SqliteLog::open(folder.path().join("receipts.db"), 4).await.expect("a log");
        let store = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
        let memory = Memory::new(MemoryConfig::for_testing());
        let blobs: Arc<dyn Blobs> = parlor_blobs::Folder::open(&folder.path().join("files")).expect("a folder");
        let files = Storage { files: store.clone(), blobs };
        let ports = Ports {
            log: log.clone(),
            fanout: memory.clone(),
            presence: memory.clone(),
            limits: memory.clone(),
            sessions: memory.clone(),
            topics: memory.clone(),
            store: store.clone(),
            search: store.clone(),
            files: Some(files.clone()),
            safety: store.clone(),
            devices: store.clone(),
            keys: store.clone(),
            accounts: store.clone(),
            receipts,
            pointers: memory.clone(),
            progress: store.clone(),
            contacts: store.clone(),
        };
        let shared = Gateway::new(config, ports).shared;
        Self { shared, store, memory, log, files, positions: Mutex::default(), _folder: folder }
    }

    /// The same with a gateway that has heard of nothing so far.
    pub(crate) fn with_another_gateway(self) -> Self {
        let shared = Gateway::new(self.shared.config.clone(), self.shared.ports.clone()).shared;
        Self { shared, ..self }
    }

    /// A room with these members, the first its maker.
    pub(crate) async fn room(&self, id: &str, kind: RoomKind, members: &[&str]) -> RoomId {
        for member in members {
            self.store.see_user(&user(member)).await.expect("seen");
        }
        let creator = user(members[0]);
        let room = Room {
            id: RoomId::trusted(id),
            kind,
            name: None,
            description: None,
            avatar: None,
            private: false,
            created_by: creator.id.clone(),
            created_at: Timestamp(0),
            version: 0,
            member_count: 0,
        };
        let (id, members) = (room.id.clone(), members[1..].iter().map(|id| UserId::trusted(*id)).collect());
        self.store.change(&id, &Change::Create { room, creator, members, limit: 100 }).await.expect("a room");
        id
    }

    /// Somebody says something: it is in the log.
    pub(crate) async fn say(&self, room: &RoomId, who: &str, text: &str) -> MessageId {
        let kind = Kind::MessageSent(Message::new(MessageType::Text, text));
        self.tell(room, who, kind).await
    }

    /// Something happens in a room: it is in the log.
    pub(crate) async fn tell(&self, room: &RoomId, who: &str, kind: Kind) -> MessageId {
        let event = Event { id: EventId::now(), room: room.clone(), actor: user(who), kind };
        self.log.append(&event).expect("taken").await.expect("appended");
        MessageId(event.id.0)
    }

    /// Gives the fan-out what the log has: of a partition that it knows nothing of, what lies behind `from`.
    pub(crate) async fn deliver(&self, from: Offset) {
        for partition in (0..self.log.partitions()).map(Partition) {
            let next = self.log.ends(partition).await.expect("ends").next;
            let at = self.memory.claim(partition, Position { offset: from, digest: 0 }).await.expect("claimed");
            let range = self.log.read_range(partition, at.offset, Offset(next.0 - 1), 1 << 24).await.expect("records");
            self.memory.apply(partition, at, &range.records).await.expect("applied");
        }
    }

    /// Stores what the log has.
    pub(crate) async fn persist(&self) {
        for partition in (0..self.log.partitions()).map(Partition) {
            let next = self.log.ends(partition).await.expect("ends").next;
            let at = self.positions.lock().get(&partition).copied().unwrap_or(Position::START);
            let range = self.log.read_range(partition, at.offset, Offset(next.0 - 1), 1 << 24).await.expect("records");
            let stored = self.store.apply(partition, at, &range.records).await.expect("stored");
            let Stored::Done { position, .. } = stored else { panic!("{stored:?}") };
            self.positions.lock().insert(partition, position);
        }
    }
}

/// Counts how often back ends are called, by the histograms in which they record each call.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<HashMap<String, usize>>>);

impl Calls {
    /// From now on, on this thread, until the guard is dropped: for tests on one thread.
    pub(crate) fn count(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// How often a call was made.
    pub(crate) fn of(&self, call: &str) -> usize {
        self.0.lock().get(call).copied().unwrap_or(0)
    }
}

struct Call(Calls, String);

impl HistogramFn for Call {
    fn record(&self, _: f64) {
        *self.0.0.lock().entry(self.1.clone()).or_default() += 1;
    }
}

impl metrics::Recorder for Calls {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.labels().find(|label| label.key() == "call") {
            Some(call) => Histogram::from_arc(Arc::new(Call(self.clone(), call.value().to_owned()))),
            None => Histogram::noop(),
        }
    }
}
