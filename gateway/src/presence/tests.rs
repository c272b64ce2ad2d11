use parlor_core::event::RoomKind;
use parlor_core::ports::fanout::{Fanout, Signal};
use parlor_core::ports::presence::Presence;
use parlor_fanout::memory::Memory;
use tokio::sync::mpsc;

use super::*;
use crate::stage::{Stage, user};

#[tokio::test]
async fn who_left_a_channel_while_leases_were_renewed_is_out_of_it() {
    let (stage, room, ann) = (Stage::set().await, RoomId::trusted("channel"), user("ann"));
    let shared = &stage.shared;
    commands::rejoin_channel(shared, &ann, &room).await;
    let seen_in = HashMap::from([((room.clone(), ann.id.clone()), ann.clone())]);
    commands::end_lease(shared, &ann, &room).await;
    renew_in_channels(shared, seen_in, false).await;
    assert_eq!(stage.memory.live(&room, 1).await.expect("an answer").0, 0);
}

#[tokio::test]
async fn who_went_while_leases_were_renewed_is_offline() {
    let (stage, ann) = (Stage::set().await, user("ann").id);
    let (shared, name) = (&stage.shared, stage.shared.presence.name());
    stage.memory.arrive(&name, std::slice::from_ref(&ann)).await.expect("an answer");
    stage.memory.depart(&name, &ann, Timestamp::now()).await.expect("an answer");
    renew(shared, vec![ann.clone()], false).await.expect("an answer");
    assert_eq!(stage.memory.look(&[ann]).await.expect("an answer")[0].status, Status::Offline);
}

/// Hears what is told in a room.
async fn listen(stage: &Stage, room: &RoomId) -> (Arc<Memory>, mpsc::Receiver<Signal>) {
    let ear = stage.memory.another();
    ear.subscribe(room).await.expect("subscribed");
    let signals = ear.listen();
    (ear, signals)
}

/// The presences that were told.
fn told(signals: &mut mpsc::Receiver<Signal>) -> Vec<Status> {
    let presence = |signal| match signal {
        Signal::Ephemeral(_, Ephemeral::Presence { status, .. }) => Some(status),
        _ => None,
    };
    std::iter::from_fn(|| signals.try_recv().ok()).filter_map(presence).collect()
}

#[tokio::test]
async fn who_is_back_elsewhere_before_their_going_is_told_is_online_to_all() {
    let (stage, ann) = (Stage::set().await, user("ann"));
    let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
    let (_ear, mut signals) = listen(&stage, &room).await;
    let (old, rooms) = (stage.shared.clone(), std::slice::from_ref(&room));
    let stage = stage.with_another_gateway();

    take_lease(&old, &ann, rooms).await.expect("taken");
    let seen = Timestamp::now();
    let moved = stage.memory.depart(&old.presence.name(), &ann.id, seen).await.expect("an answer");
    assert_eq!(moved.after, Status::Offline);
    take_lease(&stage.shared, &ann, rooms).await.expect("taken");
    tell_departed(&old, &ann, rooms, moved.after, seen).await;
    assert_eq!(told(&mut signals), [Status::Offline, Status::Online]);

    tell_all_departed(&old, &[(ann.clone(), rooms.to_vec())]).await;
    assert_eq!(told(&mut signals), [Status::Offline, Status::Online], "by a gateway that stops");

    // Who stays away is told of once.
    depart(&stage.shared, &ann, rooms, seen).await;
    assert_eq!(told(&mut signals), [Status::Offline]);
}

#[tokio::test]
async fn who_is_back_before_a_dead_gateways_users_are_told_of_is_online_to_all() {
    let (stage, ann) = (Stage::set().await, user("ann"));
    let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
    let (_ear, mut signals) = listen(&stage, &room).await;
    stage.memory.hold("dead", Duration::ZERO).await.expect("an answer");
    stage.memory.arrive("dead", std::slice::from_ref(&ann.id)).await.expect("an answer");
    let ghosts = stage.memory.bury().await.expect("an answer");
    assert_eq!(ghosts.users, [(ann.id.clone(), Status::Offline)]);
    stage.memory.arrive("alive", std::slice::from_ref(&ann.id)).await.expect("an answer");
    ghosts::tell(&stage.shared, ghosts).await;
    assert_eq!(told(&mut signals), [Status::Offline, Status::Online]);
}
