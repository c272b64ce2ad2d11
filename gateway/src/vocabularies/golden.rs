//! Golden transcripts: everything that each vocabulary takes and says, as text files in `golden/`, for review by eye.
//! `UPDATE_GOLDEN=1 cargo test -p parlor-gateway golden` writes them anew.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parlor_core::error::{ChatError, Code, Limit};
use parlor_core::event::{
    Actor, Delivery, Ephemeral, Event, Kind, Member, Message, MessageType, Quote, Role, Room, RoomKind, Status,
};
use parlor_core::ids::{EventId, MessageId, RoomId, Seq, UserId};
use parlor_core::ports::store::{RoomSummary, StoredMessage};
use parlor_core::receipts::Got;
use parlor_core::time::Timestamp;
use parlor_socketio::CloseReason;
use serde_json::value::RawValue;

use super::{Answer, Asked, News, Page, Route, Rules, Vocabulary, samples, temp_id};

const MESSAGE: &str = "0190a6f0-0000-7000-8000-000000000001";
pub(super) const OTHER: &str = "0190a6f0-0000-7000-8000-000000000002";
pub(super) const AT: Timestamp = Timestamp(1_763_548_200_123);

pub(super) fn user(id: &str, name: &str) -> Actor {
    Actor { id: UserId::trusted(id), name: name.into(), avatar: None }
}

pub(super) fn ada() -> Actor {
    Actor { avatar: Some("https://example.org/ada.png".into()), ..user("user1", "Ada") }
}

pub(super) fn group() -> Room {
    Room {
        id: RoomId::trusted("group_1"),
        kind: RoomKind::Group,
        name: Some("Team Chat".into()),
        description: Some("Our awesome team".into()),
        avatar: None,
        private: false,
        created_by: UserId::trusted("user1"),
        created_at: AT,
        version: 1,
        member_count: 2,
    }
}

fn direct() -> Room {
    Room {
        id: RoomId::trusted("direct_user1_user2"),
        kind: RoomKind::Direct,
        name: None,
        description: None,
        private: true,
        ..group()
    }
}

pub(super) fn channel() -> Room {
    let id = RoomId::trusted("room-123");
    Room { id, kind: RoomKind::Channel, name: Some("room-123".into()), description: None, member_count: 0, ..group() }
}

pub(super) fn message_id() -> MessageId {
    MessageId::parse(MESSAGE).unwrap()
}

pub(super) fn text(content: &str) -> Message {
    Message { temp_id: Some("temp_123".into()), ..Message::new(MessageType::Text, content) }
}

pub(super) fn delivery(room: &RoomId, actor: Actor, kind: Kind) -> Delivery {
    let event = Event { id: EventId(message_id().0), room: room.clone(), actor, kind };
    Delivery { prev: Some(Seq(6)), seq: Seq(7), time: AT, event: Arc::new(event) }
}

pub(super) fn stored(message: Message, edited: bool) -> StoredMessage {
    StoredMessage {
        id: message_id(),
        seq: Seq(7),
        room: group().id,
        sender: ada(),
        message,
        time: AT,
        edited_at: edited.then_some(AT.plus_millis(5_000)),
        deleted_at: None,
        reactions: Vec::new(),
        pinned: false,
        got: Got::default(),
    }
}

