//! Writes snapshots: one task for all clients of a gateway, so that an idle one costs none.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use parlor_core::event::RoomKind;
use parlor_core::ids::{RoomId, Seq};
use parlor_core::session::{Snapshot, Standing};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::track::{Base, Track, Work};
use crate::Shared;
use crate::client::Client;
use crate::stays::{ALWAYS, is_channel};

/// How often the sessions of live clients are given their time anew: six times while one is remembered, but not more
/// than once a second.
fn touch_every(resume_within: Duration) -> Duration {
    (resume_within / 6).max(Duration::from_secs(1))
}

/// A session's time to live: it was seen alive up to [`touch_every`] after it was last given its time.
pub(super) fn ttl(shared: &Shared) -> Duration {
    let within = shared.config.resume_within;
    within.saturating_add(touch_every(within))
}

/// Snapshots written side by side.
const SAVING: usize = 32;
/// Sessions touched at once.
const TOUCHING: usize = 256;
/// Those that must wait are asked again so often.
const AGAIN: Duration = Duration::from_secs(1);

/// Clients for which there is something to do, each at most once: so there are never more than clients.
#[derive(Default)]
pub(crate) struct Due {
    tracks: Mutex<Vec<Weak<Track>>>,
    wake: Notify,
    /// Sessions may have been forgotten where they are kept.
    doubt: Notify,
    /// Clients whose receipts wait.
    pub(crate) deliveries: Deliveries,
}

/// Clients to which something has gone out, and clients which are known to have it; each at most once.
#[derive(Default)]
pub(crate) struct Deliveries {
    waiting: Mutex<Vec<Weak<Track>>>,
    arrived: Mutex<Vec<Weak<Track>>>,
}

impl Deliveries {
    pub(super) fn wait(&self, track: &Weak<Track>) {
        self.waiting.lock().push(track.clone());
    }

    pub(super) fn arrive(&self, track: &Weak<Track>) {
        self.arrived.lock().push(track.clone());
    }

    /// Those who wait for somebody to ping them.
    pub(crate) fn take_waiting(&self) -> Vec<Weak<Track>> {
        std::mem::take(&mut self.waiting.lock())
    }

    /// Those who have answered.
    pub(crate) fn take_arrived(&self) -> Vec<Weak<Track>> {
        std::mem::take(&mut self.arrived.lock())
    }
}

impl Due {
    /// Always true: the track waits.
    pub(super) fn push(&self, track: &Weak<Track>) -> bool {
        self.tracks.lock().push(track.clone());
        self.wake.notify_one();
        true
    }

    /// The memory that sessions are kept in was away: whether they are still there is asked soon.
    pub(crate) fn doubt(&self) {
        self.doubt.notify_one();
    }

    fn take(&self) -> Vec<Weak<Track>> {
        std::mem::take(&mut self.tracks.lock())
    }
}

/// Works until `stop`. It has no way to fail: what cannot be saved is saved later.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut waiting: Vec<Weak<Track>> = Vec::new();
    let mut again = tokio::time::interval(AGAIN);
    let mut touch = tokio::time::interval(touch_every(shared.config.resume_within));
    for ticks in [&mut again, &mut touch] {
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.due.wake.notified() => {
                let due = shared.due.take();
                waiting.extend(serve(&shared, due).await);
            }
            _ = again.tick() => {
                let due = std::mem::take(&mut waiting);
                waiting.extend(serve(&shared, due).await);
            }
            () = shared.due.doubt.notified() => touch_all(&shared).await,
            _ = touch.tick() => touch_all(&shared).await,
        }
    }
}

/// Does what can be done. Returns those that must wait.
async fn serve(shared: &Arc<Shared>, due: Vec<Weak<Track>>) -> Vec<Weak<Track>> {
    let tracks = due.into_iter().filter_map(|track| track.upgrade());
    let served = futures_util::stream::iter(tracks).map(|track| async move {
        let waits = work(shared, &track).await;
        waits.then(|| Arc::downgrade(&track))
    });
    served.buffer_unordered(SAVING).filter_map(std::future::ready).collect().await
}

