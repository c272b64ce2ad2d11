//! How a process ends: asked by SIGTERM or SIGINT, it drains; after 30 s it is gone, whatever hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::ops::Health;

/// From the signal until the process is gone.
const LIMIT: Duration = Duration::from_secs(30);

/// Signals that ask the process to end.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on: before anything is started that would have to be stopped in order.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next signal's name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// At the first signal (or once `shutdown` is cancelled otherwise): readiness fails, `shutdown` is cancelled, and
    /// the time runs. At a second signal the process ends at once.
    pub(crate) fn end(mut self, health: Arc<Health>, shutdown: CancellationToken) {
        tokio::spawn(async move {
            tokio::select! {
                name = self.next() => tracing::info!(signal = name, "draining; once more to end at once"),
                () = shutdown.cancelled() => {}
            }
            health.drain();
            shutdown.cancel();
            watchdog(LIMIT);
            let name = self.next().await;
            tracing::warn!(signal = name, "asked twice: ending at once");
            std::process::exit(130);
        });
    }
}

/// Ends the process after `limit`, even if the runtime hangs.
fn watchdog(limit: Duration) {
    let begun = Instant::now();
    let watch = move || {
        while let Some(left) = limit.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            // May wake early for no reason.
            std::thread::park_timeout(left);
        }
        eprintln!("error: not drained after {} s: ending anyway", limit.as_secs());
        std::process::exit(1);
    };
    if let Err(error) = std::thread::Builder::new().name("watchdog".into()).spawn(watch) {
        tracing::error!(%error, "there is no watchdog: draining may take for ever");
    }
}
