//! What a WebSocket client may rely on.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use parlor_socketio::CloseReason;
use serde_json::{Value, json};
use support::{Got, Seen, WsClient, calm, start};

#[tokio::test]
async fn the_open_packet_says_what_was_agreed() {
    let running = start(calm()).await;
    let mut client = WsClient::handshake(running.address).await;
    let open = client.text().await;
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert!(open["sid"].as_str().unwrap().starts_with("test."));
    assert_eq!(open["upgrades"], json!([]));
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(60_000), &json!(60_000)));
    assert_eq!(open["maxPayload"], json!(65_536));
}

#[tokio::test]
async fn connect_gives_auth_and_handshake_to_the_application_and_its_ids_to_the_client() {
    let mut running = start(calm()).await;
    let mut client = WsClient::handshake_with(running.address, "User-Agent: x\r\n").await.ok().unwrap();
    client.text().await;
    client.send("40/custom,{\"token\":\"private\",\"pid\":\"p\",\"offset\":\"o\"}").await;
    let answer = client.text().await;
    let answer: Value = serde_json::from_str(answer.strip_prefix("40/custom,").unwrap()).unwrap();
    assert_eq!(answer["pid"], "pid-of-Some(\"p\")-Some(\"o\")");
    assert_eq!(client.text().await, "42/custom,[\"hello\",{}]");
    let seen = running.seen(|_| true).await;
    assert_eq!(seen, Seen::Connected("/custom x EIO=4&transport=websocket".into()));
    // A pid of another type is the application's own business.
    client.send("40{\"token\":\"private\",\"pid\":7}").await;
    assert!(client.text().await.contains("pid-of-None-None"));
}

#[tokio::test]
async fn a_refused_connect_gets_connect_error_and_may_try_again() {
    let running = start(calm()).await;
    let mut client = WsClient::handshake(running.address).await;
    client.text().await;
    client.send("40{\"token\":\"bad\"}").await;
    assert_eq!(client.text().await, "44{\"message\":\"no\",\"data\":{\"code\":401}}");
    client.send("40/nowhere,").await;
    assert_eq!(client.text().await, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    client.send("40").await;
    assert!(client.text().await.starts_with("40{"));
    for _ in 0..8 {
        client.send("40/nowhere,").await;
    }
    assert_eq!(client.close_code().await, CloseReason::TooManyRefusals.code());
}

#[tokio::test]
async fn events_of_one_socket_are_handled_in_order() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    let mut burst = Vec::new();
    for i in 0..500 {
        if i % 100 == 0 {
            burst.extend(support::frame(0x81, b"42[\"sleep\",20]"));
        }
        burst.extend(support::frame(0x81, format!("42[\"echo\",{i}]").as_bytes()));
    }
    tokio::io::AsyncWriteExt::write_all(&mut client.stream, &burst).await.unwrap();
    for i in 0..500 {
        assert_eq!(client.text().await, format!("42[\"echo\",[{i}]]"));
    }
    drop(client);
    assert_eq!(running.closed().await, CloseReason::TransportClose);
}

#[tokio::test]
async fn a_slow_handler_delays_only_its_socket_and_pings_go_on() {
    let mut config = calm();
    (config.ping_interval, config.ping_timeout) = (Duration::from_millis(100), Duration::from_millis(100));
    let running = start(config).await;
    let mut slow = WsClient::connect(running.address).await;
    let mut other = WsClient::connect(running.address).await;
    slow.send("42[\"sleep\",600]").await;
    slow.send("421[\"after\"]").await;
    let began = std::time::Instant::now();
    other.send("421[\"quick\"]").await;
    assert_eq!(other.text().await, "431[[]]");
    assert!(began.elapsed() < Duration::from_millis(300));
    let others = tokio::spawn(async move { other.next().await });
    // Several pings are answered meanwhile, or the socket would be closed.
    assert_eq!(slow.text().await, "431[[]]");
    assert!(began.elapsed() >= Duration::from_millis(590));
    others.abort();
}

#[tokio::test]
async fn a_burst_of_1000_broadcasts_reaches_a_reading_socket_whole() {
    let running = start(calm()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(WsClient::connect(running.address).await);
    }
    for i in 0..1000 {
        running.broadcast("room", &json!({"i": i, "text": "x".repeat(200)}));
    }
    for client in &mut clients {
        for i in 0..1000 {
            assert!(client.text().await.contains(&format!("\"i\":{i},")));
        }
    }
}

