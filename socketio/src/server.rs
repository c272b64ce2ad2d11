//! The server: its settings, its application and its sessions.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::engine::http::Refused;
use crate::flusher::Flusher;
use crate::handshake::{Kept, new_sid};
use crate::link::Link;
use crate::registry::{Bounds, Place, Registry};
use crate::rooms::Namespace;
use crate::{
    Application, Broadcast, CloseReason, Config, NotAnOperation, Transport, accept, broadcast, engine, metric,
};

/// A Socket.IO server.
///
/// Every `sid` is `<name>.<20 random characters>`, where the name is [`Config::name`]: a load balancer may route the
/// requests of a polling session by `[?&]sid=([a-z0-9-]+)\.`.
pub struct Server<A> {
    config: Config,
    app: A,
    sid_name: String,
    namespaces: Vec<Arc<Namespace>>,
    registry: Registry,
    draining: AtomicBool,
    /// Each connection belongs to one of them.
    flushers: Vec<Arc<Flusher>>,
    next_flusher: AtomicUsize,
    flushing: Once,
    /// HTTP connections that are no WebSocket (yet).
    pub(crate) http_connections: AtomicUsize,
    /// Tells HTTP connections to finish what they are doing and close.
    pub(crate) http_end: CancellationToken,
}

impl<A: Application> Server<A> {
    /// Makes a server that serves nothing yet.
    pub fn new(config: Config, app: A) -> Arc<Self> {
        let config = config.normal();
        let sid_name = config.sid_name();
        if sid_name != config.name {
            tracing::warn!(name = config.name, used = sid_name, "the name holds characters that a sid may not");
        }
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let namespaces = config.namespaces.iter().map(|n| Namespace::new(n, config.relay.clone())).collect();
        Arc::new(Self {
            config,
            app,
            sid_name,
            namespaces,
            registry: Registry::default(),
            draining: AtomicBool::new(false),
            flushers: (0..cores).map(|_| Arc::default()).collect(),
            next_flusher: AtomicUsize::new(0),
            flushing: Once::new(),
            http_connections: AtomicUsize::new(0),
            http_end: CancellationToken::new(),
        })
    }

    /// Serves Socket.IO on its path and everything else by `rest`, until `shutdown`; then it accepts no more, answers
    /// handshakes on open HTTP connections with 503, and returns. Sessions and requests under way go on: end them with
    /// [`drain`](Self::drain). `rest` finds the peer's address as `ConnectInfo<SocketAddr>`.
    ///
    /// # Errors
    /// Accepting fails for a reason that waiting will not cure. (Running out of file descriptors does not end it.)
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        rest: axum::Router,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        // A flusher has no way to fail; it ends with the server.
        self.flushing.call_once(|| {
            for flusher in &self.flushers {
                tokio::spawn(flusher.clone().run());
            }
        });
        let result = accept::run(self, listener, rest, shutdown).await;
        self.draining.store(true, Ordering::Release);
        result
    }

    /// Closes all sessions in batches, `per_second` of them each second, having flushed what is queued for each; then
    /// ends HTTP connections. Returns when all are gone, at the latest at `deadline` from now, when the remaining ones
    /// are cut off. New handshakes are refused from the start. `farewell` is called with each session's id just before
    /// it is closed ([`Socket::sid`](crate::Socket::sid)): what it emits there is the last that the client hears.
    pub async fn drain(&self, per_second: u32, deadline: Duration, farewell: impl Fn(&str) + Send + Sync) {
        const BATCHES: u32 = 10;
        self.draining.store(true, Ordering::Release);
        let start = Instant::now();
        let end = start + deadline;
        let mut tick = tokio::time::interval(Duration::from_secs(1) / BATCHES);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let links = self.registry.all();
        let mut closed = 0;
        while closed < links.len() && Instant::now() < end {
            tick.tick().await;
            let due = 1 + (start.elapsed().as_secs_f64() * f64::from(per_second)) as usize;
            for link in &links[closed..due.clamp(closed, links.len())] {
                farewell(&link.sid);
                link.close(CloseReason::Draining, false);
            }
            closed = due.clamp(closed, links.len());
        }
        while self.connections() > 0 && Instant::now() < end {
            tick.tick().await;
        }
        self.http_end.cancel();
        while self.http_connections.load(Ordering::Acquire) > 0 && Instant::now() < end {
            tick.tick().await;
        }
        for link in self.registry.all() {
            link.close(CloseReason::Draining, true);
        }
    }

    /// Engine.IO sessions at once.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// An operation on many sockets of a namespace: say which, then what. There are none in a namespace that does not
    /// exist.
    pub fn of(&self, namespace: &str) -> Broadcast {
        Broadcast::new(self.namespace(namespace))
    }

    /// Does here what a peer's [`Broadcast`] did there, as its [`Relay`](crate::Relay) brought it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn receive(&self, operation: &[u8]) -> Result<(), NotAnOperation> {
        broadcast::receive(self, operation)
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.namespaces.iter().find(|n| &*n.name == name).cloned()
    }

    /// Lets a client in, if there is a place.
    pub(crate) fn enter(&self, handshake: Kept) -> Result<Arc<Link>, Refused> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Refused::Full);
        }
        let bounds = Bounds {
            connections: self.config.max_connections,
            per_address: self.config.max_connections_per_address,
            turned_away: self.config.full_event.as_ref().map_or(0, |f| f.newcomers),
        };
        let address = handshake.client;
        let link = self.registry.enter(&bounds, address, |turned_away| {
            let mailbox = (handshake.transport == Transport::Polling).then(Box::<engine::Mailbox>::default);
            let sid = new_sid(&self.sid_name);
            let flusher =
                self.flushers[self.next_flusher.fetch_add(1, Ordering::Relaxed) % self.flushers.len()].clone();
            Link::new(sid, handshake, self.config.queue_bytes, mailbox, turned_away, flusher)
        });
        let link = link.map_err(|place| if place == Place::TooMany { Refused::TooMany } else { Refused::Full })?;
        metric::connections(self.connections());
        Ok(link)
    }

    pub(crate) fn leave(&self, link: &Link, reason: CloseReason) {
        self.registry.leave(link);
        metric::connections(self.connections());
        metric::closed(reason);
    }

    /// The handlers of a session that has left are done.
    pub(crate) fn end(&self, link: &Link) {
        self.registry.end(link);
    }

    pub(crate) fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.registry.find(sid)
    }

    pub(crate) fn sample(&self) {
        metric::queue_bytes(self.registry.queued_bytes());
    }
}

impl<A> Drop for Server<A> {
    fn drop(&mut self) {
        for flusher in &self.flushers {
            flusher.stop();
        }
    }
}
