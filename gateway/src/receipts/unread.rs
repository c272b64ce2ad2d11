//! How much of a room a user has not read, right although the store lags: its count, with fresher pointers, and with what
//! it has not stored yet.

use parlor_core::event::{Ephemeral, Kind};
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::store::RoomSummary;

use crate::Shared;
use crate::hub;

/// Tells a user's devices how much of a room is unread.
pub(super) async fn tell(shared: &Shared, room: &RoomId, user: &UserId, read: Seq) {
    let Some((count, read)) = count(shared, room, user, read).await else { return };
    let news = Ephemeral::Unread { room: room.clone(), count, read };
    if let Err(error) = shared.ports.fanout.publish(&RoomId::inbox(user), &news).await {
        tracing::debug!(%error, "a count of unread messages could not be told");
    }
}

/// Messages that a user has not read, and up to where they have read. `None`: nobody can tell now.
pub(super) async fn count(shared: &Shared, room: &RoomId, user: &UserId, read: Seq) -> Option<(u64, Seq)> {
    // What was delivered here behind the pointer is all that there is.
    if let Some(said) = shared.hub.said(room, read) {
        let mut tally = Tally { count: 0, read };
        for said in said {
            tally.add(said.seq, said.sender == *user);
        }
        return Some((tally.count, tally.read));
    }
    let partition = shared.ports.log.partition_of(room);
    let heads = shared.ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok();
    let stored = shared.ports.progress.unread(room, partition, user, read).await.ok()?;
    let own = shared.hub.appended(room);
    let tail = hub::tail(&shared.ports, room, stored.applied, heads.as_ref(), own).await.ok()?;
    let mut tally = Tally { count: stored.count, read: stored.read };
    for delivery in &tail.events {
        if matches!(delivery.event.kind, Kind::MessageSent(_)) && delivery.seq > tally.read {
            tally.add(delivery.seq, delivery.event.actor.id == *user);
        }
    }
    Some((tally.count, tally.read))
}

struct Tally {
    count: u64,
    read: Seq,
}

impl Tally {
    /// One more message. One's own reads what is before it.
    fn add(&mut self, seq: Seq, own: bool) {
        if own {
            *self = Self { count: 0, read: seq };
        } else {
            self.count += 1;
        }
    }
}

/// Corrects a list of rooms by pointers that are further than the store's. The list stays as it is where the fan-out's
/// memory does not answer.
pub(crate) async fn overlay(shared: &Shared, user: &UserId, rooms: &mut [RoomSummary]) {
    let unread: Vec<usize> = (0..rooms.len()).filter(|at| rooms[*at].unread > 0).collect();
    let ids: Vec<RoomId> = unread.iter().map(|at| rooms[*at].room.id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    let Ok(pointers) = shared.ports.pointers.pointers_in(user, &ids).await else { return };
    for (at, pointers) in unread.into_iter().zip(pointers) {
        let summary = &mut rooms[at];
        let read = pointers.read.seq;
        if read <= summary.read {
            continue;
        }
        let partition = shared.ports.log.partition_of(&summary.room.id);
        let newest = summary.last_message.as_ref().map_or(Seq::ZERO, |message| message.seq);
        if read >= newest {
            (summary.unread, summary.read) = (0, read);
        } else if let Ok(stored) = shared.ports.progress.unread(&summary.room.id, partition, user, read).await {
            (summary.unread, summary.read) = (stored.count, stored.read);
        }
    }
}
