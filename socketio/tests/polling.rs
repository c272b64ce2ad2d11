//! What a polling client, and any HTTP client, may rely on.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use parlor_socketio::{CloseReason, Config, Origins};
use serde_json::json;
use support::{Http, Poller, calm, start};

#[tokio::test]
async fn events_and_acks_go_both_ways() {
    let mut running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    assert_eq!(client.post("421[\"a\",1]\x1e42[\"echo\",2]\x1e422[\"b\"]").await.body, "ok");
    let mut got = Vec::new();
    while got.len() < 3 {
        got.extend(client.get().await.body.split('\x1e').map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(got, ["431[[1]]", "42[\"echo\",[2]]", "432[[]]"]);
    running.broadcast("later", &json!({}));
    assert_eq!(client.get().await.body, "42[\"later\",{}]");
    assert_eq!(client.post("1").await.body, "ok");
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    assert_eq!(client.get().await.body, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

#[tokio::test]
async fn a_poll_waits_for_packets() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    let target = client.target.clone();
    client.http.send("GET", &target, "", "").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.broadcast("now", &json!({}));
    assert_eq!(client.http.response().await.body, "42[\"now\",{}]");
}

#[tokio::test]
async fn a_burst_of_1000_broadcasts_reaches_a_polling_client_whole() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    for i in 0..1000 {
        running.broadcast("room", &json!({"i": i, "text": "x".repeat(200)}));
    }
    let mut next = 0;
    while next < 1000 {
        let body = client.get().await.body;
        assert!(body.len() <= 65_536);
        for packet in body.split('\x1e') {
            assert!(packet.contains(&format!("\"i\":{next},")));
            next += 1;
        }
    }
}

#[tokio::test]
async fn many_packets_wait_for_slow_handlers_and_none_is_lost() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    let mut packets = vec!["42[\"sleep\",100]".to_owned()];
    packets.extend((0..1000).map(|i| format!("42[\"echo\",{i}]")));
    let began = std::time::Instant::now();
    assert_eq!(client.post(&packets.join("\x1e")).await.body, "ok");
    assert!(began.elapsed() >= Duration::from_millis(95));
    let mut next = 0;
    while next < 1000 {
        for packet in client.get().await.body.split('\x1e') {
            assert_eq!(packet, format!("42[\"echo\",[{next}]]"));
            next += 1;
        }
    }
}

#[tokio::test]
async fn pings_are_polled_and_a_client_that_is_silent_is_closed() {
    let mut config = calm();
    (config.ping_interval, config.ping_timeout) = (Duration::from_millis(100), Duration::from_millis(200));
    let mut running = start(config).await;
    let mut client = Poller::connect(running.address).await;
    for _ in 0..3 {
        assert_eq!(client.get().await.body, "2");
        assert_eq!(client.post("3").await.body, "ok");
    }
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
    assert_eq!(client.get().await.status, 400);
}

#[tokio::test]
async fn a_second_poll_at_the_same_time_ends_the_session() {
    let mut running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    let target = client.target.clone();
    client.http.send("GET", &target, "", "").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(Http::new(running.address).await.ask("GET", &target, "", "").await.status, 400);
    assert_eq!(client.http.response().await.body, "1");
    assert_eq!(running.closed().await, CloseReason::ProtocolError);
}

#[tokio::test]
async fn a_server_close_flushes_and_ends_with_a_close_packet() {
    let mut running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    running.broadcast("last", &json!({}));
    client.post("42[\"put me out\"]").await;
    assert_eq!(client.get().await.body, "42[\"last\",{}]\x1e41\x1e1");
    assert_eq!(running.closed().await, CloseReason::ServerDisconnect);
    running.until_connections(0).await;
}

#[tokio::test]
async fn payloads_are_bounded() {
    let mut running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    client.post(&format!("421[\"m\",\"{}\"]", "x".repeat(66_000))).await;
    assert_eq!(client.get().await.body, "431[{\"fault\":\"TooLarge\"}]");
    assert_eq!(client.post(&"x".repeat(256 * 1024 + 1)).await.status, 413);
    assert_eq!(client.get().await.body, "1");
    assert_eq!(running.closed().await, CloseReason::TooLarge);
    let mut client = Poller::connect(running.address).await;
    assert_eq!(client.post(&["3"; 4097].join("\x1e")).await.status, 413);
    client.get().await;
    assert_eq!(running.closed().await, CloseReason::TooLarge);
    let mut client = Poller::connect(running.address).await;
    client.post("bAQID").await;
    client.get().await;
    // An attachment that no packet announced.
    assert_eq!(running.closed().await, CloseReason::ParseError);
}

#[tokio::test]
async fn a_post_that_waits_for_handlers_is_answered_when_the_session_ends() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    let slow = ["42[\"sleep\",1500]"; 80].join("\x1e");
    let mut waiting = Http::new(running.address).await;
    waiting.send("POST", &client.target, "", &slow).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    for socket in running.server.app().sockets.lock().iter() {
        socket.close(CloseReason::Superseded);
    }
    client.get().await;
    assert_eq!(waiting.response().await.status, 400);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let running = start(Config { send_buffer: 4096, ..calm() }).await;
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let request = b"GET /socket.io/?EIO=9&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    // Until the server takes no more, or has cut it off.
    let cut = async {
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut stream, &request).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), cut).await.expect("cut off in time");
}

