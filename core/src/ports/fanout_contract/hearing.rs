//! What [`Fanout::listen`](crate::ports::fanout::Fanout::listen) promises to hear: subscribed rooms, gaps, ephemeral news.

#![allow(missing_docs, reason = "their names are what they promise")]

use std::sync::Arc;

use super::{Heard, Room, Subject, actor, done, seq};
use crate::event::Ephemeral;
use crate::ports::fanout::Signal;
use crate::ports::log::Position;

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
