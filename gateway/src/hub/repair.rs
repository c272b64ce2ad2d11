//! Fills a room's gaps in the background, or goes on behind one that is too long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::Delivery;
use parlor_core::ids::{RoomId, Seq};

use super::chain::Gap;
use super::deliver;
use super::gaps::{self, Unread};
use crate::{Shared, resume};

/// Reads a gap and delivers what was in it, until the room is whole. Retries while nothing can be read.
pub(super) fn repair(shared: &Arc<Shared>, room: RoomId, gap: Gap) {
    let shared = shared.clone();
    tokio::spawn(async move {
        let mut gap = gap;
        let mut wait = Duration::from_millis(50);
        loop {
            let permit = shared.hub.repairs.acquire().await;
            let read = gaps::read(&shared.ports, &room, gap).await;
            drop(permit);
            match read {
                Ok(events) => {
                    wait = Duration::from_millis(50);
                    match repaired(&shared, &room, events, gap.through) {
                        Some(next) => gap = next,
                        None => return,
                    }
                }
                Err(Unread::TooLong) => {
                    tracing::warn!(%room, "a gap is too long to be filled; its clients reconnect");
                    match given_up(&shared, &room, gap.through) {
                        Some(next) => gap = next,
                        None => return,
                    }
                }
                Err(Unread::Unavailable(error)) => {
                    tracing::debug!(%error, %room, "a gap cannot be read yet");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(2));
                }
            }
        }
    });
}

/// Goes on behind a gap that cannot be filled. Who was in the room starts anew, for what lies in the gap is in history
/// alone.
fn given_up(shared: &Arc<Shared>, room: &RoomId, through: Seq) -> Option<Gap> {
    let mut rooms = shared.hub.shard(room).rooms.lock();
    let entry = rooms.get_mut(room)?;
    for client in std::mem::take(&mut entry.clients) {
        client.dropped(room);
        resume::start_anew(shared, &client);
    }
    entry.idle_since = Some(Instant::now());
    entry.ring.restart(through);
    let (ready, next) = entry.chain.repaired(Vec::new(), through);
    for delivery in &ready {
        deliver(shared, entry, delivery);
    }
    next
}

fn repaired(shared: &Arc<Shared>, room: &RoomId, events: Vec<Delivery>, through: Seq) -> Option<Gap> {
    let mut rooms = shared.hub.shard(room).rooms.lock();
    // Nobody is here any more: whoever comes next begins anew.
    let entry = rooms.get_mut(room)?;
    let (ready, next) = entry.chain.repaired(events, through);
    for delivery in &ready {
        deliver(shared, entry, delivery);
    }
    next
}
