//! Which messages a pointer has newly passed: from what was delivered here, else from the recent cache, else from the
//! store.

use parlor_core::event::Kind;
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::store::Read;

use crate::Shared;
use crate::hub::Said;

/// Messages that one receipt names (DESIGN.md §2).
const NAMED: usize = 100;

/// The newest of the messages with `after` < seq ≤ `through` that others sent, oldest first.
pub(super) async fn messages(
    shared: &Shared,
    room: &RoomId,
    user: &UserId,
    after: Seq,
    through: Seq,
) -> Vec<MessageId> {
    let said = match shared.hub.said(room, after) {
        Some(said) => said,
        None => remembered(shared, room, after, through).await,
    };
    let others = |said: &&Said| said.seq > after && said.seq <= through && said.sender != *user;
    let mut messages: Vec<MessageId> = said.iter().filter(others).map(|said| said.message).collect();
    messages.drain(..messages.len().saturating_sub(NAMED));
    messages
}

async fn remembered(shared: &Shared, room: &RoomId, after: Seq, through: Seq) -> Vec<Said> {
    let cached = shared.ports.fanout.recent(room, after, through, NAMED).await.unwrap_or_default();
    let mut said: Vec<Said> = cached
        .iter()
        .filter(|delivery| matches!(delivery.event.kind, Kind::MessageSent(_)))
        .map(|delivery| Said {
            message: MessageId(delivery.event.id.0),
            seq: delivery.seq,
            sender: delivery.event.actor.id.clone(),
        })
        .collect();
    let whole = cached.first().is_some_and(|first| first.prev.is_some_and(|prev| prev <= after));
    if !whole && said.len() < NAMED {
        let partition = shared.ports.log.partition_of(room);
        let before = Seq(through.0 + 1);
        let read = Read { room, partition, after, before, limit: NAMED, newest_first: true };
        let stored = shared.ports.store.messages(read).await.map(|page| page.rows).unwrap_or_default();
        for message in stored {
            if said.iter().all(|said| said.message != message.id) {
                said.push(Said { message: message.id, seq: message.seq, sender: message.sender.id });
            }
        }
        said.sort_by_key(|said| said.seq);
    }
    said
}
