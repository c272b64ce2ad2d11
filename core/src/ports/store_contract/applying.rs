//! What [`Store::apply`](crate::ports::store::Store::apply) promises.

#![allow(missing_docs, reason = "a promise is its name")]

use super::{PARTITION, Trial, delete, edit, event, id_of, text, user};
use crate::event::{Actor, Event, Kind, Message, MessageType, Quote};
use crate::ids::{MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::ports::log::Position;
use crate::ports::store::{ApplyError, Stored};

const DAY: i64 = 24 * 60 * 60 * 1000;

pub async fn a_position_starts_before_the_first_record(trial: Trial) {
    for partition in [PARTITION, Partition(0), PARTITION] {
        assert_eq!(trial.store.position(partition).await.expect("a position"), Position::START);
    }
}

pub async fn rows_and_position_move_together(mut trial: Trial) {
    let records: Vec<_> = ["one", "two"].map(|words| trial.feed.record(text("r", "a", words))).into();
    let stored = trial.feed.apply(&records).await;
    let position = records[1].position();
    assert_eq!(stored, Stored::Done { position, messages: 2, duplicates: 0 });
    assert_eq!(trial.store.position(PARTITION).await.expect("a position"), position);
    assert_eq!(trial.store.position(Partition(0)).await.expect("a position"), Position::START);
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["one", "two"]);
}

pub async fn a_wrong_previous_changes_nothing_and_says_where_it_is(mut trial: Trial) {
    trial.feed.tell([text("r", "a", "one")]).await;
    let (at, late) = (trial.feed.at, trial.feed.record(text("r", "a", "from a zombie")));
    for previous in [Position::START, Position { offset: Offset(41), digest: 7 }] {
        let stored = trial.store.apply(PARTITION, previous, std::slice::from_ref(&late)).await.expect("an answer");
        assert_eq!(stored, Stored::Elsewhere(at));
    }
    assert_eq!(trial.store.position(PARTITION).await.expect("a position"), at);
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["one"]);
    assert_eq!(trial.store.users(&[UserId::trusted("zombie")]).await.expect("users"), []);
}

pub async fn of_two_writers_from_one_position_one_applies(mut trial: Trial) {
    trial.feed.tell([text("r", "a", "zero")]).await;
    let at = trial.feed.at;
    let mut records = Vec::new();
    for words in ["one", "two", "three", "four"] {
        records.push(trial.feed.record(text("r", "a", words)));
    }
    let mut writers = tokio::task::JoinSet::new();
    for record in records {
        let store = std::sync::Arc::clone(&trial.store);
        writers.spawn(async move { store.apply(PARTITION, at, &[record]).await.expect("an answer") });
    }
    let answers = writers.join_all().await;
    let position = trial.store.position(PARTITION).await.expect("a position");
    let done: Vec<_> = answers.iter().filter(|stored| matches!(stored, Stored::Done { .. })).collect();
    assert_eq!(done, [&Stored::Done { position, messages: 1, duplicates: 0 }]);
    assert_eq!(answers.iter().filter(|stored| **stored == Stored::Elsewhere(position)).count(), 3);
    assert_eq!(trial.contents(&RoomId::trusted("r")).await.len(), 2);
}

pub async fn an_empty_batch_only_says_where_the_position_is(mut trial: Trial) {
    let nothing = |position| Stored::Done { position, messages: 0, duplicates: 0 };
    assert_eq!(trial.feed.apply(&[]).await, nothing(Position::START));
    trial.feed.tell([text("r", "a", "one")]).await;
    let at = trial.feed.at;
    assert_eq!(trial.feed.apply(&[]).await, nothing(at));
    assert_eq!(trial.store.apply(PARTITION, Position::START, &[]).await.expect("an answer"), Stored::Elsewhere(at));
}

pub async fn an_id_stored_before_is_not_stored_again(mut trial: Trial) {
    let (room, message) = (RoomId::trusted("r"), text("r", "a", "once"));
    trial.feed.tell([message.clone()]).await;
    let records: Vec<_> =
        [message.clone(), text("r", "a", "new"), message].map(|event| trial.feed.record(event)).into();
    let position = records[2].position();
    assert_eq!(trial.feed.apply(&records).await, Stored::Done { position, messages: 1, duplicates: 2 });
    assert_eq!(trial.contents(&room).await, ["once", "new"]);
    let first = trial.history(&room).await.remove(0);
    assert_eq!(first.seq.offset(), Offset(0), "the first copy is the one that counts");
}

pub async fn an_id_twice_in_one_batch_is_stored_once(mut trial: Trial) {
    let message = text("r", "a", "once");
    let records: Vec<_> = [message.clone(), message].map(|event| trial.feed.record(event)).into();
    let position = records[1].position();
    assert_eq!(trial.feed.apply(&records).await, Stored::Done { position, messages: 1, duplicates: 1 });
    assert_eq!(trial.history(&RoomId::trusted("r")).await.len(), 1);
}

