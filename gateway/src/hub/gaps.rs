//! Reading what is missing: from the cache if its chain is whole, else from the store as far as that sees, and the rest
//! from the log.

use std::collections::HashSet;

use parlor_core::event::{Delivery, Kind};
use parlor_core::ids::{MessageId, Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Heads;
use parlor_core::ports::log::Record;

use super::chain::Gap;
use crate::{Ports, Shared};

/// Rows of one read from the store.
const PAGE: usize = 500;
/// Encoded bytes of one read from the log (DESIGN §3).
pub(crate) const LOG_BYTES: usize = 32 * 1024 * 1024;
/// Records of a partition that are looked through, page by page, for one room's.
const LOG_RECORDS: i64 = 200_000;

/// A range that could not be read whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// More than [`LOG_BYTES`] lie between.
    #[error("the gap is too long to be filled")]
    TooLong,
}

/// Everything that happened in `room` within `gap`, in order: complete, or an error.
pub(crate) async fn read(ports: &Ports, room: &RoomId, gap: Gap) -> Result<Vec<Delivery>, Unread> {
    if let Some(whole) = from_cache(ports, room, gap).await {
        metrics::counter!("parlor_gap_repairs_total", "source" => "cache").increment(1);
        return Ok(whole);
    }
    let partition = ports.log.partition_of(room);
    let (mut events, seen) = from_store(ports, room, partition, gap).await;
    if seen < gap.through {
        let rest = Gap { after: seen.max(gap.after), ..gap };
        metrics::counter!("parlor_gap_repairs_total", "source" => "log").increment(1);
        events.extend(from_log(ports, room, partition, rest).await?);
    } else {
        metrics::counter!("parlor_gap_repairs_total", "source" => "store").increment(1);
    }
    Ok(events)
}

/// Bytes that one page takes from the log.
const LOG_PAGE: usize = 4 * 1024 * 1024;

/// What happened in a room behind a place, as it is told to who was not there.
pub(crate) struct Past {
    /// In order, without messages that were taken back since.
    pub(crate) events: Vec<Delivery>,
    /// How far that is complete.
    pub(crate) through: Seq,
    /// Messages that are known to be taken back, those left out among them; of stored ones the store knows more.
    pub(crate) gone: HashSet<MessageId>,
}

/// The beginning of what happened in `room` within `gap`: as far as `gap.through` unless there is more than about
/// `limit`, and always behind `gap.after`.
///
/// A message that was taken back, within the gap or behind it, is not in it: the store has none of them, and what that
/// does not know yet the recent cache tells. (While both are away, or the store is further behind than that cache
/// reaches, the text may be told; who may go on reading hears of its end in what follows.)
pub(crate) async fn page(shared: &Shared, room: &RoomId, gap: Gap, limit: usize) -> Result<Past, Unread> {
    let ports = &shared.ports;
    let cached = ports.fanout.recent(room, gap.after, Seq::MAX, PAGE).await.unwrap_or_default();
    let within = &cached[..cached.partition_point(|delivery| delivery.seq <= gap.through)];
    let (mut events, through) = if spans(within, gap) {
        metrics::counter!("parlor_gap_repairs_total", "source" => "cache").increment(1);
        (within.to_vec(), gap.through)
    } else {
        beyond_cache(ports, room, gap, limit).await?
    };
    let mut gone: HashSet<MessageId> = deletions(&events).chain(deletions(&cached)).collect();
    gone.extend(events.iter().filter_map(sent).filter(|message| shared.hub.is_deleted(*message)));
    events.retain(|delivery| sent(delivery).is_none_or(|message| !gone.contains(&message)));
    Ok(Past { events, through, gone })
}

/// The message that an event sent.
pub(crate) fn sent(delivery: &Delivery) -> Option<MessageId> {
    matches!(delivery.event.kind, Kind::MessageSent(_)).then(|| MessageId(delivery.event.id.0))
}

/// The messages that events took back.
pub(crate) fn deletions(events: &[Delivery]) -> impl Iterator<Item = MessageId> {
    events.iter().filter_map(|delivery| match delivery.event.kind {
        Kind::MessageDeleted { message } => Some(message),
        _ => None,
    })
}

