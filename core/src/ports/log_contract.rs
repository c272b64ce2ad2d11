//! The contract of [`super::log`]: runs unchanged on every implementation.
//!
//! A back end gives a [`Harness`] and names a function that makes a fresh one:
//! `parlor_core::log_contract!(fresh);` becomes one test for each promise.

mod appending;
mod consuming;
mod groups;
mod keeping;
mod reading;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::log::{Appended, Consumer, Log, Polled, Record};
use crate::event::{Event, Kind, Message, MessageType};
use crate::ids::{EventId, Offset, Partition, RoomId, UserId};

pub use self::appending::*;
pub use self::consuming::*;
pub use self::groups::*;
pub use self::keeping::*;
pub use self::reading::*;

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
