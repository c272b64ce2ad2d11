//! A client enters a room behind a place that it has: what lies between is handed over first, in order, then it is live.
//!
//! The room is live here before anything is read. The client joins it under the room's lock, at the moment in which
//! nothing that it lacks is missing from the ring: so nothing is left out and nothing comes twice, however busy the
//! room. Until then it is handed pages, each once the socket's queue has room for it, and hears what is ephemeral.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{RoomId, Seq};
use parlor_core::time::Timestamp;

use super::chain::Gap;
use super::gaps::{self, Past, Unread};
use super::{ALWAYS, Frames, opened, ring};
use crate::Shared;
use crate::client::Client;
use crate::vocabularies::told_by_inbox;

/// Events that are handed over at once.
const PAGE: usize = 100;
/// And their bytes, about.
const PAGE_BYTES: usize = 64 * 1024;
/// Nothing is handed over while the socket's queue holds more bytes than this.
pub(crate) const QUEUED: usize = 256 * 1024;
/// Between two looks at a queue that is full.
const LOOK: Duration = Duration::from_millis(10);
/// What cannot be read is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a client's catching up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caught {
    /// It is in the room.
    Up,
    /// Its user has left the room since, or was removed: it has all up to that.
    Left,
    /// The socket is gone.
    Gone,
}

/// Why a client could not catch up.
#[derive(Debug)]
pub(crate) enum Behind {
    /// What it lacks is more than can be read.
    TooLong,
    /// Anything else.
    Failed(ChatError),
}

/// What to do next.
enum Step {
    Joined,
    Full,
    /// Hand these over; they follow what the client has.
    Page(Vec<Delivery>),
    /// Read what lies between; the ring begins at its end.
    Read(Gap, Arc<tokio::sync::Mutex<()>>),
}

/// Brings a client that is noted to be in `room` ([`Client::entered`]), and has it up to `after`, up to date, and makes
/// it live. `version` is the membership version by which it belongs there: a leaving above it ends the matter.
pub(crate) async fn catch_up(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    after: Seq,
    version: u64,
) -> Result<Caught, Behind> {
    let caught = bring_up(shared, client, room, after, version).await;
    if !matches!(caught, Ok(Caught::Up))
        && let Some(entry) = shared.hub.shard(room).rooms.lock().get_mut(room)
    {
        entry.end_arrival(client);
    }
    caught
}

async fn bring_up(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    mut after: Seq,
    version: u64,
) -> Result<Caught, Behind> {
    let mut failing: Option<Instant> = None;
    loop {
        if !has_room(client).await {
            return Ok(Caught::Gone);
        }
        if !client.is_in(room) {
            return up_to_leaving(shared, client, room, after, version).await;
        }
        let step = match opened(shared, room).await {
            Ok(()) => next(shared, client, room, after, version),
            Err(error) => Err(error),
        };
        let page = match step {
            Ok(None) => continue,
            Ok(Some(Step::Joined)) => return Ok(Caught::Up),
            Ok(Some(Step::Full)) => {
                return Err(Behind::Failed(ChatError::new(Code::RoomFull, "too many are connected to this room here")));
            }
            Ok(Some(Step::Page(page))) => Ok((page, None)),
            Ok(Some(Step::Read(gap, turn))) => {
                let _turn = turn.lock().await;
                // Who had the turn before may have read just this.
                if is_filled(shared, room, gap) {
                    continue;
                }
                read(shared, room, gap).await
            }
            Err(error) => Err(Unread::Unavailable(error)),
        };
        match page {
            Ok((events, through)) => {
                failing = None;
                if let Some(end) = hand_over(shared, client, room, &events, version).await {
                    return Ok(end);
                }
                let last = events.last().map(|delivery| delivery.seq);
                after = after.max(through.or(last).unwrap_or(after));
            }
            Err(Unread::TooLong) => return Err(Behind::TooLong),
            Err(Unread::Unavailable(error)) => {
                if failing.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    tracing::warn!(%error, %room, "what a client missed cannot be read");
                    return Err(Behind::Failed(ChatError::busy("live delivery cannot be set up right now")));
                }
                tokio::time::sleep(LOOK * 10).await;
            }
        }
    }
}

/// Brings a client that is out of a room since it was last here up to its leaving: what was said later is not its own.
pub(crate) async fn up_to_leaving(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    mut after: Seq,
    version: u64,
) -> Result<Caught, Behind> {
    loop {
        if !has_room(client).await {
            return Ok(Caught::Gone);
        }
        let end =
            shared.hub.places.ends(vec![room.clone()]).await.ok().and_then(|ends| ends.first().copied().flatten());
        let Some(through) = end.and_then(|end| end.head).filter(|head| *head > after) else { return Ok(Caught::Left) };
        match gaps::page(shared, room, Gap { after, through }, PAGE).await {
            Ok(Past { events, through, .. }) => {
                if let Some(end) = hand_over(shared, client, room, &events, version).await {
                    return Ok(end);
                }
                after = through;
            }
            // History has it: the client is out of the room.
            Err(_) => return Ok(Caught::Left),
        }
    }
}