pub async fn an_id_is_new_again_after_thirty_days(mut trial: Trial) {
    let message = text("r", "a", "again");
    let first = trial.feed.tell([message.clone()]).await;
    trial.feed.time = trial.feed.time.plus_millis(29 * DAY);
    trial.feed.tell([message.clone()]).await;
    assert_eq!(trial.history(&RoomId::trusted("r")).await.len(), 1);
    trial.feed.time = trial.feed.time.plus_millis(2 * DAY);
    let last = trial.feed.tell([message.clone()]).await;
    let seqs: Vec<Seq> = trial.history(&RoomId::trusted("r")).await.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [first[0], last[0]]);
    let newest = trial.store.message(id_of(&message)).await.expect("an answer").expect("a message");
    assert_eq!(newest.seq, last[0]);
}

pub async fn edits_and_deletions_apply_in_the_batch_of_their_message(mut trial: Trial) {
    let (edited, deleted) = (text("r", "a", "draft"), text("r", "a", "regretted"));
    let records: Vec<_> = [
        edited.clone(),
        deleted.clone(),
        edit(&edited, "better"),
        edit(&edited, "best"),
        edit(&deleted, "changed first"),
        delete(&deleted),
        edit(&deleted, "too late"),
    ]
    .map(|event| trial.feed.record(event))
    .into();
    trial.feed.apply(&records).await;
    let history = trial.history(&RoomId::trusted("r")).await;
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].message.content.as_str(), history[0].edited_at), ("best", Some(records[3].time)));
    assert_eq!((history[0].time, history[0].deleted_at), (records[0].time, None));
    let gone = trial.store.message(id_of(&deleted)).await.expect("an answer").expect("a message");
    assert_eq!((gone.message.content.as_str(), gone.deleted_at), ("changed first", Some(records[5].time)));
}

pub async fn edits_and_deletions_apply_in_later_batches(mut trial: Trial) {
    let (edited, deleted) = (text("r", "a", "draft"), text("r", "a", "regretted"));
    trial.feed.tell([edited.clone(), deleted.clone()]).await;
    trial.feed.tell([edit(&edited, "better")]).await;
    trial.feed.tell([delete(&deleted), edit(&edited, "best")]).await;
    let at = trial.feed.time;
    trial.feed.tell([edit(&deleted, "too late"), delete(&deleted)]).await;
    let history = trial.history(&RoomId::trusted("r")).await;
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].message.content.as_str(), history[0].edited_at), ("best", Some(at)));
    let gone = trial.store.message(id_of(&deleted)).await.expect("an answer").expect("a message");
    assert_eq!(gone.message.content, "regretted");
    assert_eq!(gone.deleted_at, Some(at.plus_millis(-1_000)));
}

pub async fn a_change_from_another_room_does_not_touch_a_message(mut trial: Trial) {
    let message = text("r", "a", "mine");
    let elsewhere = Event { room: RoomId::trusted("other"), ..message.clone() };
    trial.feed.tell([message.clone()]).await;
    trial.feed.tell([edit(&elsewhere, "forged"), delete(&elsewhere)]).await;
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["mine"]);
}

pub async fn a_copy_of_an_edit_does_not_undo_a_later_one(mut trial: Trial) {
    let message = text("r", "a", "draft");
    let (first, second) = (edit(&message, "first"), edit(&message, "second"));
    trial.feed.tell([message, first.clone(), second]).await;
    let copy = trial.feed.record(first);
    let position = copy.position();
    assert_eq!(trial.feed.apply(&[copy]).await, Stored::Done { position, messages: 0, duplicates: 1 });
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["second"]);
}

pub async fn a_record_that_cannot_be_decoded_moves_the_position_only(mut trial: Trial) {
    let records = [trial.feed.malformed(), trial.feed.record(text("r", "a", "read")), trial.feed.malformed()];
    let position = records[2].position();
    assert_eq!(trial.feed.apply(&records).await, Stored::Done { position, messages: 1, duplicates: 0 });
    let alone = [trial.feed.malformed()];
    let position = alone[0].position();
    assert_eq!(trial.feed.apply(&alone).await, Stored::Done { position, messages: 0, duplicates: 0 });
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["read"]);
}

pub async fn poison_changes_nothing_and_is_called_so(mut trial: Trial) {
    trial.feed.tell([text("r", "a", "before")]).await;
    assert!(trial.poison.iter().any(|message| message.metadata.is_some()), "one whose metadata is not JSON");
    for message in trial.poison.clone() {
        let good = trial.feed.record(text("r", "b", "beside it"));
        let bad = trial.feed.record(event("r", "c", Kind::MessageSent(message)));
        let answer = trial.store.apply(PARTITION, trial.feed.at, &[good, bad]).await;
        assert!(matches!(answer, Err(ApplyError::Poison(_))), "{answer:?}");
        assert_eq!(trial.store.position(PARTITION).await.expect("a position"), trial.feed.at);
        assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["before"]);
        assert_eq!(trial.store.users(&[UserId::trusted("b")]).await.expect("users"), []);
    }
    trial.feed.tell([text("r", "a", "after")]).await;
    assert_eq!(trial.contents(&RoomId::trusted("r")).await, ["before", "after"]);
}

