//! A page of messages as they are now: the store's, with what it does not have yet laid over it.

use std::collections::HashMap;
use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Kind, Message};
use parlor_core::ids::{MessageId, Offset, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Heads;
use parlor_core::ports::store::{self, Read, StoredMessage};

use super::history::busy;
use super::overlay::lay_over;
use super::{quotes, veil};
use crate::Shared;
use crate::hub::{self, Tail, Unread};

/// The page that `ask` names, in its order, and whether there are more behind it. `fetch` reads the store; what the
/// store lacks and `adds` takes belongs to the page too. `ceiling`: the reader has left and sees nothing at or above it
/// ([`Seq::MAX`]: is a member). `heads` were asked for before, so that nothing falls between the two.
pub(super) async fn page<'a, F>(
    shared: &Arc<Shared>,
    ask: Read<'a>,
    ceiling: Seq,
    heads: Option<&Heads>,
    fetch: impl Fn(Read<'a>) -> F,
    adds: impl Fn(&Delivery, &Message) -> bool,
) -> Result<(Vec<StoredMessage>, bool), ChatError>
where
    F: Future<Output = Result<store::Page<StoredMessage>, Unavailable>>,
{
    let limit = ask.limit;
    let mut stored = fetch(Read { limit: limit + 1, ..ask }).await.map_err(busy)?;
    let mut tail = tail(shared, ask.room, stored.applied, heads).await?;
    // What was done since the reader left is not theirs to see, but what is deleted is gone for everybody.
    tail.events.retain(|delivery| delivery.seq < ceiling || deletes(delivery));
    let gone = tail.events.iter().filter(|delivery| deletes(delivery)).count();
    if gone > 0 && stored.rows.len() > limit {
        // Some of these rows will fall out: read so many more.
        stored = fetch(Read { limit: limit + 1 + gone, ..ask }).await.map_err(busy)?;
    }
    let mut messages = lay_over(stored.rows, &tail.events, adds);
    messages.sort_by_key(|message| message.seq);
    if ask.newest_first {
        messages.reverse();
    }
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    if tail.raw {
        drop_resends(shared, &mut messages, &tail.events).await?;
    }
    quotes::forget_gone_of(shared, &mut messages, &tail.events).await;
    veil::veil(shared, ask.room, ceiling, &mut messages).await?;
    Ok((messages, has_more))
}

/// Where the room ends, as the fan-out knows it; `None` while that is away.
pub(super) async fn heads(shared: &Shared, room: &RoomId) -> Option<Heads> {
    let partition = shared.ports.log.partition_of(room);
    shared.ports.fanout.heads(partition, std::slice::from_ref(room)).await.ok()
}

/// What the store does not have yet, behind what it has applied.
pub(super) async fn tail(
    shared: &Shared,
    room: &RoomId,
    applied: Offset,
    heads: Option<&Heads>,
) -> Result<Tail, ChatError> {
    let own = shared.hub.appended(room);
    hub::tail(&shared.ports, room, applied, heads, own).await.map_err(|error| {
        if let Unread::Unavailable(error) = &error {
            tracing::debug!(%error, "the newest messages could not be read");
        }
        ChatError::busy("the newest messages cannot be read right now")
    })
}

fn deletes(delivery: &Delivery) -> bool {
    matches!(delivery.event.kind, Kind::MessageDeleted { .. })
}

/// Leaves out messages of a raw tail that the store has at an earlier place: they were sent again.
async fn drop_resends(
    shared: &Arc<Shared>,
    messages: &mut Vec<StoredMessage>,
    tail: &[Delivery],
) -> Result<(), ChatError> {
    let Some(first) = tail.first().map(|delivery| delivery.seq) else { return Ok(()) };
    let asked: Vec<MessageId> =
        messages.iter().filter(|message| message.seq >= first).map(|message| message.id).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let places = shared.ports.store.places(&asked).await.map_err(busy)?;
    let earliest: HashMap<MessageId, Seq> = places.iter().map(|place| (place.message, place.seq)).collect();
    messages.retain(|message| earliest.get(&message.id).is_none_or(|stored| *stored >= message.seq));
    Ok(())
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;
    use parlor_core::ports::log::Position;
    use parlor_core::ports::store::Store;

    use super::*;
    use crate::stage::{Calls, Stage};

    #[tokio::test]
    async fn a_page_of_messages_sent_again_is_looked_up_at_once() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann"]).await;
        for n in 0..20 {
            stage.say(&room, "ann", &format!("m{n}")).await;
        }
        let raw = tail(&stage.shared, &room, Position::START.offset, None).await.expect("a tail");
        stage.persist().await;
        let partition = stage.shared.ports.log.partition_of(&room);
        let all = Read { room: &room, partition, after: Seq::ZERO, before: Seq::MAX, limit: 50, newest_first: false };
        let mut messages = stage.store.messages(all).await.expect("messages").rows;
        let (first, again) = messages.split_at_mut(10);
        assert_eq!((first.len(), again.len()), (10, 10));
        for message in again {
            message.seq = Seq(message.seq.0 + 1_000);
        }
        let calls = Calls::default();
        {
            let _counting = calls.count();
            drop_resends(&stage.shared, &mut messages, &raw.events).await.expect("looked up");
        }
        assert_eq!(messages.len(), 10, "those at a later place than the store's are left out");
        assert_eq!((calls.of("places"), calls.of("message")), (1, 0));
    }
}
