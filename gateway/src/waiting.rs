//! What waited for a user who begins anew (DESIGN.md §4): messages of their rooms that have not reached any device of
//! theirs, the newest 1,000, in order, each once.
//!
//! Asked once the client hears its rooms live: what waits ends where that begins, so that nothing is told twice. Until
//! all of it is on the client's queue none of its answers confirms anything, because a pointer would pass what waits;
//! then the answer to a ping behind it moves the pointers, and nothing waits any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parlor_core::ids::{Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::StoredMessage;
use parlor_socketio::{Frame, Mark};

use crate::Shared;
use crate::client::Client;
use crate::receipts;
use crate::vocabularies::News;

/// Messages that are told.
const TOLD: usize = 1_000;
/// For how long a client may still say which vocabulary it speaks; then it is told in the one that was guessed.
const UNDECIDED: Duration = Duration::from_secs(2);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// After a store that was away.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes on a socket's queue beyond which no more is put there.
const QUEUED: usize = 256 * 1024;

/// Tells a client that has just entered its rooms what waited for its user, in its own time.
pub(crate) fn tell(shared: &Arc<Shared>, client: &Arc<Client>) {
    let (shared, client) = (shared.clone(), client.clone());
    tokio::spawn(async move {
        let guessed = tokio::time::Instant::now() + UNDECIDED;
        while client.undecided() && client.socket.is_open() && tokio::time::Instant::now() < guessed {
            tokio::time::sleep(LOOK).await;
        }
        while client.socket.is_open() {
            match find(&shared, &client).await {
                Ok(Some(waiting)) => return hand_over(&shared, &client, &waiting).await,
                Ok(None) => tokio::time::sleep(LOOK * 5).await,
                Err(error) => {
                    tracing::debug!(%error, "what waited for a user could not be read yet");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    });
}

/// What waited. `None`: the store does not have all of it yet.
async fn find(shared: &Arc<Shared>, client: &Client) -> Result<Option<Vec<StoredMessage>>, Unavailable> {
    let Some(user) = client.user() else { return Ok(Some(Vec::new())) };
    let rooms: Vec<RoomId> = client.rooms().into_iter().filter(|room| room.inbox_owner().is_none()).collect();
    let entered: HashMap<RoomId, Seq> =
        rooms.iter().filter_map(|room| Some((room.clone(), client.track.entered_at(room)?))).collect();
    let mut ends: HashMap<Partition, Seq> = HashMap::new();
    for (room, seq) in &entered {
        let end = ends.entry(shared.ports.log.partition_of(room)).or_insert(Seq::ZERO);
        *end = (*end).max(*seq);
    }
    for (partition, end) in ends {
        // Places are compared, not offsets: that of an empty partition has none.
        if Seq::new(shared.ports.log.generation(), shared.hub.applied(partition).await) < end {
            return Ok(None);
        }
    }
    let turn = shared.telling.acquire().await;
    let known = shared.ports.pointers.pointers_in(&user.id, &rooms).await.unwrap_or_default();
    let fresher: Vec<(RoomId, Seq)> =
        rooms.into_iter().zip(known).map(|(room, known)| (room, known.delivered.seq)).collect();
    let mut waiting = shared.ports.progress.waiting(&user.id, &fresher, TOLD).await?;
    drop(turn);
    waiting.retain(|message| entered.get(&message.room).is_some_and(|entered| message.seq <= *entered));
    if client.vocabulary().shows_status() {
        receipts::tell_got(shared, &user.id, &mut waiting).await;
    }
    Ok(Some(waiting))
}

async fn hand_over(shared: &Arc<Shared>, client: &Arc<Client>, waiting: &[StoredMessage]) {
    if !waiting.is_empty() {
        client.tell(&News::Waiting { count: u64::try_from(waiting.len()).unwrap_or(u64::MAX) });
    }
    for message in waiting {
        while client.socket.queued_bytes() > QUEUED {
            if !client.socket.is_open() {
                return;
            }
            tokio::time::sleep(LOOK / 5).await;
        }
        // Marked as a live one is: the answer to a ping behind it confirms it.
        let mark = Mark { stream: shared.hub.stream(&message.room), place: message.seq.0 };
        let events = client.vocabulary().render(&News::Waited(message));
        let last = events.len();
        for (at, event) in events.into_iter().enumerate() {
            let frame = Frame::event_raw("/", event.name, &event.body);
            // A closed socket's session ends by itself.
            let _ = client.socket.emit(&if at + 1 == last { frame.marked(mark) } else { frame });
        }
    }
    metrics::counter!("parlor_waited_total").increment(u64::try_from(waiting.len()).unwrap_or(u64::MAX));
    client.track.release();
}