/// Works for one client until there is nothing more to do now. True: there will be.
async fn work(shared: &Arc<Shared>, track: &Arc<Track>) -> bool {
    loop {
        let Some(client) = track.client() else { return false };
        match track.work() {
            Work::Nothing => return false,
            Work::Later => return true,
            Work::Forget(keys) => {
                if let Err(error) = shared.ports.sessions.forget(&client.private_id, &keys).await {
                    tracing::debug!(%error, "old snapshots could not be forgotten; they expire with the session");
                }
            }
            Work::Save { base, rooms } => {
                if !save(shared, track, &client, base, rooms).await {
                    return true;
                }
            }
        }
    }
}

/// Writes a snapshot. False: it is to be tried again later.
async fn save(
    shared: &Arc<Shared>,
    track: &Arc<Track>,
    client: &Arc<Client>,
    base: Base,
    rooms: Vec<(RoomId, Seq)>,
) -> bool {
    let Some(snapshot) = snapshot(shared, client, &base, rooms) else {
        track.not_saved();
        return false;
    };
    let Some(bytes) = parlor_proto::encode_snapshot(&snapshot) else {
        tracing::debug!(rooms = snapshot.rooms.len(), "a session is too large to be remembered");
        track.too_large();
        return true;
    };
    metrics::counter!("parlor_session_snapshots_total").increment(1);
    metrics::histogram!("parlor_session_snapshot_bytes").record(f64::from(u32::try_from(bytes.len()).unwrap_or(0)));
    match shared.ports.sessions.save(&client.private_id, &base.snapshot, bytes, ttl(shared)).await {
        Ok(()) => {
            track.saved(base);
            // The client hears of it although nothing may be said in its rooms.
            client.socket.emit_offset();
            true
        }
        Err(error) => {
            tracing::debug!(%error, "a session could not be remembered yet");
            track.not_saved();
            false
        }
    }
}

/// `None`: the client is nobody (yet).
fn snapshot(shared: &Shared, client: &Client, base: &Base, rooms: Vec<(RoomId, Seq)>) -> Option<Snapshot> {
    let user = client.user()?;
    let standing = |(room, seq): (RoomId, Seq)| {
        // What the client is in, and by what, it knows itself: the cache may have forgotten it, be older, or know of a
        // removal that the client has yet to be told.
        let by = client.by(&room);
        let channel = by.is_some_and(|by| is_channel(&room, by));
        let by = by.filter(|by| *by != ALWAYS).unwrap_or(0);
        let known = shared.memberships.peek(&room, &user.id).filter(|known| known.room.version >= by);
        let role = known.as_ref().and_then(|known| known.role());
        let cached = known.as_ref().filter(|_| channel || role.is_some()).map_or(0, |known| known.room.version);
        Standing {
            seq,
            kind: if channel { Some(RoomKind::Channel) } else { known.as_ref().map(|known| known.room.kind) },
            role,
            version: by.max(cached),
            members: known.as_ref().map_or(0, |known| known.room.member_count),
            room,
        }
    };
    Some(Snapshot {
        guest: client.is_guest(),
        vocabulary: (!client.undecided()).then(|| client.vocabulary().as_str().to_owned()),
        socket: client.socket.id().to_owned(),
        key: base.key.0,
        status: client.status(),
        rooms: rooms.into_iter().map(standing).collect(),
        user,
    })
}

/// Gives the sessions of all clients here their time anew, and has those that are gone written again.
async fn touch_all(shared: &Arc<Shared>) {
    let mut clients = shared.clients.all();
    clients.retain(|client| client.owns_session());
    for clients in clients.chunks(TOUCHING) {
        let ids: Vec<&str> = clients.iter().map(|client| &*client.private_id).collect();
        match shared.ports.sessions.touch(&ids, ttl(shared)).await {
            Ok(there) => {
                for (client, _) in clients.iter().zip(there).filter(|(_, there)| !there) {
                    client.track.lost();
                }
            }
            Err(error) => {
                tracing::debug!(%error, "sessions could not be touched");
                return;
            }
        }
    }
}
