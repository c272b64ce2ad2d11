//! The status that a user sets: away, busy, hidden. Changes close together are told as one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::event::Status;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use tokio_util::sync::CancellationToken;

use super::{announce, rooms_here};
use crate::Shared;
use crate::client::Client;

/// Changes within this time are told as one (`conversations.md`, Presence Optimization).
const MERGED: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(100);
/// What could not be told is told after this.
const LATER: Duration = Duration::from_secs(1);

/// What this gateway's users have set.
#[derive(Default)]
pub(super) struct Changes {
    /// What the leases here are, where not online.
    set: Mutex<HashMap<UserId, Status>>,
    /// Changes that others have not been told: what they saw before, and when they are told.
    untold: Mutex<HashMap<UserId, (Status, Instant)>>,
}

impl Changes {
    /// Whether the user's lease here is hidden.
    pub(super) fn is_hidden(&self, user: &UserId) -> bool {
        self.set.lock().get(user) == Some(&Status::Offline)
    }

    /// The user's lease here has ended.
    pub(super) fn forget(&self, user: &UserId) {
        self.set.lock().remove(user);
        self.untold.lock().remove(user);
    }

    /// Nothing is known to be set any more. Returns those for whom something was.
    pub(super) fn take_set(&self) -> Vec<UserId> {
        std::mem::take(&mut *self.set.lock()).into_keys().collect()
    }

    /// Others may not know yet; `before` is what they saw.
    pub(super) fn tell_later(&self, user: &UserId, before: Status) {
        self.untold.lock().entry(user.clone()).or_insert_with(|| (before, Instant::now() + LATER));
    }

    fn take_due(&self, now: Instant) -> Vec<(UserId, Status)> {
        let mut due = Vec::new();
        self.untold.lock().retain(|user, (before, at)| {
            let keep = *at > now;
            if !keep {
                due.push((user.clone(), *before));
            }
            keep
        });
        due
    }
}

/// Sets the status of one of a user's sockets.
pub(crate) async fn set(shared: &Shared, client: &Client, user: &UserId, status: Status) -> Result<(), Unavailable> {
    client.set_status(status);
    // Who comes back to the session is what they were.
    client.track.changed();
    apply(shared, user).await
}

/// The user's sockets here are others than before: their lease follows. Best effort.
pub(super) async fn refresh(shared: &Shared, user: &UserId) {
    if let Err(error) = apply(shared, user).await {
        tracing::debug!(%error, "a status could not be set");
    }
}

/// A socket of the user has taken the lease here, which may be a new one: it becomes what they are here.
///
/// # Errors
/// It could not be set.
pub(super) async fn begin(shared: &Shared, user: &UserId) -> Result<(), Unavailable> {
    if here(shared, user).is_some_and(|here| here != Status::Online) {
        shared.presence.changes.set.lock().remove(user);
    }
    apply(shared, user).await
}

/// What the user is here: the strongest of their sockets. `None`: they have none.
pub(super) fn here(shared: &Shared, user: &UserId) -> Option<Status> {
    let strength = |status: &Status| match status {
        Status::Offline => 0,
        Status::Away => 1,
        Status::Online => 2,
        Status::Busy => 3,
    };
    shared.clients.of(user).iter().map(|client| client.status()).max_by_key(strength)
}

/// Makes the user's lease here what they are here, also where that changes while it is done.
async fn apply(shared: &Shared, user: &UserId) -> Result<(), Unavailable> {
    let changes = &shared.presence.changes;
    let set = || changes.set.lock().get(user).copied().unwrap_or(Status::Online);
    while let Some(strongest) = here(shared, user).filter(|strongest| *strongest != set()) {
        let moved = shared.ports.presence.set_status(&shared.presence.name(), user, strongest).await?;
        match strongest {
            Status::Online => changes.set.lock().remove(user),
            other => changes.set.lock().insert(user.clone(), other),
        };
        if moved.before != moved.after {
            changes.untold.lock().entry(user.clone()).or_insert_with(|| (moved.before, Instant::now() + MERGED));
        }
    }
    Ok(())
}

/// Tells what has changed, until `stop`.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for (user, before) in shared.presence.changes.take_due(Instant::now()) {
            if let Err(error) = tell(&shared, &user, before).await {
                tracing::debug!(%error, "a status could not be told; it is told later");
                shared.presence.changes.tell_later(&user, before);
            }
        }
    }
}

/// Tells the user's rooms here what they see of the user now, if that is not what they saw before.
async fn tell(shared: &Shared, user: &UserId, before: Status) -> Result<(), Unavailable> {
    let seen = shared.ports.presence.look(std::slice::from_ref(user)).await?;
    let now = seen.first().map(|seen| seen.status).filter(|now| *now != before);
    match now.zip(shared.clients.who(user)) {
        Some((now, who)) => announce(shared, &who, &rooms_here(shared, user), now).await,
        // Nothing changed, or they are gone and that is told elsewhere.
        None => Ok(()),
    }
}
