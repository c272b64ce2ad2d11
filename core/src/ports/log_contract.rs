//! The contract of [`super::log`]: runs unchanged on every implementation.
//!
//! A back end gives a [`Harness`] and names a function that makes a fresh one:
//! `parlor_core::log_contract!(fresh);` becomes one test for each promise.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Unavailable;
use super::log::{Appended, Consumer, Log, Polled, Position, Record, ReportError};
use crate::event::{Event, Kind, Message, MessageType};
use crate::ids::{EventId, Offset, Partition, RoomId, UserId};
use crate::time::Timestamp;

/// A fresh log, empty and with at least 2 partitions, and what the suite does to it from outside.
#[async_trait]
pub trait Harness: Send {
    /// The log.
    fn log(&self) -> Arc<dyn Log>;

    /// Ends the log and connects to the same one again, as a new process would.
    async fn reopen(&mut self) -> Arc<dyn Log>;

    /// Appends bytes as they are.
    async fn append_raw(&self, partition: Partition, encoded: Bytes);

    /// Appends bytes as they are, and leaves the offset after them unused.
    async fn append_before_a_gap(&self, partition: Partition, encoded: Bytes);

    /// Removes the records below an offset.
    async fn expire(&self, partition: Partition, below: Offset);

    /// The next append is written and its report is lost. `false`: this back end cannot be told to.
    fn lose_a_report(&self) -> bool {
        false
    }

    /// Everything that was set aside, with the reasons.
    async fn dead_letters(&self) -> Vec<(Bytes, String)>;

    /// Removes what the test made.
    async fn destroy(self: Box<Self>);
}

/// One `#[tokio::test]` for each promise of the log. The argument names an async function that gives a [`Harness`].
#[macro_export]
macro_rules! log_contract {
    ($make:path) => {
        $crate::log_contract!(@each $make:
            appended_events_reach_a_group_in_order,
            the_order_of_a_room_is_the_order_of_enqueueing,
            time_and_place_in_the_ack_are_those_every_reader_sees,
            a_record_that_is_too_large_is_refused_at_once,
            a_lost_report_is_unknown_and_the_record_is_there,
            flush_waits_for_everything_enqueued,
            a_range_is_whole_from_after_to_through,
            a_range_is_bounded_by_bytes_and_says_how_far_it_is_complete,
            a_range_beyond_the_end_is_complete_up_to_the_end,
            a_range_that_has_expired_is_an_error_that_says_so,
            a_gap_between_offsets_hides_nothing,
            ends_and_times_are_found,
            records_come_only_after_start,
            start_seeks_and_drops_what_was_prefetched,
            a_paused_partition_is_silent_until_it_is_started,
            starting_outside_the_log_is_an_error_that_says_so,
            a_consumer_that_is_not_asked_for_long_loses_nothing,
            committed_offsets_survive_their_member,
            two_members_share_the_partitions_and_inherit_from_each_other,
            members_that_come_and_go_in_mid_stream_pass_over_nothing,
            groups_do_not_disturb_each_other,
            an_unknown_kind_comes_back_untouched,
            poison_comes_as_malformed_and_can_be_set_aside,
            a_reopened_log_has_everything,
        );
    };
    (@each $make:path: $($promise:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::log_contract::$promise(::std::boxed::Box::new($make().await)).await;
            }
        )+
    };
}

/// Generous: the suites of all back ends run at once on a small machine, and a static member that died is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Long enough for something that must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(700);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

fn message(room: &RoomId, content: impl Into<String>) -> Event {
    let content = content.into();
    let message = Message {
        content,
        kind: MessageType::Text,
        reply_to: None,
        metadata: None,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: None,
    };
    let actor = crate::membership::nameless(&UserId::trusted("u1"));
    Event { id: EventId::now(), room: room.clone(), actor, kind: Kind::MessageSent(message) }
}

fn content(record: &Record) -> &str {
    match record.event.as_deref() {
        Ok(Event { kind: Kind::MessageSent(message), .. }) => &message.content,
        other => panic!("not a message: {other:?}"),
    }
}

/// A room of this partition.
fn room_of(log: &Arc<dyn Log>, partition: Partition) -> RoomId {
    (0..)
        .map(|n| RoomId::trusted(format!("room-{n}")))
        .find(|room| log.partition_of(room) == partition)
        .expect("some room is there")
}

async fn append(log: &Arc<dyn Log>, event: &Event) -> Appended {
    soon("an ack", log.append(event).expect("enqueued")).await.expect("appended")
}