/// A page from the store, else from the log, and how far it is complete.
async fn beyond_cache(ports: &Ports, room: &RoomId, gap: Gap, limit: usize) -> Result<(Vec<Delivery>, Seq), Unread> {
    let (partition, generation) = (ports.log.partition_of(room), ports.log.generation());
    match ports.store.changes(room, partition, gap.after, gap.through, limit).await {
        Ok(page) => {
            let full = page.rows.len() >= limit;
            let last = page.rows.last().map_or(gap.after, |last| last.seq);
            let seen = Seq::new(generation, page.applied).min(gap.through).max(last);
            let through = if full { last } else { seen };
            if through > gap.after {
                metrics::counter!("parlor_gap_repairs_total", "source" => "store").increment(1);
                return Ok((page.rows, through));
            }
        }
        Err(error) => tracing::debug!(%error, "a gap cannot be read from the store"),
    }
    metrics::counter!("parlor_gap_repairs_total", "source" => "log").increment(1);
    let after = if gap.after < Seq::new(generation, Offset(0)) { Offset::NONE } else { gap.after.offset() };
    let end = gap.through.offset();
    if end.0.saturating_sub(after.0) > LOG_RECORDS {
        return Err(Unread::TooLong);
    }
    let range = ports.log.read_range(partition, after, end, LOG_PAGE).await?;
    let through = Seq::new(generation, range.complete_through).min(gap.through);
    if through <= gap.after {
        return Err(Unread::TooLong);
    }
    Ok((of_room(range.records, room).collect(), through))
}

/// The cache's part, if its prev chain spans the whole gap.
async fn from_cache(ports: &Ports, room: &RoomId, gap: Gap) -> Option<Vec<Delivery>> {
    let cached = ports.fanout.recent(room, gap.after, gap.through, PAGE).await.ok()?;
    spans(&cached, gap).then_some(cached)
}

/// Whether deliveries in order leave nothing out of a gap whose `through` is an event's own seq.
pub(super) fn spans(cached: &[Delivery], gap: Gap) -> bool {
    let mut at = gap.after;
    for delivery in cached {
        // Nothing comes before a room's making.
        let first = matches!(delivery.event.kind, Kind::RoomCreated { .. });
        if !first && delivery.prev.is_none_or(|prev| prev > at) {
            return false;
        }
        at = delivery.seq;
    }
    at == gap.through
}

/// The store's part, and how far it sees (at most `gap.through`). An unreachable store sees nothing.
async fn from_store(ports: &Ports, room: &RoomId, partition: Partition, gap: Gap) -> (Vec<Delivery>, Seq) {
    let mut events = Vec::new();
    let mut after = gap.after;
    loop {
        let page = match ports.store.changes(room, partition, after, gap.through, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "a gap cannot be read from the store");
                return (events, after);
            }
        };
        let applied = Seq::new(ports.log.generation(), page.applied);
        let full = page.rows.len() >= PAGE;
        if let Some(last) = page.rows.last() {
            after = last.seq;
        }
        events.extend(page.rows);
        if !full {
            return (events, applied.min(gap.through).max(after));
        }
    }
}

async fn from_log(ports: &Ports, room: &RoomId, partition: Partition, gap: Gap) -> Result<Vec<Delivery>, Unread> {
    let generation = ports.log.generation();
    let after = if gap.after < Seq::new(generation, Offset(0)) { Offset::NONE } else { gap.after.offset() };
    let range = ports.log.read_range(partition, after, gap.through.offset(), LOG_BYTES).await?;
    if range.complete_through < gap.through.offset() {
        return Err(Unread::TooLong);
    }
    Ok(of_room(range.records, room).collect())
}

fn of_room(records: Vec<Record>, room: &RoomId) -> impl Iterator<Item = Delivery> {
    records.into_iter().filter_map(move |record| match record.event {
        Ok(event) if event.room == *room => Some(Delivery { prev: None, seq: record.seq, time: record.time, event }),
        _ => None,
    })
}

/// What the store does not have yet.
#[derive(Default)]
pub(crate) struct Tail {
    /// In order.
    pub(crate) events: Vec<Delivery>,
    /// As the log has them: a message that was sent again may be there though it was stored long before.
    pub(crate) raw: bool,
}

