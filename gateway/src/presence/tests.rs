use parlor_core::ports::presence::Presence;

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
