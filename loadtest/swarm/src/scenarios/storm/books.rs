//! What is known of every member, and of every message.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Arguments, Report};
use crate::aim::Aim;
use crate::checker::{Checker, Number};
use crate::client::{Arrival, Client, Sender};
use crate::histogram::Histogram;
use crate::identity::Identities;
use crate::target::Target;
use crate::temp_id::TempIds;
use crate::watch::Cost;
use crate::wire::{self, Packet};

/// Without a frame for so long, what the joins stirred up is over.
const QUIET: Duration = Duration::from_millis(400);
/// However long that takes.
const QUIET_AT_MOST: Duration = Duration::from_secs(60);

/// In a message that the server made.
const SYSTEM: &[u8] = br#""type":"system""#;

/// Shared by all members.
pub(super) struct Books {
    pub(super) identities: Identities,
    targets: Vec<Target>,
    rooms: RefCell<Vec<String>>,
    members: u32,
    inner: RefCell<Inner>,
    frames: Cell<u64>,
    /// Tells those on the gateway that was struck to break their connections.
    pub(super) cut: Notify,
}

struct Inner {
    checker: Checker,
    ids: TempIds,
    clients: Vec<Life>,
    /// Which gateway, and when.
    struck: Option<(String, Instant)>,
    /// Attempts to come back that failed, by why.
    failures: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    /// Messages of the server's own that were heard.
    by_server: u64,
}

/// One client's story.
#[derive(Default)]
struct Life {
    /// None while it is away.
    sender: Option<Rc<Sender>>,
    gateway: String,
    /// Sent and not answered: packets, by number.
    unanswered: BTreeMap<Number, String>,
    /// It was on the gateway that was struck.
    struck: bool,
    /// How often it lost its connection, and came back to its session or to a new one.
    went: u32,
    recovered: u32,
    anew: u32,
    /// When it first had its answer to CONNECT after the strike.
    back: Option<Instant>,
    /// What was acked when it came back, and it lacks.
    owed: HashSet<Number>,
    /// When it had all of that.
    caught_up: Option<Instant>,
    gave_up: Option<String>,
}

impl Books {
    pub(super) fn new(rooms: u32, members: u32, aim: &Aim) -> Self {
        let clients = (0..rooms * members).map(|_| Life::default()).collect();
        Self {
            identities: aim.identities(),
            targets: aim.target.clone(),
            rooms: RefCell::default(),
            members,
            inner: RefCell::new(Inner {
                checker: Checker::new(rooms, members),
                ids: TempIds::new(aim.temp_id),
                clients,
                struck: None,
                failures: BTreeMap::new(),
                refusals: BTreeMap::new(),
                by_server: 0,
            }),
            frames: Cell::new(0),
            cut: Notify::new(),
        }
    }

    pub(super) fn target(&self, socket: u32) -> Target {
        self.targets[socket as usize % self.targets.len()]
    }

    pub(super) fn name_rooms(&self, names: Vec<String>) {
        *self.rooms.borrow_mut() = names;
    }

    pub(super) fn room_of(&self, socket: u32) -> String {
        self.rooms.borrow()[(socket / self.members) as usize].clone()
    }

    pub(super) fn sockets(&self) -> u32 {
        u32::try_from(self.inner.borrow().clients.len()).unwrap_or(u32::MAX)
    }

    fn with<T>(&self, socket: u32, act: impl FnOnce(&mut Life) -> T) -> T {
        act(&mut self.inner.borrow_mut().clients[socket as usize])
    }

    // ---- a member's life

    pub(super) fn arrived(&self, socket: u32, client: &Client) {
        if client.reader.offset.is_some() {
            self.inner.borrow_mut().checker.heard_offset(socket);
        }
        self.with(socket, |life| life.connected(client));
    }

    pub(super) fn went(&self, socket: u32) {
        self.with(socket, |life| {
            life.sender = None;
            life.went += 1;
        });
    }

