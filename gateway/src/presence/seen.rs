//! When users were last here, on its way to the store: many together, and never in anybody's way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parlor_core::ids::UserId;
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// How often what is gathered is written.
const EVERY: Duration = Duration::from_secs(2);
/// Users gathered while the store is away; of those beyond only the fan-out's memory knows.
const GATHERED: usize = 50_000;
/// Users written at once.
const AT_ONCE: usize = 1_000;

#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<UserId, Timestamp>>);

impl Seen {
    pub(super) fn note(&self, user: &UserId, at: Timestamp) {
        let mut gathered = self.0.lock();
        if gathered.len() < GATHERED || gathered.contains_key(user) {
            gathered.insert(user.clone(), at);
        }
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => flush(&shared).await,
        }
    }
}

/// Writes what is gathered. What cannot be written is kept for the next time.
pub(crate) async fn flush(shared: &Shared) {
    let gathered: Vec<(UserId, Timestamp)> = std::mem::take(&mut *shared.presence.seen.0.lock()).into_iter().collect();
    for some in gathered.chunks(AT_ONCE) {
        if let Err(error) = shared.ports.contacts.seen(some).await {
            tracing::debug!(%error, "when users were last seen could not be written yet");
            let mut later = shared.presence.seen.0.lock();
            for (user, at) in some {
                later.entry(user.clone()).or_insert(*at);
            }
        }
    }
}
