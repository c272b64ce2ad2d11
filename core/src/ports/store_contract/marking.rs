//! What [`Store::apply`](crate::ports::store::Store::apply) promises of reactions, pins, mentions and ciphertext.

#![allow(missing_docs, reason = "a promise is its name")]

use super::{PARTITION, Trial, content, delete, event, id_of, text};
use crate::event::{Event, Kind, Message};
use crate::ids::{RoomId, UserId};
use crate::ports::store::StoredMessage;

fn react(message: &Event, user: &str, emoji: &str, on: bool) -> Event {
    let kind = Kind::MessageReacted { message: id_of(message), emoji: emoji.into(), on };
    event(message.room.as_str(), user, kind)
}

fn pin(message: &Event, user: &str, on: bool) -> Event {
    event(message.room.as_str(), user, Kind::MessagePinned { message: id_of(message), on })
}

/// `emoji users count` of each reaction.
fn shown(message: &StoredMessage) -> Vec<String> {
    let users = |users: &[UserId]| users.iter().map(UserId::as_str).collect::<Vec<_>>().join(",");
    message.reactions.iter().map(|one| format!("{} {} {}", one.emoji, users(&one.users), one.count)).collect()
}

async fn read(trial: &Trial, message: &Event) -> StoredMessage {
    trial.store.message(id_of(message)).await.expect("an answer").expect("a message")
}

pub async fn mentions_and_ciphertext_come_back_and_an_edit_may_change_which_it_is(mut trial: Trial) {
    let mentions = vec![UserId::trusted("b\"c"), UserId::trusted("ü")];
    let fields = Message { mentions, encrypted: true, ..content("q83vEjRW") };
    let sent = event("r", "a", Kind::MessageSent(fields.clone()));
    trial.feed.tell([sent.clone(), text("r", "a", "plain")]).await;
    let history = trial.history(&RoomId::trusted("r")).await;
    assert_eq!(history[0].message, fields);
    assert!(!history[1].message.encrypted && history[1].message.mentions.is_empty());
    let changes = trial.store.changes(&sent.room, PARTITION, crate::ids::Seq::ZERO, crate::ids::Seq::MAX, 9).await;
    assert_eq!(*changes.expect("changes").rows[0].event, sent);
    let kind = Kind::MessageEdited { message: id_of(&sent), content: "open".into(), encrypted: false };
    trial.feed.tell([event("r", "a", kind)]).await;
    let edited = read(&trial, &sent).await.message;
    assert_eq!((edited.content.as_str(), edited.encrypted, edited.mentions), ("open", false, fields.mentions));
}

pub async fn reactions_come_back_with_their_users_in_the_order_of_giving(mut trial: Trial) {
    let (one, other) = (text("r", "a", "one"), text("r", "a", "other"));
    trial.feed.tell([one.clone(), other.clone(), react(&one, "c", "👩‍🚀", true), react(&one, "b", "👍", true)]).await;
    trial.feed.tell([react(&one, "a", "👩‍🚀", true), react(&other, "a", "x", true), react(&one, "c", "👍", true)]).await;
    let expected = ["👩‍🚀 c,a 2", "👍 b,c 2"];
    let history = trial.history(&RoomId::trusted("r")).await;
    assert_eq!(shown(&history[0]), expected);
    assert_eq!(shown(&history[1]), ["x a 1"]);
    assert_eq!(shown(&read(&trial, &one).await), expected);
}

pub async fn the_newest_message_of_a_listed_room_shows_its_reactions_and_pin(mut trial: Trial) {
    trial.group("group_1", "a", &["b"]).await;
    trial.group("group_2", "a", &["b"]).await;
    let (older, newest) = (text("group_1", "a", "older"), text("group_1", "a", "newest"));
    let plain = text("group_2", "a", "plain");
    let told = [
        older.clone(),
        newest.clone(),
        plain,
        react(&older, "b", "x", true),
        react(&newest, "b", "y", true),
        react(&newest, "a", "y", true),
        pin(&newest, "a", true),
    ];
    trial.feed.tell(told).await;
    let (room, user) = (&newest.room, UserId::trusted("a"));
    let listed = trial.store.rooms_of(&user, 10).await.expect("rooms");
    let of = |id: &str| listed.iter().find(|summary| summary.room.id.as_str() == id).expect("the room");
    let one = trial.store.summary(room, &user).await.expect("an answer").expect("the room");
    for summary in [of("group_1"), &one] {
        let message = summary.last_message.as_ref().expect("a message");
        assert_eq!((shown(message), message.pinned), (vec!["y b,a 2".to_owned()], true));
    }
    let message = of("group_2").last_message.as_ref().expect("a message");
    assert!(message.reactions.is_empty() && !message.pinned);
}

