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

/// Corrects a list of rooms by pointers that are further than the store's, and by what was said here since. A room stays
/// as the store has it where nothing newer is known.
pub(crate) async fn overlay(shared: &Shared, user: &UserId, rooms: &mut [RoomSummary]) {
    let ids: Vec<RoomId> = rooms.iter().map(|summary| summary.room.id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    let pointers = shared.ports.pointers.pointers_in(user, &ids).await.unwrap_or_default();
    for (at, summary) in rooms.iter_mut().enumerate() {
        let room = &summary.room.id;
        let told = pointers.get(at).map_or(Seq::ZERO, |pointers| pointers.read.seq);
        let read = told.max(shared.receipts.read_here(room, user));
        let newest = summary.last_message.as_ref().map_or(Seq::ZERO, |message| message.seq);
        let behind = shared.hub.said(room, newest).is_some_and(|said| !said.is_empty());
        if (summary.unread > 0 && read > summary.read || behind)
            && let Some((unread, read)) = count(shared, room, user, read.max(summary.read)).await
        {
            (summary.unread, summary.read) = (unread, read);
        }
    }
}
