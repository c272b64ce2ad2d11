//! The server: its settings, its application and its sessions.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::engine::http::Refused;
use crate::handshake::{Kept, new_sid};
use crate::link::Link;
use crate::registry::{Bounds, Place, Registry};
use crate::{Application, CloseReason, Config, Transport, accept, engine, metric};

/// A Socket.IO server.
///
/// Every `sid` is `<name>.<20 random characters>`, where the name is [`Config::name`]: a load balancer may route the
/// requests of a polling session by `[?&]sid=([a-z0-9-]+)\.`.
pub struct Server<A> {
    config: Config,
    app: A,
    sid_name: String,
    namespaces: Vec<Arc<str>>,
    registry: Registry,
    draining: AtomicBool,
    /// HTTP connections that are no WebSocket (yet).
    pub(crate) http_connections: AtomicUsize,
    /// Tells HTTP connections to finish what they are doing and close.
    pub(crate) http_end: CancellationToken,
}

impl<A: Application> Server<A> {
    /// Makes a server that serves nothing yet.
    pub fn new(config: Config, app: A) -> Arc<Self> {
        let sid_name = config.sid_name();
        if sid_name != config.name {
            tracing::warn!(name = config.name, used = sid_name, "the name holds characters that a sid may not");
        }
        let namespaces = config.namespaces.iter().map(|n| Arc::from(n.as_str())).collect();
        Arc::new(Self {
            config,
            app,
            sid_name,
            namespaces,
            registry: Registry::default(),
            draining: AtomicBool::new(false),
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
        let result = accept::run(self, listener, rest, shutdown).await;
        self.draining.store(true, Ordering::Release);
        result
    }

    /// Closes all sessions in batches, `per_second` of them each second, having flushed what is queued for each; then
    /// ends HTTP connections. Returns when all are gone, at the latest at `deadline` from now, when the remaining ones
    /// are cut off. New handshakes are refused from the start.
    pub async fn drain(&self, per_second: u32, deadline: Duration) {
        const BATCHES: u32 = 10;
        self.draining.store(true, Ordering::Release);
        let end = Instant::now() + deadline;
        let mut tick = tokio::time::interval(Duration::from_secs(1) / BATCHES);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for batch in self.registry.all().chunks(per_second.div_ceil(BATCHES).max(1) as usize) {
            tick.tick().await;
            if Instant::now() >= end {
                break;
            }
            for link in batch {
                link.close(CloseReason::Draining, false);
            }
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

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<str>> {
        self.namespaces.iter().find(|n| &***n == name).cloned()
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
            Link::new(new_sid(&self.sid_name), handshake, self.config.queue_bytes, mailbox, turned_away)
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

    pub(crate) fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.registry.find(sid)
    }

    pub(crate) fn sample(&self) {
        metric::queue_bytes(self.registry.queued_bytes());
    }
}