/// Appends `texts` to one room of partition 0 and returns the offsets.
async fn fill(log: &Arc<dyn Log>, texts: impl IntoIterator<Item = String>) -> Vec<Offset> {
    let room = room_of(log, Partition(0));
    let pending: Vec<_> = texts.into_iter().map(|text| log.append(&message(&room, text)).expect("enqueued")).collect();
    for report in pending {
        soon("an ack", report).await.expect("appended");
    }
    let ends = log.ends(Partition(0)).await.expect("ends");
    let range = log.read_range(Partition(0), before(ends.first), Offset(i64::MAX - 1), usize::MAX).await;
    range.expect("read").records.iter().map(Record::offset).collect()
}

fn before(offset: Offset) -> Offset {
    Offset(offset.0 - 1)
}

fn texts(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| n.to_string())
}

fn contents(records: &[Record]) -> Vec<&str> {
    records.iter().map(content).collect()
}

/// Polls until the consumer owns every partition.
async fn own_all(log: &Arc<dyn Log>, consumer: &mut Box<dyn Consumer>) {
    own(consumer, usize::try_from(log.partitions()).expect("small")).await;
}

async fn own(consumer: &mut Box<dyn Consumer>, count: usize) -> BTreeSet<Partition> {
    let mut owned = BTreeSet::new();
    while owned.len() < count {
        match soon("an assignment", consumer.next()).await.expect("polled") {
            Polled::Assigned(partitions) => owned.extend(partitions),
            Polled::Revoked(partitions) => owned.retain(|partition| !partitions.contains(partition)),
            Polled::Records(partition, _) => panic!("records of {partition} before its start"),
        }
    }
    owned
}

/// Polls until `count` records of one partition have come.
async fn take(consumer: &mut Box<dyn Consumer>, partition: Partition, count: usize) -> Vec<Record> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match soon("records", consumer.next()).await.expect("polled") {
            Polled::Records(from, records) if from == partition => taken.extend(records),
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(taken.len(), count, "no more than was appended");
    taken
}

async fn nothing_comes(consumer: &mut Box<dyn Consumer>) {
    match tokio::time::timeout(A_WHILE, consumer.next()).await {
        Err(_) => {}
        Ok(polled) => panic!("unexpected: {polled:?}"),
    }
}