#[tokio::test]
async fn a_reader_that_stops_is_closed_and_others_never_wait() {
    let mut running = start(calm()).await;
    let stopped = WsClient::connect(running.address).await;
    let mut reading = WsClient::connect(running.address).await;
    let big = json!("x".repeat(30_000));
    for i in 0..200 {
        running.broadcast(&format!("e{i}"), &big);
        let began = std::time::Instant::now();
        assert!(reading.text().await.starts_with(&format!("42[\"e{i}\"")));
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(running.closed().await, CloseReason::SlowConsumer);
    running.until_connections(1).await;
    drop(stopped);
}

#[tokio::test]
async fn a_queue_below_its_bound_that_is_never_emptied_is_closed_too() {
    let mut running = start(calm()).await;
    let stopped = WsClient::connect(running.address).await;
    // Enough for the kernel's buffers to fill, too little for the queue's bound, once they have.
    let socket = running.server.app().sockets.lock()[0].clone();
    let big = json!("x".repeat(60_000));
    while socket.queued_bytes() < 300_000 {
        socket.emit_event("e", &big).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(running.closed().await, CloseReason::SlowConsumer);
    assert_eq!(socket.queued_bytes(), 0);
    drop(stopped);
}

#[tokio::test]
async fn acks_go_both_ways() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send("427[\"anything\",1,{\"a\":[]}]").await;
    assert_eq!(client.text().await, "437[[1,{\"a\":[]}]]");
    client.send("42[\"ask\",\"why\"]").await;
    assert_eq!(client.text().await, "420[\"question\",\"why\"]");
    client.send("430[\"because\"]").await;
    assert_eq!(client.text().await, "42[\"answer\",\"\\\"because\\\"\"]");
    client.send("42[\"ask\",\"what\"]").await;
    assert_eq!(client.text().await, "421[\"question\",\"what\"]");
    client.send("4399[\"nobody asked\"]").await;
    assert_eq!(client.text().await, "42[\"answer\",\"the client did not answer in time\"]");
}

#[tokio::test]
async fn a_frame_of_65_kib_is_refused_and_the_socket_lives() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("423[\"message\",\"{}\"]", "x".repeat(66_000))).await;
    assert_eq!(client.text().await, "433[{\"fault\":\"TooLarge\"}]");
    client.send(&format!("424[\"message\",\"{}\"]", "x".repeat(65_000))).await;
    assert!(client.text().await.starts_with("434[[\"xxx"));
}

#[tokio::test]
async fn a_frame_over_256_kib_closes_with_1009() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("42[\"message\",\"{}\"]", "x".repeat(260 * 1024))).await;
    assert_eq!(client.close_code().await, 1009);
    assert_eq!(running.closed().await, CloseReason::TooLarge);
}

#[tokio::test]
async fn arguments_that_cannot_be_parsed_are_answered_and_the_socket_lives() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    let deep = format!("421[\"m\",{}{}]", "[".repeat(10_000), "]".repeat(10_000));
    for bad in [deep.as_str(), "421[\"m\",\"\\ud800\"]", "421[\"m\",{\"a\"}]"] {
        client.send(bad).await;
        assert!(client.text().await.starts_with("431[{\"fault\":\"Json("));
    }
}

#[tokio::test]
async fn malformed_packets_close_with_the_right_code() {
    let mut running = start(calm()).await;
    let parse = CloseReason::ParseError.code();
    for (first, payload, code) in [
        (0x81, "4abc", parse),
        (0x81, "42{}", parse),
        (0x81, "42abc[\"m\"]", parse),
        (0x81, "42[1]", parse),
        (0x81, "49", parse),
        (0x81, "x", parse),
        (0x81, "", parse),
        (0x81, "2", parse),
        (0x81, "40", parse),
        (0x81, "42/custom,[\"m\"]", parse),
        (0x81, "451-[\"m\",{}]", parse),
        (0x82, "binary", parse),
        (0x81, "bAQID", parse),
        (0xC1, "43", 1002),
        (0x80, "43", 1002),
    ] {
        let mut client = WsClient::connect(running.address).await;
        client.frame(first, payload.as_bytes()).await;
        assert_eq!(client.close_code().await, code, "{payload}");
        drop(client);
        running.closed().await;
    }
    let mut client = WsClient::connect(running.address).await;
    client.frame(0x81, b"42[\"\xff\"]").await;
    assert_eq!(client.close_code().await, 1007);
    let mut client = WsClient::connect(running.address).await;
    tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"\x81\x0243").await.unwrap();
    assert_eq!(client.close_code().await, 1002);
}

