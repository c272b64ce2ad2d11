//! Rooms and broadcasts, on one server and across two.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex, OnceLock, Weak};

use parlor_socketio::{CloseReason, Relay, RelayTo, Server};
use serde_json::json;
use support::{App, Running, WsClient, calm, start};

async fn three(running: &Running) -> [WsClient; 3] {
    let mut clients = Vec::new();
    for room in ["red", "blue", "green"] {
        clients.push(WsClient::connect(running.address).await);
        running.server.app().sockets.lock().last().unwrap().join(room);
    }
    clients.try_into().ok().unwrap()
}

#[tokio::test]
async fn a_broadcast_to_several_rooms_reaches_each_socket_once_and_none_that_is_excepted() {
    let running = start(calm()).await;
    let [mut red, mut blue, mut green] = three(&running).await;
    running.server.app().sockets.lock()[0].join("blue");
    running.server.of("/").to("red").to("blue").emit_event("a", &1).unwrap();
    running.server.of("/").except("red").emit_event("b", &2).unwrap();
    running.server.of("/").emit_event("c", &3).unwrap();
    running.server.of("/custom").emit_event("d", &4).unwrap();
    running.server.of("/nowhere").emit_event("d", &4).unwrap();
    let first = running.server.app().sockets.lock()[0].clone();
    running.server.of("/").except_socket(&first).emit_event("e", &5).unwrap();
    running.server.of("/").to("red").emit_event("f", &6).unwrap();
    for (client, expected) in [(&mut red, "acf"), (&mut blue, "abce"), (&mut green, "bce")] {
        for name in expected.chars() {
            assert_eq!(client.text().await[..5], format!("42[\"{name}"));
        }
    }
}

#[tokio::test]
async fn a_room_is_put_out_at_once_and_the_others_stay() {
    let mut running = start(calm()).await;
    let [mut red, mut blue, _green] = three(&running).await;
    running.server.of("/").to("red").disconnect();
    assert_eq!(red.text().await, "41");
    assert_eq!(running.closed().await, CloseReason::ServerDisconnect);
    running.until_connections(2).await;
    running.server.of("/").to("red").to("blue").emit_event("m", &json!({})).unwrap();
    assert_eq!(blue.text().await, "42[\"m\",{}]");
}

#[tokio::test]
async fn a_socket_put_out_of_one_namespace_stays_in_the_other() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send("40/custom,").await;
    assert!(client.text().await.starts_with("40/custom,{\"sid\":"));
    assert_eq!(client.text().await, "42/custom,[\"hello\",{}]");
    running.server.app().sockets.lock()[0].disconnect_namespace();
    assert_eq!(client.text().await, "41");
    assert_eq!(running.closed().await, CloseReason::ServerDisconnect);
    client.send("42/custom,1[\"m\",1]").await;
    assert_eq!(client.text().await, "43/custom,1[[1]]");
    // What was on its way then is nobody's, and no reason to close the others.
    client.send("421[\"m\"]").await;
    client.send("42/custom,2[\"m\",2]").await;
    assert_eq!(client.text().await, "43/custom,2[[2]]");
}

/// Gives operations to the servers that are not its own, in the same process.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<Peer>>>, Arc<OnceLock<usize>>);

type Peer = Weak<Server<Arc<App>>>;

impl Relay for Wire {
    fn publish(&self, operation: Vec<u8>) {
        let own = self.1.get().copied();
        let peers = self.0.lock().unwrap().clone();
        for (_, peer) in peers.iter().enumerate().filter(|(at, _)| Some(*at) != own) {
            peer.upgrade().unwrap().receive(&operation).unwrap();
        }
    }
}

#[tokio::test]
async fn a_broadcast_goes_to_every_server_of_a_cluster_unless_it_is_local() {
    let peers = Wire::default();
    let mut servers = Vec::new();
    for at in 0..2 {
        let wire = Wire(peers.0.clone(), Arc::new(OnceLock::from(at)));
        let mut config = calm();
        config.relay = Some(RelayTo::new(wire));
        let running = start(config).await;
        peers.0.lock().unwrap().push(Arc::downgrade(&running.server));
        servers.push(running);
    }
    let mut near = WsClient::connect(servers[0].address).await;
    let mut far = WsClient::connect(servers[1].address).await;
    servers[0].server.of("/").local().emit_event("near", &0).unwrap();
    servers[0].server.of("/").join("room");
    servers[1].server.of("/").to("room").emit_event("both", &1).unwrap();
    assert_eq!(near.text().await, "42[\"near\",0]");
    assert_eq!(near.text().await, "42[\"both\",1]");
    assert_eq!(far.text().await, "42[\"both\",1]");
    servers[0].server.of("/").to("room").disconnect();
    assert_eq!(near.text().await, "41");
    assert_eq!(far.text().await, "41");
    assert!(servers[0].server.receive(b"{}").is_err());
    servers[1].until_connections(0).await;
}
