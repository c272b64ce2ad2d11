//! What [`Search`](crate::ports::search::Search) promises.

#![allow(missing_docs, reason = "a promise is its name")]

use super::{PARTITION, Trial, content, delete, edit, event, everything, id_of, text};
use crate::event::{Event, Kind, Message, Quote, Room, RoomKind};
use crate::ids::{RoomId, Seq, UserId};
use crate::membership::{Change, nameless};
use crate::ports::search::{Place, Query, Within};
use crate::ports::store::{Read, StoredMessage};
use crate::search::Terms;
use crate::time::Timestamp;

async fn find(trial: &Trial, query: &str, within: Within<'_>) -> Vec<String> {
    let terms = Terms::parse(query).expect("a query");
    let query = Query { terms: &terms, within, sender: None, before: None, limit: 100 };
    contents(trial.search.search(query).await.expect("found"))
}

fn contents(messages: Vec<StoredMessage>) -> Vec<String> {
    messages.into_iter().map(|message| message.message.content).collect()
}

pub async fn a_search_finds_words_and_phrases_newest_first_in_pages(mut trial: Trial) {
    let texts = ["black coffee", "Coffee, black?", "coffees", "tea or coffee", "COFFEE in Zürich", "nothing"];
    trial.feed.tell(texts.map(|words| text("r", "a", words))).await;
    trial.feed.tell([text("other", "a", "coffee elsewhere"), text("r", "b", "coffee of b")]).await;
    let (room, b) = (RoomId::trusted("r"), UserId::trusted("b"));
    let within = Within::Room(&room, Seq::MAX);
    let all = ["coffee of b", "COFFEE in Zürich", "tea or coffee", "Coffee, black?", "black coffee"];
    assert_eq!(find(&trial, "coffee", within).await, all);
    assert_eq!(find(&trial, "coffee BLACK", within).await, ["Coffee, black?", "black coffee"]);
    assert_eq!(find(&trial, "\"black coffee\"", within).await, ["black coffee"]);
    assert_eq!(find(&trial, "tea or", within).await, ["tea or coffee"], "a word, no operator");
    assert_eq!(find(&trial, "zürich", within).await, ["COFFEE in Zürich"]);
    assert!(find(&trial, "coffee -black nobody", within).await.is_empty());
    let terms = Terms::parse("coffee").expect("a query");
    let mut found = Vec::new();
    let mut query = Query { terms: &terms, within, sender: None, before: None, limit: 2 };
    loop {
        let page = trial.search.search(query).await.expect("a page");
        let Some(last) = page.last() else { break };
        query.before = Some(Place { time: last.time, message: last.id });
        assert_eq!(query.before, query.before.and_then(|place| Place::parse(&place.text())));
        found.extend(contents(page));
    }
    assert_eq!(found, all);
    let of_b = Query { sender: Some(&b), before: None, ..query };
    assert_eq!(contents(trial.search.search(of_b).await.expect("found")), ["coffee of b"]);
}

pub async fn a_search_sees_the_rooms_that_its_user_is_in_and_no_others(mut trial: Trial) {
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let id = RoomId::new_group();
        let room = Room {
            id: id.clone(),
            kind: RoomKind::Group,
            name: None,
            description: None,
            avatar: None,
            private: false,
            created_by: UserId::trusted("a"),
            created_at: Timestamp(0),
            version: 0,
            member_count: 0,
        };
        let creator = nameless(&UserId::trusted("a"));
        let create = Change::Create { room, creator, members: Vec::new(), limit: 9 };
        trial.store.change(&id, &create).await.expect("made");
        rooms.push(id);
    }
    let b = nameless(&UserId::trusted("b"));
    trial.store.see_user(&b).await.expect("seen");
    trial.store.change(&rooms[0], &Change::Join { user: b.clone(), limit: 9 }).await.expect("joined");
    let say = |room: usize, words: &str| text(rooms[room].as_str(), "a", words);
    trial.feed.tell([say(0, "tea before"), say(1, "tea apart")]).await;
    let (id_a, id_b) = (UserId::trusted("a"), UserId::trusted("b"));
    assert_eq!(find(&trial, "tea", Within::RoomsOf(&id_a)).await, ["tea apart", "tea before"]);
    assert_eq!(find(&trial, "tea", Within::RoomsOf(&id_b)).await, ["tea before"]);
    assert!(find(&trial, "tea", Within::RoomsOf(&UserId::trusted("stranger"))).await.is_empty());
    let left = trial.store.change(&rooms[0], &Change::Leave { user: b }).await.expect("left");
    trial.feed.tell(left.events).await;
    trial.feed.tell([say(0, "tea after")]).await;
    assert!(find(&trial, "tea", Within::RoomsOf(&id_b)).await.is_empty());
    assert_eq!(find(&trial, "tea", Within::RoomsOf(&id_a)).await, ["tea after", "tea apart", "tea before"]);
    let first = trial.history(&rooms[0]).await[0].seq;
    assert_eq!(find(&trial, "tea", Within::Room(&rooms[0], Seq(first.0 + 1))).await.len(), 1, "below a place");
}