#[tokio::test]
async fn events_before_connect_close_the_transport() {
    let running = start(calm()).await;
    for first in ["42[\"m\"]", "41", "43[1]"] {
        let mut client = WsClient::handshake(running.address).await;
        client.text().await;
        client.send(first).await;
        assert_eq!(client.close_code().await, CloseReason::ParseError.code());
    }
    let mut client = WsClient::handshake(running.address).await;
    client.text().await;
    client.send("40{\"token\":\"slow\"}").await;
    client.send("42[\"m\"]").await;
    assert_eq!(client.close_code().await, CloseReason::ParseError.code());
}

#[tokio::test]
async fn a_socket_that_never_connects_is_closed() {
    let mut config = calm();
    config.connect_timeout = Duration::from_millis(200);
    let running = start(config).await;
    let mut client = WsClient::handshake(running.address).await;
    client.text().await;
    assert_eq!(client.close_code().await, CloseReason::ConnectTimeout.code());
    let mut client = WsClient::connect(running.address).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.send("41").await;
    assert_eq!(client.close_code().await, CloseReason::ConnectTimeout.code());
    running.until_connections(0).await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_closed() {
    let mut config = calm();
    (config.ping_interval, config.ping_timeout) = (Duration::from_millis(100), Duration::from_millis(100));
    let mut running = start(config).await;
    let mut dead = WsClient::connect(running.address).await;
    dead.pongs = false;
    assert_eq!(dead.next().await, Got::End);
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn websocket_pings_and_fragments_are_understood() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.frame(0x01, b"421[\"m\"").await;
    client.frame(0x89, b"are you there").await;
    client.frame(0x00, b",\"\xc3").await;
    client.frame(0x80, b"\xa4\"]").await;
    assert_eq!(client.next().await, Got::Pong(b"are you there".to_vec()));
    assert_eq!(client.text().await, "431[[\"ä\"]]");
    client.frame(0x88, &1000u16.to_be_bytes()).await;
    assert_eq!(client.close_code().await, 1000);
    assert_eq!(client.next().await, Got::End);
}

#[tokio::test]
async fn disconnect_and_close_flush_what_is_queued() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    running.broadcast("last", &json!(1));
    client.send("42[\"put me out\"]").await;
    assert_eq!(client.text().await, "42[\"last\",1]");
    assert_eq!(client.text().await, "41");
    assert_eq!(client.close_code().await, CloseReason::ServerDisconnect.code());
    assert_eq!(running.closed().await, CloseReason::ServerDisconnect);
    let mut client = WsClient::connect(running.address).await;
    client.send("42[\"close me\"]").await;
    assert_eq!(client.next().await, Got::Close(CloseReason::Superseded.code(), "superseded".into()));
    assert_eq!(running.closed().await, CloseReason::Superseded);
}

#[tokio::test]
async fn what_a_client_sent_before_it_left_is_still_handled() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send("42[\"sleep\",100]").await;
    client.send("42[\"last words\"]").await;
    drop(client);
    running.seen(|s| *s == Seen::Event("last words".into())).await;
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    let mut client = WsClient::connect(running.address).await;
    client.send("42[\"sleep\",100]").await;
    client.send("42[\"more words\"]").await;
    client.send("41").await;
    running.seen(|s| *s == Seen::Event("more words".into())).await;
    assert_eq!(running.closed().await, CloseReason::ClientDisconnect);
}

#[tokio::test]
async fn a_handler_that_panics_closes_its_own_socket_alone() {
    let mut running = start(calm()).await;
    let mut other = WsClient::connect(running.address).await;
    let mut client = WsClient::connect(running.address).await;
    client.send("42[\"panic\"]").await;
    assert_eq!(client.close_code().await, 1011);
    assert_eq!(running.closed().await, CloseReason::Internal);
    other.send("421[\"m\"]").await;
    assert_eq!(other.text().await, "431[[]]");
}

#[tokio::test]
async fn namespaces_of_one_connection_are_told_apart() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send("40/custom").await;
    assert!(client.text().await.starts_with("40/custom,{"));
    client.text().await;
    client.send("42/custom,[\"echo\",1]").await;
    client.send("42[\"echo\",2]").await;
    assert_eq!(client.text().await, "42/custom,[\"echo\",[1]]");
    assert_eq!(client.text().await, "42[\"echo\",[2]]");
    client.send("41/custom,").await;
    client.send("42[\"echo\",3]").await;
    assert_eq!(client.text().await, "42[\"echo\",[3]]");
}
