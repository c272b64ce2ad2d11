//! Binary attachments (SIO5 § "Binary"), both ways, over both transports.
#![allow(missing_docs)]

mod support;

use parlor_socketio::CloseReason;
use support::{Got, Poller, Seen, WsClient, calm, start};

const FIRST: &str = "{\"_placeholder\":true,\"num\":0}";
const SECOND: &str = "{\"_placeholder\":true,\"num\":1}";

async fn binary(client: &mut WsClient) -> Vec<u8> {
    match client.next().await {
        Got::Binary(data) => data,
        other => panic!("not binary: {other:?}"),
    }
}

#[tokio::test]
async fn events_and_acks_carry_attachments_over_a_websocket() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("452-7[\"echo binary\",{{\"a\":[{SECOND}]}},{FIRST}]")).await;
    client.frame(0x82, &[1, 2, 3]).await;
    // Heartbeats go between messages, and a message in parts is one message.
    client.send("3").await;
    client.frame(0x02, &[4]).await;
    client.frame(0x89, b"!").await;
    client.frame(0x80, &[5; 70]).await;
    assert_eq!(client.next().await, Got::Pong(b"!".into()));
    assert_eq!(client.text().await, format!("452-[\"echo\",{{\"a\":[{SECOND}]}},{FIRST}]"));
    let second = [&[4][..], &[5; 70]].concat();
    assert_eq!((binary(&mut client).await, binary(&mut client).await), (vec![1, 2, 3], second.clone()));
    assert_eq!(client.text().await, format!("462-7[{{\"a\":[{SECOND}]}},{FIRST}]"));
    assert_eq!((binary(&mut client).await, binary(&mut client).await), (vec![1, 2, 3], second));
}

#[tokio::test]
async fn a_client_answers_with_attachments() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("451-[\"ask binary\",{FIRST}]")).await;
    client.frame(0x82, b"q").await;
    assert_eq!(client.text().await, format!("451-0[\"question\",{FIRST}]"));
    assert_eq!(binary(&mut client).await, b"q");
    client.send(&format!("461-0[\"x\",{FIRST}]")).await;
    client.frame(0x82, b"answer").await;
    assert_eq!(client.text().await, "42[\"answer\",\"[None, Some(b\\\"answer\\\")]\"]");
    // An answer that cannot be read is not one.
    client.send(&format!("451-[\"ask binary\",{FIRST}]")).await;
    client.frame(0x82, b"q").await;
    client.text().await;
    binary(&mut client).await;
    client.send(&format!("461-1[{FIRST}}}")).await;
    client.frame(0x82, b"answer").await;
    assert_eq!(client.text().await, "42[\"answer\",\"the client's answer cannot be read\"]");
}

#[tokio::test]
async fn events_and_acks_carry_attachments_over_polling() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    client.post(&format!("452-7[\"echo binary\",{FIRST},{SECOND}]\x1ebAQIDBA==\x1eb")).await;
    let mut got = client.get().await.body;
    while got.matches("bAQIDBA==").count() < 2 {
        got = format!("{got}\x1e{}", client.get().await.body);
    }
    let event = format!("452-[\"echo\",{FIRST},{SECOND}]\x1ebAQIDBA==\x1eb");
    assert_eq!(got, format!("{event}\x1e462-7[{FIRST},{SECOND}]\x1ebAQIDBA==\x1eb"));
    // Attachments may come in a later payload.
    client.post(&format!("451-[\"echo binary\",{FIRST}]")).await;
    client.post("b/w==").await;
    assert_eq!(client.get().await.body, format!("451-[\"echo\",{FIRST}]\x1eb/w=="));
}

#[tokio::test]
async fn nothing_comes_between_a_packet_and_its_attachments() {
    let mut running = start(calm()).await;
    for between in ["42[\"echo\",1]", "40/custom,", "41", "43[1]"] {
        let mut client = WsClient::connect(running.address).await;
        client.send(&format!("452-[\"echo binary\",{FIRST},{SECOND}]")).await;
        client.frame(0x82, b"1").await;
        client.send(between).await;
        assert_eq!(client.close_code().await, CloseReason::ParseError.code(), "{between}");
        drop(client);
        assert_eq!(running.closed().await, CloseReason::ParseError);
    }
    // One more than was announced.
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("451-[\"echo binary\",{FIRST}]")).await;
    client.frame(0x82, b"1").await;
    assert_eq!(client.text().await, format!("451-[\"echo\",{FIRST}]"));
    assert_eq!(binary(&mut client).await, b"1");
    client.frame(0x82, b"2").await;
    assert_eq!(client.close_code().await, CloseReason::ParseError.code());
}