/// What happened in `room` after the store's `applied` and is known to be there: up to the fan-out's position, and to
/// `own`, the newest place at which this gateway itself appended there. `heads`: `None` while the fan-out is away.
pub(crate) async fn tail(
    ports: &Ports,
    room: &RoomId,
    applied: Offset,
    heads: Option<&Heads>,
    own: Option<Seq>,
) -> Result<Tail, Unread> {
    let (partition, generation) = (ports.log.partition_of(room), ports.log.generation());
    let after = Seq::new(generation, applied);
    let position = heads.and_then(|heads| heads.position).map(|position| position.offset);
    let end = match position {
        Some(position) => Seq::new(generation, position),
        // With the fan-out away only the log knows how far the room may reach.
        None => Seq::new(generation, Offset(ports.log.ends(partition).await?.next.0 - 1)),
    };
    let through = own.map_or(end, |own| own.max(end));
    if through <= after {
        return Ok(Tail::default());
    }
    if let (Some(heads), true) = (heads.filter(|heads| heads.position.is_some()), through == end) {
        match heads.heads.first().copied().flatten() {
            Some(head) if head <= after => return Ok(Tail::default()),
            Some(head) => {
                if let Some(whole) = from_cache(ports, room, Gap { after, through: head }).await {
                    return Ok(Tail { events: whole, raw: false });
                }
            }
            // No head: nothing has happened since this memory began.
            None if heads.from <= applied => return Ok(Tail::default()),
            None => {}
        }
    }
    let events = from_log(ports, room, partition, Gap { after, through }).await?;
    Ok(Tail { events, raw: true })
}

/// Whether an event changes what history shows.
pub(crate) fn shows_in_history(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::MessageSent(_)
            | Kind::MessageEdited { .. }
            | Kind::MessageDeleted { .. }
            | Kind::MessageReacted { .. }
            | Kind::MessagePinned { .. }
    )
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;

    use super::*;
    use crate::hub::Place;
    use crate::stage::{Calls, Stage, user};

    /// "before", "a secret", "after", and the secret taken back; the range of the two in the middle.
    async fn set() -> (Stage, RoomId, MessageId, Gap) {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        stage.say(&room, "ann", "before").await;
        let secret = stage.say(&room, "ann", "a secret").await;
        stage.say(&room, "ann", "after").await;
        stage.tell(&room, "ann", Kind::MessageDeleted { message: secret }).await;
        let at = |offset| Seq::new(stage.shared.ports.log.generation(), Offset(offset));
        let gap = Gap { after: at(0), through: at(2) };
        (stage, room, secret, gap)
    }

    async fn said(stage: &Stage, room: &RoomId, gap: Gap) -> Vec<String> {
        let past = page(&stage.shared, room, gap, 100).await.expect("read");
        assert_eq!(past.through, gap.through);
        let content = |delivery: &Delivery| match &delivery.event.kind {
            Kind::MessageSent(message) => message.content.clone(),
            other => format!("{other:?}"),
        };
        past.events.iter().map(content).collect()
    }

    #[tokio::test]
    async fn what_was_taken_back_behind_a_range_is_not_told_by_the_cache_and_nobody_else_is_asked() {
        let (stage, room, secret, gap) = set().await;
        stage.deliver(Offset::NONE).await;
        let calls = Calls::default();
        let past = {
            let _counting = calls.count();
            page(&stage.shared, &room, gap, 100).await.expect("read")
        };
        assert_eq!((past.events.len(), past.gone), (1, HashSet::from([secret])));
        assert!(calls.of("changes") + calls.of("places") + calls.of("position") == 0);
        assert_eq!(said(&stage, &room, gap).await, ["after"]);
    }

    #[tokio::test]
    async fn what_was_taken_back_behind_a_range_is_not_told_by_the_store() {
        let (stage, room, _, gap) = set().await;
        stage.persist().await;
        assert_eq!(said(&stage, &room, gap).await, ["after"]);
    }

    #[tokio::test]
    async fn what_was_taken_back_behind_a_range_is_not_told_by_the_log_where_the_cache_or_this_gateway_knows() {
        let (stage, room, secret, gap) = set().await;
        assert_eq!(said(&stage, &room, gap).await, ["a secret", "after"], "the log alone");
        let place =
            Place { room: room.clone(), sender: user("ann").id, system: false, seq: Some(gap.through), deleted: true };
        stage.shared.hub.recent.note(secret, place);
        assert_eq!(said(&stage, &room, gap).await, ["after"], "heard here");
        let (stage, room, _, gap) = set().await;
        stage.deliver(Offset(2)).await;
        assert_eq!(said(&stage, &room, gap).await, ["after"], "the cache has the end of it");
    }
}
