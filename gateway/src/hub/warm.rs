//! Warming the recent cache of rooms from the store: of a room that a first client enters, of one whose newest page was
//! not there, and of the liveliest rooms when a gateway starts. Best effort, a few at a time: who finds no turn is not
//! waited for, for the room's next reader asks again.

use std::sync::Arc;

use parlor_core::event::Delivery;
use parlor_core::ids::{RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Read;

use crate::Shared;

/// Rooms warmed at once.
pub(super) const AT_ONCE: usize = 2;
/// Rooms warmed when a gateway starts.
const AT_START: usize = 50;
/// Changes beside the messages that a cache holds; a room with more of them is left to the store.
const CHANGES: usize = 400;

/// Fills a room's cache in the background, if a turn is free.
pub(crate) fn warm_soon(shared: &Arc<Shared>, room: &RoomId) {
    if room.inbox_owner().is_some() {
        return;
    }
    let Ok(turn) = shared.hub.warming.clone().try_acquire_owned() else { return };
    let (shared, room) = (shared.clone(), room.clone());
    tokio::spawn(async move {
        told(&room, warm(&shared, &room).await);
        drop(turn);
    });
}

/// The same for a room that was opened, unless its cache holds anything.
pub(super) fn warm_if_cold(shared: &Arc<Shared>, room: &RoomId) {
    if room.inbox_owner().is_some() {
        return;
    }
    let Ok(turn) = shared.hub.warming.clone().try_acquire_owned() else { return };
    let (shared, room) = (shared.clone(), room.clone());
    tokio::spawn(async move {
        let cached = shared.ports.fanout.recent(&room, Seq::ZERO, Seq::MAX, 1).await;
        if cached.is_ok_and(|cached| cached.is_empty()) {
            told(&room, warm(&shared, &room).await);
        }
        drop(turn);
    });
}

/// Warms the rooms that were written to last.
pub(super) async fn at_start(shared: &Arc<Shared>) {
    let rooms = match shared.ports.search.lively(AT_START).await {
        Ok(rooms) => rooms,
        Err(error) => {
            tracing::debug!(%error, "the liveliest rooms are not known");
            return;
        }
    };
    for room in rooms {
        let cached = shared.ports.fanout.recent(&room, Seq::ZERO, Seq::MAX, 1).await;
        if cached.is_ok_and(|cached| cached.is_empty()) {
            told(&room, warm(shared, &room).await);
        }
    }
}

fn told(room: &RoomId, outcome: Result<bool, Unavailable>) {
    match outcome {
        Ok(true) => metrics::counter!("parlor_recent_cache_filled_total").increment(1),
        Ok(false) => {}
        Err(error) => tracing::debug!(%error, %room, "a room's cache could not be filled"),
    }
}

/// Reads the newest messages of a room with all that happened since the first of them, and gives them to the cache.
async fn warm(shared: &Shared, room: &RoomId) -> Result<bool, Unavailable> {
    let ports = &shared.ports;
    let (partition, size) = (ports.log.partition_of(room), ports.fanout.remembers());
    let read = Read { room, partition, after: Seq::ZERO, before: Seq::MAX, limit: size, newest_first: true };
    let messages = ports.store.messages(read).await?;
    // Fewer messages than asked for are all: then the room is read from its beginning.
    let from = match messages.rows.last() {
        Some(oldest) if messages.rows.len() >= size => Seq(oldest.seq.0 - 1),
        _ => Seq::ZERO,
    };
    let most = size + CHANGES;
    let page = ports.store.changes(room, partition, from, Seq::MAX, most).await?;
    if page.rows.len() >= most {
        return Ok(false);
    }
    let mut prev = (from == Seq::ZERO).then_some(Seq::ZERO);
    let chained = |delivery: Delivery| Delivery { prev: prev.replace(delivery.seq), ..delivery };
    let events: Vec<Delivery> = page.rows.into_iter().map(chained).collect();
    ports.fanout.warm(partition, room, page.applied, &events).await
}