#[tokio::test]
async fn attachments_are_bounded_in_number() {
    let mut config = calm();
    config.max_attachments = 2;
    let running = start(config).await;
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("452-[\"echo binary\",{FIRST},{SECOND}]")).await;
    client.frame(0x82, b"1").await;
    client.frame(0x82, b"2").await;
    assert_eq!(client.text().await, format!("452-[\"echo\",{FIRST},{SECOND}]"));
    assert_eq!((binary(&mut client).await, binary(&mut client).await), (b"1".to_vec(), b"2".to_vec()));
    client.send(&format!("453-[\"echo binary\",{FIRST},{SECOND},{{\"_placeholder\":true,\"num\":2}}]")).await;
    assert_eq!(client.close_code().await, CloseReason::ParseError.code());
}

#[tokio::test]
async fn a_packet_and_its_attachments_count_as_one() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    let head = format!("52-1[\"m\",{FIRST},{SECOND}]");
    let rest = 64 * 1024 - head.len();
    // To the byte what is served, then one more, then as many as are read.
    for (first, answer) in [
        (rest - 10, format!("431[[{FIRST},{SECOND}]]")),
        (rest - 9, "431[{\"fault\":\"TooLarge\"}]".into()),
        (256 * 1024 - head.len() - 10, "431[{\"fault\":\"TooLarge\"}]".into()),
    ] {
        client.send(&format!("4{head}")).await;
        client.frame(0x82, &vec![7; first]).await;
        client.frame(0x82, &[8; 10]).await;
        assert_eq!(client.text().await, answer, "{first}");
    }
    client.send(&format!("4{head}")).await;
    client.frame(0x82, &vec![7; 256 * 1024 - head.len() - 9]).await;
    client.frame(0x82, &[8; 10]).await;
    assert_eq!(client.close_code().await, 1009);
    drop(client);
    assert_eq!(running.closed().await, CloseReason::TooLarge);
}

#[tokio::test]
async fn a_namespace_that_is_left_meanwhile_takes_no_event_and_the_others_live_on() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send("40/custom,").await;
    assert!(client.text().await.starts_with("40/custom,"));
    assert_eq!(client.text().await, "42/custom,[\"hello\",{}]");
    // The application puts the client out of `/` while its attachment is on the way.
    client.send(&format!("451-[\"echo binary\",{FIRST}]")).await;
    let main = running.server.app().sockets.lock()[0].clone();
    main.disconnect_namespace();
    assert_eq!(client.text().await, "41");
    assert_eq!(running.closed().await, CloseReason::ServerDisconnect);
    client.frame(0x82, b"late").await;
    client.send("42/custom,[\"after\"]").await;
    client.send("42[\"echo\",\"too late as well\"]").await;
    client.send(&format!("451-[\"echo binary\",{FIRST}]")).await;
    client.frame(0x82, b"too").await;
    client.send("421[\"but never heard\"]").await;
    client.send("42/custom,1[\"last\"]").await;
    let seen = running.seen(|s| matches!(s, Seen::Event(_))).await;
    assert_eq!(seen, Seen::Event("after".into()));
    let seen = running.seen(|s| matches!(s, Seen::Event(_))).await;
    assert_eq!(seen, Seen::Event("last".into()));
    assert_eq!(client.text().await, "43/custom,1[[]]");
    // Back in, everything counts again.
    client.send("40").await;
    assert!(client.text().await.starts_with("40{"));
    assert_eq!(client.text().await, "42[\"hello\",{}]");
    client.send("41").await;
    client.send("42[\"echo\"]").await;
    assert_eq!(client.close_code().await, CloseReason::ParseError.code());
}

#[tokio::test]
async fn a_transport_that_ends_before_the_last_attachment_brings_no_event() {
    let mut running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    client.send(&format!("452-[\"echo binary\",{FIRST},{SECOND}]")).await;
    client.frame(0x82, &[1; 60_000]).await;
    drop(client);
    let seen = running.seen(|s| !matches!(s, Seen::Connected(_))).await;
    assert_eq!(seen, Seen::Closed(CloseReason::TransportClose));
    running.until_connections(0).await;
}
