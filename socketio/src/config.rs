//! The server's settings.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use serde_json::Value;

use crate::Relay;
use crate::engine::raw::Engine;

/// The server's settings. `Default` is fit for production but for [`origins`](Self::origins) and
/// [`name`](Self::name), which a deployment decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// The gateway's name: the head of every `sid`, before a `.` (see [`Server`](crate::Server)). Lower-case letters,
    /// digits and `-`; anything else is turned into `-`.
    pub name: String,
    /// Where Socket.IO is served. Other paths go to the router given to [`Server::serve`](crate::Server::serve).
    pub path: String,
    /// Namespaces that exist; a CONNECT to any other is refused with "Invalid namespace".
    pub namespaces: Vec<String>,
    /// Who may connect from a web page.
    pub origins: Origins,
    /// Between a pong and the next ping (EIO4 § "Heartbeat").
    pub ping_interval: Duration,
    /// Between a ping and the pong that must follow.
    pub ping_timeout: Duration,
    /// Between the handshake and the first CONNECT, and between leaving the last namespace and the next CONNECT.
    pub connect_timeout: Duration,
    /// For the whole head of an HTTP request, and for the whole body of a polling POST.
    pub header_timeout: Duration,
    /// Between a WebSocket's handshake for a polling session and the packet that makes it the session's transport.
    pub upgrade_timeout: Duration,
    /// From the first refused write until the queue must have been emptied.
    pub write_stall: Duration,
    /// When the server closes a connection: for flushing what is queued, and for the peer to end its side.
    pub close_timeout: Duration,
    /// Bytes of the largest packet that is served, advertised as `maxPayload` (polling clients split their payloads by
    /// it). A larger event is handed over with [`Fault::TooLarge`](crate::Fault::TooLarge).
    pub max_payload: usize,
    /// Bytes of the largest frame, message or polling payload that is read at all; beyond, the transport is closed.
    pub max_frame: usize,
    /// Binary attachments of one packet (SIO5 § "Binary"), whose bytes count as the packet's own. A packet that announces
    /// more closes the connection.
    pub max_attachments: usize,
    /// Packets in one polling payload.
    pub max_packets: usize,
    /// Bytes queued for one client (frames count 32 more than they hold). Beyond, it is closed as a slow consumer.
    pub queue_bytes: usize,
    /// Events read and not yet handled, of one connection; then reading pauses.
    pub inbound_events: usize,
    /// Bytes of events read and not yet handled, of one connection; then reading pauses.
    pub inbound_bytes: usize,
    /// The kernel's send buffer (SO_SNDBUF) of one connection, in bytes.
    pub send_buffer: usize,
    /// Whether WebSocket clients that offer permessage-deflate (RFC 7692) are taken at their word.
    pub compression: bool,
    /// Bytes of the smallest payload that is compressed.
    pub compress_from: usize,
    /// Engine.IO sessions at once.
    pub max_connections: usize,
    /// Engine.IO sessions at once from one address (of IPv6 the whole of it, not its network), as [`client_address`](Self::client_address) sees it.
    pub max_connections_per_address: Option<usize>,
    /// HTTP connections at once that are no WebSocket (yet).
    pub max_http_connections: usize,
    /// Namespaces that one connection may be in.
    pub max_namespaces: usize,
    /// CONNECT requests of one connection that may be refused.
    pub max_refusals: usize,
    /// Acks that one socket may be waited on for.
    pub max_pending_acks: usize,
    /// What a few newcomers get to hear when the server is full; the others get a 503.
    pub full_event: Option<FullEvent>,
    /// Carries [`Broadcast`](crate::Broadcast)s to the other servers of a cluster; none: this server is alone.
    pub relay: Option<RelayTo>,
    /// Serves Engine.IO alone, at [`path`](Self::path) and at the protocol's own default `/engine.io/`: what clients send
    /// is given to this, and no namespace is asked for.
    pub engine: Option<Engine>,
    /// Tells the client's address from its request, behind proxies. By default the peer's.
    pub client_address: ClientAddress,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "gateway".into(),
            path: "/socket.io/".into(),
            namespaces: vec!["/".into()],
            origins: Origins::Any,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            upgrade_timeout: Duration::from_secs(10),
            write_stall: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_payload: 64 * 1024,
            max_frame: 256 * 1024,
            max_attachments: 10,
            max_packets: 4096,
            queue_bytes: 1024 * 1024,
            inbound_events: 64,
            inbound_bytes: 256 * 1024,
            send_buffer: 256 * 1024,
            compression: true,
            compress_from: 1024,
            max_connections: 10_000,
            max_connections_per_address: None,
            max_http_connections: 4096,
            max_namespaces: 4,
            max_refusals: 8,
            max_pending_acks: 64,
            full_event: None,
            relay: None,
            engine: None,
            client_address: ClientAddress::default(),
        }
    }
}