/// Waits until the socket's queue has room for a page. False: the socket is gone.
async fn has_room(client: &Client) -> bool {
    while client.socket.is_open() {
        if client.socket.queued_bytes() < QUEUED {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// Looks at the room, and joins it if nothing is missing but a last page. `None`: it is not open (any more).
fn next(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    after: Seq,
    version: u64,
) -> Result<Option<Step>, parlor_core::ports::Unavailable> {
    let mut rooms = shared.hub.shard(room).rooms.lock();
    let Some(entry) = rooms.get_mut(room).filter(|entry| entry.opened.initialized()) else { return Ok(None) };
    // A leaving notes that first and then takes the lock, so that one of the two sees the other.
    if !client.is_in(room) {
        return Ok(None);
    }
    client.track.bind(room, entry.stream);
    entry.await_arrival(client);
    let page: Vec<Delivery> = match entry.ring.behind(after) {
        Some(rest) => {
            let mut bytes = 0;
            let fits = |delivery: &&Delivery| {
                let first = bytes == 0;
                bytes += ring::cost(delivery);
                first || bytes <= PAGE_BYTES
            };
            let whole = rest.len();
            let page: Vec<Delivery> = rest.take(PAGE).take_while(fits).cloned().collect();
            if page.len() < whole || page.iter().any(|delivery| leaves(client, delivery, version)) {
                return Ok(Some(Step::Page(page)));
            }
            page
        }
        None => {
            let gap = Gap { after, through: entry.ring.base() };
            return Ok(Some(Step::Read(gap, entry.reading.clone())));
        }
    };
    if entry.clients.len() >= shared.config.rooms.connections_per_room {
        return Ok(Some(Step::Full));
    }
    for delivery in page.iter().filter(|delivery| hears(shared, client, delivery)) {
        give(shared, client, delivery, entry.stream);
    }
    entry.join(client, after);
    Ok(Some(Step::Joined))
}

fn is_filled(shared: &Shared, room: &RoomId, gap: Gap) -> bool {
    let rooms = shared.hub.shard(room).rooms.lock();
    rooms.get(room).is_none_or(|entry| entry.ring.base() <= gap.after || entry.ring.base() != gap.through)
}

/// Reads the beginning of a gap; if that is all of it, whoever comes next finds it in the ring.
async fn read(shared: &Shared, room: &RoomId, gap: Gap) -> Result<(Vec<Delivery>, Option<Seq>), Unread> {
    let permit = shared.hub.repairs.acquire().await;
    let Past { events, through, .. } = gaps::page(shared, room, gap, PAGE).await?;
    drop(permit);
    if through >= gap.through
        && let Some(entry) = shared.hub.shard(room).rooms.lock().get_mut(room)
    {
        entry.ring.fill(Instant::now(), gap.after, gap.through, &events);
    }
    Ok((events, Some(through)))
}

/// Puts events on the client's queue as it empties. `Some`: that is the end.
async fn hand_over(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    room: &RoomId,
    events: &[Delivery],
    version: u64,
) -> Option<Caught> {
    let stream = shared.hub.stream(room);
    for delivery in events {
        let last = leaves(client, delivery, version);
        if hears(shared, client, delivery) {
            if !has_room(client).await {
                return Some(Caught::Gone);
            }
            metrics::counter!("parlor_resume_events_total").increment(1);
            give(shared, client, delivery, stream);
        }
        if last {
            if matches!(delivery.event.kind, Kind::UserBanned { .. }) {
                super::tell_out(client, delivery);
            }
            return Some(Caught::Left);
        }
    }
    None
}

/// Puts a delivery on the client's queue. What an inbox says is acted on, unless it was taken into account before; that a
/// session has ended concerns whoever goes on with it, too.
fn give(shared: &Arc<Shared>, client: &Arc<Client>, delivery: &Delivery, stream: u64) {
    let heard = client.has_heard_inbox(delivery.seq);
    let own = std::slice::from_ref(client);
    if !heard {
        super::expect(own, delivery);
    }
    client.deliver(delivery, stream, &mut Frames::default());
    if !heard || matches!(delivery.event.kind, Kind::LoggedOut { .. }) {
        super::heed_inbox(shared, own, delivery);
    }
}

/// Whether the client is told of this event through this room: a message that was taken back meanwhile is told to
/// nobody who was not there.
fn hears(shared: &Shared, client: &Client, delivery: &Delivery) -> bool {
    let gone = |message| shared.hub.is_deleted(message);
    told_by_inbox(&delivery.event).is_none_or(|user| !client.is(user)) && !gaps::sent(delivery).is_some_and(gone)
}

/// Whether it is the end of the client's being in the room by that version, or by a later one by which it is in it now.
fn leaves(client: &Client, delivery: &Delivery, by: u64) -> bool {
    let by = client.by(&delivery.event.room).map_or(by, |now| now.max(by));
    match &delivery.event.kind {
        Kind::MemberLeft { user, version, .. } => *version > by && client.is(user),
        // From a channel; who was a member of a group has left by an event before this one.
        Kind::UserBanned { user, until, .. } => {
            by == ALWAYS && client.is(user) && until.is_none_or(|until| until > Timestamp::now())
        }
        Kind::RoomDeleted { .. } => true,
        _ => false,
    }
}
