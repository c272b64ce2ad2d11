//! The gateway's settings. Values are as the composition root parsed them; nothing here reads the environment.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::HeaderMap;
use parlor_core::error::Limit;

use crate::vocabularies::{Rules, Vocabulary};

/// Everything a gateway needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name in the cluster: the head of every sid, and the name of its presence leases.
    pub name: String,
    /// Who may come in.
    pub auth: Auth,
    /// How rooms behave.
    pub rooms: Rooms,
    /// What subscriptions are taken.
    pub push: Push,
    /// Sliding windows.
    pub limits: LimitSet,
    /// Bounds of what clients may send.
    pub rules: Rules,
    /// Which files are taken.
    pub files: crate::files::Rules,
    /// What a socket hears until its vocabulary is known.
    pub vocabulary: Vocabulary,
    /// Pages that may connect; `None`: any.
    pub allowed_origins: Option<Vec<String>>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Sockets at once.
    pub max_connections: usize,
    /// Sockets at once from one address.
    pub max_connections_per_address: Option<usize>,
    /// Sockets at once of one user on this gateway.
    pub max_connections_per_user: usize,
    /// Between a pong and the next ping.
    pub ping_interval: Duration,
    /// Between a ping and its pong.
    pub ping_timeout: Duration,
    /// For how long after it was last seen a client may come back and go on where it was.
    pub resume_within: Duration,
    /// Sockets closed per second while draining.
    pub drain_per_second: u32,
    /// For draining, and again for flushing the log.
    pub drain_deadline: Duration,
}

/// Which push services the workers are set up for. What they are not is refused.
#[derive(Clone, Debug, Default)]
pub struct Push {
    /// For Web Push: the public key with which browsers subscribe, base64url.
    pub web_key: Option<String>,
    /// Firebase Cloud Messaging.
    pub fcm: bool,
    /// Apple's service.
    pub apns: bool,
    /// Whether a Web Push endpoint may be plain HTTP or an address of a private network: for tests alone.
    pub private_endpoints: bool,
}

/// Who may come in.
#[derive(Clone)]
pub struct Auth {
    /// HS256 secret that signs and verifies tokens; not used with `jwks_url`.
    pub secret: String,
    /// The secret before it, still accepted while keys rotate.
    pub previous_secret: Option<String>,
    /// The `iss` that tokens must carry.
    pub issuer: String,
    /// The `aud` that tokens must carry.
    pub audience: String,
    /// What signs tokens.
    pub algorithm: Algorithm,
    /// Where an external issuer publishes its keys; it then makes all tokens, and Parlor has no accounts of its own.
    pub jwks_url: Option<String>,
    /// How long a token made here is good.
    pub ttl: Duration,
    /// How long a session lasts after its last refresh.
    pub refresh_ttl: Duration,
    /// Whether anybody may make an account.
    pub registration: bool,
    /// Cookies travel over plain HTTP too.
    pub insecure_cookies: bool,
    /// What the team's own back end shows; each holds.
    pub server_keys: Vec<String>,
    /// Sockets without a token become guests.
    pub guests: bool,
    /// How long a socket without a token has to present one.
    pub patience: Duration,
    /// How long a socket whose token expired has to present a new one.
    pub grace: Duration,
}

impl Auth {
    /// The secrets in use, the newest first.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.secret.as_str()).chain(self.previous_secret.as_deref())
    }

    /// The longest that a token made here may be good.
    pub(crate) fn longest(&self) -> Duration {
        self.ttl.max(Duration::from_secs(24 * 3600))
    }
}

/// What signs tokens: one, so that no token chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// A shared secret.
    #[default]
    Hs256,
    /// RSA, PKCS #1 v1.5.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("issuer", &self.issuer).field("guests", &self.guests).finish_non_exhaustive()
    }
}

/// How rooms behave.
#[derive(Clone, Copy, Debug)]
pub struct Rooms {
    /// Joining a room that does not exist makes a channel of that name.
    pub create_on_join: bool,
    /// Guests may make rooms and begin direct ones; without it they are in public ones alone.
    pub guests_create: bool,
    /// Members of one room.
    pub member_limit: u32,
    /// Above this many members presence is not told one by one.
    pub big: u32,
    /// Sockets of this gateway in one room.
    pub connections_per_room: usize,
    /// After so long without another start, typing is over for who speaks `cafe`.
    pub cafe_typing: Duration,
    /// Rooms that one socket is in.
    pub per_socket: usize,
}