pub async fn what_was_written_comes_back_verbatim(mut trial: Trial) {
    let texts = [
        "plain",
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} é",
        "\u{202e}right to left\u{202c} שלום مرحبا",
        "zero\u{200b}width\u{feff}\u{2060}",
        "'; DROP TABLE messages; -- \" \\ $1 ?1 {} %s",
        "<script>alert(1)</script>\r\n\ttabs\u{1}\u{7f}",
        " leading and trailing ",
        "",
    ];
    let metadata = "{ \"b\": 1.0,\n  \"a\":[1e999, 9007199254740993, \"\\u0041\\ud83d\\ude00\"], \"a\": null }";
    let sent: Vec<_> =
        MessageType::ALL.into_iter().map(|(kind, _)| kind).chain([MessageType::Text]).zip(texts).collect();
    let actor =
        Actor {
            id: UserId::trusted("ü/ʻ"), name: "Ann \u{200f}👋".into(), avatar: Some("https://a/b?c=ü".into())
        };
    let quoted = MessageId::now();
    let quotes = [
        None,
        Some(Quote { message: quoted, content: None, encrypted: false, sender: None }),
        Some(Quote {
            message: quoted,
            content: Some(texts[1].into()),
            encrypted: false,
            sender: Some(UserId::trusted("q")),
        }),
        Some(Quote { message: quoted, content: Some("q83v".into()), encrypted: true, sender: None }),
    ];
    let mut expected = Vec::new();
    let mut events = Vec::new();
    for (at, (kind, words)) in sent.into_iter().enumerate() {
        let message = Message {
            content: words.into(),
            kind,
            reply_to: quotes[at % quotes.len()].clone(),
            metadata: (at % 2 == 0).then(|| metadata.to_owned()),
            mentions: Vec::new(),
            encrypted: false,
            temp_id: (at % 3 == 0).then(|| format!("temp_{at}\u{200b}")),
        };
        let told = event("r", "a", Kind::MessageSent(message.clone()));
        events.push(Event { actor: actor.clone(), ..told });
        expected.push(message);
    }
    trial.feed.tell(events.clone()).await;
    let history = trial.history(&RoomId::trusted("r")).await;
    assert_eq!(history.iter().map(|stored| stored.message.clone()).collect::<Vec<_>>(), expected);
    assert!(history.iter().all(|stored| stored.sender == actor && stored.room.as_str() == "r"));
    assert_eq!(
        history.iter().map(|stored| stored.id).collect::<Vec<_>>(),
        events.iter().map(id_of).collect::<Vec<_>>()
    );
    let page = trial.store.changes(&RoomId::trusted("r"), PARTITION, Seq::ZERO, Seq::MAX, 100).await.expect("changes");
    assert_eq!(page.rows.iter().map(|delivery| (*delivery.event).clone()).collect::<Vec<_>>(), events);
}

pub async fn an_inbox_is_kept_as_changes_only(mut trial: Trial) {
    let inbox = RoomId::inbox(&UserId::trusted("a"));
    let removed = event(inbox.as_str(), "b", Kind::RoomRemoved { room: RoomId::trusted("r"), version: 3 });
    let odd = text(inbox.as_str(), "b", "not for a history");
    trial.feed.tell([removed.clone(), odd.clone()]).await;
    assert!(trial.history(&inbox).await.is_empty());
    let page = trial.store.changes(&inbox, PARTITION, Seq::ZERO, Seq::MAX, 100).await.expect("changes");
    assert_eq!(page.rows.iter().map(|delivery| (*delivery.event).clone()).collect::<Vec<_>>(), [removed, odd]);
}

pub async fn an_unknown_sender_gets_a_stub_and_a_known_one_stays(mut trial: Trial) {
    let known = Actor { id: UserId::trusted("a"), name: "Ann".into(), avatar: Some("https://a".into()) };
    trial.store.see_user(&known).await.expect("seen");
    let mut stranger = text("r", "b", "hi");
    stranger.actor.name = "Bo".into();
    trial.feed.tell([text("r", "a", "hi"), stranger.clone(), text("r", "b", "hi again")]).await;
    let ids = ["c", "b", "a"].map(UserId::trusted);
    let mut users = trial.store.users(&ids).await.expect("users");
    users.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(users.len(), 2);
    assert_eq!(users[0], known);
    assert_eq!(users[1].id, user("b").id);
}

pub async fn an_unknown_kind_is_kept_untouched(mut trial: Trial) {
    let body = bytes::Bytes::from_static(b"\x08\x01future");
    let future = event("r", "a", Kind::Other { kind: 4_000_000, body });
    trial.feed.tell([future.clone()]).await;
    let page = trial.store.changes(&RoomId::trusted("r"), PARTITION, Seq::ZERO, Seq::MAX, 100).await.expect("changes");
    assert_eq!(page.rows.len(), 1);
    assert_eq!(*page.rows[0].event, future);
}
