//! A room with at least one local client: its clients, and its place in the order.

use std::sync::Arc;
use std::time::Instant;

use parlor_core::event::{Delivery, Ephemeral};
use parlor_core::ids::RoomId;
use parlor_socketio::Frame;
use smallvec::SmallVec;
use tokio::sync::OnceCell;

use super::chain::Chain;
use crate::client::Client;
use crate::vocabularies::{News, Vocabulary, told_by_inbox};

pub(crate) struct Room {
    pub(crate) clients: Vec<Arc<Client>>,
    pub(crate) chain: Chain,
    /// Filled once the channel is subscribed and the chain's first place is known.
    pub(crate) opened: Arc<OnceCell<()>>,
    /// Counts deliveries, so that who reads what was before notices what came meanwhile.
    pub(crate) delivered: u64,
    /// When the last client left.
    pub(crate) idle_since: Option<Instant>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            clients: Vec::new(),
            chain: Chain::opening(),
            opened: Arc::new(OnceCell::new()),
            delivered: 0,
            idle_since: Some(Instant::now()),
        }
    }

    /// Puts a delivery on every local socket's queue: rendered and framed once per vocabulary that is spoken here.
    pub(crate) fn deliver(&self, delivery: &Delivery) {
        let mut frames = Frames::default();
        let told = told_by_inbox(&delivery.event);
        for client in self.clients.iter().filter(|client| told.is_none_or(|user| !client.is(user))) {
            client.deliver(delivery, &mut frames);
        }
        let sockets = u64::try_from(self.clients.len()).unwrap_or(u64::MAX);
        metrics::counter!("parlor_events_out_total").increment(sockets);
    }

    /// The same for ephemeral news.
    pub(crate) fn tell(&self, room: &RoomId, news: &Ephemeral) {
        let mut frames = Frames::default();
        let rendered = News::Ephemeral { room, news };
        for client in &self.clients {
            let Some(vocabulary) = client.ephemeral_as(news) else { continue };
            for frame in frames.of(vocabulary, &rendered) {
                let _ = client.socket.emit(frame);
            }
        }
    }
}

/// Frames of one piece of news, made once per vocabulary.
#[derive(Default)]
pub(crate) struct Frames([Option<SmallVec<[Frame; 2]>>; Vocabulary::ALL.len()]);

impl Frames {
    pub(crate) fn of(&mut self, vocabulary: Vocabulary, news: &News<'_>) -> &[Frame] {
        self.0[vocabulary.index()].get_or_insert_with(|| {
            vocabulary.render(news).into_iter().map(|event| Frame::event_raw("/", event.name, &event.body)).collect()
        })
    }
}