impl Config {
    /// Short times, so that tests of time limits end soon.
    pub fn for_testing() -> Self {
        Self {
            name: "test".into(),
            namespaces: vec!["/".into(), "/custom".into()],
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            connect_timeout: Duration::from_millis(500),
            header_timeout: Duration::from_millis(500),
            upgrade_timeout: Duration::from_millis(500),
            write_stall: Duration::from_secs(1),
            close_timeout: Duration::from_secs(1),
            ..Self::default()
        }
    }

    /// What was meant, where it is plain: a path between slashes, namespaces that begin with one, and frames that are
    /// read as long as those that are served.
    pub(crate) fn normal(mut self) -> Self {
        self.path = format!("/{}/", self.path.trim_matches('/')).replace("//", "/");
        for namespace in &mut self.namespaces {
            if !namespace.starts_with('/') {
                namespace.insert(0, '/');
            }
        }
        self.max_frame = self.max_frame.max(self.max_payload);
        self
    }

    /// The name as it stands in a sid.
    pub(crate) fn sid_name(&self) -> String {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        self.name.chars().map(|c| if allowed(c) { c } else { '-' }).collect()
    }
}

/// Who may connect from a web page: the values of `Origin` that are let in. A request without one comes from no page
/// of another site, and is let in unless it carries cookies; anything else, `null` included, must be listed exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Any page. Safe only where nothing is told by cookies.
    Any,
    /// These alone, compared exactly: scheme, host and port.
    List(Vec<String>),
}

/// An event for newcomers to a full server.
#[derive(Debug, Clone, PartialEq)]
pub struct FullEvent {
    /// Its name.
    pub name: String,
    /// Its one argument.
    pub arg: Value,
    /// How many newcomers at once may hear it.
    pub newcomers: usize,
}

impl FullEvent {
    /// An event that at most 16 newcomers at once get to hear.
    pub fn new(name: impl Into<String>, arg: Value) -> Self {
        Self { name: name.into(), arg, newcomers: 16 }
    }
}

/// Tells a client's address from the request's headers and the peer's address.
#[derive(Clone)]
pub struct ClientAddress(Arc<Tell>);

type Tell = dyn Fn(&HeaderMap, SocketAddr) -> IpAddr + Send + Sync;

impl ClientAddress {
    /// Uses `tell`, which must trust a header only where the peer is a proxy that sets it.
    pub fn new(tell: impl Fn(&HeaderMap, SocketAddr) -> IpAddr + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
        (self.0)(headers, peer)
    }
}

impl Default for ClientAddress {
    fn default() -> Self {
        Self::new(|_, peer| peer.ip())
    }
}

impl std::fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientAddress(..)")
    }
}

/// A [`Relay`], shared.
#[derive(Clone)]
pub struct RelayTo(Arc<dyn Relay>);

impl RelayTo {
    /// Shares a relay.
    pub fn new(relay: impl Relay) -> Self {
        Self(Arc::new(relay))
    }
}

impl std::ops::Deref for RelayTo {
    type Target = dyn Relay;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl std::fmt::Debug for RelayTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayTo(..)")
    }
}
