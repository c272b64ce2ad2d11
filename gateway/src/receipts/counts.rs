//! Big rooms: how many have read the newest message, instead of who, at most every 5 s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::Ephemeral;
use parlor_core::ids::RoomId;
use parlor_core::ids::Seq;
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Read;
use tokio_util::sync::CancellationToken;

use super::Receipts;
use crate::Shared;

/// Between two counts of a room, by all gateways together; the store has what is counted by then.
const PACE: Duration = Duration::from_secs(5);

/// A room that is to be counted.
pub(super) struct Counting {
    due: Instant,
    /// Somebody has read since a turn was last asked for.
    news: bool,
}

impl Receipts {
    /// Somebody has read in a big room.
    pub(super) fn count_later(&self, room: &RoomId) {
        let first = || Counting { due: Instant::now() + PACE, news: true };
        self.counting.lock().entry(room.clone()).or_insert_with(first).news = true;
    }

    /// A room could not be counted now.
    fn count_again(&self, room: RoomId) {
        self.counting.lock().entry(room).or_insert_with(|| Counting { due: Instant::now() + PACE, news: false });
    }

    /// The rooms that are due by now, and whether somebody has read since a turn was last asked for.
    fn take_counting(&self, now: Instant) -> Vec<(RoomId, bool)> {
        let mut due = Vec::new();
        self.counting.lock().retain(|room, counting| {
            if counting.due <= now {
                due.push((room.clone(), counting.news));
            }
            counting.due > now
        });
        due
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => count_due(&shared, Instant::now()).await,
        }
    }
}

async fn count_due(shared: &Shared, now: Instant) {
    for (room, news) in shared.receipts.take_counting(now) {
        let counted = match shared.ports.presence.turn(&format!("reads:{room}"), PACE).await {
            Ok(true) => count(shared, &room).await,
            // Who has the turn may have counted before what was read here. Who has it the next time has not.
            Ok(false) if news => {
                shared.receipts.count_again(room);
                continue;
            }
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = counted {
            tracing::debug!(%error, "readers could not be counted; they are counted later");
            shared.receipts.count_again(room);
        }
    }
}

async fn count(shared: &Shared, room: &RoomId) -> Result<(), Unavailable> {
    let partition = shared.ports.log.partition_of(room);
    let (after, before) = (Seq::ZERO, Seq::MAX);
    let read = Read { room, partition, after, before, limit: 1, newest_first: true };
    let newest = shared.ports.store.messages(read).await?.rows.pop();
    let Some(newest) = newest else { return Ok(()) };
    let reached = shared.ports.progress.reached(room, newest.seq, &newest.sender.id).await?;
    let news = Ephemeral::ReadCount { message: newest.id, readers: reached.read };
    shared.ports.fanout.publish(room, &news).await
}

#[cfg(test)]
mod tests {
    use parlor_core::ports::presence::Presence;

    use super::*;
    use crate::stage::Stage;

    #[tokio::test]
    async fn who_reads_in_anothers_turn_is_counted_by_the_next_one() {
        let (stage, room) = (Stage::set().await, RoomId::trusted("r"));
        let receipts = &stage.shared.receipts;
        let due = || Instant::now() + PACE;
        let noted = || receipts.counting.lock().contains_key(&room);
        assert!(stage.memory.turn("reads:r", PACE).await.expect("an answer"), "another gateway counts");
        receipts.count_later(&room);
        count_due(&stage.shared, due()).await;
        assert!(noted(), "the other's count does not have it");
        receipts.count_later(&room);
        count_due(&stage.shared, due()).await;
        assert!(noted(), "nor what was read since");
        count_due(&stage.shared, due()).await;
        assert!(!noted(), "whoever had the turn since has counted it all");

        receipts.count_later(&room);
        stage.memory.away(true);
        count_due(&stage.shared, due()).await;
        count_due(&stage.shared, due()).await;
        assert!(noted(), "nobody could count");
    }

    #[tokio::test]
    async fn a_room_is_counted_once_where_nobody_reads_any_more() {
        let (stage, room) = (Stage::set().await, RoomId::trusted("r"));
        stage.shared.receipts.count_later(&room);
        count_due(&stage.shared, Instant::now() + PACE).await;
        assert!(stage.shared.receipts.counting.lock().is_empty());
        assert!(!stage.memory.turn("reads:r", PACE).await.expect("an answer"), "it was counted here");
    }
}
