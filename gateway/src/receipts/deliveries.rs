//! "Delivered" without the client's help: it has answered a ping behind what went out to it.
//!
//! The regular ping confirms what went out before it, at no cost. Where others wait for a receipt, a small room in which
//! somebody else has said something, the client is pinged before its time, at most every 2 s.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::receipts::Pointers;
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::SLOWLY;
use crate::Shared;
use crate::client::Client;
use crate::resume::Track;

/// How often clients are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Between two pings of one client for the sake of receipts.
const PACE: Duration = Duration::from_secs(2);

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Clients that were pinged a moment ago, and those that wait for their next turn.
    let mut pinged: HashMap<usize, Instant> = HashMap::new();
    let mut later: Vec<Weak<Track>> = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for track in shared.due.deliveries.take_arrived() {
            if let Some(track) = track.upgrade() {
                arrived(&shared, &track);
            }
        }
        pinged.retain(|_, at| at.elapsed() < PACE);
        let waiting = std::mem::take(&mut later).into_iter().chain(shared.due.deliveries.take_waiting());
        for weak in waiting.collect::<Vec<_>>() {
            let Some(track) = weak.upgrade() else { continue };
            let key = weak.as_ptr().addr();
            if pinged.contains_key(&key) {
                later.push(weak);
                continue;
            }
            let Some(client) = track.client() else { continue };
            let Some(user) = client.user() else { continue };
            if track.unconfirmed().iter().any(|(room, place)| is_awaited(&shared, &user.id, room, *place)) {
                client.socket.ping();
                pinged.insert(key, Instant::now());
            }
        }
    }
}

/// Notes what has reached a client.
fn arrived(shared: &Shared, track: &Track) {
    let Some(user) = track.client().as_deref().and_then(Client::user) else { return };
    for (room, place) in track.arrived() {
        if concerns(shared, &user.id, &room, place) {
            let to = Pointers::delivered(place, Timestamp::now());
            shared.receipts.note(&room, &user.id, to, SLOWLY);
        }
    }
}

/// Whether others wait to hear that a user has a room up to a place.
fn is_awaited(shared: &Shared, user: &UserId, room: &RoomId, place: Seq) -> bool {
    let small = shared.memberships.size(room, user).is_none_or(|members| members <= shared.config.rooms.big);
    small && concerns(shared, user, room, place)
}

/// Whether somebody else has said something between how far the user is known to be and a place.
fn concerns(shared: &Shared, user: &UserId, room: &RoomId, place: Seq) -> bool {
    let known = shared.receipts.known(room, user).delivered.seq;
    match shared.hub.said(room, known) {
        Some(said) => said.iter().any(|said| said.seq <= place && said.sender != *user),
        None => place > known,
    }
}
