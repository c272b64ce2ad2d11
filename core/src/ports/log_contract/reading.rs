//! What reading ranges of [`Log`](crate::ports::log::Log) promises, and asking for its ends and times.

use std::time::Duration;

use super::{Harness, append, before, contents, fill, message, own_all, room_of, take, texts};
use crate::ids::{Offset, Partition};
use crate::ports::Unavailable;
use crate::ports::log::Record;
use crate::time::Timestamp;

/// `after` is not in a range, `through` is.
pub async fn a_range_is_whole_from_after_to_through(harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(2_500)).await;
    assert_eq!(at.len(), 2_500);
    let range = log.read_range(Partition(0), at[9], at[2_399], usize::MAX).await.expect("read");
    assert_eq!(range.complete_through, at[2_399]);
    let wanted: Vec<_> = (10..2_400).map(|n: usize| n.to_string()).collect();
    assert_eq!(contents(&range.records), wanted);
    let empty = log.read_range(Partition(0), at[9], at[9], usize::MAX).await.expect("read");
    assert_eq!((empty.records.len(), empty.complete_through), (0, at[9]));
    harness.destroy().await;
}

/// Bytes end a range early, never with less than one record; going on from `complete_through` misses nothing.
pub async fn a_range_is_bounded_by_bytes_and_says_how_far_it_is_complete(harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, (0..20).map(|n| format!("{n} {}", "x".repeat(1_000)))).await;
    let last = at[19];
    let one = log.read_range(Partition(0), Offset::NONE, last, 1).await.expect("read");
    assert_eq!((one.records.len(), one.complete_through), (1, before(at[1])));
    let mut after = Offset::NONE;
    let mut read = Vec::new();
    while after < last {
        let range = log.read_range(Partition(0), after, last, 5_000).await.expect("read");
        let bytes: usize = range.records.iter().map(|record| record.encoded.len()).sum();
        assert!((1..=5_000).contains(&bytes), "{bytes}");
        assert!(range.complete_through > after);
        after = range.complete_through;
        read.extend(range.records.iter().map(Record::offset));
    }
    assert_eq!((read, after), (at, last));
    harness.destroy().await;
}

/// A range does not claim to have seen what is not there yet.
pub async fn a_range_beyond_the_end_is_complete_up_to_the_end(harness: Box<impl Harness>) {
    let log = harness.log();
    let nothing = log.read_range(Partition(0), Offset::NONE, Offset(10), 1_000).await.expect("read");
    assert_eq!((nothing.records.len(), nothing.complete_through), (0, Offset::NONE));
    let at = fill(&log, texts(3)).await;
    let range = log.read_range(Partition(0), Offset::NONE, Offset(1_000_000), usize::MAX).await.expect("read");
    assert_eq!((contents(&range.records), range.complete_through), (vec!["0", "1", "2"], at[2]));
    let range = log.read_range(Partition(0), at[2], Offset(1_000_000), usize::MAX).await.expect("read");
    assert_eq!((range.records.len(), range.complete_through), (0, at[2]));
    harness.destroy().await;
}

/// What is gone is not passed over in silence.
pub async fn a_range_that_has_expired_is_an_error_that_says_so(harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(10)).await;
    harness.expire(Partition(0), at[5]).await;
    assert_eq!(log.ends(Partition(0)).await.expect("ends").first, at[5]);
    let Unavailable { reason, .. } = log.read_range(Partition(0), at[2], at[9], usize::MAX).await.expect_err("expired");
    assert!(reason.contains("expired"), "{reason}");
    let range = log.read_range(Partition(0), before(at[5]), at[9], usize::MAX).await.expect("read");
    assert_eq!(contents(&range.records), ["5", "6", "7", "8", "9"]);
    harness.destroy().await;
}

/// Offsets that no record has are no reason to wait, nor to think that something is missing.
pub async fn a_gap_between_offsets_hides_nothing(harness: Box<impl Harness>) {
    let log = harness.log();
    let first = fill(&log, texts(2)).await[0];
    let encoded = log.read_range(Partition(0), before(first), first, 1).await.expect("read").records[0].encoded.clone();
    harness.append_before_a_gap(Partition(0), encoded).await;
    let ends = log.ends(Partition(0)).await.expect("ends");
    let to_the_gap = log.read_range(Partition(0), Offset::NONE, before(ends.next), usize::MAX).await.expect("read");
    assert_eq!((to_the_gap.records.len(), to_the_gap.complete_through), (3, before(ends.next)));
    let at = fill(&log, texts(2)).await;
    assert_eq!(at.len(), 5);
    assert!(at[3].0 > at[2].0 + 1, "there is a gap: {at:?}");
    let up_to_the_gap = log.read_range(Partition(0), at[1], before(at[3]), usize::MAX).await.expect("read");
    assert_eq!((up_to_the_gap.records.len(), up_to_the_gap.complete_through), (1, before(at[3])));
    let from_the_gap = log.read_range(Partition(0), before(at[3]), at[4], usize::MAX).await.expect("read");
    assert_eq!((from_the_gap.records.len(), from_the_gap.complete_through), (2, at[4]));
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), Offset(0)).expect("started");
    let taken = take(&mut consumer, Partition(0), 5).await;
    assert_eq!(taken.iter().map(Record::offset).collect::<Vec<_>>(), at);
    consumer.start(Partition(0), before(at[3])).expect("started in the gap");
    assert_eq!(take(&mut consumer, Partition(0), 2).await[0].offset(), at[3]);
    consumer.close().await;
    harness.destroy().await;
}

/// Ends tell where to read from and to; a time tells the first record at or after it.
pub async fn ends_and_times_are_found(harness: Box<impl Harness>) {
    let log = harness.log();
    let empty = log.ends(Partition(0)).await.expect("ends");
    assert_eq!((empty.first, empty.next), (Offset(0), Offset(0)));
    assert_eq!(log.offset_at(Partition(0), Timestamp(0)).await.expect("asked"), Offset(0));
    let mut acks = Vec::new();
    let room = room_of(&log, Partition(0));
    for n in 0..3 {
        acks.push(append(&log, &message(&room, n.to_string())).await);
        // So that no two have the same time.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ends = log.ends(Partition(0)).await.expect("ends");
    assert_eq!((ends.first, ends.next), (Offset(0), Offset(3)));
    for (n, ack) in (0..).zip(&acks) {
        assert_eq!(log.offset_at(Partition(0), ack.time).await.expect("asked"), Offset(n));
        assert_eq!(log.offset_at(Partition(0), ack.time.plus_millis(-1)).await.expect("asked"), Offset(n));
    }
    let later = acks[2].time.plus_millis(1);
    assert_eq!(log.offset_at(Partition(0), later).await.expect("asked"), ends.next);
    assert_eq!(log.offset_at(Partition(0), Timestamp(0)).await.expect("asked"), Offset(0));
    harness.destroy().await;
}
