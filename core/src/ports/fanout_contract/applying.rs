//! What [`Fanout::apply`](crate::ports::fanout::Fanout::apply) and [`Fanout::claim`](crate::ports::fanout::Fanout::claim) promise: positions, the chain, replays.

#![allow(missing_docs, reason = "their names are what they promise")]

use bytes::Bytes;

use super::{Room, Subject, done, seq};
use crate::event::Kind;
use crate::ids::{Offset, Seq};
use crate::ports::fanout::Applied;
use crate::ports::log::{Malformed, Position};

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
