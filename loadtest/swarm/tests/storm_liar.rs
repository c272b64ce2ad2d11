//! Servers that resume sessions, badly, each on purpose: the storm must say so, and must be content with one that
//! resumes them well. Connections are cut at the clients' side; nothing is killed.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use parlor_socketio::{Application, CloseReason, Config, Connect, Event, Frame, Refusal, Server, Session, Socket};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Whoever comes back begins anew, and is in no room.
    Forgets,
    /// The first message that was missed is left out.
    Skips,
    /// What was missed is sent twice.
    Twice,
    /// All that was ever said is sent, whatever the offset says.
    FromTheStart,
}

#[derive(Default)]
struct Rooms {
    rooms: HashMap<String, Room>,
    /// The room of each session, by its private id.
    sessions: HashMap<String, String>,
    next: usize,
}

#[derive(Default)]
struct Room {
    members: Vec<Socket>,
    /// Seqs are the places here, from 1.
    said: Vec<Frame>,
    /// A message that is sent again, because its answer was lost, is not posted again.
    seqs: HashMap<String, usize>,
}

struct Chat {
    fault: Fault,
    rooms: Mutex<Rooms>,
}

struct Front(Arc<Chat>);

struct Member {
    chat: Arc<Chat>,
    socket: Socket,
    pid: String,
    /// Its old session, and the last seq it says it has.
    past: Option<usize>,
}

fn offset(seq: usize) -> Frame {
    Frame::event_raw("/", "parlor.offset", &format!("\"{seq}\""))
}

impl Application for Front {
    type Session = Member;

    async fn connect(&self, socket: Socket, request: Connect) -> Result<Member, Refusal> {
        let mut rooms = self.0.rooms.lock().unwrap();
        let known = request.pid.filter(|pid| rooms.sessions.contains_key(pid) && self.0.fault != Fault::Forgets);
        let past = known.is_some().then(|| request.offset.map_or(0, |offset| offset.parse().unwrap()));
        rooms.next += 1;
        let pid = known.unwrap_or_else(|| format!("p{}", rooms.next));
        socket.set_private_id(pid.clone());
        Ok(Member { chat: self.0.clone(), socket, pid, past })
    }
}

impl Session for Member {
    async fn opened(&self) {
        let Some(seq) = self.past else { return };
        let (rooms, fault) = (&mut *self.chat.rooms.lock().unwrap(), self.chat.fault);
        let room = rooms.rooms.get_mut(&rooms.sessions[&self.pid]).unwrap();
        let begin = match fault {
            Fault::FromTheStart => 0,
            Fault::Skips => (seq + 1).min(room.said.len()),
            _ => seq,
        };
        for _ in 0..if fault == Fault::Twice { 2 } else { 1 } {
            room.said[begin..].iter().for_each(|frame| self.socket.emit(frame).unwrap());
        }
        self.socket.emit(&offset(room.said.len())).unwrap();
        room.members.push(self.socket.clone());
    }

    async fn event(&self, event: Event) {
        let arg: Value = serde_json::from_str(event.args[0].get()).unwrap();
        let name = arg["roomId"].as_str().unwrap().to_owned();
        let mut rooms = self.chat.rooms.lock().unwrap();
        if event.name == "room.join" {
            rooms.sessions.insert(self.pid.clone(), name.clone());
            rooms.rooms.entry(name).or_default().members.push(self.socket.clone());
            event.ack.unwrap().send(&json!({}));
            return;
        }
        // A client that sends where it is no member, because its session was forgotten, is let: others hear it.
        let room = rooms.rooms.get_mut(&name).unwrap();
        let next = room.said.len() + 1;
        let seq = *room.seqs.entry(arg["tempId"].as_str().unwrap().to_owned()).or_insert(next);
        if seq < next {
            event.ack.unwrap().send(&json!({ "status": "sent", "seq": seq }));
            return;
        }
        let message = json!({ "content": arg["content"], "roomId": name, "seq": seq, "tempId": arg["tempId"] });
        let message = Frame::event("/", "message.received", &message).unwrap();
        room.said.push(message.clone());
        for member in &room.members {
            // Gone, or going: it hears it when it is back.
            let _ = member.emit(&message);
            let _ = member.emit(&offset(seq));
        }
        event.ack.unwrap().send(&json!({ "status": "sent", "seq": seq }));
    }

    async fn closed(&self, _: CloseReason) {
        for room in self.chat.rooms.lock().unwrap().rooms.values_mut() {
            room.members.retain(|member| member.id() != self.socket.id());
        }
    }
}

/// Twenty clients in four rooms, all cut off once. Whether the swarm was content, and its report.
async fn storm(fault: Fault) -> (bool, Value) {
    let chat = Arc::new(Chat { fault, rooms: Mutex::default() });
    let server = Server::new(Config::for_testing(), Front(chat));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let serving =
        tokio::spawn(async move { server.serve(listener, axum::Router::new(), CancellationToken::new()).await });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_swarm"))
        .args(["storm", "--target", &target, "--sockets", "20", "--members", "5", "--rate", "200", "--channels"])
        .args(["--cut", "--kill", "test", "--before", "300ms", "--after", "300ms", "--patience", "4s", "--json"])
        .arg(&file)
        .output()
        .await
        .unwrap();
    serving.abort();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no report: {said}"));
    (output.status.success(), serde_json::from_str(&report).unwrap())
}

fn number(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path}: {report:#}"))
}

#[tokio::test]
async fn a_server_that_resumes_well_is_found_to() {
    let (content, report) = storm(Fault::None).await;
    assert!(content, "{report:#}");
    assert_eq!((number(&report, "/struck"), number(&report, "/recovered")), (20, 20));
    assert_eq!(number(&report, "/caught_up/count"), 20);
    assert!(number(&report, "/verdict/deliveries") > 500, "{report:#}");
}

#[tokio::test]
async fn a_server_that_forgets_sessions_is_found_out() {
    let (content, report) = storm(Fault::Forgets).await;
    assert!(!content);
    assert_eq!((number(&report, "/recovered"), number(&report, "/anew")), (0, 20));
    assert!(number(&report, "/verdict/lost") > 0, "{report:#}");
}

#[tokio::test]
async fn a_replay_with_a_hole_is_found_out() {
    let (content, report) = storm(Fault::Skips).await;
    assert!(!content);
    assert_eq!(number(&report, "/recovered"), 20);
    assert!(number(&report, "/verdict/lost") > 0, "{report:#}");
    assert!(number(&report, "/caught_up/count") < 20, "{report:#}");
}

#[tokio::test]
async fn a_replay_that_is_sent_twice_is_found_out() {
    let (content, report) = storm(Fault::Twice).await;
    assert!(!content);
    assert!(number(&report, "/verdict/doubled") > 0, "{report:#}");
    assert_eq!(number(&report, "/verdict/lost"), 0);
}

#[tokio::test]
async fn a_replay_of_what_the_client_has_is_found_out() {
    let (content, report) = storm(Fault::FromTheStart).await;
    assert!(!content);
    assert!(number(&report, "/verdict/doubled") > 0, "{report:#}");
}
