//! Big rooms: how many members are online, instead of who, at most every 5 s.

use std::collections::HashSet;
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

/// Rooms where somebody has come or gone since they were counted.
#[derive(Default)]
pub(super) struct Counting(Mutex<HashSet<RoomId>>);

impl Counting {
    pub(super) fn later(&self, room: &RoomId) {
        self.0.lock().insert(room.clone());
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(PACE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let rooms = std::mem::take(&mut *shared.presence.counting.0.lock());
        for room in rooms {
            // Whose turn it is counts for all; whoever comes or goes after that is counted the next time.
            if !shared.ports.presence.turn(&format!("online:{room}"), PACE / 2).await.unwrap_or(false) {
                continue;
            }
            if let Err(error) = count(&shared, &room).await {
                tracing::debug!(%error, "a big room could not be counted");
                shared.presence.counting.later(&room);
            }
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
