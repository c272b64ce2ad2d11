//! How much of a room a user has not read, right although the store lags: its count, with fresher pointers, and with what
//! it has not stored yet.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use parlor_core::event::{Ephemeral, Kind};
use parlor_core::ids::{Partition, RoomId, Seq, UserId};
use parlor_core::ports::fanout::Heads;
use parlor_core::ports::progress::{Asked, Unread};
use parlor_core::ports::store::RoomSummary;

use crate::{Shared, commands, hub};

/// Partitions whose heads are read at once.
const PARTITIONS: usize = 8;
/// Rooms of which what the store lacks is read at once.
const TAILS: usize = 8;

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
    counts(shared, user, &[(room, read)]).await.pop().flatten()
}

/// The same of many rooms, in their order. Whatever their number, the store is asked once, and the fan-out once for each
/// partition; what the store does not have yet is read of a few rooms at a time.
async fn counts(shared: &Shared, user: &UserId, rooms: &[(&RoomId, Seq)]) -> Vec<Option<(u64, Seq)>> {
    // What was delivered here behind the pointer is all that there is.
    let mut counts: Vec<_> = rooms.iter().map(|(room, read)| delivered(shared, room, user, *read)).collect();
    let rest: Vec<usize> = (0..rooms.len()).filter(|at| counts[*at].is_none()).collect();
    let asked: Vec<Asked<'_>> = rest
        .iter()
        .map(|at| {
            let (room, read) = rooms[*at];
            Asked { room, partition: shared.ports.log.partition_of(room), read }
        })
        .collect();
    if asked.is_empty() {
        return counts;
    }
    let heads = heads(shared, &asked).await;
    let Ok(stored) = shared.ports.progress.unread(user, &asked).await else { return counts };
    let mut counting: Vec<BoxFuture<'_, Option<(u64, Seq)>>> = Vec::with_capacity(asked.len());
    for ((asked, stored), heads) in asked.iter().zip(stored).zip(heads) {
        counting.push(Box::pin(behind(shared, user, asked.room, stored, heads)));
    }
    let counted: Vec<_> = stream::iter(counting).buffered(TAILS).collect().await;
    for (at, count) in rest.into_iter().zip(counted) {
        counts[at] = count;
    }
    counts
}

/// What this gateway was given of the room since `read`; `None`: not all of it.
fn delivered(shared: &Shared, room: &RoomId, user: &UserId, read: Seq) -> Option<(u64, Seq)> {
    let mut tally = Tally { count: 0, read };
    for said in shared.hub.said(room, read)? {
        tally.add(said.seq, said.sender == *user);
    }
    Some((tally.count, tally.read))
}