#[tokio::test]
async fn a_queue_past_its_bound_closes_a_client_that_does_not_poll() {
    let mut running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    for _ in 0..40 {
        running.broadcast("m", &json!("x".repeat(30_000)));
    }
    assert_eq!(running.closed().await, CloseReason::SlowConsumer);
    assert_eq!(client.get().await.status, 400);
}

#[tokio::test]
async fn bad_requests_are_told_as_the_reference_server_tells_them() {
    let running = start(calm()).await;
    let mut http = Http::new(running.address).await;
    for (method, query, status, body) in [
        ("GET", "EIO=4", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"),
        ("GET", "EIO=4&transport=smoke", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"),
        ("GET", "EIO=4&transport=polling&sid=x", 400, "{\"code\":1,\"message\":\"Session ID unknown\"}"),
        ("POST", "EIO=4&transport=polling", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}"),
        ("GET", "EIO=4&transport=websocket", 400, "{\"code\":3,\"message\":\"Bad request\"}"),
        ("GET", "EIO=3&transport=polling", 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}"),
    ] {
        let response = http.ask(method, &format!("/socket.io/?{query}"), "", "").await;
        assert_eq!((response.status, response.body.as_str()), (status, body), "{query}");
    }
    assert_eq!(http.ask("GET", "/other", "", "").await.body, "other");
    assert_eq!(http.ask("GET", "/nowhere", "", "").await.status, 404);
    let client = Poller::connect(running.address).await;
    assert_eq!(http.ask("POST", &client.target, "Content-Encoding: gzip\r\n", "x").await.status, 415);
    assert_eq!(http.ask("PUT", &client.target, "", "").await.status, 400);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_and_listed_ones_may_read() {
    let mut config = calm();
    config.origins = Origins::List(vec!["https://chat.example".into()]);
    let running = start(config).await;
    let mut http = Http::new(running.address).await;
    let target = "/socket.io/?EIO=4&transport=polling";
    for bad in ["null", "http://chat.example", "https://chat.example.evil"] {
        assert_eq!(http.ask("GET", target, &format!("Origin: {bad}\r\n"), "").await.status, 403);
        let refused = support::WsClient::handshake_with(running.address, &format!("Origin: {bad}\r\n")).await;
        assert_eq!(refused.err().unwrap().0, 403);
    }
    assert_eq!(http.ask("GET", target, "Cookie: a=b\r\n", "").await.status, 403, "cookies without an origin");
    let good = "Origin: https://chat.example\r\n";
    let response = http.ask("GET", target, good, "").await;
    assert_eq!(response.status, 200);
    assert!(response.head.contains("access-control-allow-origin: https://chat.example"), "{}", response.head);
    assert!(response.head.contains("access-control-allow-credentials: true"));
    let preflight = http.ask("OPTIONS", target, good, "").await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-methods: GET, POST"));
}