pub async fn a_reaction_given_twice_counts_once_and_one_taken_back_is_gone(mut trial: Trial) {
    let sent = text("r", "a", "hi");
    trial.feed.tell([sent.clone(), react(&sent, "a", "x", true), react(&sent, "b", "x", true)]).await;
    trial.feed.tell([react(&sent, "a", "x", true), react(&sent, "a", "y", false)]).await;
    assert_eq!(shown(&read(&trial, &sent).await), ["x a,b 2"], "in their first order");
    trial.feed.tell([react(&sent, "a", "x", false), react(&sent, "a", "x", true)]).await;
    assert_eq!(shown(&read(&trial, &sent).await), ["x b,a 2"], "given anew");
    trial.feed.tell([react(&sent, "a", "y", true), react(&sent, "a", "y", false), react(&sent, "a", "x", false)]).await;
    assert_eq!(shown(&read(&trial, &sent).await), ["x b 1"]);
    trial.feed.tell([react(&sent, "b", "x", false)]).await;
    assert!(shown(&read(&trial, &sent).await).is_empty());
}

pub async fn a_deleted_message_loses_reactions_and_pin_and_gets_none(mut trial: Trial) {
    let (early, late) = (text("r", "a", "early"), text("r", "a", "late"));
    trial.feed.tell([early.clone(), late.clone(), react(&early, "b", "x", true), pin(&early, "a", true)]).await;
    // In one batch, and in one of its own.
    trial
        .feed
        .tell([react(&late, "b", "x", true), pin(&late, "a", true), delete(&late), react(&late, "c", "x", true)])
        .await;
    trial.feed.tell([delete(&early)]).await;
    trial.feed.tell([react(&early, "c", "x", true), pin(&early, "c", true)]).await;
    for message in [early, late] {
        let found = read(&trial, &message).await;
        assert!(found.deleted_at.is_some() && found.reactions.is_empty() && !found.pinned);
    }
    let room = RoomId::trusted("r");
    assert!(trial.search.pins(&room, PARTITION, 10).await.expect("pins").rows.is_empty());
}

pub async fn a_mark_from_another_room_does_not_touch_a_message(mut trial: Trial) {
    let sent = text("r", "a", "hi");
    let elsewhere = Event { room: RoomId::trusted("other"), ..sent.clone() };
    trial.feed.tell([sent.clone(), react(&sent, "a", "x", true), pin(&sent, "a", true)]).await;
    let strange = [react(&elsewhere, "b", "x", true), react(&elsewhere, "a", "x", false), pin(&elsewhere, "b", false)];
    trial.feed.tell(strange).await;
    trial.feed.tell([delete(&elsewhere)]).await;
    let found = read(&trial, &sent).await;
    assert_eq!((shown(&found), found.pinned), (vec!["x a 1".to_owned()], true));
}

pub async fn pins_are_listed_the_last_pinned_first(mut trial: Trial) {
    let sent = ["0", "1", "2", "3"].map(|words| text("r", "a", words));
    let told = sent.clone().into_iter().chain([pin(&sent[2], "a", true), pin(&sent[0], "a", true)]);
    trial.feed.tell(told).await;
    trial.feed.tell([pin(&sent[3], "b", true), pin(&sent[2], "a", true), pin(&sent[3], "a", false)]).await;
    let room = RoomId::trusted("r");
    let page = trial.search.pins(&room, PARTITION, 10).await.expect("pins");
    let contents: Vec<_> = page.rows.iter().map(|message| message.message.content.as_str()).collect();
    assert_eq!(contents, ["0", "2"], "pinned again is pinned as before");
    assert!(page.rows.iter().all(|message| message.pinned));
    assert_eq!(trial.search.pins(&room, PARTITION, 1).await.expect("pins").rows.len(), 1);
    let pinned: Vec<bool> = trial.history(&room).await.iter().map(|message| message.pinned).collect();
    assert_eq!(pinned, [true, false, true, false]);
    let elsewhere = trial.search.pins(&RoomId::trusted("other"), PARTITION, 10).await.expect("pins");
    assert_eq!((elsewhere.rows.len(), elsewhere.applied), (0, page.applied));
}
