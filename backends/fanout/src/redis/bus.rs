//! The subscriber: one connection of its own, whose subscriptions outlive it.
//!
//! One task owns the wishes ([`Keeper`]), so that subscribing and unsubscribing the same room never overtake each
//! other, and many rooms that are wished for at once go out as one command. Another ([`pump`]) decodes what arrives.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;
use fred::prelude::*;
use fred::types::config::Options;
use fred::types::{ClusterHash, Message};
use parlor_core::ids::RoomId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Signal;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::commands::reconnect;
use super::keys::Keys;
use super::{COMMAND_TIMEOUT, away, frame};
use crate::outlet::Outlet;

/// Channels in one command.
const CHUNK: usize = 1_000;
/// The connection is asked so often whether it lives; a half-open one is noticed by no other means, for the driver's
/// own check starts anew with every write.
const PING_EVERY: Duration = Duration::from_secs(1);
/// So many unanswered in a row, and it is given up: about 5 s.
const PINGS_MISSED: u32 = 2;
/// Subscriptions that failed are tried again so often.
const RETRY_EVERY: Duration = Duration::from_millis(200);

/// This process's subscriptions.
#[derive(Debug)]
pub(super) struct Bus {
    wishes: mpsc::Sender<Wish>,
    client: Client,
    outlet: Arc<Outlet>,
    whole: watch::Receiver<bool>,
    keys: Keys,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Wish {
    channel: String,
    wanted: bool,
    done: oneshot::Sender<Result<(), Unavailable>>,
}

impl Bus {
    /// Must be called before the client connects: its first connection is told like any other.
    pub(super) fn start(client: Client, keys: Keys, stop: CancellationToken) -> Self {
        let (wishes, queue) = mpsc::channel(CHUNK);
        let outlet = Arc::<Outlet>::default();
        let (now_whole, whole) = watch::channel(false);
        let keeper =
            Keeper { client: client.clone(), held: HashSet::new(), outlet: Arc::clone(&outlet), whole: now_whole };
        let reconnects = client.reconnect_rx();
        tokio::spawn(pump(client.message_rx(), keys.clone(), Arc::clone(&outlet), stop.clone()));
        tokio::spawn(keeper.run(queue, reconnects, stop));
        Self { wishes, client, outlet, whole, keys }
    }

    pub(super) fn listen(&self) -> mpsc::Receiver<Signal> {
        self.outlet.listen()
    }

    pub(super) fn name(&self) -> &str {
        self.client.id()
    }

    /// Subscribes or unsubscribes a room. Where Redis is away the wish is kept all the same.
    pub(super) async fn wish(&self, room: &RoomId, wanted: bool) -> Result<(), Unavailable> {
        let (done, answer) = oneshot::channel();
        let wish = Wish { channel: self.keys.room("r", room), wanted, done };
        let asked = async {
            self.wishes.send(wish).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(COMMAND_TIMEOUT, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(Unavailable::new("redis", "the subscriber has ended")),
            Err(_) => Err(Unavailable::new("redis", "the subscriber did not answer in time")),
        }
    }

    /// Waits until the subscriber is there.
    pub(super) async fn ready(&self) {
        let _ = self.whole.clone().wait_for(|whole| *whole).await;
    }

    /// Whether all subscriptions stand.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        if self.client.is_connected() && *self.whole.borrow() {
            Ok(())
        } else {
            Err(Unavailable::new("redis", "the subscriber is reconnecting"))
        }
    }
}

/// Keeps the subscriptions that are wished for.
struct Keeper {
    client: Client,
    held: HashSet<String>,
    outlet: Arc<Outlet>,
    /// False: some wish may not stand; everything is subscribed again.
    whole: watch::Sender<bool>,
}

