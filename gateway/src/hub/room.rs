//! A room with at least one local client: its clients, and its place in the order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parlor_core::event::{Delivery, Ephemeral};
use parlor_core::ids::{RoomId, Seq};
use parlor_core::time::Timestamp;
use parlor_socketio::{Frame, Mark};
use smallvec::SmallVec;
use tokio::sync::OnceCell;

use super::chain::Chain;
use super::ring::{Budget, Ring};
use crate::client::Client;
use crate::vocabularies::{News, Vocabulary, told_by_inbox};

pub(crate) struct Room {
    pub(crate) clients: Vec<Arc<Client>>,
    /// Those who are being brought up to date, and are told already what is said once and forgotten.
    arriving: Vec<Arc<Client>>,
    /// Those of `clients` who have more than this gateway has delivered, and up to where: they were on another, which was
    /// ahead. What they have is not given to them again.
    early: Vec<(Arc<Client>, Seq)>,
    pub(crate) chain: Chain,
    /// Its newest deliveries.
    pub(crate) ring: Ring,
    /// What the marks on its frames call it: no other room of this process, nor this one when it is opened again, has
    /// the same number.
    pub(crate) stream: u64,
    /// Held while what lies before the ring is read, so that it is read once.
    pub(crate) reading: Arc<tokio::sync::Mutex<()>>,
    /// Filled once the channel is subscribed and the chain's first place is known.
    pub(crate) opened: Arc<OnceCell<()>>,
    /// When the last client left.
    pub(crate) idle_since: Option<Instant>,
}

impl Room {
    pub(crate) fn new(budget: &Budget) -> Self {
        static STREAMS: AtomicU64 = AtomicU64::new(1);
        Self {
            clients: Vec::new(),
            arriving: Vec::new(),
            early: Vec::new(),
            chain: Chain::opening(),
            ring: Ring::new(budget.clone()),
            stream: STREAMS.fetch_add(1, Ordering::Relaxed),
            reading: Arc::default(),
            opened: Arc::new(OnceCell::new()),
            idle_since: Some(Instant::now()),
        }
    }

    /// From now on `client` hears what is ephemeral: it will be in the room in a moment, and nobody repeats that.
    pub(crate) fn await_arrival(&mut self, client: &Arc<Client>) {
        if !self.arriving.iter().any(|other| Arc::ptr_eq(other, client)) {
            self.arriving.push(client.clone());
        }
    }

    /// The client is in the room, or will not be.
    pub(crate) fn end_arrival(&mut self, client: &Arc<Client>) {
        self.arriving.retain(|other| !Arc::ptr_eq(other, client));
    }

    /// From now on `client`, who has the room up to `after`, hears everything behind that.
    pub(crate) fn join(&mut self, client: &Arc<Client>, after: Seq) {
        self.end_arrival(client);
        if after > self.chain.last() {
            // A quiet room may never deliver what the sockets of earlier returns had.
            self.early.retain(|(early, _)| early.socket.is_open());
            self.early.push((client.clone(), after));
        }
        // One that was put out and comes in again may not have been taken away yet.
        if !self.clients.iter().any(|other| Arc::ptr_eq(other, client)) {
            self.clients.push(client.clone());
        }
        self.idle_since = None;
    }

    /// Whether `client` has this event already.
    fn has(&self, client: &Arc<Client>, seq: Seq) -> bool {
        self.early.iter().any(|(early, after)| seq <= *after && Arc::ptr_eq(early, client))
    }

    /// Those of the clients who do not have this event yet, where somebody does.
    pub(crate) fn without(&self, seq: Seq) -> Option<Vec<Arc<Client>>> {
        let some = self.early.iter().any(|(_, after)| seq <= *after);
        some.then(|| self.clients.iter().filter(|client| !self.has(client, seq)).cloned().collect())
    }

    /// The room has been delivered up to `seq`: who had no more than that is as all others.
    pub(crate) fn caught_up(&mut self, seq: Seq) {
        self.early.retain(|(client, after)| *after > seq && client.socket.is_open());
    }

    /// Puts a delivery on these sockets' queues: rendered and framed once per vocabulary that is spoken here.
    pub(crate) fn deliver(&self, delivery: &Delivery, clients: &[Arc<Client>]) {
        let mut frames = Frames::default();
        let told = told_by_inbox(&delivery.event);
        for client in clients.iter().filter(|client| told.is_none_or(|user| !client.is(user))) {
            client.deliver(delivery, self.stream, &mut frames);
        }
        let sockets = u64::try_from(clients.len()).unwrap_or(u64::MAX);
        metrics::counter!("parlor_events_out_total").increment(sockets);
    }

    /// The same for ephemeral news.
    pub(crate) fn tell(&self, room: &RoomId, news: &Ephemeral) {
        let mut frames = Frames::default();
        let rendered = News::Ephemeral { room, news, at: Timestamp::now() };
        for client in self.clients.iter().chain(&self.arriving) {
            let Some(vocabulary) = client.ephemeral_as(room, news) else { continue };
            for frame in frames.of(vocabulary, &rendered, None) {
                let _ = client.socket.emit(frame);
            }
        }
    }
}

/// Frames of one piece of news, made once per vocabulary.
#[derive(Default)]
pub(crate) struct Frames([Option<SmallVec<[Frame; 2]>>; Vocabulary::ALL.len()]);

impl Frames {
    /// `mark`: the place that they bring a client to. It is on the last of them, for a client that has but the first has
    /// not got there.
    pub(crate) fn of(&mut self, vocabulary: Vocabulary, news: &News<'_>, mark: Option<Mark>) -> &[Frame] {
        self.0[vocabulary.index()].get_or_insert_with(|| {
            let events = vocabulary.render(news);
            let last = events.len();
            let frames = events.into_iter().enumerate().map(|(at, event)| {
                let frame = Frame::event_raw("/", event.name, &event.body);
                match mark {
                    Some(mark) if at + 1 == last => frame.marked(mark),
                    _ => frame,
                }
            });
            frames.collect()
        })
    }
}