/// Sliding windows per user. `None` is off.
#[derive(Clone, Copy, Debug, Default)]
pub struct LimitSet {
    /// Sends, edits and deletes.
    pub message: Option<Limit>,
    /// Rooms made.
    pub room_create: Option<Limit>,
    /// Typing starts.
    pub typing: Option<Limit>,
    /// Joins and leaves.
    pub join: Option<Limit>,
    /// Changes of rooms that are there (members, roles, settings, bans), blocks, mutes and reports.
    pub room_change: Option<Limit>,
    /// History pages, searches, and lists of rooms and members.
    pub history: Option<Limit>,
    /// Events of any kind by one socket, counted by its gateway.
    pub event: Option<Limit>,
    /// Files declared.
    pub file: Option<Limit>,
    /// Sign-ins tried for one account; from one address, refreshes included, ten times as many.
    pub login: Option<Limit>,
    /// Accounts made from one address.
    pub register: Option<Limit>,
    /// Push subscriptions made and removed.
    pub push: Option<Limit>,
    /// Device keys published and looked up.
    pub keys: Option<Limit>,
    /// One-time keys claimed.
    pub key_claim: Option<Limit>,
    /// For how long the same text by the same user in the same channel is refused.
    pub spam: Option<Duration>,
}

impl Config {
    /// Defaults of a gateway of that name, with everything for trying out: guests, rooms made on join, no limits.
    pub fn for_testing(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            auth: Auth {
                secret: "a secret for tests alone".into(),
                previous_secret: None,
                issuer: "parlor".into(),
                audience: "parlor".into(),
                algorithm: Algorithm::Hs256,
                jwks_url: None,
                ttl: Duration::from_secs(3600),
                refresh_ttl: Duration::from_secs(30 * 24 * 3600),
                registration: true,
                insecure_cookies: true,
                server_keys: Vec::new(),
                guests: true,
                patience: Duration::from_secs(10),
                grace: Duration::from_secs(60),
            },
            rooms: Rooms::default(),
            limits: LimitSet::default(),
            push: Push::default(),
            rules: Rules::default(),
            files: crate::files::Rules::default(),
            vocabulary: Vocabulary::Dotted,
            allowed_origins: None,
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_connections_per_address: None,
            max_connections_per_user: 100,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            resume_within: Duration::from_secs(3600),
            drain_per_second: 500,
            drain_deadline: Duration::from_secs(5),
        }
    }

    pub(crate) fn transport(&self) -> parlor_socketio::Config {
        let message = "This server is full. Please try again in a moment.";
        let full = serde_json::json!({ "code": "SERVER_FULL", "message": message, "retryable": true });
        let proxies = self.trusted_proxies.clone();
        let address = move |headers: &HeaderMap, peer: SocketAddr| client_address(&proxies, headers, peer);
        parlor_socketio::Config {
            name: self.name.clone(),
            origins: match &self.allowed_origins {
                None => parlor_socketio::Origins::Any,
                Some(list) => parlor_socketio::Origins::List(list.clone()),
            },
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            full_event: Some(parlor_socketio::FullEvent::new("error", full)),
            client_address: parlor_socketio::ClientAddress::new(address),
            ..parlor_socketio::Config::default()
        }
    }
}

/// A client's address: the peer's, or the last one that a trusted proxy did not add itself.
pub(crate) fn client_address(proxies: &[IpAddr], headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
    if !proxies.contains(&peer.ip()) {
        return peer.ip();
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<IpAddr> =
        forwarded.flat_map(|list| list.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
    hops.into_iter().rev().find(|hop| !proxies.contains(hop)).unwrap_or_else(|| peer.ip())
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            create_on_join: true,
            guests_create: true,
            member_limit: 100_000,
            big: 500,
            connections_per_room: 10_000,
            cafe_typing: Duration::from_secs(3),
            per_socket: 1_000,
        }
    }
}
