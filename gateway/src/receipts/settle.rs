//! From gathered receipts to the log of receipts, the fan-out's memory, and everybody concerned. In that order: what is
//! told is in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use parlor_core::event::{Ephemeral, Event, Kind};
use parlor_core::ids::{EventId, RoomId, Seq, UserId};
use parlor_core::membership::nameless;
use parlor_core::receipts::Pointers;
use parlor_core::time::Timestamp;

use super::{SLOWLY, covered, unread};
use crate::Shared;

/// Rooms settled side by side.
const ROOMS: usize = 32;
/// Users of one room whose pointers are raised at once.
const AT_ONCE: usize = 256;

/// Settles everything, due or not: this gateway goes away.
pub(crate) async fn settle_all(shared: &Arc<Shared>) {
    settle(shared, Instant::now() + Duration::from_secs(3600)).await;
}

pub(super) async fn settle(shared: &Arc<Shared>, now: Instant) {
    let due = shared.receipts.take_due(now);
    futures_util::stream::iter(due)
        .for_each_concurrent(ROOMS, |(room, users)| async move { settle_room(shared, &room, users).await })
        .await;
}

async fn settle_room(shared: &Arc<Shared>, room: &RoomId, users: Vec<(UserId, Pointers)>) {
    let kept = append(shared, room, users).await;
    for moves in kept.chunks(AT_ONCE) {
        for (user, to) in moves {
            shared.receipts.learn(room, user, to);
        }
        // With the fan-out away nobody can be told; the store learns it from the log.
        let Ok(before) = shared.ports.pointers.advance(room, moves).await else { continue };
        let before = filled_in(shared, room, moves, before).await;
        for ((user, to), before) in moves.iter().zip(before) {
            tell(shared, room, user, before, *to).await;
        }
    }
}

/// Appends each, and returns those that the log has. The others are tried again a little later.
async fn append(shared: &Arc<Shared>, room: &RoomId, users: Vec<(UserId, Pointers)>) -> Vec<(UserId, Pointers)> {
    let mut pending = Vec::with_capacity(users.len());
    for (user, to) in users {
        let read = Some(to.read.seq).filter(|seq| *seq > Seq::ZERO);
        let delivered = Some(to.delivered.seq).filter(|seq| *seq > to.read.seq);
        let kind = Kind::Receipt { delivered, read };
        let event = Event { id: EventId::now(), room: room.clone(), actor: nameless(&user), kind };
        match shared.ports.receipts.append(&event) {
            Ok(report) => pending.push((user, to, report)),
            Err(_) => shared.receipts.note(room, &user, to, SLOWLY),
        }
    }
    let mut kept = Vec::with_capacity(pending.len());
    for (user, to, report) in pending {
        match report.await {
            Ok(_) => kept.push((user, to)),
            // A second copy is harmless.
            Err(_) => shared.receipts.note(room, &user, to, SLOWLY),
        }
    }
    metrics::counter!("parlor_receipts_total").increment(u64::try_from(kept.len()).unwrap_or(u64::MAX));
    kept
}

/// Where the fan-out's memory has forgotten how far users were, the store knows, or knew a moment ago.
async fn filled_in(
    shared: &Shared,
    room: &RoomId,
    moves: &[(UserId, Pointers)],
    mut before: Vec<Pointers>,
) -> Vec<Pointers> {
    let forgotten: Vec<usize> = (0..before.len()).filter(|at| before[*at] == Pointers::default()).collect();
    if !forgotten.is_empty() {
        let users: Vec<UserId> = forgotten.iter().filter_map(|at| Some(moves.get(*at)?.0.clone())).collect();
        if let Ok(stored) = shared.ports.progress.of_users(room, &users).await {
            for (at, stored) in forgotten.into_iter().zip(stored) {
                before[at] = stored;
            }
        }
    }
    before
}

async fn tell(shared: &Arc<Shared>, room: &RoomId, user: &UserId, before: Pointers, to: Pointers) {
    let (delivered, read) = (to.delivered.seq > before.delivered.seq, to.read.seq > before.read.seq);
    let big = shared.memberships.size(room, user).is_some_and(|members| members > shared.config.rooms.big);
    if big {
        if read {
            shared.receipts.count_later(room);
        }
    } else {
        // What is read is told as read alone.
        let from = before.delivered.seq.max(to.read.seq);
        if delivered && to.delivered.seq > from {
            publish(shared, room, user, from, to.delivered.seq, false).await;
        }
        if read {
            publish(shared, room, user, before.read.seq, to.read.seq, true).await;
        }
    }
    if read {
        unread::tell(shared, room, user, to.read.seq).await;
    }
}

async fn publish(shared: &Shared, room: &RoomId, user: &UserId, after: Seq, through: Seq, read: bool) {
    let messages = covered::messages(shared, room, user, after, through).await;
    if messages.is_empty() {
        return;
    }
    let (delivered, read) = if read { (None, Some(through)) } else { (Some(through), None) };
    let news = Ephemeral::Receipt { user: user.clone(), delivered, read, messages, at: Timestamp::now() };
    if let Err(error) = shared.ports.fanout.publish(room, &news).await {
        tracing::debug!(%error, "a receipt could not be told");
    }
}
