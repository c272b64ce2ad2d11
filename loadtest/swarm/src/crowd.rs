//! The clients: connected, each in its room, each with a task that reads.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::checker::Checker;
use crate::client::{Client, Ended, Scratch, Sender};
use crate::groups;
use crate::identity::Identities;
use crate::tally::Tally;
use crate::target::Target;
use crate::temp_id::{TempIds, Version};
use crate::wire::Packet;

/// Handshakes under way at once.
const CONNECTING: usize = 64;
/// More sockets than this say nothing about one machine.
pub(crate) const MAX_SOCKETS: usize = 20_000;
/// Without a frame for so long, what the joins stirred up is over.
const QUIET: Duration = Duration::from_millis(400);

/// What the sockets' tasks write to.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) tally: RefCell<Option<Tally>>,
    /// Told when all that was sent has been answered and delivered.
    pub(crate) settled: Notify,
    /// Sockets that ended, by why.
    pub(crate) ended: RefCell<BTreeMap<String, u64>>,
    /// Frames of any kind.
    frames: Cell<u64>,
}

impl Ledger {
    fn packet(&self, socket: u32, packet: &Packet<'_>, arrival: crate::client::Arrival) {
        self.frames.set(self.frames.get() + 1);
        let mut tally = self.tally.borrow_mut();
        let Some(tally) = tally.as_mut() else { return };
        match *packet {
            Packet::Ack { id, args } => tally.ack(id, args, arrival),
            Packet::Event { name: b"message.received", args } => tally.delivery(socket, args, arrival),
            _ => return,
        }
        if tally.checker.is_settled() {
            self.settled.notify_one();
        }
    }

    fn ended(&self, why: &Ended) {
        *self.ended.borrow_mut().entry(why.to_string()).or_default() += 1;
    }
}

/// Sockets in rooms. Socket `s` is member `s % members` of room `s / members`.
pub(crate) struct Crowd {
    pub(crate) ledger: Rc<Ledger>,
    pub(crate) rooms: Vec<String>,
    pub(crate) members: u32,
    senders: Vec<Rc<Sender>>,
    /// Which of `gateway_names` each socket is connected to.
    gateways: Vec<u16>,
    pub(crate) gateway_names: Vec<String>,
    readers: Vec<AbortHandle>,
    /// How long the handshakes took, from the first to the last.
    pub(crate) connecting: Duration,
}

/// One of them.
struct Connected {
    sender: Rc<Sender>,
    gateway: String,
    reader: AbortHandle,
}

impl Crowd {
    /// Connects `rooms` × `members` sockets. A room's members are spread over the targets.
    ///
    /// # Errors
    /// A client was not let in, or not into its room.
    pub(crate) async fn gather(targets: &[Target], identities: &Identities, rooms: u32, members: u32) -> Result<Self> {
        // Rooms of this run alone: others' messages must not come in between.
        let run: u32 = rand::random();
        let rooms = (0..rooms).map(|room| format!("swarm-{run:08x}-{room}")).collect();
        Self::connect(targets, identities, rooms, members).await
    }

    /// Connects `rooms` × `members` users who belong to groups.
    ///
    /// # Errors
    /// Users without tokens cannot; a client was not let in.
    pub(crate) async fn of_groups(
        targets: &[Target],
        identities: &Identities,
        rooms: u32,
        members: u32,
    ) -> Result<Self> {
        let mut crowd = Self::connect(targets, identities, Vec::new(), rooms * members).await?;
        // The server knows a user once it has welcomed them.
        crowd.welcomed().await;
        crowd.rooms = groups::make(targets, identities, rooms, members).await?;
        crowd.members = members;
        Ok(crowd)
    }

    /// Connects `sockets` sockets that are in no room.
    ///
    /// # Errors
    /// A client was not let in.
    pub(crate) async fn idle(targets: &[Target], identities: &Identities, sockets: u32) -> Result<Self> {
        Self::connect(targets, identities, Vec::new(), sockets).await
    }