impl Keeper {
    async fn run(
        mut self,
        mut queue: mpsc::Receiver<Wish>,
        mut reconnects: broadcast::Receiver<fred::types::config::Server>,
        stop: CancellationToken,
    ) {
        let mut batch = Vec::with_capacity(CHUNK);
        let begin = tokio::time::Instant::now();
        let mut retry = tokio::time::interval_at(begin + RETRY_EVERY, RETRY_EVERY);
        let mut ping = tokio::time::interval_at(begin + PING_EVERY, PING_EVERY);
        for ticks in [&mut retry, &mut ping] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let mut missed = 0;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                event = reconnects.recv() => match event {
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        // One renewal serves all that came before it.
                        while let Ok(_) | Err(TryRecvError::Lagged(_)) = reconnects.try_recv() {}
                        self.renew().await;
                    }
                    Err(RecvError::Closed) => return,
                },
                count = queue.recv_many(&mut batch, CHUNK) => {
                    if count == 0 {
                        return;
                    }
                    self.grant(&mut batch).await;
                }
                _ = retry.tick() => {
                    if !*self.whole.borrow() && self.client.is_connected() {
                        self.renew().await;
                    }
                }
                _ = ping.tick() => {
                    if self.client.is_connected() {
                        missed = if self.barrier().await.is_ok() { 0 } else { missed + 1 };
                        if missed >= PINGS_MISSED {
                            missed = 0;
                            self.whole.send_replace(false);
                            reconnect(&self.client);
                        }
                    }
                }
            }
        }
    }

    /// Subscribes to everything again, and says that anything may have been missed meanwhile.
    async fn renew(&mut self) {
        // The client tells of a reconnect a moment before it takes commands: it keeps these for that long.
        let held: Vec<_> = self.held.iter().cloned().collect();
        let renewed = self.subscribe(&held, &self.client).await;
        self.whole.send_replace(renewed.is_ok());
        match renewed {
            Ok(()) => self.outlet.gap("reconnect"),
            Err(error) => tracing::debug!(%error, "subscriptions are not renewed yet"),
        }
    }

    /// Fulfils wishes. The last one for a channel counts.
    async fn grant(&mut self, batch: &mut Vec<Wish>) {
        for wish in &*batch {
            if wish.wanted {
                self.held.insert(wish.channel.clone());
            } else {
                self.held.remove(&wish.channel);
            }
        }
        let (join, leave): (HashSet<_>, HashSet<_>) =
            batch.iter().map(|wish| wish.channel.clone()).partition(|channel| self.held.contains(channel));
        let client = self.client.with_options(&Options { fail_fast: true, ..Options::default() });
        let done = async {
            if !leave.is_empty() {
                client.unsubscribe(leave.into_iter().collect::<Vec<_>>()).await?;
            }
            self.subscribe(&join.into_iter().collect::<Vec<_>>(), &*client).await
        };
        let done: Result<(), Error> = if self.client.is_connected() { done.await } else { Err(disconnected()) };
        if done.is_err() {
            self.whole.send_replace(false);
        }
        for wish in batch.drain(..) {
            let _ = wish.done.send(done.clone().map_err(away));
        }
    }

    async fn subscribe<C>(&self, channels: &[String], client: &C) -> Result<(), Error>
    where
        C: PubsubInterface + Sync,
    {
        for chunk in channels.chunks(CHUNK) {
            client.subscribe(chunk.to_vec()).await?;
        }
        self.barrier().await
    }

    /// SUBSCRIBE is reported done when it is written. Redis answers one connection in order: once it has answered a
    /// PING behind it, the subscription stands.
    fn barrier(&self) -> impl Future<Output = Result<(), Error>> + use<> {
        // In a Cluster subscriptions go to the node that the client's own id hashes to.
        let node = ClusterHash::Custom(fred::util::redis_keyslot(self.client.id().as_bytes()));
        let client = self.client.with_options(&Options { cluster_hash: Some(node), ..Options::default() });
        async move { client.ping::<()>(None).await }
    }
}

fn disconnected() -> Error {
    Error::new(ErrorKind::Canceled, "the subscriber is reconnecting")
}

/// Decodes what arrives and queues it for the listener.
async fn pump(mut messages: broadcast::Receiver<Message>, keys: Keys, outlet: Arc<Outlet>, stop: CancellationToken) {
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return,
            message = messages.recv() => message,
        };
        match message {
            Ok(message) => {
                let published = match &message.value {
                    Value::Bytes(bytes) => &bytes[..],
                    Value::String(text) => text.as_bytes(),
                    _ => continue,
                };
                if let Some(signal) = frame::signal(|| keys.room_of(&message.channel), published) {
                    outlet.offer(signal);
                }
            }
            Err(RecvError::Lagged(_)) => outlet.gap("lagged"),
            Err(RecvError::Closed) => return,
        }
    }
}
