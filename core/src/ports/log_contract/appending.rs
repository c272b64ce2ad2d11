//! What appending to [`Log`](crate::ports::log::Log) promises: order, acks, refusals, and reports that are lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Harness, PATIENCE, append, before, content, contents, message, own_all, room_of, soon, take, texts};
use crate::ids::{Offset, Partition, RoomId};
use crate::ports::log::{AppendError, Polled, Position, ReportError};
use crate::time::Timestamp;

/// Events of several rooms, appended by one process: a group reads each once, each room's in the order of appending.
pub async fn appended_events_reach_a_group_in_order(harness: Box<impl Harness>) {
    let log = harness.log();
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    for partition in 0..log.partitions() {
        consumer.start(Partition(partition), Offset(0)).expect("started");
    }
    let rooms: Vec<_> = (0..7).map(|n| RoomId::trusted(format!("r{n}"))).collect();
    let mut pending = Vec::new();
    for n in 0..300 {
        let room = &rooms[n % rooms.len()];
        pending.push(log.append(&message(room, n.to_string())).expect("enqueued"));
    }
    for report in pending {
        soon("an ack", report).await.expect("appended");
    }
    let mut seen: BTreeMap<RoomId, Vec<usize>> = BTreeMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < 300 {
        let Polled::Records(partition, records) = soon("records", consumer.next()).await.expect("polled") else {
            continue;
        };
        for record in &records {
            assert_eq!(record.partition, partition);
            let room = record.event.as_ref().expect("decoded").room.clone();
            assert_eq!(log.partition_of(&room), partition, "a room is on its partition");
            seen.entry(room).or_default().push(content(record).parse().expect("a number"));
        }
    }
    for (n, room) in rooms.iter().enumerate() {
        let wanted: Vec<_> = (n..300).step_by(rooms.len()).collect();
        assert_eq!(seen[room], wanted, "{room}");
    }
    consumer.close().await;
    harness.destroy().await;
}

/// A thousand events of one room are enqueued by eight tasks at once: the order of the log is the order in which
/// `append` was called, and the reported places rise with it.
pub async fn the_order_of_a_room_is_the_order_of_enqueueing(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let called = Arc::new(std::sync::Mutex::new(Vec::new()));
    let senders: Vec<_> = (0..8)
        .map(|socket| {
            let (log, room, called) = (log.clone(), room.clone(), called.clone());
            tokio::spawn(async move {
                let mut waiting = Vec::new();
                for n in 0..125 {
                    let text = format!("{socket}/{n}");
                    {
                        // The lock makes the order of the calls known.
                        let mut called = called.lock().expect("unpoisoned");
                        waiting.push((text.clone(), log.append(&message(&room, text.clone())).expect("enqueued")));
                        called.push(text);
                    }
                    if n % 10 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                let mut places = Vec::new();
                for (text, report) in waiting {
                    places.push((text, soon("an ack", report).await.expect("appended").seq));
                }
                places
            })
        })
        .collect();
    let mut places = BTreeMap::new();
    for sender in senders {
        places.extend(sender.await.expect("sent"));
    }
    let range = log.read_range(Partition(0), Offset::NONE, Offset(i64::MAX - 1), usize::MAX).await.expect("read");
    assert_eq!(contents(&range.records), *called.lock().expect("unpoisoned"));
    for record in &range.records {
        if let Some(seq) = places[content(record)] {
            assert_eq!(seq, record.seq);
        }
    }
    harness.destroy().await;
}

/// The ack, a range and a consumer tell the same time and the same place.
pub async fn time_and_place_in_the_ack_are_those_every_reader_sees(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), Offset(0)).expect("started");
    for n in 0..5 {
        let event = message(&room, n.to_string());
        let ack = append(&log, &event).await;
        let record = take(&mut consumer, Partition(0), 1).await.remove(0);
        assert_eq!(record.time, ack.time);
        assert_eq!(record.event.as_deref(), Ok(&event));
        assert!((Timestamp::now().0 - ack.time.0).abs() < 3_600_000, "the log's clock is a clock: {}", ack.time);
        if let Some(seq) = ack.seq {
            assert_eq!((seq, seq.generation()), (record.seq, log.generation()));
        }
        let after = before(record.offset());
        let range = log.read_range(Partition(0), after, record.offset(), 1).await.expect("read");
        assert_eq!((range.records[0].time, range.records[0].seq), (record.time, record.seq));
        assert_eq!(range.records[0].encoded, record.encoded);
        assert_eq!(range.records[0].position(), Position { offset: record.offset(), digest: record.digest() });
    }
    consumer.close().await;
    harness.destroy().await;
}

/// What can never be written is refused by `append` itself, and costs nobody else anything.
pub async fn a_record_that_is_too_large_is_refused_at_once(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let refused = log.append(&message(&room, "x".repeat(256 * 1024))).err();
    assert_eq!(refused, Some(AppendError::TooLarge));
    append(&log, &message(&room, "x".repeat(64 * 1024))).await;
    harness.destroy().await;
}

/// A report that was lost is neither a success nor a failure.
pub async fn a_lost_report_is_unknown_and_the_record_is_there(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    if harness.lose_a_report() {
        let report = soon("an answer", log.append(&message(&room, "lost")).expect("enqueued")).await;
        assert_eq!(report, Err(ReportError::Unknown));
        let range = log.read_range(Partition(0), Offset::NONE, Offset(0), 1).await.expect("read");
        assert_eq!(contents(&range.records), ["lost"]);
    }
    // Dropping the future is the other way to lose it: it cancels nothing.
    drop(log.append(&message(&room, "dropped")).expect("enqueued"));
    append(&log, &message(&room, "after")).await;
    let range = log.read_range(Partition(0), Offset::NONE, Offset(9), usize::MAX).await.expect("read");
    let read = contents(&range.records);
    assert_eq!(&read[read.len() - 2..], ["dropped", "after"]);
    harness.destroy().await;
}

/// After `flush` nothing is unanswered.
pub async fn flush_waits_for_everything_enqueued(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let pending: Vec<_> = texts(200).map(|text| log.append(&message(&room, text)).expect("enqueued")).collect();
    log.flush(PATIENCE).await;
    let answered = tokio::time::timeout(Duration::from_millis(100), futures_util::future::join_all(pending)).await;
    assert!(answered.expect("nothing is waited for").iter().all(Result::is_ok));
    harness.destroy().await;
}
