//! permessage-deflate (RFC 7692), as clients see it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use parlor_socketio::CloseReason;
use serde_json::json;
use support::{Got, WsClient, calm, start};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// One message, as a client without context takeover compresses it.
fn deflate(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 100);
    Compress::new(Compression::best(), false).compress_vec(data, &mut out, FlushCompress::Sync).unwrap();
    out.strip_suffix(&TAIL).unwrap().to_vec()
}

fn inflate(payload: &[u8]) -> String {
    let mut out = Vec::with_capacity(1 << 20);
    Decompress::new(false).decompress_vec(&[payload, &TAIL].concat(), &mut out, FlushDecompress::Sync).unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_broadcast_reaches_clients_with_and_without_compression() {
    let running = start(calm()).await;
    let mut with = WsClient::connect_with(running.address, OFFER).await;
    let head = with.head.to_lowercase();
    let answer = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert!(head.contains(answer), "{head}");
    let mut without = WsClient::connect(running.address).await;
    assert!(!without.head.to_lowercase().contains("extensions"));
    let text = "all work and no play. ".repeat(100);
    for _ in 0..3 {
        running.broadcast("large", &json!(text));
        let expected = format!("42[\"large\",{}]", json!(text));
        assert_eq!(without.text().await, expected);
        let Got::Deflated(payload) = with.next().await else { panic!() };
        // Each by itself: nothing is taken over from the one before.
        assert!(payload.len() < 200);
        assert_eq!(inflate(&payload), expected);
    }
    running.broadcast("small", &json!("all work and no play. all work and no play."));
    assert!(with.text().await.starts_with("42[\"small\""));
}

#[tokio::test]
async fn a_client_may_compress_whatever_it_sends() {
    let running = start(calm()).await;
    let mut client = WsClient::connect_with(running.address, OFFER).await;
    let text = format!("42[\"echo\",\"{}\"]", "a".repeat(100));
    client.frame(0xC1, &deflate(text.as_bytes())).await;
    assert_eq!(client.text().await, format!("42[\"echo\",[\"{}\"]]", "a".repeat(100)));
    client.send("421[\"plain\"]").await;
    assert_eq!(client.text().await, "431[[]]");
    let packet = deflate(b"451-[\"echo binary\",{\"_placeholder\":true,\"num\":0}]");
    client.frame(0x41, &packet[..9]).await;
    client.frame(0x80, &packet[9..]).await;
    client.frame(0xC2, &deflate(&[1; 50])).await;
    assert_eq!(client.text().await, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(client.next().await, Got::Binary(vec![1; 50]));
}

#[tokio::test]
async fn the_frame_rules_hold_for_what_a_compressed_message_holds() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect_with(running.address, OFFER).await;
    let event = |size: usize| format!("421[\"m\",\"{}\"]", "a".repeat(size));
    client.frame(0xC1, &deflate(event(70_000).as_bytes())).await;
    assert_eq!(client.text().await, "431[{\"fault\":\"TooLarge\"}]");
    // A bomb: a few hundred bytes on the wire, more than is ever read.
    let bomb = deflate(event(300_000).as_bytes());
    assert!(bomb.len() < 1_000);
    client.frame(0xC1, &bomb).await;
    assert_eq!(client.close_code().await, 1009);
    drop(client);
    assert_eq!(running.closed().await, CloseReason::TooLarge);
}

#[tokio::test]
async fn what_is_not_compressed_as_agreed_is_a_protocol_error() {
    let running = start(calm()).await;
    for (first, payload) in [(0xC1, b"43 no deflate".to_vec()), (0xC9, deflate(b"!")), (0xC0, deflate(b"43"))] {
        let mut client = WsClient::connect_with(running.address, OFFER).await;
        client.frame(first, &payload).await;
        assert_eq!(client.close_code().await, 1002, "{first:x}");
    }
    // Not agreed at all.
    let mut client = WsClient::connect(running.address).await;
    client.frame(0xC1, &deflate(b"42[\"echo\",1]")).await;
    assert_eq!(client.close_code().await, 1002);
}

#[tokio::test]
async fn compression_is_agreed_only_where_it_is_on_and_offered_well() {
    let mut config = calm();
    config.compression = false;
    let running = start(config).await;
    let client = WsClient::connect_with(running.address, OFFER).await;
    assert!(!client.head.to_lowercase().contains("extensions"));
    let running = start(calm()).await;
    let bad = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n";
    let mut client = WsClient::connect_with(running.address, bad).await;
    assert!(!client.head.to_lowercase().contains("extensions"));
    running.broadcast("large", &json!("a".repeat(5_000)));
    assert_eq!(client.text().await.len(), 5_000 + "42[\"large\",\"\"]".len());
}