/// The kinds of delivery with a title each.
pub(super) fn deliveries() -> Vec<(&'static str, Delivery)> {
    let room = group().id;
    let inbox = RoomId::inbox(&UserId::trusted("user2"));
    let ben = || user("user2", "Ben");
    let quote = Quote {
        message: MessageId::parse(OTHER).unwrap(),
        content: Some("Lunch?".into()),
        encrypted: false,
        sender: Some(UserId::trusted("user2")),
    };
    let bare = Quote { content: None, sender: None, ..quote.clone() };
    let picture = Message {
        content: String::new(),
        kind: MessageType::Image,
        reply_to: Some(quote),
        metadata: Some(r#"{"fileName":"a.png", "dimensions":{"width":9007199254740993,"height":1.50}}"#.into()),
        mentions: Vec::new(),
        encrypted: false,
        temp_id: None,
    };
    let voice =
        Message { kind: MessageType::Voice, reply_to: Some(bare), metadata: Some("{broken".into()), ..text("") };
    let system = Message { kind: MessageType::System, temp_id: None, ..text("Ada created the group") };
    let member = |user| Member { user, role: Role::Member, joined_at: AT };
    let later = || Room { version: 2, ..group() };
    vec![
        ("a message", delivery(&room, ada(), Kind::MessageSent(text("Hello \"you\" \u{2028}<b>")))),
        ("a picture that answers a message", delivery(&room, ada(), Kind::MessageSent(picture))),
        ("a voice note with metadata that is no JSON", delivery(&room, ben(), Kind::MessageSent(voice))),
        ("a system message", delivery(&room, ada(), Kind::MessageSent(system))),
        (
            "an edit",
            delivery(
                &room,
                ada(),
                Kind::MessageEdited { message: message_id(), content: "Hi".into(), encrypted: false },
            ),
        ),
        ("a deletion", delivery(&room, ada(), Kind::MessageDeleted { message: message_id() })),
        ("a new room", delivery(&room, ada(), Kind::RoomCreated { room: group(), members: vec![member(ada())] })),
        (
            "a member joined",
            delivery(&room, ben(), Kind::MemberJoined { member: member(ben()), members: Some(2), version: 2 }),
        ),
        ("a member left", {
            let left = Kind::MemberLeft { user: ben().id, name: ben().name, members: None, version: 3 };
            delivery(&room, ben(), left)
        }),
        ("inbox: in a room made by another", delivery(&inbox, ada(), Kind::RoomAdded { room: group(), pair: vec![] })),
        ("inbox: in a room of one's own making", {
            let inbox = RoomId::inbox(&ada().id);
            delivery(&inbox, ada(), Kind::RoomAdded { room: group(), pair: vec![] })
        }),
        ("inbox: in a direct room made by another", {
            let pair = vec![member(ada()), member(ben())];
            delivery(&inbox, ada(), Kind::RoomAdded { room: direct(), pair })
        }),
        ("inbox: joined a room", delivery(&inbox, ben(), Kind::RoomAdded { room: later(), pair: vec![] })),
        ("inbox: added to a room by another", delivery(&inbox, ada(), Kind::RoomAdded { room: later(), pair: vec![] })),
        ("inbox: out of a room", delivery(&inbox, ben(), Kind::RoomRemoved { room: room.clone(), version: 3 })),
        ("a kind of a newer version", delivery(&room, ada(), Kind::Other { kind: 99, body: Bytes::new() })),
    ]
}

fn each_news(mut tell: impl FnMut(&str, &News<'_>)) {
    for (title, delivery) in deliveries().iter().chain(&samples::deliveries()) {
        tell(title, &News::Delivery(delivery));
    }
    let (room, ben) = (group().id, user("user2", "Ben"));
    let counted = |status, count, gone| {
        let (user, name) = (ben.id.clone(), ben.name.clone());
        Ephemeral::Presence { user, name, status, count, gone, at: AT }
    };
    let presence = |status| counted(status, Some(2), false);
    let ephemeral = [
        ("typing", Ephemeral::Typing { user: ben.clone(), active: true }),
        ("typing no more", Ephemeral::Typing { user: ben.clone(), active: false }),
        ("online", presence(Status::Online)),
        ("away", presence(Status::Away)),
        ("busy", presence(Status::Busy)),
        ("offline", presence(Status::Offline)),
        ("offline, and in the channel no more", counted(Status::Offline, None, true)),
        ("entered a channel", Ephemeral::Entered { user: ben.clone(), count: 3 }),
        ("left a channel", Ephemeral::Exited { user: ben.clone(), count: 2 }),
    ];
    for (title, news) in ephemeral.iter().chain(&samples::ephemeral()) {
        tell(title, &News::Ephemeral { room: &room, news, at: AT });
    }
    samples::inbox(&mut tell);
    let rooms = [
        RoomSummary {
            room: direct(),
            role: Role::Member,
            partner: Some(ben.clone()),
            first_members: Vec::new(),
            last_message: Some(stored(text("Hello"), true)),
            unread: 3,
            read: Seq(4),
            muted: true,
        },
        RoomSummary {
            room: group(),
            role: Role::Admin,
            partner: None,
            first_members: Vec::new(),
            last_message: None,
            unread: 0,
            read: Seq(0),
            muted: false,
        },
    ];
    tell("identity known", &News::Authenticated { user: &ada(), rooms: &rooms });
    tell("asked for a token", &News::AskToken);
    tell("no valid token", &News::Unauthorized { message: "Authentication token required" });
    tell("token expired", &News::TokenExpired);
    tell("about to be closed", &News::Closing(CloseReason::Draining));
    tell("something failed", &News::Failed(&ChatError::busy("The log is away.")));
    tell("server full", &News::ServerFull);
    tell("heartbeat", &News::Heartbeat);
    tell("messages wait", &News::Waiting { count: 3 });
    let waited = samples::rich();
    tell("a message that waited", &News::Waited(&waited));
    tell("the session goes on", &News::Recovered);
    tell(
        "entered a room, with its newest messages",
        &News::Entered { room: &room, messages: std::slice::from_ref(&waited) },
    );
}

fn answers(vocabulary: Vocabulary) -> String {
    let (room, members) = (group(), [Member { user: ada(), role: Role::Admin, joined_at: AT }]);
    let messages = [stored(text("Hello"), true)];
    let page = Page { messages: &messages, next: Some(Seq(7)), prev: None, has_more: true };
    let (message, id, time) = (message_id(), &room.id, AT);
    let answers = [
        ("sent", Answer::Sent { message, room: id, time, seq: Some(Seq(7)), temp_id: Some("temp_123") }),
        ("sent, without seq and tempId", Answer::Sent { message, room: id, time, seq: None, temp_id: None }),
        ("joined a group", Answer::Joined { room: &room, live: None, users: &[] }),
        ("joined a channel", Answer::Joined { room: &channel(), live: Some(3), users: &[user("user1", "Ann")] }),
        ("left", Answer::Left { room: id }),
        ("created a group", Answer::Created { room: &room, members: &members }),
        ("created a channel", Answer::Created { room: &channel(), members: &[] }),
        ("edited", Answer::Edited { message, room: id, time }),
        ("deleted", Answer::Deleted { message, room: id, time }),
        ("page", Answer::Page(&page)),
        ("done", Answer::Done),
    ];
    let mut out = String::new();
    let mut write = |title: &str, answer: &Answer<'_>| {
        let _ = writeln!(out, "# {title}\nack {}", vocabulary.ack(answer));
        if let Some(event) = vocabulary.unasked(answer) {
            let _ = writeln!(out, "or {} {}", event.name, event.body);
        }
        out.push('\n');
    };
    for (title, answer) in &answers {
        write(title, answer);
    }
    samples::answers(&mut write);
    samples::files(&mut write);
    let limited = ChatError {
        retry_after: Some(Duration::from_millis(44_100)),
        limit: Some(Limit { limit: 10, window: Duration::from_secs(60) }),
        ..ChatError::new(Code::RateLimited, "Too many messages. Please slow down.")
    };
    let (send, join) = match vocabulary {
        Vocabulary::Dotted => ("message.send", "room.join"),
        Vocabulary::Snake => ("send_message", "join_room"),
        Vocabulary::Cafe => ("message:send", "join:cafe"),
        Vocabulary::Conversations => ("chat:message_send", "conversation:join"),
    };
    let refusals = [
        ("rate limit", send, limited, Some("temp_123")),
        ("a wrong field", send, ChatError::field("content", "`content` is required"), None),
        ("nobody knows", send, ChatError::new(Code::Unknown, "No answer came in time."), Some("temp_123")),
        ("no such room", join, ChatError::not_found("room"), None),
    ];
    for (title, command, error, temp_id) in &refusals {
        let event = vocabulary.refusal_event(command, error, *temp_id);
        let ack = vocabulary.refusal_ack(error, *temp_id);
        let _ = writeln!(out, "# {command} refused: {title}\nack {ack}\nor {} {}\n", event.name, event.body);
    }
    out
}

/// Runs a file of `event payload` lines through the parser; lines with `#` and empty ones are kept as they are.
fn commands(vocabulary: Vocabulary, transcript: &str) -> String {
    let rules = Rules::default();
    let mut out = String::new();
    for line in transcript.lines().filter(|line| !line.starts_with("  ")) {
        let _ = writeln!(out, "{line}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, payload) = line.split_once(' ').unwrap_or((line, ""));
        let args: Vec<Box<RawValue>> =
            if payload.is_empty() { vec![] } else { vec![RawValue::from_string(payload.into()).unwrap()] };
        let _ = match vocabulary.parse_command(name, &args, &rules) {
            Ok(command) => writeln!(out, "  {command:?}"),
            Err(error) => writeln!(out, "  {}", vocabulary.refusal_ack(&error, temp_id(&args, &rules).as_deref())),
        };
    }
    out
}

/// Requests as `METHOD path {fields}`, read by the route of that name; fields of path, query and body together.
fn requests(routes: &[&Route], transcript: &str) -> String {
    let rules = Rules::default();
    let mut out = String::new();
    for line in transcript.lines().filter(|line| !line.starts_with("  ")) {
        let _ = writeln!(out, "{line}");
        let Some((name, payload)) = line.split_once(" {").filter(|_| !line.starts_with('#')) else { continue };
        let route = routes.iter().find(|route| route.entry.name == name).unwrap_or_else(|| panic!("no route {name}"));
        let body = RawValue::from_string(format!("{{{payload}")).unwrap();
        let _ = match route.command(&[], Some(&body), &rules) {
            Ok(command) => {
                let _ = writeln!(out, "  {command:?}");
                let asked = Asked { user: ada(), command, at: AT };
                let mut answered = Vec::new();
                let mut write = |title: &str, answer: &Answer<'_>| {
                    if samples::answers_to(&asked.command, answer) {
                        answered.push(format!("  {title}: {} {}\n", route.status, (route.body)(answer, &asked)));
                    }
                };
                samples::essential_answers(&mut write);
                samples::answers(&mut write);
                write!(out, "{}", answered.concat())
            }
            Err(error) => writeln!(out, "  {}", super::refusal_body(&error, name.contains("/api/chat/"))),
        };
    }
    out
}

fn check(file: &str, make: impl Fn(&str) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/vocabularies/golden").join(file);
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let actual = make(&expected);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    assert!(
        std::env::var_os("UPDATE_GOLDEN").is_some() || actual == expected,
        "{} is not what is said now; if it is meant, write it anew with UPDATE_GOLDEN=1. Now:\n{actual}",
        path.display()
    );
}

#[test]
fn client_events_become_the_commands_of_the_golden_transcripts() {
    for vocabulary in Vocabulary::ALL {
        check(&format!("{}.commands.txt", vocabulary.as_str()), |transcript| commands(vocabulary, transcript));
    }
}

#[test]
fn answers_and_refusals_are_those_of_the_golden_transcripts() {
    for vocabulary in Vocabulary::ALL {
        check(&format!("{}.answers.txt", vocabulary.as_str()), |_| answers(vocabulary));
    }
}

#[test]
fn news_is_told_as_in_the_golden_transcripts() {
    for vocabulary in Vocabulary::ALL {
        check(&format!("{}.events.txt", vocabulary.as_str()), |_| {
            let mut out = String::new();
            each_news(|title, news| {
                let _ = writeln!(out, "# {title}");
                for event in vocabulary.render(news) {
                    let _ = writeln!(out, "{} {}", event.name, event.body);
                }
                out.push('\n');
            });
            out
        });
    }
}

#[test]
fn requests_are_read_and_answered_as_in_the_golden_transcripts() {
    let documents = [("cafe", super::cafe::rest::ROUTES), ("conversations", super::conversations::rest::ROUTES)];
    for (document, routes) in documents {
        check(&format!("{document}.rest.txt"), |transcript| {
            for route in routes {
                assert!(transcript.contains(&format!("\n{} {{", route.entry.name)), "{}", route.entry.name);
            }
            requests(routes, transcript)
        });
    }
}

#[test]
fn every_server_event_has_one_object_as_its_argument_and_never_a_text() {
    for vocabulary in Vocabulary::ALL {
        each_news(|title, news| {
            for event in vocabulary.render(news) {
                let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
                assert!(body.is_object(), "{title}: {event:?}");
            }
        });
    }
}
