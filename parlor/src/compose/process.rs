//! What every serving process has: metrics, health, a listener, an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use parlor_core::ports::Unavailable;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ops::{Dependency, Health, Recorder};
use crate::shutdown::Signals;

/// Servers that are started together with Parlor may take this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what is enqueued may take to reach the log before the process ends.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

/// A process before it serves.
pub(super) struct Process {
    role: &'static str,
    recorder: Recorder,
    signals: Signals,
}

/// A process that may serve.
pub(super) struct Serving {
    pub(super) health: Arc<Health>,
    pub(super) recorder: Recorder,
    /// Cancelled when the process is to end.
    pub(super) shutdown: CancellationToken,
}

impl Process {
    pub(super) fn begin(role: &'static str) -> Result<Self> {
        let recorder = Recorder::install(role, env!("CARGO_PKG_VERSION"))?;
        Ok(Self { role, recorder, signals: Signals::listen()? })
    }

    /// Waits for what is needed before anything can begin, unless the process is asked to end.
    pub(super) async fn prepare<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            signal = self.signals.next() => bail!("{signal} before the {} had begun", self.role),
        }
    }

    /// From here on signals drain, and health is watched.
    pub(super) fn serve(self, name: &str, dependencies: Vec<Dependency>) -> Serving {
        let health = Health::new(self.role, name.to_owned(), dependencies);
        let shutdown = CancellationToken::new();
        // Watched to the very end: what is asked while draining is answered.
        health.watch(&CancellationToken::new());
        self.signals.end(health.clone(), shutdown.clone());
        Serving { health, recorder: self.recorder, shutdown }
    }
}

/// Connections that wait to be accepted: when another gateway dies, its clients come all at once.
const BACKLOG: u32 = 4096;

/// Listens where the setting says.
pub(super) async fn listen(setting: &str, address: &str) -> Result<TcpListener> {
    let bind = async {
        let mut failed = None;
        for address in tokio::net::lookup_host(address).await? {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
                Ok(listener) => return Ok(listener),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| io::Error::other("the name has no address")))
    };
    let listener = bind.await;
    listener.with_context(|| format!("{setting}: nobody can listen on {address}; choose another with --listen"))
}

/// Serves HTTP until it is dropped.
pub(super) async fn http(listener: TcpListener, routes: Router) -> Result<()> {
    axum::serve(listener, routes).await.context("HTTP cannot be served any more")
}

/// Tries until it works, for [`PATIENCE`].
pub(super) async fn patiently<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let end = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if Instant::now() >= end => return Err(error).with_context(|| what.to_owned()),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "trying again for {} s", PATIENCE.as_secs());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
