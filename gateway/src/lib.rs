//! The gateway: sockets on one side, the log and the bus on the other. It holds nothing that cannot be rebuilt.
//!
//! A packet comes in through `session`, is parsed by its vocabulary into a `Command`, and acted on by one file of
//! `commands/`. What comes back from the bus goes through the `hub`, which notices gaps, fills them, and puts the
//! same bytes on every local socket's queue.

mod auth;
mod blocks;
mod caller;
mod client;
mod clients;
mod closing;
mod commands;
mod config;
pub mod files;
mod flood;
mod hub;
mod kept;
mod limiter;
mod memberships;
mod meters;
mod presence;
mod receipts;
mod refusals;
mod rest;
mod resume;
mod session;
#[cfg(test)]
mod stage;
mod stays;
pub mod vocabularies;
mod waiting;
mod window;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parlor_core::ports::accounts::Accounts;
use parlor_core::ports::contacts::Contacts;
use parlor_core::ports::devices::Devices;
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::keys::Keys;
use parlor_core::ports::limits::Limits;
use parlor_core::ports::log::Log;
use parlor_core::ports::presence::Presence;
use parlor_core::ports::progress::Progress;
use parlor_core::ports::receipts::Receipts;
use parlor_core::ports::safety::Safety;
use parlor_core::ports::search::Search;
use parlor_core::ports::sessions::Sessions;
use parlor_core::ports::store::Store;
use parlor_core::ports::topics::Topics;
use parlor_socketio::CloseReason;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use auth::{Claims, Invalid, Tokens, mint};
pub use config::{Algorithm, Auth, Config, LimitSet, Push, Rooms};

/// How long a gateway that stops waits for its users to be back on another one: stock clients try after 0.5 to 1.5 s.
const BACK_ELSEWHERE: Duration = Duration::from_secs(4);

/// How long a gateway that stops has for the receipts it has gathered.
const SETTLING: Duration = Duration::from_secs(2);

/// Recovered clients whose rooms are read at once.
const TELLING: usize = 3;

/// Uploads that pass through a gateway at once; each holds less than 1 MiB.
const UPLOADING: usize = 64;

/// What the gateway asks of the world.
#[derive(Clone)]
pub struct Ports {
    /// Where accepted events go, and the last resort of every read.
    pub log: Arc<dyn Log>,
    /// Where deliveries come from.
    pub fanout: Arc<dyn Fanout>,
    /// Who is here.
    pub presence: Arc<dyn Presence>,
    /// Limits shared by all gateways.
    pub limits: Arc<dyn Limits>,
    /// What a returning client's session knew.
    pub sessions: Arc<dyn Sessions>,
    /// Rooms, members, history.
    pub store: Arc<dyn Store>,
    /// Bans, blocks, mutes, reports.
    pub safety: Arc<dyn Safety>,
    /// Where files are. `None`: this server takes none.
    pub files: Option<parlor_core::ports::files::Storage>,
    /// Where push notifications go.
    pub devices: Arc<dyn Devices>,
    /// Public keys of devices.
    pub keys: Arc<dyn Keys>,
    /// Who may sign in, of the same database as the store.
    pub accounts: Arc<dyn Accounts>,
    /// Finding messages in the store.
    pub search: Arc<dyn Search>,
    /// What channels talk about.
    pub topics: Arc<dyn Topics>,
    /// Where receipts go: a log beside that of events, with as many partitions.
    pub receipts: Arc<dyn Log>,
    /// How far users have got, fresh.
    pub pointers: Arc<dyn Receipts>,
    /// How far members have got, durable.
    pub progress: Arc<dyn Progress>,
    /// Who knows whom, and was here when.
    pub contacts: Arc<dyn Contacts>,
}

/// One gateway.
pub struct Gateway {
    shared: Arc<Shared>,
    server: Arc<parlor_socketio::Server<session::Front>>,
}

