//! The contract of [`super::fanout`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::fanout_contract!(make())`, where `make` gives a fresh [`Subject`]; each
//! promise becomes a test of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::fanout::{Applied, Fanout, Signal};
use super::log::{Malformed, Position, Record};
use crate::event::{Actor, Delivery, Ephemeral, Event, Kind, Member, Message, MessageType, Role};
use crate::ids::{EventId, Generation, Offset, Partition, RoomId, Seq, UserId};
use crate::time::Timestamp;

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
        let kind = Kind::MessageSent(Message {
            content: text.into(),
            kind: MessageType::Text,
            reply_to: None,
            metadata: None,
            mentions: Vec::new(),
            encrypted: false,
            temp_id: None,
        });
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

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn applying_moves_the_position_and_publishes_in_order_with_a_prev_chain<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let mut heard = room.heard().await;
        // Offsets have gaps.
        let (first, second) = (room.messages([0, 1, 5]), room.messages([6, 9]));
        assert_eq!(room.apply(Position::START, &first).await, done(&first));
        assert_eq!(room.apply(first[2].position(), &second).await, done(&second));
        assert_eq!(room.position().await, Some(second[1].position()));
        let mut prev = None;
        for record in first.iter().chain(&second) {
            let delivery = heard.whole_delivery().await;
            assert_eq!((delivery.prev, delivery.seq, delivery.time), (prev, record.seq, record.time));
            assert_eq!(Ok(&delivery.event), record.event.as_ref());
            prev = Some(record.seq);
        }
        assert_eq!(room.head().await, prev);
    }

    pub async fn a_batch_at_or_below_the_position_is_silent<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let records = room.messages(0..4);
        room.apply(Position::START, &records).await;
        let mut heard = room.heard().await;
        // Again, and a reordered retry of its beginning.
        assert_eq!(room.apply(Position::START, &records).await, done(&records));
        assert_eq!(room.apply(Position::START, &records[..2]).await, done(&records));
        heard.silence().await;
        assert_eq!(room.position().await, Some(records[3].position()));
    }

    pub async fn a_batch_with_a_wrong_previous_changes_nothing_and_says_where_it_is<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let records = room.messages(0..4);
        room.apply(Position::START, &records[..2]).await;
        let mut heard = room.heard().await;
        let held = records[1].position();
        let wrong = [Position::START, records[2].position(), Position { digest: held.digest ^ 1, ..held }];
        for previous in wrong {
            assert_eq!(room.apply(previous, &records[3..]).await, Applied::Elsewhere(Some(held)), "{previous:?}");
        }
        heard.silence().await;
        assert_eq!((room.position().await, room.head().await), (Some(held), Some(records[1].seq)));
    }

    pub async fn an_id_seen_under_another_seq_is_skipped<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let mut heard = room.heard().await;
        let event = room.message("once");
        let records =
            [room.record(0, event.clone()), room.record(1, event), room.record(2, room.message("something else"))];
        let position = records[2].position();
        assert_eq!(room.apply(Position::START, &records).await, Applied::Done { position, duplicates: 1 });
        assert_eq!(heard.delivery().await, (None, seq(0)));
        assert_eq!(heard.delivery().await, (Some(seq(0)), seq(2)));
        let cached = room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 10).await.expect("cache");
        assert_eq!(cached.iter().map(|delivery| delivery.seq).collect::<Vec<_>>(), [seq(0), seq(2)]);
    }

    pub async fn the_same_seq_after_losing_the_position_is_published_again_without_prev<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let records = room.messages(0..3);
        room.apply(Position::START, &records[..2]).await;
        room.subject.forget_position(room.partition).await;
        let mut heard = room.heard().await;
        assert_eq!(room.apply(records[1].position(), &records[2..]).await, Applied::Elsewhere(None));
        let from = Position { offset: Offset(0), digest: 0 };
        assert_eq!(room.fanout.claim(room.partition, from).await.expect("claimed"), from);
        assert_eq!(room.apply(from, &records[1..]).await, done(&records));
        assert_eq!(heard.delivery().await, (None, seq(1)));
        assert_eq!(heard.delivery().await, (Some(seq(1)), seq(2)));
    }

    pub async fn a_replay_does_not_lower_a_head_nor_stand_twice_in_the_cache<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let records = room.messages(0..4);
        room.apply(Position::START, &records).await;
        room.subject.forget_position(room.partition).await;
        room.fanout.claim(room.partition, Position::START).await.expect("claimed");
        room.apply(Position::START, &records[..2]).await;
        assert_eq!(room.head().await, Some(seq(3)));
        let cached = room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 10).await.expect("cache");
        let chain: Vec<_> = cached.iter().map(|delivery| (delivery.prev, delivery.seq)).collect();
        assert_eq!(chain, [(None, seq(0)), (Some(seq(0)), seq(1)), (Some(seq(1)), seq(2)), (Some(seq(2)), seq(3))]);
    }

    pub async fn forgetting_everything_asks_for_a_claim<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let records = room.messages(0..3);
        room.apply(Position::START, &records[..2]).await;
        room.subject.forget().await;
        assert_eq!(room.position().await, None);
        assert_eq!(room.apply(records[1].position(), &records[2..]).await, Applied::Elsewhere(None));
        let heads = room.fanout.heads(room.partition, std::slice::from_ref(&room.id)).await.expect("heads");
        assert_eq!((heads.position, heads.heads), (None, vec![None]));
        assert!(room.fanout.recent(&room.id, Seq::ZERO, Seq::MAX, 10).await.expect("cache").is_empty());
        // A claim at an earlier place replays what is no longer remembered.
        room.fanout.claim(room.partition, Position::START).await.expect("claimed");
        assert_eq!(room.apply(Position::START, &records).await, done(&records));
    }

    pub async fn of_two_claims_the_first_wins_and_both_see_it<S: Subject>(subject: &S) {
        let room = Room::of(subject, "general");
        let other = subject.another().await;
        let [one, two] = [3, 7].map(|offset| Position { offset: Offset(offset), digest: 0 });
        let (first, second) = tokio::join!(room.fanout.claim(room.partition, one), other.claim(room.partition, two));
        let (first, second) = (first.expect("claimed"), second.expect("claimed"));
        assert_eq!(first, second);
        assert!([one, two].contains(&first));
        assert_eq!(room.position().await, Some(first));
        let heads = other.heads(room.partition, &[]).await.expect("heads");
        assert_eq!(heads.from, first.offset);
    }

    pub async fn heads_are_the_last_seqs_and_say_where_this_memory_began<S: Subject>(subject: &S) {
        let room = Room::of(subject, "general");
        let heads = room.fanout.heads(room.partition, std::slice::from_ref(&room.id)).await.expect("heads");
        assert_eq!((heads.position, heads.heads), (None, vec![None]), "nothing is known yet");
        let began = Position { offset: Offset(40), digest: 0 };
        room.fanout.claim(room.partition, began).await.expect("claimed");
        let records = room.messages(41..44);
        room.apply(began, &records).await;
        let silent = RoomId::trusted("silent");
        let asked = [silent.clone(), room.id.clone(), silent];
        let heads = room.fanout.heads(room.partition, &asked).await.expect("heads");
        assert_eq!(heads.heads, [None, Some(seq(43)), None], "in the order asked for");
        assert_eq!((heads.position, heads.from), (Some(records[2].position()), Offset(40)));
        assert_eq!(heads.trimmed, Timestamp(0), "nothing was trimmed");
    }

    pub async fn heads_older_than_a_day_may_be_trimmed_and_that_is_told<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        // A room on the same partition that stays silent after its one event.
        let quiet = (0..).map(|n| RoomId::trusted(format!("quiet-{n}")));
        let quiet = quiet.into_iter().find(|id| crate::partition::of(id, S::PARTITIONS) == room.partition);
        let quiet = Room { id: quiet.expect("one of them"), ..Room::of(subject, "general") };
        let hour = 3_600_000;
        let mut records = vec![quiet.record(0, quiet.message("goodnight"))];
        records.extend((1..30).map(|hours| {
            let mut record = room.record(hours, room.message("still here"));
            record.time = record.time.plus_millis(hours * hour);
            record
        }));
        let mut previous = Position::START;
        for record in &records {
            let applied = room.apply(previous, std::slice::from_ref(record)).await;
            assert_eq!(applied, done(std::slice::from_ref(record)));
            previous = record.position();
        }
        let heads = room.fanout.heads(room.partition, &[quiet.id, room.id.clone()]).await.expect("heads");
        assert_eq!(heads.heads[1], Some(seq(29)));
        match heads.heads[0] {
            Some(head) => assert_eq!(head, seq(0)),
            None => assert!(heads.trimmed >= records[0].time, "trimmed, so it is told"),
        }
        // Never more than what lies a day back.
        assert!(heads.trimmed <= records[29].time.plus_millis(-24 * hour));
    }

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

    pub async fn a_subscription_is_live_when_subscribe_returns<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let client = subject.another().await;
        let mut heard = Heard { signals: client.listen(), _client: Arc::clone(&client) };
        let mut previous = Position::START;
        for record in room.messages(0..30) {
            client.subscribe(&room.id).await.expect("subscribed");
            assert_eq!(room.apply(previous, std::slice::from_ref(&record)).await, done(std::slice::from_ref(&record)));
            assert_eq!(heard.delivery().await.1, record.seq);
            client.unsubscribe(&room.id).await.expect("unsubscribed");
            previous = record.position();
        }
        let last = room.messages([30]);
        room.apply(previous, &last).await;
        heard.silence().await;
    }

    pub async fn only_subscribed_rooms_are_heard<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let mut heard = room.heard().await;
        let other = Room::of(subject, "other");
        other.fanout.claim(other.partition, Position::START).await.expect("claimed");
        let (elsewhere, here) = (other.messages([100]), room.messages([101]));
        let previous = other.position().await.expect("claimed");
        other.apply(previous, &elsewhere).await;
        let previous = room.position().await.expect("claimed");
        room.apply(previous, &here).await;
        assert_eq!(heard.delivery().await.1, seq(101));
        heard.silence().await;
    }

    pub async fn a_dropped_bus_connection_is_a_gap_and_goes_on<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let client = subject.client();
        let mut heard = Heard { signals: client.listen(), _client: Arc::clone(&client) };
        client.subscribe(&room.id).await.expect("subscribed");
        let records = room.messages(0..2);
        room.apply(Position::START, &records[..1]).await;
        assert_eq!(heard.delivery().await.1, seq(0));
        subject.cut().await;
        while !matches!(heard.next().await, Signal::Gap) {}
        // The gap comes once the subscriptions stand again.
        room.apply(records[0].position(), &records[1..]).await;
        assert_eq!(heard.delivery().await.1, seq(1));
    }

    pub async fn a_version_is_never_lowered<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        assert_eq!(room.fanout.version(&room.id).await.expect("version"), None);
        let records: Vec<_> = [10, 9, 11, 2]
            .into_iter()
            .enumerate()
            .map(|(n, version)| room.record(i64::try_from(n).expect("small"), room.joined(version)))
            .collect();
        let mut previous = Position::START;
        for (record, expected) in records.iter().zip([10, 10, 11, 11]) {
            room.apply(previous, std::slice::from_ref(record)).await;
            assert_eq!(room.fanout.version(&room.id).await.expect("version"), Some(expected));
            previous = record.position();
        }
    }

    pub async fn a_version_that_was_forgotten_can_be_filled_in<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        room.fanout.recall_version(&room.id, 7).await.expect("recalled");
        assert_eq!(room.fanout.version(&room.id).await.expect("version"), Some(7));
        room.apply(Position::START, &[room.record(0, room.joined(9))]).await;
        room.fanout.recall_version(&room.id, 8).await.expect("recalled");
        assert_eq!(room.fanout.version(&room.id).await.expect("version"), Some(9), "what is known is never older");
    }

    pub async fn ephemeral_news_arrive_as_they_were_told<S: Subject>(subject: &S) {
        let room = Room::of(subject, "general");
        let mut heard = room.heard().await;
        let news = Ephemeral::Typing { user: actor("ann"), active: true };
        room.fanout.publish(&room.id, &news).await.expect("published");
        loop {
            match heard.next().await {
                Signal::Ephemeral(id, told) => break assert_eq!((id, told), (room.id.clone(), news)),
                Signal::Gap => {}
                other => panic!("no news but {other:?}"),
            }
        }
    }

    pub async fn records_that_cannot_be_decoded_are_skipped_and_the_position_moves<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let mut heard = room.heard().await;
        let mut records = room.messages(0..4);
        for poison in [1, 3] {
            records[poison].encoded = Bytes::from_static(b"\xff\xff");
            records[poison].event = Err(Malformed("poison".into()));
        }
        assert_eq!(room.apply(Position::START, &records).await, done(&records));
        assert_eq!(heard.delivery().await, (None, seq(0)));
        assert_eq!(heard.delivery().await, (Some(seq(0)), seq(2)));
        assert_eq!(room.position().await, Some(records[3].position()));
        let more = room.messages([4]);
        assert_eq!(room.apply(records[3].position(), &more).await, done(&more));
        assert_eq!(heard.delivery().await, (Some(seq(2)), seq(4)));
    }

    pub async fn an_unknown_kind_is_forwarded_untouched<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let mut heard = room.heard().await;
        let event = room.event(Kind::Other { kind: 4_000, body: Bytes::from_static(b"from a newer version") });
        let record = room.record(0, event.clone());
        room.apply(Position::START, std::slice::from_ref(&record)).await;
        let delivery = heard.whole_delivery().await;
        assert_eq!(*delivery.event, event);
    }

    pub async fn a_large_seq_survives_as_it_is<S: Subject>(subject: &S) {
        let room = Room::of(subject, "general");
        let mut heard = room.heard().await;
        // Round in decimal, and the last offsets there are: what a double or %g would bend.
        let offsets = [999_999_999_999, 1_000_000_000_000, 30_000_000_000_000, (1 << 45) - 2, (1 << 45) - 1];
        let began = Position { offset: Offset(offsets[0] - 1), digest: u64::MAX };
        assert_eq!(room.fanout.claim(room.partition, began).await.expect("claimed"), began);
        let records = room.messages(offsets);
        let mut previous = began;
        let mut prev = None;
        for record in &records {
            let applied = room.apply(previous, std::slice::from_ref(record)).await;
            assert_eq!(applied, done(std::slice::from_ref(record)));
            assert_eq!(heard.delivery().await, (prev, record.seq));
            assert_eq!(room.head().await, Some(record.seq));
            (previous, prev) = (record.position(), Some(record.seq));
        }
        let cached = room.fanout.recent(&room.id, records[2].seq, records[4].seq, 10).await.expect("cache");
        assert_eq!(cached.iter().map(|one| one.seq).collect::<Vec<_>>(), [records[3].seq, records[4].seq]);
    }

    pub async fn an_empty_batch_changes_nothing<S: Subject>(subject: &S) {
        let room = Room::claimed(subject).await;
        let records = room.messages([0]);
        room.apply(Position::START, &records).await;
        assert_eq!(room.apply(records[0].position(), &[]).await, done(&records));
    }
}

pub use promises::*;