/// Commits arrive in the background: waits until the log answers this for partition 0.
async fn await_commit(log: &Arc<dyn Log>, group: &str, next: Offset) {
    soon("a commit", async {
        while log.committed(group).await.expect("committed")[0] != Some(next) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

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
    assert_eq!(refused, Some(super::log::AppendError::TooLarge));
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

async fn take_some(consumer: &mut Box<dyn Consumer>) -> Vec<Record> {
    match soon("records", consumer.next()).await.expect("polled") {
        Polled::Records(_, records) => records,
        other => panic!("unexpected: {other:?}"),
    }
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

/// What a member committed, the next one finds.
pub async fn committed_offsets_survive_their_member(mut harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(10)).await;
    assert!(log.committed("g").await.expect("committed").iter().all(Option::is_none), "never committed");
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), at[0]).expect("started");
    take(&mut consumer, Partition(0), 10).await;
    consumer.commit(Partition(0), at[6]).expect("committed");
    await_commit(&log, "g", at[6]).await;
    consumer.commit(Partition(0), at[7]).expect("committed");
    consumer.close().await;
    await_commit(&log, "g", at[7]).await;
    assert!(log.committed("another").await.expect("committed").iter().all(Option::is_none));
    drop(log);
    let log = harness.reopen().await;
    await_commit(&log, "g", at[7]).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    let from = log.committed("g").await.expect("committed")[0].expect("committed");
    consumer.start(Partition(0), from).expect("started");
    assert_eq!(contents(&take(&mut consumer, Partition(0), 3).await), ["7", "8", "9"]);
    consumer.close().await;
    drop(log);
    harness.destroy().await;
}

/// Two members own each partition once between them; what one leaves, the other gets, and a commit by who owns it no
/// more changes nothing.
pub async fn two_members_share_the_partitions_and_inherit_from_each_other(harness: Box<impl Harness>) {
    let log = harness.log();
    let all: BTreeSet<_> = (0..log.partitions()).map(Partition).collect();
    fill(&log, texts(10)).await;
    let mut a = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut a).await;
    a.start(Partition(0), Offset(0)).expect("started");
    take(&mut a, Partition(0), 10).await;
    let mut b = log.consume("g", "b", Duration::ZERO).await.expect("joined");
    let (mut of_a, mut of_b) = (all.clone(), BTreeSet::new());
    soon("a share for each", async {
        while of_b.is_empty() || of_a.len() + of_b.len() < all.len() {
            tokio::select! {
                polled = a.next() => moved(&mut of_a, polled.expect("polled")),
                polled = b.next() => moved(&mut of_b, polled.expect("polled")),
            }
        }
    })
    .await;
    assert!(of_a.is_disjoint(&of_b), "{of_a:?} and {of_b:?}");
    assert!(!of_a.is_empty() && !of_b.is_empty());

    // Who has lost a partition commits nothing there; who has it does.
    let (owner, other) = if of_a.contains(&Partition(0)) { (&mut a, &mut b) } else { (&mut b, &mut a) };
    other.commit(Partition(0), Offset(2)).expect("ignored");
    owner.commit(Partition(0), Offset(8)).expect("committed");
    await_commit(&log, "g", Offset(8)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    await_commit(&log, "g", Offset(8)).await;

    b.close().await;
    soon("the share of the member that left", async {
        while of_a != all {
            moved(&mut of_a, a.next().await.expect("polled"));
        }
    })
    .await;
    a.start(Partition(0), Offset(8)).expect("started");
    assert_eq!(contents(&take(&mut a, Partition(0), 2).await), ["8", "9"]);
    a.close().await;
    harness.destroy().await;
}

fn moved(owned: &mut BTreeSet<Partition>, polled: Polled) {
    match polled {
        Polled::Assigned(partitions) => owned.extend(partitions),
        Polled::Revoked(partitions) => owned.retain(|partition| !partitions.contains(partition)),
        Polled::Records(partition, _) => assert!(owned.contains(&partition), "records of a partition of someone else"),
    }
}

/// Two owners that keep their positions in one place, one of them coming and going while events are appended: between
/// them each record is applied once, in order, and no start is ever answered with a later record than it asked for.
pub async fn members_that_come_and_go_in_mid_stream_pass_over_nothing(harness: Box<impl Harness>) {
    let log = harness.log();
    let partitions = usize::try_from(log.partitions()).expect("small");
    let applied = Arc::new(Applied(std::sync::Mutex::new(vec![Offset::NONE; partitions])));
    let (enough, mut had_enough) = tokio::sync::oneshot::channel::<()>();
    let appending = {
        let log = log.clone();
        tokio::spawn(async move {
            let rooms: Vec<_> = (0..log.partitions()).map(|partition| room_of(&log, Partition(partition))).collect();
            let mut last = Offset::NONE;
            while had_enough.try_recv().is_err() {
                for room in &rooms {
                    append(&log, &message(room, last.next().to_string())).await;
                }
                last = last.next();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            last
        })
    };
    let (stop_a, stopped_a) = tokio::sync::oneshot::channel();
    let a = tokio::spawn(applied.clone().work(
        log.consume("g", "a", Duration::ZERO).await.expect("joined"),
        usize::MAX,
        stopped_a,
    ));
    // Twice at once, so that it also comes back before its place was given away.
    for _ in 0..2 {
        let (_runs_on, never) = tokio::sync::oneshot::channel();
        let b = applied.clone().work(log.consume("g", "b", Duration::ZERO).await.expect("joined"), 100, never);
        soon("b to get its share and apply it", b).await;
    }
    // a inherits what b had: everything up to a place beyond where b left it is applied.
    let mut goals = Vec::new();
    for partition in 0..log.partitions() {
        goals.push(Offset(log.ends(Partition(partition)).await.expect("ends").next.0 + 20));
    }
    soon("a to inherit", applied.reach(&goals)).await;
    let _ = enough.send(());
    let last = appending.await.expect("appended");
    soon("everything to be applied", applied.reach(&vec![last; partitions])).await;
    let _ = stop_a.send(());
    a.await.expect("a works");
    harness.destroy().await;
}

/// The last offset of each partition that a sink has applied.
struct Applied(std::sync::Mutex<Vec<Offset>>);

impl Applied {
    fn position(&self, partition: Partition) -> Offset {
        self.0.lock().expect("unpoisoned")[usize::try_from(partition.0).expect("small")]
    }

    async fn reach(&self, goals: &[Offset]) {
        while self.0.lock().expect("unpoisoned").iter().zip(goals).any(|(applied, goal)| applied < goal) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Applies what comes until it has applied so many records, or is stopped; then leaves.
    async fn work(
        self: Arc<Self>,
        mut consumer: Box<dyn Consumer>,
        until: usize,
        mut stopped: tokio::sync::oneshot::Receiver<()>,
    ) {
        let mut done = 0;
        while done < until {
            let polled = tokio::select! {
                polled = consumer.next() => polled.expect("polled"),
                _ = &mut stopped => break,
            };
            match polled {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        consumer.start(partition, self.position(partition).next()).expect("started");
                    }
                }
                Polled::Revoked(_) => {}
                Polled::Records(partition, records) => {
                    let (first, last) = (records[0].offset(), records[records.len() - 1].offset());
                    assert_eq!(last.0 - first.0 + 1, i64::try_from(records.len()).expect("small"), "none left out");
                    let next = {
                        let mut applied = self.0.lock().expect("unpoisoned");
                        let position = &mut applied[usize::try_from(partition.0).expect("small")];
                        let next = position.next();
                        assert!(first <= next, "passed over {next} to {first} of partition {partition}");
                        if first == next {
                            *position = last;
                            done += records.len();
                        }
                        position.next()
                    };
                    if next == last.next() {
                        consumer.commit(partition, next).expect("committed");
                    } else {
                        // Another owner was here meanwhile: its work is not repeated.
                        consumer.start(partition, next).expect("started");
                    }
                }
            }
        }
        consumer.close().await;
    }
}

/// Each group reads everything, at its own pace.
pub async fn groups_do_not_disturb_each_other(harness: Box<impl Harness>) {
    let log = harness.log();
    fill(&log, texts(10)).await;
    let mut one = log.consume("one", "a", Duration::ZERO).await.expect("joined");
    let mut two = log.consume("two", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut one).await;
    own_all(&log, &mut two).await;
    one.start(Partition(0), Offset(0)).expect("started");
    two.start(Partition(0), Offset(5)).expect("started");
    take(&mut one, Partition(0), 10).await;
    take(&mut two, Partition(0), 5).await;
    one.commit(Partition(0), Offset(10)).expect("committed");
    await_commit(&log, "one", Offset(10)).await;
    assert_eq!(log.committed("two").await.expect("committed")[0], None);
    one.close().await;
    two.close().await;
    harness.destroy().await;
}

/// Old and new versions run side by side: what this one does not know passes through it byte for byte.
pub async fn an_unknown_kind_comes_back_untouched(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let kind = Kind::Other { kind: 60_000, body: Bytes::from_static(b"\x0a\x03new\xff\x00") };
    let event = Event { kind, ..message(&room, "") };
    append(&log, &event).await;
    let record = log.read_range(Partition(0), Offset::NONE, Offset(0), 1).await.expect("read").records.remove(0);
    assert_eq!(record.event.as_deref(), Ok(&event));
    harness.append_raw(Partition(0), record.encoded.clone()).await;
    let copy = log.read_range(Partition(0), Offset(0), Offset(1), 1).await.expect("read").records.remove(0);
    assert_eq!((copy.encoded, copy.event.as_deref()), (record.encoded, Ok(&event)));
    harness.destroy().await;
}

/// A record that cannot be decoded stops nobody: it comes in its place, can be put aside, and what follows comes too.
pub async fn poison_comes_as_malformed_and_can_be_set_aside(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let poison = Bytes::from_static(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    append(&log, &message(&room, "before")).await;
    harness.append_raw(Partition(0), poison.clone()).await;
    append(&log, &message(&room, "after")).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), Offset(0)).expect("started");
    let taken = take(&mut consumer, Partition(0), 3).await;
    assert_eq!((content(&taken[0]), content(&taken[2])), ("before", "after"));
    assert!(taken[1].event.is_err(), "{:?}", taken[1].event);
    assert_eq!(taken[1].encoded, poison);
    soon("the dead letter", log.set_aside(&taken[1], "cannot be decoded")).await.expect("set aside");
    assert_eq!(harness.dead_letters().await, [(poison, "cannot be decoded".to_owned())]);
    assert_eq!(log.ends(Partition(0)).await.expect("ends").next, Offset(3), "not replayed by itself");
    consumer.close().await;
    harness.destroy().await;
}

/// Nothing of the log is in the process that wrote it.
pub async fn a_reopened_log_has_everything(mut harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(100)).await;
    let whole = |log: Arc<dyn Log>| async move {
        let range = log.read_range(Partition(0), Offset::NONE, Offset(1_000), usize::MAX).await.expect("read");
        range.records.into_iter().map(|record| (record.seq, record.time, record.encoded)).collect::<Vec<_>>()
    };
    let written = whole(log.clone()).await;
    drop(log);
    let log = harness.reopen().await;
    assert_eq!(whole(log.clone()).await, written);
    append(&log, &message(&room_of(&log, Partition(0)), "100")).await;
    let next = log.read_range(Partition(0), at[99], Offset(1_000), 1).await.expect("read").records.remove(0);
    assert!(next.offset() > at[99]);
    assert_eq!(content(&next), "100");
    log.check().await.expect("it answers");
    drop(log);
    harness.destroy().await;
}