    pub(super) fn came_back(&self, socket: u32, client: &Client, recovered: bool) {
        let now = Instant::now();
        let mut inner = self.inner.borrow_mut();
        let owed = inner.checker.came_back(socket, recovered);
        let life = &mut inner.clients[socket as usize];
        life.connected(client);
        if recovered {
            life.recovered += 1
        } else {
            life.anew += 1
        }
        life.back.get_or_insert(now);
        if owed.is_empty() {
            life.caught_up.get_or_insert(now);
        }
        life.owed = owed.into_iter().collect();
    }

    pub(super) fn gave_up(&self, socket: u32, why: String) {
        self.with(socket, |life| life.gave_up = Some(why));
    }

    pub(super) fn failed(&self, error: &anyhow::Error) {
        let why = error.root_cause().to_string();
        // A proxy's error page has more lines.
        let first = why.lines().next().unwrap_or_default().to_owned();
        *self.inner.borrow_mut().failures.entry(first).or_default() += 1;
    }

    pub(super) fn packet(&self, socket: u32, packet: &Packet<'_>, arrival: Arrival) {
        self.frames.set(self.frames.get() + 1);
        let mut inner = self.inner.borrow_mut();
        match *packet {
            Packet::Ack { id, args } => inner.ack(socket, id, args),
            Packet::Event { name: b"message.received", args } => inner.delivery(socket, args, arrival.at),
            Packet::Event { name, args } if wire::offset(name, args).is_some() => inner.checker.heard_offset(socket),
            _ => {}
        }
    }

    // ---- messages

    /// None: it is away.
    pub(super) fn sender(&self, socket: u32) -> Option<Rc<Sender>> {
        self.inner.borrow().clients[socket as usize].sender.clone()
    }

    /// Books a message of `socket`, and returns its packet.
    pub(super) fn message(&self, socket: u32, content: &str) -> String {
        let room = self.room_of(socket);
        let mut inner = self.inner.borrow_mut();
        let number = inner.checker.sent(socket);
        let id = inner.ids.of(number);
        // Contents and room names are plain letters: nothing to escape.
        let packet = format!(
            r#"42{number}["message.send",{{"roomId":"{room}","content":"{content}","type":"text","tempId":"{id}"}}]"#
        );
        inner.clients[socket as usize].unanswered.insert(number, packet.clone());
        packet
    }

    pub(super) fn unanswered(&self, socket: u32) -> Vec<String> {
        self.with(socket, |life| life.unanswered.values().cloned().collect())
    }

    pub(super) fn is_settled(&self) -> bool {
        self.inner.borrow().checker.is_settled()
    }

    // ---- the strike

    /// Waits until every member has heard something: the server knows a user once it has welcomed them.
    pub(super) async fn welcomed(&self) {
        let begin = Instant::now();
        while self.frames.get() < u64::from(self.sockets()) && begin.elapsed() < QUIET_AT_MOST {
            tokio::time::sleep(QUIET).await;
        }
    }

