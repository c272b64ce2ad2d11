//! A polling session goes over to a WebSocket (EIO4 § "Upgrade").
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use parlor_socketio::{CloseReason, Transport};
use serde_json::json;
use support::{Got, Poller, Running, WsClient, calm, start};

/// A WebSocket for a polling session, before its probe.
async fn beside(running: &Running, client: &Poller) -> WsClient {
    let sid = client.target.split_once("sid=").unwrap().1;
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    WsClient::request(running.address, &query, "").await.expect("101")
}

async fn upgrade(running: &Running, client: &Poller) -> WsClient {
    let mut socket = beside(running, client).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    socket
}

#[tokio::test]
async fn what_is_sent_while_a_client_goes_over_comes_once_in_order() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    running.broadcast("n", &json!(1));
    let mut socket = beside(&running, &client).await;
    assert_eq!(client.get().await.body, "42[\"n\",1]");
    let target = client.target.clone();
    client.http.send("GET", &target, "", "").await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    assert_eq!(client.http.response().await.body, "6", "the waiting GET ends, so that polling can stop");
    running.broadcast("n", &json!(2));
    assert_eq!(client.get().await.body, "42[\"n\",2]", "until the upgrade, polling is the transport");
    running.broadcast("n", &json!(3));
    socket.send("5").await;
    running.broadcast("n", &json!(4));
    assert_eq!(socket.text().await, "42[\"n\",3]");
    assert_eq!(socket.text().await, "42[\"n\",4]");
    assert_eq!(running.server.app().sockets.lock()[0].transport(), Transport::WebSocket);
    assert_eq!(client.get().await.status, 400, "polling is over");
    assert_eq!(client.post("42[\"m\"]").await.status, 400);
    socket.send("421[\"m\",5]").await;
    assert_eq!(socket.text().await, "431[[5]]");
}

#[tokio::test]
async fn events_that_come_in_the_same_read_as_the_upgrade_are_not_lost() {
    let running = start(calm()).await;
    let client = Poller::connect(running.address).await;
    let mut socket = beside(&running, &client).await;
    let mut bytes = support::frame(0x81, b"2probe");
    for packet in ["5", "421[\"m\",1]", "422[\"m\",2]"] {
        bytes.extend(support::frame(0x81, packet.as_bytes()));
    }
    tokio::io::AsyncWriteExt::write_all(&mut socket.stream, &bytes).await.unwrap();
    for expected in ["3probe", "431[[1]]", "432[[2]]"] {
        assert_eq!(socket.text().await, expected);
    }
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_polling_as_it_was() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    // Not a probe; a probe and then silence; a probe and then the end.
    let mut wrong = beside(&running, &client).await;
    wrong.send("42[\"m\"]").await;
    assert_eq!(wrong.next().await, Got::End);
    let mut silent = beside(&running, &client).await;
    silent.send("2probe").await;
    assert_eq!(silent.text().await, "3probe");
    assert_eq!(silent.next().await, Got::End, "after the time for it");
    let mut gone = beside(&running, &client).await;
    gone.send("2probe").await;
    assert_eq!(gone.text().await, "3probe");
    drop(gone);
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.post("421[\"m\",1]").await;
    assert_eq!(client.get().await.body, "431[[1]]");
    assert_eq!(running.server.connections(), 1);
    let mut socket = upgrade(&running, &client).await;
    socket.send("422[\"m\",2]").await;
    assert_eq!(socket.text().await, "432[[2]]");
}

#[tokio::test]
async fn one_session_has_one_upgrade() {
    let running = start(calm()).await;
    let client = Poller::connect(running.address).await;
    let mut first = beside(&running, &client).await;
    first.send("2probe").await;
    assert_eq!(first.text().await, "3probe");
    let mut second = beside(&running, &client).await;
    assert_eq!(second.next().await, Got::End);
    first.send("5").await;
    first.send("421[\"m\",1]").await;
    assert_eq!(first.text().await, "431[[1]]");
    let sid = client.target.split_once("sid=").unwrap().1;
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    assert_eq!(WsClient::request(running.address, &query, "").await.err().unwrap().0, 400, "upgraded already");
}

#[tokio::test]
async fn an_upgraded_session_is_closed_as_any_other() {
    let mut running = start(calm()).await;
    let client = Poller::connect(running.address).await;
    let mut socket = upgrade(&running, &client).await;
    socket.send("42[\"put me out\"]").await;
    assert_eq!(socket.text().await, "41");
    assert_eq!(socket.close_code().await, CloseReason::ServerDisconnect.websocket_code());
    assert_eq!(running.closed().await, CloseReason::ServerDisconnect);
    running.until_connections(0).await;
    // And one that the client drops.
    let client = Poller::connect(running.address).await;
    drop(upgrade(&running, &client).await);
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    running.until_connections(0).await;
}

#[tokio::test]
async fn a_session_that_ends_by_polling_ends_its_upgrade() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    let mut socket = beside(&running, &client).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    client.post("1").await;
    running.until_connections(0).await;
    let end = tokio::time::timeout(Duration::from_millis(300), socket.next()).await;
    assert_eq!(end.expect("at once, not when the time for an upgrade is over"), Got::End);
}

#[tokio::test]
async fn a_post_that_ends_behind_the_upgrade_is_answered() {
    let running = start(calm()).await;
    let client = Poller::connect(running.address).await;
    let mut late = support::Http::new(running.address).await;
    let head = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n42[", client.target);
    tokio::io::AsyncWriteExt::write_all(&mut late.stream, head.as_bytes()).await.unwrap();
    let mut socket = upgrade(&running, &client).await;
    socket.send("421[\"m\",1]").await;
    assert_eq!(socket.text().await, "431[[1]]");
    tokio::io::AsyncWriteExt::write_all(&mut late.stream, b"\"m\",2]").await.unwrap();
    assert_eq!(late.response().await.status, 400, "the transport is another one now");
}
