//! What the reads of [`Store`](crate::ports::store::Store) promise.

#![allow(missing_docs, reason = "a promise is its name")]

use std::sync::Arc;

use super::{GENERATION, PARTITION, Trial, delete, edit, event, everything, id_of, text};
use crate::event::{Event, Kind, Message, MessageType};
use crate::ids::{MessageId, Offset, Partition, RoomId, Seq};
use crate::ports::store::{Placed, Read};
use crate::time::Timestamp;

pub async fn history_pages_neither_repeat_nor_skip(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let mut seqs = Vec::new();
    for batch in 0..5 {
        let (mine, other) = (text("r", "a", "mine"), text("other", "a", "other"));
        let events = (0..5).flat_map(|_| [text("r", "a", &batch.to_string()), other.clone()]);
        let told = trial.feed.tell(events.map(|event| Event { id: MessageId::now().into(), ..event })).await;
        seqs.extend(told.into_iter().step_by(2));
        seqs.extend(trial.feed.tell([mine]).await);
    }
    for newest_first in [false, true] {
        let mut expected = seqs.clone();
        let (mut after, mut before, mut found) = (Seq::ZERO, Seq::MAX, Vec::new());
        loop {
            let read = Read { after, before, limit: 4, newest_first, ..everything(&room) };
            let page = trial.store.messages(read).await.expect("a page");
            let Some(last) = page.rows.last() else { break };
            assert!(page.rows.len() <= 4);
            if newest_first {
                before = last.seq
            } else {
                after = last.seq
            }
            found.extend(page.rows.iter().map(|message| message.seq));
        }
        if newest_first {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
}

pub async fn history_is_bounded_on_both_sides_and_stays_in_its_room(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let seqs = trial.feed.tell(["0", "1", "2", "3", "4"].map(|words| text("r", "a", words))).await;
    trial.feed.tell([text("other", "a", "5")]).await;
    let read = |after, before, limit, newest_first| {
        let (store, room) = (Arc::clone(&trial.store), room.clone());
        async move {
            let read = Read { after, before, limit, newest_first, ..everything(&room) };
            let rows = store.messages(read).await.expect("a page").rows;
            rows.into_iter().map(|message| message.message.content).collect::<Vec<_>>().concat()
        }
    };
    assert_eq!(read(seqs[0], seqs[4], 10, false).await, "123");
    assert_eq!(read(seqs[0], seqs[4], 10, true).await, "321");
    assert_eq!(read(seqs[0], seqs[4], 2, false).await, "12");
    assert_eq!(read(seqs[0], seqs[4], 2, true).await, "32");
    assert_eq!(read(seqs[4], Seq::MAX, 10, false).await, "");
    assert_eq!(read(Seq::ZERO, seqs[0], 10, true).await, "");
    assert_eq!(read(Seq::ZERO, Seq::MAX, 0, true).await, "");
    assert!(trial.history(&RoomId::trusted("empty")).await.is_empty());
}

pub async fn a_deleted_message_leaves_history_but_is_found_by_its_id(mut trial: Trial) {
    let (kept, gone) = (text("r", "a", "kept"), text("r", "a", "gone"));
    trial.feed.tell([gone.clone(), kept, delete(&gone)]).await;
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["kept"]);
    let found = trial.store.message(id_of(&gone)).await.expect("an answer").expect("a message");
    assert_eq!((found.room.as_str(), found.deleted_at.is_some()), ("r", true));
    assert_eq!(trial.store.message(MessageId::now()).await.expect("an answer"), None);
}

pub async fn many_messages_are_found_at_once(mut trial: Trial) {
    let (kept, gone, other) = (text("r", "a", "kept"), text("r", "b", "gone"), text("s", "b", "other"));
    let notice = event("s", "b", Kind::MessageSent(Message::new(MessageType::System, "b joined the group")));
    let told = [gone.clone(), kept.clone(), other.clone(), notice.clone(), delete(&gone)];
    let seqs = trial.feed.tell(told).await;
    let ids = [MessageId::now(), id_of(&notice), id_of(&other), id_of(&gone), id_of(&kept), id_of(&kept)];
    let mut places = trial.store.places(&ids).await.expect("an answer");
    places.sort_by_key(|place| place.seq);
    let place = |event: &Event, seq, deleted| Placed {
        message: id_of(event),
        room: event.room.clone(),
        seq,
        sender: event.actor.id.clone(),
        system: *event == notice,
        deleted,
    };
    assert_eq!(
        places,
        [
            place(&gone, seqs[0], true),
            place(&kept, seqs[1], false),
            place(&other, seqs[2], false),
            place(&notice, seqs[3], false)
        ],
        "each once, and none that was never stored"
    );
    assert!(trial.store.places(&[]).await.expect("an answer").is_empty());
}

pub async fn a_range_says_how_far_it_sees(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let applied = async |trial: &Trial, partition| {
        let page = trial.store.messages(Read { partition, ..everything(&room) }).await.expect("a page");
        let changes = trial.store.changes(&room, partition, Seq::ZERO, Seq::MAX, 10).await.expect("changes");
        let (_, at) = trial.store.seq_at(&room, partition, Timestamp(0)).await.expect("a place");
        assert_eq!((changes.applied, at), (page.applied, page.applied));
        page.applied
    };
    assert_eq!(applied(&trial, PARTITION).await, Offset::NONE, "before any record, and before the row is made");
    let told = trial.feed.tell([text("r", "a", "one"), text("elsewhere", "a", "two")]).await;
    assert_eq!(applied(&trial, PARTITION).await, told[1].offset(), "the partition's place, not the room's");
    assert_eq!(applied(&trial, Partition(0)).await, Offset::NONE, "of that partition alone");
}

pub async fn a_range_and_how_far_it_sees_are_one_snapshot(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let (store, mut pages) = (Arc::clone(&trial.store), 0);
    let writing = tokio::spawn(async move {
        for at in 0..60 {
            trial.feed.tell([text("r", "a", &at.to_string()), text("r", "a", "pair")]).await;
        }
    });
    while !writing.is_finished() || pages == 0 {
        let newest = Read { limit: 1, newest_first: true, ..everything(&room) };
        let page = store.messages(newest).await.expect("a page");
        assert_eq!(page.rows.first().map_or(Offset::NONE, |message| message.seq.offset()), page.applied);
        let after = Seq::new(GENERATION, Offset(page.applied.0 - 1));
        let page = store.changes(&room, PARTITION, after, Seq::MAX, 1_000).await.expect("changes");
        assert_eq!(page.rows.last().map_or(Offset::NONE, |delivery| delivery.seq.offset()), page.applied);
        pages += 1;
    }
    writing.await.expect("written");
}

pub async fn messages_and_changes_merge_by_seq_up_to_a_place(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let (first, second, third) = (text("r", "a", "first"), text("r", "b", "second"), text("r", "b", "third"));
    let edited = edit(&first, "edited");
    let deleted = delete(&second);
    let told = [first.clone(), second, edited.clone(), text("other", "a", "no"), third.clone(), deleted.clone()];
    let seqs = trial.feed.tell(told).await;
    let times: Vec<Timestamp> = (0..6).map(|at| trial.feed.time.plus_millis((at - 5) * 1_000)).collect();
    let page = trial.store.changes(&room, PARTITION, Seq::ZERO, Seq::MAX, 100).await.expect("changes");
    let now = |message: &Event, words: &str| match &message.kind {
        Kind::MessageSent(fields) => {
            let fields = Message { content: words.into(), ..fields.clone() };
            Event { kind: Kind::MessageSent(fields), ..message.clone() }
        }
        _ => message.clone(),
    };
    // The first message as it is now; the second is deleted, and its deletion is told.
    let expected = [
        (seqs[0], times[0], now(&first, "edited")),
        (seqs[2], times[2], edited.clone()),
        (seqs[4], times[4], third.clone()),
        (seqs[5], times[5], deleted),
    ];
    let found: Vec<_> = page.rows.iter().map(|told| (told.seq, told.time, (*told.event).clone())).collect();
    assert_eq!(found, expected);
    assert!(page.rows.iter().all(|delivery| delivery.prev.is_none()));

    let page = trial.store.changes(&room, PARTITION, seqs[0], seqs[4], 100).await.expect("changes");
    assert_eq!(page.rows.iter().map(|delivery| delivery.seq).collect::<Vec<_>>(), [seqs[2], seqs[4]]);
    let page = trial.store.changes(&room, PARTITION, Seq::ZERO, Seq::MAX, 2).await.expect("changes");
    assert_eq!(page.rows.iter().map(|delivery| delivery.seq).collect::<Vec<_>>(), [seqs[0], seqs[2]]);
}

pub async fn the_seq_of_a_time_is_the_lowest_at_or_after_it(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let start = trial.feed.time;
    let mut seqs = Vec::new();
    // Seconds at which messages come. The log's clock steps back after the third.
    for second in [10, 20, 40, 30, 50] {
        trial.feed.time = start.plus_millis(second * 1_000 - 1_000);
        seqs.extend(trial.feed.tell([text("r", "a", "tick"), text("other", "a", "tock")]).await.first().copied());
    }
    for (second, place) in
        [(0, Some(0)), (10, Some(0)), (11, Some(1)), (21, Some(2)), (35, Some(2)), (41, Some(4)), (51, None)]
    {
        let (found, applied) =
            trial.store.seq_at(&room, PARTITION, start.plus_millis(second * 1_000)).await.expect("a place");
        assert_eq!(found, place.map(|at: usize| seqs[at]), "at {second} s");
        assert_eq!(applied, trial.feed.at.offset);
    }
}
