//! What the cache of a room's newest events promises: [`Fanout::recent`](crate::ports::fanout::Fanout::recent), `cool` and `warm`.

#![allow(missing_docs, reason = "their names are what they promise")]

use super::{Room, Subject, done, seq};
use crate::event::Delivery;
use crate::ids::{Offset, RoomId, Seq};
use crate::ports::log::{Position, Record};

pub async fn the_recent_cache_holds_the_newest_hundred_in_order_with_their_prev_chain<S: Subject>(subject: &S) {
    let room = Room::claimed(subject).await;
    let records = room.messages(0..130);
    let mut previous = Position::START;
    for batch in records.chunks(50) {
        assert_eq!(room.apply(previous, batch).await, done(batch));
        previous = batch.last().expect("records").position();
    }
    let cached = room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 1_000).await.expect("cache");
    let expected: Vec<_> = (30..130).map(|offset| (Some(seq(offset - 1)), seq(offset))).collect();
    assert_eq!(cached.iter().map(|one| (one.prev, one.seq)).collect::<Vec<_>>(), expected);
    assert_eq!(Ok(&cached[99].event), records[129].event.as_ref());
    assert_eq!(cached[99].time, records[129].time);
}

pub async fn the_recent_cache_answers_for_a_range_with_its_newest<S: Subject>(subject: &S) {
    let room = Room::claimed(subject).await;
    room.apply(Position::START, &room.messages(0..10)).await;
    let seqs = async |after: i64, through: i64, limit| {
        let cached = room.fanout.recent(&room.id, seq(after), seq(through), limit).await.expect("cache");
        cached.iter().map(|one| one.seq.offset().0).collect::<Vec<_>>()
    };
    assert_eq!(seqs(2, 5, 10).await, [3, 4, 5]);
    assert_eq!(seqs(-1, 9, 3).await, [7, 8, 9]);
    assert_eq!(seqs(9, 20, 10).await, [0_i64; 0]);
    let unknown = room.fanout.recent(&RoomId::trusted("unknown"), Seq::ZERO, Seq::MAX, 10).await.expect("cache");
    assert!(unknown.is_empty());
}

pub async fn a_cache_that_was_cooled_is_empty_and_the_room_goes_on<S: Subject>(subject: &S) {
    let room = Room::claimed(subject).await;
    let records = room.messages(0..4);
    room.apply(Position::START, &records[..3]).await;
    room.fanout.cool(&room.id).await.expect("cooled");
    assert!(room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 10).await.expect("cache").is_empty());
    room.apply(records[2].position(), &records[3..]).await;
    let cached = room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 10).await.expect("cache");
    assert_eq!(cached.iter().map(|one| (one.prev, one.seq)).collect::<Vec<_>>(), [(Some(seq(2)), seq(3))]);
}

/// Records as a store that has them gives them back.
fn stored(records: &[Record]) -> Vec<Delivery> {
    let mut prev = Some(Seq::ZERO);
    let delivery = |record: &Record| {
        let event = record.event.clone().expect("an event");
        let prev = prev.replace(record.seq);
        Delivery { prev, seq: record.seq, time: record.time, event }
    };
    records.iter().map(delivery).collect()
}

pub async fn a_cold_cache_is_filled_from_the_store_and_what_is_published_next_follows_on<S: Subject>(subject: &S) {
    let room = Room::of(subject, "general");
    let records: Vec<Record> = (0..6).map(|at| room.record(at * 2, room.message(&at.to_string()))).collect();
    // This memory began behind the first four, as after it was emptied.
    let began = records[3].position();
    room.fanout.claim(room.partition, began).await.expect("claimed");
    let all = stored(&records);
    let (applied, old) = (records[3].offset(), &all[..4]);
    assert!(room.fanout.warm(room.partition, &room.id, applied, old).await.expect("filled"));
    let cached = async || room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 100).await.expect("cache");
    assert_eq!(cached().await, old);
    let heads = room.fanout.heads(room.partition, std::slice::from_ref(&room.id)).await.expect("heads");
    assert_eq!(heads.heads, [Some(records[3].seq)]);
    room.fanout.apply(room.partition, began, &records[4..]).await.expect("applied");
    assert_eq!(cached().await, all, "the chain goes on");
    assert_eq!(room.fanout.remembers(), 100);
}

pub async fn filling_a_cache_hides_nothing_newer_and_doubles_nothing<S: Subject>(subject: &S) {
    let room = Room::claimed(subject).await;
    let records: Vec<Record> = (0..6).map(|at| room.record(at * 2, room.message(&at.to_string()))).collect();
    room.fanout.apply(room.partition, Position::START, &records[..4]).await.expect("applied");
    let all = stored(&records);
    // A store that lags, one that has the same, and one that is ahead.
    for through in [2, 4, 6] {
        let applied = records[through - 1].offset();
        assert!(room.fanout.warm(room.partition, &room.id, applied, &all[..through]).await.expect("filled"));
        let cached = room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 100).await.expect("cache");
        let seqs: Vec<Seq> = cached.iter().map(|delivery| delivery.seq).collect();
        assert_eq!(seqs, records[..4].iter().map(|record| record.seq).collect::<Vec<_>>());
        let heads = room.fanout.heads(room.partition, std::slice::from_ref(&room.id)).await.expect("heads");
        assert_eq!(heads.heads, [Some(records[3].seq)]);
    }
    room.fanout.apply(room.partition, records[3].position(), &records[4..]).await.expect("applied");
    let cached = room.fanout.recent(&room.id, records[0].seq, Seq::MAX, 100).await.expect("cache");
    assert_eq!(cached, all[1..]);
    let more: Vec<Record> = (6..150).map(|at| room.record(at * 2, room.message("more"))).collect();
    for chunk in more.chunks(50) {
        let previous = Position { offset: Offset(chunk[0].offset().0 - 2), digest: 0 };
        let previous = Position { digest: digest_at(&records, &more, previous.offset), ..previous };
        room.fanout.apply(room.partition, previous, chunk).await.expect("applied");
    }
    let last = more[more.len() - 1].offset();
    room.fanout.warm(room.partition, &room.id, last, &all).await.expect("an answer");
    let cached = room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 1_000).await.expect("cache");
    assert_eq!((cached.len(), cached[99].seq), (100, more[more.len() - 1].seq), "the newest stay");
    assert_eq!(cached[0].seq, more[more.len() - 100].seq);
}

fn digest_at(records: &[Record], more: &[Record], offset: Offset) -> u64 {
    let found = records.iter().chain(more).find(|record| record.offset() == offset);
    found.expect("a record").position().digest
}

pub async fn a_cache_is_not_filled_where_something_may_lie_between<S: Subject>(subject: &S) {
    let room = Room::of(subject, "general");
    let records: Vec<Record> = (0..3).map(|at| room.record(at, room.message(&at.to_string()))).collect();
    let all = stored(&records);
    let applied = records[2].offset();
    let fill = async |applied, events: &[Delivery]| {
        room.fanout.warm(room.partition, &room.id, applied, events).await.expect("an answer")
    };
    assert!(!fill(applied, &all).await, "the partition is not known");
    room.fanout.claim(room.partition, records[2].position()).await.expect("claimed");
    assert!(!fill(records[1].offset(), &all[..2]).await, "this memory began behind what the store saw");
    assert!(!fill(applied, &[]).await);
    assert!(room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 10).await.expect("cache").is_empty());
    assert!(fill(applied, &all).await);
}