/// The head of each room, as of that room alone. `None`: the fan-out is away.
async fn heads(shared: &Shared, asked: &[Asked<'_>]) -> Vec<Option<Heads>> {
    let mut partitions: BTreeMap<Partition, Vec<usize>> = BTreeMap::new();
    for (at, asked) in asked.iter().enumerate() {
        partitions.entry(asked.partition).or_default().push(at);
    }
    let mut reading: Vec<BoxFuture<'_, (Vec<usize>, Option<Heads>)>> = Vec::with_capacity(partitions.len());
    for (partition, places) in partitions {
        let rooms: Vec<RoomId> = places.iter().map(|at| asked[*at].room.clone()).collect();
        let read = async move { (places, shared.ports.fanout.heads(partition, &rooms).await.ok()) };
        reading.push(Box::pin(read));
    }
    let mut each = vec![None; asked.len()];
    let mut read = stream::iter(reading).buffer_unordered(PARTITIONS);
    while let Some((places, heads)) = read.next().await {
        let Some(heads) = heads else { continue };
        for (at, head) in places.into_iter().zip(heads.heads) {
            each[at] = Some(Heads { heads: vec![head], ..heads });
        }
    }
    each
}

/// What the store has counted, and what it does not have yet.
async fn behind(
    shared: &Shared,
    user: &UserId,
    room: &RoomId,
    stored: Unread,
    heads: Option<Heads>,
) -> Option<(u64, Seq)> {
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

/// Corrects a list of rooms by pointers that are further than the store's, and by what was said here since; so is
/// the newest message of each. A room stays as the store has it where nothing newer is known.
pub(crate) async fn overlay(shared: &Shared, user: &UserId, rooms: &mut [RoomSummary]) {
    let ids: Vec<RoomId> = rooms.iter().map(|summary| summary.room.id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    let pointers = shared.ports.pointers.pointers_in(user, &ids).await.unwrap_or_default();
    let mut stale = Vec::new();
    for (at, summary) in rooms.iter().enumerate() {
        let room = &summary.room.id;
        let told = pointers.get(at).map_or(Seq::ZERO, |pointers| pointers.read.seq);
        let read = told.max(shared.receipts.read_here(room, user));
        let newest = summary.last_message.as_ref().map_or(Seq::ZERO, |message| message.seq);
        let behind = shared.hub.said(room, newest).is_some_and(|said| !said.is_empty());
        if summary.unread > 0 && read > summary.read || behind {
            stale.push((at, read.max(summary.read)));
        }
    }
    let asked: Vec<(&RoomId, Seq)> = stale.iter().map(|(at, read)| (&ids[*at], *read)).collect();
    for ((at, _), count) in stale.iter().zip(counts(shared, user, &asked).await) {
        if let Some(count) = count {
            (rooms[*at].unread, rooms[*at].read) = count;
        }
    }
    // What counts as unread is shown; what came while that was counted, counts.
    let newer = commands::show_newest(shared, rooms);
    for summary in rooms.iter_mut().filter(|summary| newer.contains(&summary.room.id)) {
        let read = summary.read.max(shared.receipts.read_here(&summary.room.id, user));
        let newest = summary.last_message.as_ref().filter(|message| message.seq > read && message.sender.id != *user);
        match delivered(shared, &summary.room.id, user, read) {
            Some(count) => (summary.unread, summary.read) = count,
            None if newest.is_some() => summary.unread = summary.unread.max(1),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;
    use parlor_core::ports::receipts::Receipts;
    use parlor_core::ports::store::Store;
    use parlor_core::receipts::Pointers;
    use parlor_core::time::Timestamp;

    use super::*;
    use crate::stage::{Calls, Stage};

    #[tokio::test]
    async fn a_long_list_of_rooms_is_corrected_by_one_question_to_the_store() {
        const ROOMS: usize = 40;
        let (stage, ben) = (Stage::set().await, UserId::trusted("ben"));
        let mut wanted = Vec::new();
        for n in 0..ROOMS {
            let room = stage.room(&format!("group_{n}"), RoomKind::Group, &["ann", "ben"]).await;
            let said = [stage.say(&room, "ann", "one").await, stage.say(&room, "ann", "two").await];
            wanted.push((room, said));
        }
        stage.persist().await;
        for (n, (room, said)) in wanted.iter().enumerate() {
            // Read further than the store knows, but for every third room; in every fourth there is more in the log.
            if n % 3 != 0 {
                let place = stage.store.message(said[0]).await.expect("an answer").expect("a message").seq;
                let to = Pointers::read(place, Timestamp(1));
                stage.memory.advance(room, &[(ben.clone(), to)]).await.expect("raised");
            }
            if n % 4 == 0 {
                stage.say(room, "ann", "three").await;
            }
        }
        let mut rooms = stage.store.rooms_of(&ben, ROOMS).await.expect("rooms");
        let calls = Calls::default();
        {
            let _counting = calls.count();
            overlay(&stage.shared, &ben, &mut rooms).await;
        }
        assert_eq!(calls.of("unread"), 1, "the store was asked room by room");
        for (n, (room, _)) in wanted.iter().enumerate() {
            let found = rooms.iter().find(|summary| summary.room.id == *room).expect("the room");
            let expected = match n {
                n if n % 3 == 0 => 2,
                n if n % 4 == 0 => 2,
                _ => 1,
            };
            assert_eq!(found.unread, expected, "{room}");
        }
    }
}