pub async fn neither_ciphertext_nor_what_is_deleted_is_found_and_an_edit_changes_what_is(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let within = Within::Room(&room, Seq::MAX);
    let cipher = Kind::MessageSent(Message { encrypted: true, ..content("coffee as ciphertext") });
    let (gone, kept) = (text("r", "a", "coffee gone"), text("r", "a", "coffee kept"));
    trial.feed.tell([event("r", "a", cipher), gone.clone(), kept.clone()]).await;
    assert_eq!(find(&trial, "coffee", within).await, ["coffee kept", "coffee gone"]);
    trial.feed.tell([delete(&gone), edit(&kept, "tea instead")]).await;
    assert!(find(&trial, "coffee", within).await.is_empty());
    assert_eq!(find(&trial, "tea", within).await, ["tea instead"]);
    let hidden = Kind::MessageEdited { message: id_of(&kept), content: "tea hidden".into(), encrypted: true };
    trial.feed.tell([event("r", "a", hidden)]).await;
    assert!(find(&trial, "tea", within).await.is_empty());
    trial.feed.tell([edit(&kept, "tea again"), delete(&gone)]).await;
    assert_eq!(find(&trial, "tea", within).await, ["tea again"]);
    trial.feed.tell([delete(&kept)]).await;
    assert!(find(&trial, "tea", within).await.is_empty());
}

pub async fn replies_are_read_by_what_they_answer(mut trial: Trial) {
    let (first, other) = (text("r", "a", "first"), text("r", "a", "other"));
    let answer = |to: &Event, words: &str| {
        let reply_to = Some(Quote { message: id_of(to), content: None, encrypted: false, sender: None });
        event("r", "b", Kind::MessageSent(Message { reply_to, ..content(words) }))
    };
    let gone = answer(&first, "gone");
    let told = [first.clone(), other.clone(), answer(&first, "one"), answer(&other, "no"), gone.clone(), delete(&gone)];
    trial.feed.tell(told).await;
    trial.feed.tell([answer(&first, "two"), answer(&first, "three")]).await;
    let room = RoomId::trusted("r");
    let page = trial.search.replies(id_of(&first), everything(&room)).await.expect("replies");
    assert_eq!(page.applied, trial.feed.at.offset);
    let after = page.rows[0].seq;
    assert_eq!(contents(page.rows), ["one", "two", "three"]);
    let rest = Read { after, limit: 1, ..everything(&room) };
    assert_eq!(contents(trial.search.replies(id_of(&first), rest).await.expect("replies").rows), ["two"]);
    let newest = Read { newest_first: true, limit: 2, ..everything(&room) };
    assert_eq!(contents(trial.search.replies(id_of(&first), newest).await.expect("replies").rows), ["three", "two"]);
    let elsewhere = RoomId::trusted("other");
    assert!(trial.search.replies(id_of(&first), everything(&elsewhere)).await.expect("none").rows.is_empty());
}

pub async fn counting_from_the_newest_leaves_deleted_messages_out(mut trial: Trial) {
    let room = RoomId::trusted("r");
    let none = trial.search.counted(&room, PARTITION, Seq::MAX, 0, 5).await.expect("counted");
    assert_eq!((none.rows.len(), none.total), (0, 0));
    let sent: Vec<Event> = (0..10).map(|at| text("r", "a", &at.to_string())).collect();
    trial.feed.tell(sent.iter().cloned().chain([text("other", "a", "x")])).await;
    trial.feed.tell([delete(&sent[8]), delete(&sent[2])]).await;
    let page = async |offset, limit| {
        let page = trial.search.counted(&room, PARTITION, Seq::MAX, offset, limit).await.expect("counted");
        assert_eq!((page.total, page.applied), (8, trial.feed.at.offset));
        contents(page.rows).concat()
    };
    assert_eq!(page(0, 3).await, "976");
    assert_eq!(page(3, 3).await, "543");
    assert_eq!(page(6, 3).await, "10");
    assert_eq!(page(8, 3).await, "");
    assert_eq!(page(0, 0).await, "");
    let history = trial.history(&room).await;
    let below = trial.search.counted(&room, PARTITION, history[4].seq, 1, 9).await.expect("counted");
    assert_eq!((below.total, contents(below.rows).concat()), (4, "310".into()), "0, 1, 3 and 4 lie below 5");
}

pub async fn rooms_written_to_last_come_first(mut trial: Trial) {
    trial.feed.tell(["a", "b", "c", "a"].map(|room| text(room, "x", "hi"))).await;
    let lively = trial.search.lively(2).await.expect("rooms");
    assert_eq!(lively, [RoomId::trusted("a"), RoomId::trusted("c")]);
}
