//! The contract of [`super::topics`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::topics_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::fanout::{Applied, Fanout};
use super::log::{Position, Record};
use super::topics::{Keep, Topics, Words};
use crate::event::{Event, Kind, Message, MessageType};
use crate::ids::{EventId, Generation, Offset, Partition, RoomId, Seq, UserId};
use crate::membership::nameless;
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! topics_contract {
    ($make:expr) => {
        $crate::topics_contract!(@ $make;
            words_are_counted_and_the_highest_come_first
            a_partition_is_claimed_once_and_counted_from_there
            records_counted_before_are_not_counted_again
            who_is_not_where_it_believes_counts_nothing
            only_the_highest_words_are_kept
            words_are_forgotten_a_while_after_the_last
            a_copy_of_a_message_is_not_counted
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::topics_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// An implementation under test, with a memory of its own and four partitions.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A client of it.
    fn client(&self) -> Arc<dyn Topics>;
    /// The fan-out of the same memory.
    fn fanout(&self) -> Arc<dyn Fanout>;
    /// How events are encoded.
    fn encode(&self, event: &Event) -> Bytes;
}

const KEEP: Keep = Keep { words: 50, lives: Duration::from_secs(3600) };

fn at(offset: i64) -> Position {
    Position { offset: Offset(offset), digest: 7 }
}

fn place(room: &str) -> (RoomId, Partition) {
    let room = RoomId::trusted(room);
    let partition = crate::partition::of(&room, 4);
    (room, partition)
}

fn words(room: &RoomId, offset: i64, words: &[(&str, u32)]) -> Words {
    Words {
        id: EventId::now(),
        seq: Seq::new(Generation(1), Offset(offset)),
        room: room.clone(),
        words: words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect(),
    }
}

fn done(offset: i64) -> Applied {
    Applied::Done { position: at(offset), duplicates: 0 }
}

#[allow(missing_docs, reason = "a promise is its name")]
mod promises {
    use super::*;

    pub async fn words_are_counted_and_the_highest_come_first<S: Subject>(subject: &S) {
        let (topics, (room, partition)) = (subject.client(), place("cafe"));
        topics.claim_counted(partition, at(-1)).await.expect("claimed");
        let said = [words(&room, 0, &[("music", 1), ("coffee", 2)]), words(&room, 1, &[("coffee", 1), ("bread", 1)])];
        assert_eq!(topics.count(partition, at(-1), at(1), &said, KEEP).await.expect("counted"), done(1));
        let more = [words(&room, 5, &[("bread", 1)])];
        assert_eq!(topics.count(partition, at(1), at(6), &more, KEEP).await.expect("counted"), done(6));
        assert_eq!(topics.top(&room, 10).await.expect("words"), ["coffee", "bread", "music"]);
        assert_eq!(topics.top(&room, 1).await.expect("words"), ["coffee"]);
        assert!(topics.top(&RoomId::trusted("another"), 10).await.expect("words").is_empty());
    }

    pub async fn a_partition_is_claimed_once_and_counted_from_there<S: Subject>(subject: &S) {
        let (topics, (_, partition)) = (subject.client(), place("cafe"));
        assert_eq!(topics.counted(partition).await.expect("an answer"), None);
        assert_eq!(topics.count(partition, at(3), at(4), &[], KEEP).await.expect("answer"), Applied::Elsewhere(None));
        assert_eq!(topics.claim_counted(partition, at(9)).await.expect("claimed"), at(9));
        assert_eq!(topics.claim_counted(partition, at(3)).await.expect("claimed"), at(9));
        assert_eq!(topics.counted(partition).await.expect("an answer"), Some(at(9)));
        assert_eq!(subject.fanout().position(partition).await.expect("an answer"), None, "the fan-out has its own");
    }

    pub async fn records_counted_before_are_not_counted_again<S: Subject>(subject: &S) {
        let (topics, (room, partition)) = (subject.client(), place("cafe"));
        topics.claim_counted(partition, at(-1)).await.expect("claimed");
        let said = [words(&room, 0, &[("coffee", 1)])];
        let other = [words(&room, 1, &[("bread", 2)])];
        topics.count(partition, at(-1), at(0), &said, KEEP).await.expect("counted");
        topics.count(partition, at(0), at(1), &other, KEEP).await.expect("counted");
        for _ in 0..3 {
            assert_eq!(topics.count(partition, at(-1), at(0), &said, KEEP).await.expect("counted"), done(1));
        }
        assert_eq!(topics.top(&room, 10).await.expect("words"), ["bread", "coffee"]);
    }

    pub async fn who_is_not_where_it_believes_counts_nothing<S: Subject>(subject: &S) {
        let (topics, (room, partition)) = (subject.client(), place("cafe"));
        topics.claim_counted(partition, at(4)).await.expect("claimed");
        let said = [words(&room, 9, &[("coffee", 1)])];
        let answer = topics.count(partition, at(8), at(9), &said, KEEP).await.expect("an answer");
        assert_eq!(answer, Applied::Elsewhere(Some(at(4))));
        assert!(topics.top(&room, 10).await.expect("words").is_empty());
    }

    pub async fn only_the_highest_words_are_kept<S: Subject>(subject: &S) {
        let (topics, (room, partition)) = (subject.client(), place("cafe"));
        topics.claim_counted(partition, at(-1)).await.expect("claimed");
        let keep = Keep { words: 2, ..KEEP };
        let said = [words(&room, 0, &[("aaaa", 3), ("bbbb", 1), ("cccc", 2)])];
        topics.count(partition, at(-1), at(0), &said, keep).await.expect("counted");
        let more = [words(&room, 1, &[("bbbb", 2)])];
        topics.count(partition, at(0), at(1), &more, keep).await.expect("counted");
        // What fell out had to begin again.
        let top = topics.top(&room, 10).await.expect("words");
        assert_eq!((top.len(), top[0].as_str()), (2, "aaaa"));
    }

    pub async fn words_are_forgotten_a_while_after_the_last<S: Subject>(subject: &S) {
        let (topics, (room, partition)) = (subject.client(), place("cafe"));
        topics.claim_counted(partition, at(-1)).await.expect("claimed");
        let keep = Keep { lives: Duration::from_millis(1_000), ..KEEP };
        let said = |offset| [words(&room, offset, &[("coffee", 1)])];
        topics.count(partition, at(-1), at(0), &said(0), keep).await.expect("counted");
        tokio::time::sleep(Duration::from_millis(600)).await;
        topics.count(partition, at(0), at(1), &said(1), keep).await.expect("counted");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(topics.top(&room, 10).await.expect("words"), ["coffee"], "the last word prolongs all");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(topics.top(&room, 10).await.expect("words").is_empty());
    }

    pub async fn a_copy_of_a_message_is_not_counted<S: Subject>(subject: &S) {
        let (topics, (room, partition)) = (subject.client(), place("cafe"));
        let message = Message::new(MessageType::Text, "coffee");
        let actor = nameless(&UserId::trusted("ann"));
        let event = Event { id: EventId::now(), room: room.clone(), actor, kind: Kind::MessageSent(message) };
        let fanout = subject.fanout();
        fanout.claim(partition, at(-1)).await.expect("claimed");
        let record = Record {
            partition,
            seq: Seq::new(Generation(1), Offset(0)),
            time: Timestamp::now(),
            encoded: subject.encode(&event),
            event: Ok(Arc::new(event.clone())),
            trace: None,
        };
        fanout.apply(partition, at(-1), &[record]).await.expect("applied");
        topics.claim_counted(partition, at(-1)).await.expect("claimed");
        let copy = Words { id: event.id, ..words(&room, 1, &[("copied", 1)]) };
        let first = Words { id: event.id, ..words(&room, 0, &[("coffee", 1)]) };
        let counted = topics.count(partition, at(-1), at(1), &[first, copy], KEEP).await.expect("counted");
        assert_eq!(counted, Applied::Done { position: at(1), duplicates: 1 });
        assert_eq!(topics.top(&room, 10).await.expect("words"), ["coffee"]);
    }
}

pub use promises::*;
