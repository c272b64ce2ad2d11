//! What a [`Consumer`] promises to who owns its partitions: where records begin, and when they are silent.

use std::time::Duration;

use super::{Harness, append, contents, fill, message, own_all, room_of, soon, take, texts};
use crate::ids::{Offset, Partition};
use crate::ports::Unavailable;
use crate::ports::log::{Consumer, Polled, Record};

/// Long enough for something that must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(700);

async fn nothing_comes(consumer: &mut Box<dyn Consumer>) {
    match tokio::time::timeout(A_WHILE, consumer.next()).await {
        Err(_) => {}
        Ok(polled) => panic!("unexpected: {polled:?}"),
    }
}

async fn take_some(consumer: &mut Box<dyn Consumer>) -> Vec<Record> {
    match soon("records", consumer.next()).await.expect("polled") {
        Polled::Records(_, records) => records,
        other => panic!("unexpected: {other:?}"),
    }
}

/// The owner asks its sink first: until it says where to start, nothing comes.
pub async fn records_come_only_after_start(harness: Box<impl Harness>) {
    let log = harness.log();
    fill(&log, texts(10)).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    nothing_comes(&mut consumer).await;
    let room = room_of(&log, Partition(0));
    append(&log, &message(&room, "10")).await;
    nothing_comes(&mut consumer).await;
    consumer.start(Partition(0), Offset(4)).expect("started");
    let taken = take(&mut consumer, Partition(0), 7).await;
    assert_eq!(contents(&taken), ["4", "5", "6", "7", "8", "9", "10"]);
    consumer.close().await;
    harness.destroy().await;
}

/// `start` moves a partition back and forth; what was fetched before it is never handed over after it.
pub async fn start_seeks_and_drops_what_was_prefetched(harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(5_000)).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), at[0]).expect("started");
    for from in [4_000, 100, 0, 4_999, 2_500] {
        match soon("records", consumer.next()).await.expect("polled") {
            Polled::Records(_, records) => assert!(!records.is_empty()),
            other => panic!("unexpected: {other:?}"),
        }
        // Whatever is on its way now belongs to the past.
        tokio::time::sleep(Duration::from_millis(50)).await;
        consumer.start(Partition(0), at[from]).expect("started");
        let taken = take_some(&mut consumer).await;
        assert_eq!(taken[0].offset(), at[from]);
        consumer.start(Partition(0), at[0]).expect("started");
    }
    let taken = take(&mut consumer, Partition(0), 5_000).await;
    assert_eq!(taken.iter().map(Record::offset).collect::<Vec<_>>(), at);
    // At the very end there is nothing yet, and then there is.
    let end = log.ends(Partition(0)).await.expect("ends").next;
    consumer.start(Partition(0), end).expect("started");
    nothing_comes(&mut consumer).await;
    append(&log, &message(&room_of(&log, Partition(0)), "new")).await;
    assert_eq!(contents(&take(&mut consumer, Partition(0), 1).await), ["new"]);
    consumer.close().await;
    harness.destroy().await;
}

/// A paused partition stays ours and says nothing, and the others go on.
pub async fn a_paused_partition_is_silent_until_it_is_started(harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(10)).await;
    let other = room_of(&log, Partition(1));
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), at[0]).expect("started");
    consumer.start(Partition(1), Offset(0)).expect("started");
    take(&mut consumer, Partition(0), 10).await;
    consumer.pause(Partition(0)).expect("paused");
    append(&log, &message(&room_of(&log, Partition(0)), "10")).await;
    append(&log, &message(&other, "other")).await;
    assert_eq!(contents(&take(&mut consumer, Partition(1), 1).await), ["other"]);
    nothing_comes(&mut consumer).await;
    consumer.start(Partition(0), at[9]).expect("started");
    assert_eq!(contents(&take(&mut consumer, Partition(0), 2).await), ["9", "10"]);
    consumer.close().await;
    harness.destroy().await;
}

/// No consumer is moved silently to where there is something to read.
pub async fn starting_outside_the_log_is_an_error_that_says_so(harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(10)).await;
    harness.expire(Partition(0), at[5]).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), at[2]).expect("started");
    let Unavailable { reason, .. } = soon("an error", consumer.next()).await.expect_err("expired");
    assert!(reason.contains("does not have the offset"), "{reason}");
    consumer.close().await;
    harness.destroy().await;
}

/// An owner that is busy for seconds keeps its place, and finds everything there when it comes back.
pub async fn a_consumer_that_is_not_asked_for_long_loses_nothing(harness: Box<impl Harness>) {
    let log = harness.log();
    let wide = "x".repeat(500);
    let at = fill(&log, (0..20_000).map(|n| format!("{n} {wide}"))).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), at[0]).expect("started");
    let mut taken: Vec<_> = take_some(&mut consumer).await.iter().map(Record::offset).collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    while taken.len() < at.len() {
        taken.extend(take_some(&mut consumer).await.iter().map(Record::offset));
    }
    assert_eq!(taken, at);
    consumer.close().await;
    harness.destroy().await;
}
