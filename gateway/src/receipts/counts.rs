//! Big rooms: how many have read the newest message, instead of who, at most every 5 s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::Ephemeral;
use parlor_core::ids::RoomId;
use parlor_core::ids::Seq;
use parlor_core::ports::store::Read;
use tokio_util::sync::CancellationToken;

use super::Receipts;
use crate::Shared;

/// Between two counts of a room, by all gateways together; the store has what is counted by then.
const PACE: Duration = Duration::from_secs(5);

impl Receipts {
    /// Somebody has read in a big room.
    pub(super) fn count_later(&self, room: &RoomId) {
        self.counting.lock().entry(room.clone()).or_insert_with(|| Instant::now() + PACE);
    }

    fn take_counting(&self, now: Instant) -> Vec<RoomId> {
        let mut due = Vec::new();
        self.counting.lock().retain(|room, at| {
            if *at <= now {
                due.push(room.clone());
            }
            *at > now
        });
        due
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for room in shared.receipts.take_counting(Instant::now()) {
            if shared.ports.presence.turn(&format!("reads:{room}"), PACE).await.unwrap_or(false) {
                count(&shared, &room).await;
            }
        }
    }
}

async fn count(shared: &Shared, room: &RoomId) {
    let partition = shared.ports.log.partition_of(room);
    let (after, before) = (Seq::ZERO, Seq::MAX);
    let read = Read { room, partition, after, before, limit: 1, newest_first: true };
    let counted = async {
        let newest = shared.ports.store.messages(read).await?.rows.pop();
        let Some(newest) = newest else { return Ok(()) };
        let reached = shared.ports.progress.reached(room, newest.seq, &newest.sender.id).await?;
        let news = Ephemeral::ReadCount { message: newest.id, readers: reached.read };
        shared.ports.fanout.publish(room, &news).await
    };
    if let Err(error) = counted.await {
        tracing::debug!(%error, "readers could not be counted");
    }
}
