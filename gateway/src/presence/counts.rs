//! Big rooms: how many members are online, instead of who, at most every 5 s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parlor_core::event::{Ephemeral, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Between two counts of a room, by all gateways together.
const PACE: Duration = Duration::from_secs(5);
/// Members looked at together.
const PAGE: usize = 1_000;

/// Rooms where somebody has come or gone since they were counted, and whether since a turn was last asked for.
#[derive(Default)]
pub(super) struct Counting(Mutex<HashMap<RoomId, bool>>);

impl Counting {
    pub(super) fn later(&self, room: &RoomId) {
        self.0.lock().insert(room.clone(), true);
    }

    /// A room could not be counted now.
    fn again(&self, room: RoomId) {
        self.0.lock().entry(room).or_insert(false);
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        // After the last room: between two looks at a room every turn has passed.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PACE) => count_all(&shared).await,
        }
    }
}

async fn count_all(shared: &Shared) {
    let counting = &shared.presence.counting;
    let rooms = std::mem::take(&mut *counting.0.lock());
    for (room, news) in rooms {
        let counted = match shared.ports.presence.turn(&format!("online:{room}"), PACE / 2).await {
            Ok(true) => count(shared, &room).await,
            // Who has the turn may have counted before somebody came or went. Who has it the next time has not.
            Ok(false) if news => {
                counting.again(room);
                continue;
            }
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = counted {
            tracing::debug!(%error, "a big room could not be counted; it is counted later");
            counting.again(room);
        }
    }
}

async fn count(shared: &Shared, room: &RoomId) -> Result<(), Unavailable> {
    let mut online = 0_u32;
    let mut after: Option<UserId> = None;
    loop {
        let members = shared.ports.contacts.member_ids(room, after.as_ref(), PAGE).await?;
        let seen = shared.ports.presence.look(&members).await?;
        let here = seen.iter().filter(|seen| seen.status != Status::Offline).count();
        online = online.saturating_add(u32::try_from(here).unwrap_or(u32::MAX));
        if members.len() < PAGE {
            break;
        }
        after = members.into_iter().next_back();
    }
    shared.ports.fanout.publish(room, &Ephemeral::OnlineCount { online }).await
}

#[cfg(test)]
mod tests {
    use parlor_core::ports::presence::Presence;

    use super::*;
    use crate::stage::Stage;

    #[tokio::test]
    async fn who_comes_in_anothers_turn_is_counted_by_the_next_one() {
        let (stage, room) = (Stage::set().await, RoomId::trusted("r"));
        let counting = &stage.shared.presence.counting;
        let noted = || counting.0.lock().contains_key(&room);
        assert!(stage.memory.turn("online:r", PACE).await.expect("an answer"), "another gateway counts");
        counting.later(&room);
        count_all(&stage.shared).await;
        assert!(noted(), "the other's count does not have it");
        counting.later(&room);
        count_all(&stage.shared).await;
        assert!(noted(), "nor who came since");
        count_all(&stage.shared).await;
        assert!(!noted(), "whoever had the turn since has counted them all");

        counting.later(&room);
        stage.memory.away(true);
        count_all(&stage.shared).await;
        count_all(&stage.shared).await;
        assert!(noted(), "nobody could count");
    }
}
