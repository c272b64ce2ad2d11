//! The contract of [`super::fanout`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::fanout_contract!(make())`, where `make` gives a fresh [`Subject`]; each
//! promise becomes a test of its own.

mod applying;
mod caching;
mod hearing;
mod remembering;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::fanout::{Applied, Fanout, Signal};
use super::log::{Position, Record};
use crate::event::{Actor, Delivery, Event, Kind, Member, Message, MessageType, Role};
use crate::ids::{EventId, Generation, Offset, Partition, RoomId, Seq, UserId};
use crate::time::Timestamp;

pub use self::applying::*;
pub use self::caching::*;
pub use self::hearing::*;
pub use self::remembering::*;

/// One promise a test.
#[macro_export]
macro_rules! fanout_contract {
    ($make:expr) => {
        $crate::fanout_contract!(@ $make;
            applying_moves_the_position_and_publishes_in_order_with_a_prev_chain
            a_batch_at_or_below_the_position_is_silent
            a_batch_with_a_wrong_previous_changes_nothing_and_says_where_it_is
            an_id_seen_under_another_seq_is_skipped
            the_same_seq_after_losing_the_position_is_published_again_without_prev
            a_replay_does_not_lower_a_head_nor_stand_twice_in_the_cache
            forgetting_everything_asks_for_a_claim
            of_two_claims_the_first_wins_and_both_see_it
            heads_are_the_last_seqs_and_say_where_this_memory_began
            heads_older_than_a_day_may_be_trimmed_and_that_is_told
            the_recent_cache_holds_the_newest_hundred_in_order_with_their_prev_chain
            the_recent_cache_answers_for_a_range_with_its_newest
            a_cache_that_was_cooled_is_empty_and_the_room_goes_on
            a_cold_cache_is_filled_from_the_store_and_what_is_published_next_follows_on
            filling_a_cache_hides_nothing_newer_and_doubles_nothing
            a_cache_is_not_filled_where_something_may_lie_between
            a_subscription_is_live_when_subscribe_returns
            only_subscribed_rooms_are_heard
            a_dropped_bus_connection_is_a_gap_and_goes_on
            a_version_is_never_lowered
            a_version_that_was_forgotten_can_be_filled_in
            ephemeral_news_arrive_as_they_were_told
            records_that_cannot_be_decoded_are_skipped_and_the_position_moves
            an_unknown_kind_is_forwarded_untouched
            a_large_seq_survives_as_it_is
            an_empty_batch_changes_nothing
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::fanout_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// The generation of the suite's records.
pub const GENERATION: Generation = Generation(1);

/// An implementation under test, with a memory of its own.
#[async_trait]
pub trait Subject: Send + Sync {
    /// How many partitions it was told of.
    const PARTITIONS: u32;
    /// A client of it, always the same.
    fn client(&self) -> Arc<dyn Fanout>;
    /// Another client of the same memory, as another process has it.
    async fn another(&self) -> Arc<dyn Fanout>;
    /// Forgets everything.
    async fn forget(&self);
    /// Forgets one partition's position, and nothing else.
    async fn forget_position(&self, partition: Partition);
    /// Cuts the bus connection of [`Subject::client`].
    async fn cut(&self);
    /// An event as `proto` encodes it.
    fn encode(&self, event: &Event) -> Bytes;
}

/// A room, its partition, and records of it.
struct Room<'a, S: Subject> {
    subject: &'a S,
    fanout: Arc<dyn Fanout>,
    id: RoomId,
    partition: Partition,
}

impl<'a, S: Subject> Room<'a, S> {
    fn of(subject: &'a S, id: &str) -> Self {
        let id = RoomId::trusted(id);
        let partition = crate::partition::of(&id, S::PARTITIONS);
        Self { subject, fanout: subject.client(), id, partition }
    }

    /// A room whose partition is claimed at the start.
    async fn claimed(subject: &'a S) -> Self {
        let room = Self::of(subject, "general");
        let held = room.fanout.claim(room.partition, Position::START).await.expect("claimed");
        assert_eq!(held, Position::START);
        room
    }

    fn message(&self, text: &str) -> Event {
        let kind = Kind::MessageSent(Message::new(MessageType::Text, text));
        self.event(kind)
    }

    fn event(&self, kind: Kind) -> Event {
        Event { id: EventId::now(), room: self.id.clone(), actor: actor("ann"), kind }
    }

    fn joined(&self, version: u64) -> Event {
        let member = Member { user: actor("bob"), role: Role::Member, joined_at: Timestamp(7) };
        self.event(Kind::MemberJoined { member, members: Some(1), version })
    }

    fn record(&self, offset: i64, event: Event) -> Record {
        Record {
            partition: self.partition,
            seq: seq(offset),
            time: Timestamp(1_700_000_000_000 + offset),
            encoded: self.subject.encode(&event),
            event: Ok(Arc::new(event)),
            trace: None,
        }
    }

    /// Messages at these offsets.
    fn messages(&self, offsets: impl IntoIterator<Item = i64>) -> Vec<Record> {
        offsets.into_iter().map(|offset| self.record(offset, self.message(&format!("message {offset}")))).collect()
    }

    async fn apply(&self, previous: Position, records: &[Record]) -> Applied {
        self.fanout.apply(self.partition, previous, records).await.expect("applied")
    }

    async fn position(&self) -> Option<Position> {
        self.fanout.position(self.partition).await.expect("position")
    }

    async fn head(&self) -> Option<Seq> {
        let heads = self.fanout.heads(self.partition, std::slice::from_ref(&self.id)).await.expect("heads");
        heads.heads[0]
    }

    /// What another client hears of the room from now on.
    async fn heard(&self) -> Heard {
        let client = self.subject.another().await;
        let signals = client.listen();
        client.subscribe(&self.id).await.expect("subscribed");
        Heard { signals, _client: client }
    }
}

struct Heard {
    signals: mpsc::Receiver<Signal>,
    _client: Arc<dyn Fanout>,
}

impl Heard {
    async fn next(&mut self) -> Signal {
        let next = tokio::time::timeout(Duration::from_secs(10), self.signals.recv());
        next.await.expect("a signal within 10 s").expect("the bus goes on")
    }

    /// The next delivery. Gaps are passed over: they may come at any time.
    async fn whole_delivery(&mut self) -> Delivery {
        loop {
            match self.next().await {
                Signal::Delivery(delivery) => return delivery,
                Signal::Gap => {}
                other => panic!("no delivery but {other:?}"),
            }
        }
    }

    /// The next delivery's prev and seq.
    async fn delivery(&mut self) -> (Option<Seq>, Seq) {
        let delivery = self.whole_delivery().await;
        (delivery.prev, delivery.seq)
    }

    /// Nothing more than gaps comes for a while.
    async fn silence(&mut self) {
        let wait = tokio::time::timeout(Duration::from_millis(150), async {
            loop {
                match self.signals.recv().await {
                    Some(Signal::Gap) => {}
                    other => return other,
                }
            }
        });
        if let Ok(signal) = wait.await {
            panic!("no silence but {signal:?}");
        }
    }
}

fn actor(id: &str) -> Actor {
    Actor { id: UserId::trusted(id), name: id.into(), avatar: None }
}

fn seq(offset: i64) -> Seq {
    Seq::new(GENERATION, Offset(offset))
}

fn done(records: &[Record]) -> Applied {
    Applied::Done { position: records.last().expect("records").position(), duplicates: 0 }
}
