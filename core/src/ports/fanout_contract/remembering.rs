//! What is remembered of a room, and how far back: its head, and the version of its members.

#![allow(missing_docs, reason = "their names are what they promise")]

use super::{Room, Subject, done, seq};
use crate::ids::{Offset, RoomId};
use crate::ports::log::Position;
use crate::time::Timestamp;

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
