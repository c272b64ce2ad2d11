//! Limits on who comes in, and how they are put out.
#![allow(missing_docs)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parlor_socketio::{CloseReason, FullEvent};
use serde_json::json;
use support::{Got, Http, Poller, WsClient, calm, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn slow_headers_are_cut() {
    let mut config = calm();
    config.header_timeout = Duration::from_millis(300);
    let running = start(config).await;
    let mut silent = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let mut slow = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let began = Instant::now();
    let drip = tokio::spawn(async move {
        for byte in b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n".iter().cycle() {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut end = Vec::new();
    let _ = silent.read_to_end(&mut end).await;
    drip.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    // A body that does not come is cut as well.
    let mut poller = Poller::connect(running.address).await;
    let head = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n42", poller.target);
    poller.http.stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(poller.http.response().await.status, 400);
}

#[tokio::test]
async fn a_full_server_tells_a_few_newcomers_and_refuses_the_rest() {
    let mut config = calm();
    config.max_connections = 2;
    config.full_event = Some(FullEvent { newcomers: 1, ..FullEvent::new("error", json!({"code": "SERVER_FULL"})) });
    let running = start(config).await;
    let first = WsClient::connect(running.address).await;
    let _second = Poller::connect(running.address).await;
    let mut told = WsClient::handshake(running.address).await;
    let (status, _) = WsClient::handshake_with(running.address, "").await.err().unwrap();
    assert_eq!(status, 503);
    let refused = Http::new(running.address).await.ask("GET", "/socket.io/?EIO=4&transport=polling", "", "").await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after"));
    told.text().await;
    told.send("40").await;
    assert!(told.text().await.starts_with("40{"));
    assert_eq!(told.text().await, "42[\"error\",{\"code\":\"SERVER_FULL\"}]");
    assert_eq!(told.close_code().await, 1013);
    drop((told, first));
    running.until_connections(1).await;
    WsClient::connect(running.address).await;
}

#[tokio::test]
async fn connections_of_one_address_are_bounded() {
    let mut config = calm();
    config.max_connections_per_address = Some(2);
    let running = start(config).await;
    let first = WsClient::connect(running.address).await;
    let _second = WsClient::connect(running.address).await;
    assert_eq!(WsClient::handshake_with(running.address, "").await.err().unwrap().0, 429);
    drop(first);
    running.until_connections(1).await;
    WsClient::connect(running.address).await;
}

#[tokio::test]
async fn draining_closes_at_a_pace_what_it_has_flushed() {
    let mut running = start(calm()).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(WsClient::connect(running.address).await);
    }
    let mut poller = Poller::connect(running.address).await;
    let target = poller.target.clone();
    running.broadcast("last", &json!({}));
    assert_eq!(poller.get().await.body, "42[\"last\",{}]");
    poller.http.send("GET", &target, "", "").await;
    running.stop.cancel();
    let reads = tokio::spawn(async move {
        for client in &mut clients {
            assert_eq!(client.text().await, "42[\"last\",{}]");
            assert_eq!(client.next().await, Got::Close(1001, "draining".into()));
        }
    });
    let began = Instant::now();
    let server = running.server.clone();
    let parted = Arc::new(Mutex::new(Vec::new()));
    let farewells = parted.clone();
    let farewell = move |sid: &str| farewells.lock().unwrap().push(sid.to_owned());
    let drain = tokio::spawn(async move { server.drain(40, Duration::from_secs(5), farewell).await });
    assert_eq!(poller.http.response().await.body, "1");
    drain.await.unwrap();
    // 21 sockets, 4 each tenth of a second: the last batch begins after half a second.
    assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    reads.await.unwrap();
    assert_eq!(running.server.connections(), 0);
    for _ in 0..21 {
        assert_eq!(running.closed().await, CloseReason::Draining);
    }
    let mut parted = std::mem::take(&mut *parted.lock().unwrap());
    parted.sort();
    parted.dedup();
    assert_eq!(parted.len(), 21, "each is said farewell to");
    assert!(tokio::net::TcpStream::connect(running.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_put_out_hears_every_last_word() {
    let running = start(calm()).await;
    for _ in 0..500 {
        let mut client = WsClient::connect(running.address).await;
        let socket = running.server.app().sockets.lock().pop().unwrap();
        // From a thread of its own, so that the flusher writes the first while the others come.
        std::thread::spawn(move || {
            for word in 0..3 {
                socket.emit_event("word", &word).unwrap();
            }
            socket.disconnect(CloseReason::ServerDisconnect);
        });
        for word in 0..3 {
            assert_eq!(client.text().await, format!("42[\"word\",{word}]"));
        }
        assert_eq!(client.text().await, "41");
        assert_eq!(client.close_code().await, CloseReason::ServerDisconnect.websocket_code());
    }
}

#[tokio::test]
async fn a_draining_server_refuses_handshakes_on_open_connections() {
    let running = start(calm()).await;
    let mut http = Http::new(running.address).await;
    assert_eq!(http.ask("GET", "/other", "", "").await.body, "other");
    running.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(http.ask("GET", "/socket.io/?EIO=4&transport=polling", "", "").await.status, 503);
}