/// What every session and task of a gateway shares.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    pub(crate) tokens: auth::Tokens,
    pub(crate) addresses: files::Addresses,
    /// Uploads that pass through this gateway at once.
    pub(crate) uploading: Semaphore,
    pub(crate) pouring: files::Pouring,
    pub(crate) passwords: auth::Passwords,
    pub(crate) server_keys: auth::ServerKeys,
    pub(crate) hub: hub::Hub,
    pub(crate) clients: clients::Clients,
    pub(crate) memberships: memberships::Memberships,
    pub(crate) blocks: blocks::Blocks,
    pub(crate) limiter: limiter::Limiter,
    pub(crate) presence: presence::State,
    pub(crate) receipts: receipts::Receipts,
    /// Clients whose sessions are to be written.
    pub(crate) due: Arc<resume::Due>,
    /// Whether the memory of sessions answers.
    pub(crate) pulse: resume::Pulse,
    /// Recovered clients whose rooms are read from the store at once.
    pub(crate) telling: Semaphore,
}

impl Gateway {
    /// Makes a gateway that serves nothing yet.
    pub fn new(config: Config, ports: Ports) -> Self {
        let shared = Arc::new(Shared {
            tokens: auth::Tokens::new(&config.auth),
            addresses: files::Addresses::new(config.auth.secrets(), &config.files.public_url),
            uploading: Semaphore::new(UPLOADING),
            pouring: files::Pouring::default(),
            passwords: auth::Passwords::new(),
            server_keys: auth::ServerKeys::new(&config.auth.server_keys),
            hub: hub::Hub::new(ports.clone()),
            clients: clients::Clients::default(),
            memberships: memberships::Memberships::new(ports.clone()),
            blocks: blocks::Blocks::new(ports.safety.clone()),
            limiter: limiter::Limiter::new(ports.limits.clone()),
            presence: presence::State::new(&config.name),
            receipts: receipts::Receipts::default(),
            due: Arc::default(),
            pulse: resume::Pulse::default(),
            telling: Semaphore::new(TELLING),
            ports,
            config,
        });
        meters::begin();
        let front = session::Front::new(shared.clone());
        let server = parlor_socketio::Server::new(shared.config.transport(), front);
        Self { shared, server }
    }

    /// Live Engine.IO sessions.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Serves sockets, REST under `/api`, and `rest` on every other path, until `shutdown`; then drains the sockets at a pace, tells the
    /// rooms who left, and flushes the log's queue.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(
        &self,
        listener: TcpListener,
        rest: axum::Router,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let background = CancellationToken::new();
        let tasks = [
            tokio::spawn(hub::run(self.shared.clone(), background.clone())),
            tokio::spawn(presence::run(self.shared.clone(), background.clone())),
            tokio::spawn(receipts::run(self.shared.clone(), background.clone())),
            tokio::spawn(auth::expire(self.shared.clone(), background.clone())),
            tokio::spawn(resume::run(self.shared.clone(), background.clone())),
        ];
        let rest = rest.merge(rest::routes(&self.shared));
        let served = self.server.serve(listener, rest, shutdown).await;
        let everybody = presence::everybody(&self.shared);
        let leaving: HashMap<String, Arc<client::Client>> =
            self.shared.clients.all().into_iter().map(|client| (client.socket.sid().to_owned(), client)).collect();
        let farewell = |sid: &str| {
            if let Some(client) = leaving.get(sid) {
                client.tell_all(&vocabularies::News::Closing(CloseReason::Draining));
            }
        };
        let (pace, deadline) = (self.shared.config.drain_per_second, self.shared.config.drain_deadline);
        self.server.drain(pace, deadline, farewell).await;
        // One by one: the log answers each before it is told.
        let settled = tokio::time::timeout(SETTLING, receipts::settle_all(&self.shared));
        if settled.await.is_err() {
            tracing::warn!("receipts were left untold; clients tell them again");
        }
        presence::depart_all(&self.shared, everybody, BACK_ELSEWHERE).await;
        presence::flush_seen(&self.shared).await;
        self.shared.ports.log.flush(self.shared.config.drain_deadline).await;
        background.cancel();
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a gateway task ended badly");
            }
        }
        served
    }
}