    async fn connect(targets: &[Target], identities: &Identities, rooms: Vec<String>, members: u32) -> Result<Self> {
        let sockets = rooms.len().max(1) * members as usize;
        ensure!(sockets > 0, "at least one socket is needed");
        ensure!(sockets <= MAX_SOCKETS, "{sockets} sockets are too many: {MAX_SOCKETS} at most");
        raise_open_files(sockets)?;
        let scratch = Scratch::new();
        let ledger = Rc::new(Ledger::default());
        let begin = Instant::now();
        let (scratch, rooms_ref, ledger_ref) = (&scratch, &rooms, &ledger);
        let clients: Vec<Connected> = stream::iter(0..sockets)
            .map(|socket| async move {
                let member = socket % members as usize;
                // The next room begins at the next target, so that rooms of few members load all alike.
                let target = targets[(member + socket / members as usize) % targets.len()];
                let mut client = Client::connect(target, &identities.auth(socket)?, scratch).await?;
                if let Some(room) = rooms_ref.get(socket / members as usize) {
                    // Only rooms.create_on_join makes it; see the error's advice.
                    client.ask("room.join", &json!({ "roomId": room })).await.context(JOIN_ADVICE)?;
                }
                // From now on it answers pings, however long the others take.
                let (sender, gateway) = (client.sender.clone(), client.gateway.clone());
                let reading = read(client, u32::try_from(socket)?, ledger_ref.clone());
                let reader = tokio::task::spawn_local(reading).abort_handle();
                Ok::<_, anyhow::Error>(Connected { sender, gateway, reader })
            })
            .buffered(CONNECTING)
            .try_collect()
            .await
            .map_err(|error| advise(error, targets))?;
        let connecting = begin.elapsed();
        let mut gateway_names: Vec<String> = clients.iter().map(|client| client.gateway.clone()).collect();
        gateway_names.sort();
        gateway_names.dedup();
        let gateways = clients
            .iter()
            .filter_map(|client| gateway_names.binary_search(&client.gateway).ok())
            .map(|index| u16::try_from(index).unwrap_or(u16::MAX))
            .collect();
        let (senders, readers) = clients.into_iter().map(|client| (client.sender, client.reader)).unzip();
        Ok(Self { ledger, rooms, members, senders, gateways, gateway_names, readers, connecting })
    }

    pub(crate) fn sockets(&self) -> usize {
        self.senders.len()
    }

    pub(crate) fn sender(&self, socket: u32) -> &Rc<Sender> {
        &self.senders[socket as usize]
    }

    /// Opens a run's books.
    pub(crate) fn begin(&self, version: Version, window: std::ops::Range<Instant>) {
        let rooms = u32::try_from(self.rooms.len()).unwrap_or(u32::MAX);
        let checker = Checker::new(rooms, self.members);
        let tally = Tally::new(TempIds::new(version), checker, self.gateways.clone(), window);
        *self.ledger.tally.borrow_mut() = Some(tally);
    }

    /// Closes them. None: none were open.
    pub(crate) fn finish(&self) -> Option<Tally> {
        self.ledger.tally.borrow_mut().take()
    }

    /// Reads, and changes, the open books.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        let mut tally = self.ledger.tally.borrow_mut();
        change(tally.as_mut().expect("books are open during a run"))
    }

    /// An error, with what is known of sockets that ended.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let ended = self.ledger.ended.borrow();
        match ended.iter().next() {
            Some((why, times)) => error.context(format!("{times} sockets ended: {why}")),
            None => error,
        }
    }

    /// Waits until every socket has heard something, 30 s at most.
    async fn welcomed(&self) {
        let begin = Instant::now();
        while self.ledger.frames.get() < self.sockets() as u64 && begin.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(QUIET).await;
        }
    }

    /// Waits until the joins' events have come, 30 s at most.
    pub(crate) async fn quiet(&self) {
        let begin = Instant::now();
        let mut seen = self.ledger.frames.get();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.ledger.frames.get();
            if now == seen || begin.elapsed() > Duration::from_secs(30) {
                return;
            }
            seen = now;
        }
    }

    /// Waits until all that was sent has been answered and delivered; false: not within `patience`.
    pub(crate) async fn settle(&self, patience: Duration) -> bool {
        let settled = async {
            while !self.with(|tally| tally.checker.is_settled()) {
                self.ledger.settled.notified().await;
            }
        };
        tokio::time::timeout(patience, settled).await.is_ok()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

async fn read(mut client: Client, socket: u32, ledger: Rc<Ledger>) {
    let ended = client
        .reader
        .pump(|packet, arrival| {
            ledger.packet(socket, &packet, arrival);
            ControlFlow::<std::convert::Infallible>::Continue(())
        })
        .await;
    match ended {
        Ok(never) => match never {},
        Err(why) => ledger.ended(&why),
    }
}

const JOIN_ADVICE: &str = "a client could not join a room; the server must let guests make rooms by joining \
                           (auth.guests, rooms.create_on_join, no limits): make cluster PROFILE=load";

fn advise(error: anyhow::Error, targets: &[Target]) -> anyhow::Error {
    let refused = error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    if !refused {
        return error;
    }
    let list: Vec<String> = targets.iter().map(ToString::to_string).collect();
    error.context(format!(
        "nothing answers at {}\n  next: make cluster PROFILE=load   (or name a server that runs with --target)",
        list.join(", ")
    ))
}

/// Raises the limit of open files as far as this needs.
pub(crate) fn raise_open_files(sockets: usize) -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = sockets as u64 + 100;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).context("raising the limit of open files")?;
    }
    let allowed = limit.current.unwrap_or(u64::MAX);
    ensure!(
        allowed >= needed,
        "{sockets} sockets need {needed} open files, and {allowed} are allowed\n  next: fewer sockets, or ulimit -Hn"
    );
    Ok(())
}
