//! A client is told where it stands, right behind what it was sent.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use parlor_socketio::{Config, Frame, Mark, Offsets, Socket};
use support::{Poller, Running, WsClient, calm, start};

#[derive(Default)]
struct Track(Mutex<Vec<String>>);

impl Track {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Offsets for Track {
    fn passed(&self, marks: &[Mark], offset: &mut String) {
        let places: Vec<String> = marks.iter().map(|m| format!("{}:{}", m.stream, m.place)).collect();
        self.note(places.join(","));
        // One stream is not worth an offset.
        if marks.iter().all(|m| m.stream != 9) {
            offset.push_str(&format!("at {}", places.join(",")));
        }
    }

    fn pinged(&self) {
        self.note("ping".into());
    }

    fn ponged(&self) {
        self.note("pong".into());
    }
}

fn tracked(running: &Running) -> (Socket, Arc<Track>) {
    let socket = running.server.app().sockets.lock().last().unwrap().clone();
    let track = Arc::new(Track::default());
    socket.set_offsets("offset", track.clone());
    (socket, track)
}

fn marked(stream: u64, place: u64) -> Frame {
    Frame::event_raw("/", "m", &place.to_string()).marked(Mark { stream, place })
}

#[tokio::test]
async fn an_offset_follows_what_it_speaks_of_and_nothing_else() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    let (socket, _track) = tracked(&running);
    socket.emit(&marked(1, 10)).unwrap();
    assert_eq!(client.text().await, "42[\"m\",10]");
    assert_eq!(client.text().await, "42[\"offset\",\"at 1:10\"]");
    socket.emit_event("unmarked", &0).unwrap();
    assert_eq!(client.text().await, "42[\"unmarked\",0]");
    socket.emit(&marked(9, 11)).unwrap();
    assert_eq!(client.text().await, "42[\"m\",11]");
    socket.emit_offset();
    assert_eq!(client.text().await, "42[\"offset\",\"at \"]");
}

#[tokio::test]
async fn many_events_in_one_write_have_one_offset() {
    let running = start(calm()).await;
    let mut client = WsClient::connect(running.address).await;
    let (socket, track) = tracked(&running);
    client.send("42[\"sleep\",100]").await;
    for place in 0..3 {
        socket.emit(&marked(place, place)).unwrap();
    }
    for place in 0..3 {
        assert_eq!(client.text().await, format!("42[\"m\",{place}]"));
    }
    let last = client.text().await;
    assert!(last.contains("2:2"), "{last}");
    assert_eq!(track.taken().concat().matches(':').count(), 3, "each is told once");
}

#[tokio::test]
async fn a_polling_client_is_told_in_the_same_payload_and_after_its_upgrade_too() {
    let running = start(calm()).await;
    let mut client = Poller::connect(running.address).await;
    let (socket, track) = tracked(&running);
    socket.emit(&marked(1, 1)).unwrap();
    assert_eq!(client.get().await.body, "42[\"m\",1]\x1e42[\"offset\",\"at 1:1\"]");
    socket.emit_offset();
    assert_eq!(client.get().await.body, "42[\"offset\",\"at \"]");
    let sid = client.target.split_once("sid=").unwrap().1;
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    let mut upgraded = WsClient::request(running.address, &query, "").await.unwrap();
    upgraded.send("2probe").await;
    assert_eq!(upgraded.text().await, "3probe");
    upgraded.send("5").await;
    socket.emit(&marked(1, 2)).unwrap();
    let first = tokio::select! {
        text = upgraded.text() => text,
        () = tokio::time::sleep(Duration::from_secs(3)) => panic!("nothing came"),
    };
    assert_eq!(first, "42[\"m\",2]");
    assert_eq!(upgraded.text().await, "42[\"offset\",\"at 1:2\"]");
    assert_eq!(track.taken(), ["1:1", "", "1:2"]);
}

#[tokio::test]
async fn a_pong_confirms_what_was_passed_before_its_ping() {
    let running = start(Config { connect_timeout: Duration::from_secs(60), ..Config::for_testing() }).await;
    let mut client = WsClient::connect(running.address).await;
    let (socket, track) = tracked(&running);
    socket.emit(&marked(1, 1)).unwrap();
    let reading = tokio::spawn(async move {
        loop {
            client.next().await;
        }
    });
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..200 {
        seen.extend(track.taken());
        if seen.iter().any(|s| s == "pong") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen[..3], ["1:1", "ping", "pong"]);
    reading.abort();
}