    /// Waits until the joins' events have come.
    pub(super) async fn quiet(&self) {
        let begin = Instant::now();
        let mut seen = self.frames.get();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.frames.get();
            if now == seen || begin.elapsed() > QUIET_AT_MOST {
                return;
            }
            seen = now;
        }
    }

    pub(super) fn spread_over_gateways(&self) -> String {
        let mut gateways: BTreeMap<String, u32> = BTreeMap::new();
        for life in &self.inner.borrow().clients {
            *gateways.entry(life.gateway.clone()).or_default() += 1;
        }
        gateways.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn heard_by_server(&self) -> u64 {
        self.inner.borrow().by_server
    }

    pub(super) fn on(&self, gateway: &str) -> usize {
        self.inner.borrow().clients.iter().filter(|life| life.gateway == gateway).count()
    }

    pub(super) fn strike(&self, gateway: &str, now: Instant) {
        let mut inner = self.inner.borrow_mut();
        for life in &mut inner.clients {
            life.struck = life.gateway == gateway;
        }
        inner.struck = Some((gateway.to_owned(), now));
    }

    /// Ends when connections to `gateway` are cut; never, if others are, or if it has happened already.
    pub(super) async fn is_cut(&self, gateway: &str) {
        let gateway = gateway.to_owned();
        loop {
            self.cut.notified().await;
            if self.inner.borrow().struck.as_ref().is_some_and(|(struck, _)| *struck == gateway) {
                return;
            }
        }
    }

    pub(super) fn all_caught_up(&self) -> bool {
        let inner = self.inner.borrow();
        inner.clients.iter().filter(|life| life.struck).all(|life| life.caught_up.is_some())
    }

    pub(super) fn report(&self, arguments: &Arguments, handshakes: Duration, costs: Vec<Cost>) -> Report {
        let inner = self.inner.borrow();
        let killed = inner.struck.as_ref().map_or_else(Instant::now, |(_, at)| *at);
        let struck: Vec<&Life> = inner.clients.iter().filter(|life| life.struck).collect();
        let count = |which: &dyn Fn(&Life) -> bool| struck.iter().filter(|life| which(life)).count() as u64;
        let times = |when: &dyn Fn(&Life) -> Option<Instant>| {
            let mut times = Histogram::new();
            for at in struck.iter().filter_map(|life| when(life)) {
                times.record(at.saturating_duration_since(killed));
            }
            times.percentiles()
        };
        let others = inner.clients.iter().filter(|life| !life.struck);
        let mut gave_up: BTreeMap<String, u64> = BTreeMap::new();
        for why in inner.clients.iter().filter_map(|life| life.gave_up.clone()) {
            *gave_up.entry(why).or_default() += 1;
        }
        let sockets = u32::try_from(inner.clients.len()).unwrap_or(u32::MAX);
        Report {
            sockets,
            members: self.members,
            rate: arguments.rate,
            gateway: arguments.kill.clone(),
            cut: arguments.cut,
            handshakes_per_second: f64::from(sockets) / handshakes.as_secs_f64(),
            struck: struck.len() as u64,
            back: times(&|life| life.back),
            caught_up: times(&|life| life.caught_up),
            recovered: count(&|life| life.recovered > 0 && life.anew == 0),
            anew: count(&|life| life.anew > 0),
            more_than_once: count(&|life| life.went > 1),
            disturbed: others.filter(|life| life.went > 0).count() as u64,
            failures: inner.failures.clone(),
            refusals: inner.refusals.clone(),
            gave_up,
            verdict: inner.checker.verdict(),
            costs,
        }
    }
}

impl Life {
    fn connected(&mut self, client: &Client) {
        self.sender = Some(client.sender.clone());
        self.gateway.clone_from(&client.gateway);
    }
}

impl Inner {
    fn ack(&mut self, socket: u32, id: u64, args: &[u8]) {
        let Ok(number) = Number::try_from(id) else { return };
        if self.clients[socket as usize].unanswered.remove(&number).is_none() {
            return;
        }
        if let Some(refusal) = wire::refusal(args) {
            let unknown = matches!(refusal.error.as_str(), "UNKNOWN" | "internal");
            if self.checker.refused(number, unknown) {
                *self.refusals.entry(refusal.error).or_default() += 1;
            }
        } else {
            self.checker.acked(number, wire::seq_of_ack(args));
        }
    }

    fn delivery(&mut self, socket: u32, args: &[u8], at: Instant) {
        let delivered = wire::delivered(args);
        let known = delivered.and_then(|delivered| Some((self.ids.number(delivered.temp_id)?, delivered.seq)));
        let Some((number, seq)) = known else {
            // The server's own words: somebody made the room, or came, or left.
            let by_server = args.windows(SYSTEM.len()).any(|bytes| bytes == SYSTEM);
            return if by_server { self.by_server += 1 } else { self.checker.strange() };
        };
        if !self.checker.received(socket, number, seq) {
            return;
        }
        let life = &mut self.clients[socket as usize];
        if life.owed.remove(&number) && life.owed.is_empty() {
            life.caught_up.get_or_insert(at);
        }
    }
}
