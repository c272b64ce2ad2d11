//! A lost last message shows no successor. So every 15 s, and at once after the bus was away or has forgotten, the
//! heads of the rooms here are compared with what was delivered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parlor_core::ids::{Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use tokio_util::sync::CancellationToken;

use super::chain::Gap;
use super::repair;
use crate::Shared;

const EVERY: Duration = Duration::from_secs(15);
/// While the bus is away, or has forgotten and not been claimed yet.
const AGAIN: Duration = Duration::from_millis(500);
/// Rooms asked for at once.
const ROOMS: usize = 500;

/// Compares until `stop`. It has no way to fail: what cannot be compared is compared again soon.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut wait = EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.hub.compare.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        wait = if compare(&shared).await { EVERY } else { AGAIN };
    }
}

/// Compares all rooms. False: some could not be.
async fn compare(shared: &Arc<Shared>) -> bool {
    let mut partitions: HashMap<Partition, Vec<RoomId>> = HashMap::new();
    for shard in &shared.hub.shards {
        for room in shard.rooms.lock().keys() {
            partitions.entry(shared.ports.log.partition_of(room)).or_default().push(room.clone());
        }
    }
    let mut whole = true;
    for (partition, rooms) in partitions {
        for rooms in rooms.chunks(ROOMS) {
            match compare_some(shared, partition, rooms).await {
                Ok(known) => whole &= known,
                Err(error) => {
                    tracing::debug!(%error, "heads cannot be compared");
                    whole = false;
                }
            }
        }
    }
    whole
}

async fn compare_some(shared: &Arc<Shared>, partition: Partition, rooms: &[RoomId]) -> Result<bool, Unavailable> {
    let heads = shared.ports.fanout.heads(partition, rooms).await?;
    if heads.position.is_none() {
        return Ok(false);
    }
    let generation = shared.ports.log.generation();
    let from = Seq::new(generation, heads.from);
    let renewed = shared.hub.began.lock().insert(partition.0, heads.from).is_some_and(|before| before != heads.from);
    if renewed {
        shared.due.doubt();
    }
    for (room, head) in rooms.iter().zip(&heads.heads) {
        // A memory that began anew says nothing of what lies before: that is read from elsewhere.
        let known = if renewed { Some(head.unwrap_or(from).max(from)) } else { *head };
        let gap: Option<Gap> = known.and_then(|through| {
            let mut rooms = shared.hub.shard(room).rooms.lock();
            rooms
                .get_mut(room)
                .filter(|entry| entry.opened.initialized())
                .and_then(|entry| entry.chain.reaches(through))
        });
        if let Some(gap) = gap {
            repair(shared, room.clone(), gap);
        }
    }
    Ok(true)
}
