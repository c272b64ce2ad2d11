//! A load generator that finds nothing proves nothing: here are servers that lose, double, swap and invent, each on
//! purpose, and the swarm must say so.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use parlor_socketio::{Application, CloseReason, Config, Connect, Event, Frame, Refusal, Server, Session, Socket};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What is wrong with every tenth message.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// One member never gets it.
    Lost,
    /// One member gets it twice.
    Doubled,
    /// One member gets it after the next.
    Swapped,
    /// It is posted again, under another seq, to one member.
    Posted,
    /// Its ack says no, and yet it is delivered.
    RefusedAndDelivered,
    /// It is neither acked nor delivered.
    Silent,
}

struct Chat {
    fault: Fault,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    members: HashMap<String, Vec<Socket>>,
    /// What the first member of a room gets after its next message.
    held: HashMap<String, Frame>,
    seq: u64,
}

struct Member {
    chat: Arc<Chat>,
    socket: Socket,
}

struct Front(Arc<Chat>);

impl Application for Front {
    type Session = Member;

    async fn connect(&self, socket: Socket, request: Connect) -> Result<Member, Refusal> {
        let auth: Value = serde_json::from_str(request.auth.unwrap().get()).unwrap();
        assert_eq!(auth["vocabulary"], "dotted");
        Ok(Member { chat: self.0.clone(), socket })
    }
}

impl Session for Member {
    async fn opened(&self) {}

    async fn event(&self, event: Event) {
        let arg: Value = serde_json::from_str(event.args[0].get()).unwrap();
        let room = arg["roomId"].as_str().unwrap().to_owned();
        let mut rooms = self.chat.rooms.lock().unwrap();
        let answer = match event.name.as_str() {
            "room.join" => {
                rooms.members.entry(room).or_default().push(self.socket.clone());
                Some(json!({}))
            }
            "message.send" => rooms.send(self.chat.fault, &room, &arg),
            other => panic!("{other}"),
        };
        if let Some(answer) = answer {
            event.ack.unwrap().send(&answer);
        }
    }

    async fn closed(&self, _: CloseReason) {}
}

impl Rooms {
    fn send(&mut self, fault: Fault, room: &str, arg: &Value) -> Option<Value> {
        self.seq += 1;
        let seq = self.seq;
        let fault = if seq.is_multiple_of(10) { fault } else { Fault::None };
        if fault == Fault::Silent {
            return None;
        }
        let frame = |seq| {
            let message = json!({"content": arg["content"], "roomId": room, "seq": seq, "tempId": arg["tempId"]});
            Frame::event("/", "message.received", &message).unwrap()
        };
        let message = frame(seq);
        let members = &self.members[room];
        for (index, member) in members.iter().enumerate() {
            let odd = index == 0;
            if odd && matches!(fault, Fault::Lost | Fault::Swapped) {
                continue;
            }
            member.emit(&message).unwrap();
            if odd && fault == Fault::Doubled {
                member.emit(&message).unwrap();
            }
            if odd && fault == Fault::Posted {
                member.emit(&frame(seq + 1_000_000)).unwrap();
            }
        }
        if let Some(held) = self.held.remove(room) {
            members[0].emit(&held).unwrap();
        }
        if fault == Fault::Swapped {
            self.held.insert(room.to_owned(), message);
        }
        Some(match fault {
            Fault::RefusedAndDelivered => json!({"error": "busy", "message": "no", "retryable": true}),
            _ => json!({"messageId": "m", "roomId": room, "status": "sent", "seq": seq, "tempId": arg["tempId"]}),
        })
    }
}

/// 400 messages into 4 rooms of 5. Whether the swarm was content, and its report.
async fn swarm(fault: Fault) -> (bool, Value) {
    let chat = Arc::new(Chat { fault, rooms: Mutex::default() });
    let server = Server::new(Config::for_testing(), Front(chat));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.clone().serve_until(listener, stop.clone()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_swarm"))
        .args(["rooms", "--target", &target, "--rooms", "4", "--members", "5", "--rate", "400", "--duration", "1s"])
        .args(["--warmup", "0s", "--patience", "1s", "--json"])
        .arg(&file)
        .output()
        .await
        .unwrap();
    stop.cancel();
    serving.abort();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no report: {said}"));
    (output.status.success(), serde_json::from_str(&report).unwrap())
}

trait ServeUntil {
    async fn serve_until(self, listener: TcpListener, stop: CancellationToken);
}

impl ServeUntil for Arc<Server<Front>> {
    async fn serve_until(self, listener: TcpListener, stop: CancellationToken) {
        self.serve(listener, axum::Router::new(), stop).await.unwrap();
    }
}

/// The faults that a report names, with their counts.
fn faults(report: &Value) -> Vec<(String, u64)> {
    let names = ["lost", "doubled", "reordered", "overtaken", "disagreeing", "phantom", "unanswered", "refused"];
    let count = |name: &str| report["verdict"][name].as_u64().unwrap();
    names.iter().map(|name| ((*name).to_owned(), count(name))).filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn an_honest_server_is_found_honest() {
    let (content, report) = swarm(Fault::None).await;
    assert!(content, "{report:#}");
    assert_eq!(faults(&report), []);
    let verdict = &report["verdict"];
    assert_eq!(
        (&verdict["sent"], &verdict["acked"], &verdict["deliveries"]),
        (&json!(400), &json!(400), &json!(2_000))
    );
    assert_eq!(report["send_to_device"]["count"], 2_000);
}

async fn finds(fault: Fault, name: &str) {
    let (content, report) = swarm(fault).await;
    assert!(!content, "{report:#}");
    let found = faults(&report);
    assert!(found.iter().any(|(found, count)| found == name && (30..=40).contains(count)), "{found:?}");
}

#[tokio::test]
async fn a_server_that_loses_is_found_out() {
    finds(Fault::Lost, "lost").await;
}

#[tokio::test]
async fn a_server_that_doubles_is_found_out() {
    finds(Fault::Doubled, "doubled").await;
}

#[tokio::test]
async fn a_server_that_swaps_is_found_out() {
    finds(Fault::Swapped, "reordered").await;
}

#[tokio::test]
async fn a_server_that_posts_twice_is_found_out() {
    finds(Fault::Posted, "doubled").await;
}

#[tokio::test]
async fn a_server_that_delivers_what_it_refused_is_found_out() {
    let (content, report) = swarm(Fault::RefusedAndDelivered).await;
    assert!(!content);
    assert_eq!(faults(&report), [("phantom".to_owned(), 200), ("refused".to_owned(), 40)]);
}

#[tokio::test]
async fn a_server_that_never_answers_is_found_out() {
    finds(Fault::Silent, "unanswered").await;
}
