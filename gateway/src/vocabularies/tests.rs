//! Promises that hold in every vocabulary.

use std::collections::BTreeSet;
use std::path::PathBuf;

use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::Kind;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::golden::{ada, deliveries, delivery, group};
use super::{News, Rules, Vocabulary, cafe, connection, conversations, temp_id, told_by_inbox};

fn args(payload: &Value) -> Vec<Box<RawValue>> {
    vec![RawValue::from_string(payload.to_string()).unwrap()]
}

fn parse(vocabulary: Vocabulary, name: &str, payload: &Value) -> Result<Command, ChatError> {
    vocabulary.parse_command(name, &args(payload), &Rules::default())
}

fn refused(vocabulary: Vocabulary, name: &str, payload: &Value) -> (Code, Option<&'static str>) {
    let error = parse(vocabulary, name, payload).expect_err("refused");
    (error.code, error.field)
}

/// Every event name with the fields it takes, shared ones included.
fn entries() -> Vec<(Vocabulary, &'static str, &'static [&'static str])> {
    let all = Vocabulary::ALL.into_iter();
    all.flat_map(|v| v.commands().iter().chain(connection::COMMANDS).map(move |entry| (v, entry.name, entry.fields)))
        .collect()
}

#[test]
fn names_and_places_of_vocabularies_read_back() {
    for (index, vocabulary) in Vocabulary::ALL.into_iter().enumerate() {
        assert_eq!(Vocabulary::parse(vocabulary.as_str()), Some(vocabulary));
        assert_eq!(vocabulary.index(), index);
    }
    assert_eq!(Vocabulary::parse("morse"), None);
}

#[test]
fn every_event_name_has_one_owner() {
    assert_eq!(Vocabulary::of_event("join_room"), Some(Vocabulary::Snake));
    assert_eq!(Vocabulary::of_event("message.send"), Some(Vocabulary::Dotted));
    assert_eq!(Vocabulary::of_event("join:cafe"), Some(Vocabulary::Cafe));
    assert_eq!(Vocabulary::of_event("chat:typing"), Some(Vocabulary::Conversations));
    assert_eq!(Vocabulary::of_event("ping"), None);
    for vocabulary in Vocabulary::ALL {
        for entry in vocabulary.commands() {
            assert_eq!(Vocabulary::of_event(entry.name), Some(vocabulary), "{}", entry.name);
            assert!(Vocabulary::decides(entry.name), "{}", entry.name);
        }
    }
}

#[test]
fn a_token_can_be_presented_in_every_vocabulary_and_decides_none() {
    for vocabulary in Vocabulary::ALL {
        let command = parse(vocabulary, "connection.authenticate", &json!({"token": "a.b.c"}));
        assert_eq!(command, Ok(Command::Authenticate { token: "a.b.c".into() }));
    }
    assert!(!Vocabulary::decides("connection.authenticate"));
}

#[test]
fn who_the_client_says_it_is_changes_nothing() {
    let joins = [
        (Vocabulary::Dotted, "room.join", "roomId"),
        (Vocabulary::Snake, "join_room", "roomId"),
        (Vocabulary::Cafe, "join:cafe", "cafeId"),
        (Vocabulary::Conversations, "conversation:join", "conversationId"),
    ];
    for (vocabulary, name, room) in joins {
        let plain = parse(vocabulary, name, &json!({room: "r"}));
        let claimed = json!({room: "r", "userId": 7, "userName": ["x"], "username": {"y": null}});
        assert!(plain.is_ok());
        assert_eq!(parse(vocabulary, name, &claimed), plain);
    }
}

#[test]
fn a_room_that_nobody_could_see_is_neither_entered_nor_made() {
    let bad = |field| (Code::BadRequest, Some(field));
    for blank in [" ", "\u{a0}\u{3000}", "\u{200b}", "\u{2060}\u{feff}"] {
        let joins = [
            (Vocabulary::Dotted, "room.join", "roomId"),
            (Vocabulary::Snake, "join_room", "roomId"),
            (Vocabulary::Cafe, "join:cafe", "cafeId"),
            (Vocabulary::Conversations, "conversation:join", "conversationId"),
        ];
        for (vocabulary, name, field) in joins {
            assert_eq!(refused(vocabulary, name, &json!({field: blank})), bad(field), "{name} {blank:?}");
        }
        let create = |payload: Value| refused(Vocabulary::Dotted, "room.create", &payload);
        assert_eq!(create(json!({"name": blank, "memberIds": []})), bad("name"), "{blank:?}");
        assert_eq!(create(json!({"type": "channel", "name": blank})), bad("name"), "{blank:?}");
        assert_eq!(create(json!({"type": "channel", "roomId": "r", "name": blank})), bad("name"), "{blank:?}");
        assert_eq!(create(json!({"type": "channel", "roomId": blank, "name": "n"})), bad("roomId"), "{blank:?}");
        let update = json!({"roomId": "r", "name": blank});
        assert_eq!(refused(Vocabulary::Dotted, "room.update", &update), bad("name"), "{blank:?}");
    }
}

#[test]
fn each_field_is_taken_at_its_limit_and_refused_beyond() {
    let rules = Rules::default();
    let send = |field: &str, value: Value| {
        let mut payload = json!({"roomId": "r", "content": "x"});
        payload[field] = value;
        parse(Vocabulary::Dotted, "message.send", &payload).map(drop).map_err(|error| (error.code, error.field))
    };
    // Characters, not bytes.
    assert_eq!(send("content", "é".repeat(rules.max_content_chars).into()), Ok(()));
    let longer = "é".repeat(rules.max_content_chars + 1);
    assert_eq!(send("content", longer.into()), Err((Code::ContentTooLong, Some("content"))));
    assert_eq!(send("tempId", "é".repeat(255).into()), Ok(()));
    assert_eq!(send("tempId", "é".repeat(256).into()), Err((Code::BadRequest, Some("tempId"))));
    assert_eq!(send("roomId", "é".repeat(255).into()), Ok(()));
    assert_eq!(send("roomId", "é".repeat(256).into()), Err((Code::BadRequest, Some("roomId"))));
    // `{"k":""}` around the text.
    let metadata = |bytes: usize| json!({"k": "x".repeat(bytes - 8)});
    assert_eq!(send("metadata", metadata(rules.max_metadata_bytes)), Ok(()));
    assert_eq!(send("metadata", metadata(rules.max_metadata_bytes + 1)), Err((Code::BadRequest, Some("metadata"))));
    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({"k": inner}));
    assert_eq!(send("metadata", nested(rules.max_metadata_depth)), Ok(()));
    assert_eq!(send("metadata", nested(rules.max_metadata_depth + 1)), Err((Code::BadRequest, Some("metadata"))));

    let create = |field: &str, value: Value| {
        let mut payload = json!({"name": "Team", "memberIds": []});
        payload[field] = value;
        parse(Vocabulary::Dotted, "room.create", &payload).map(drop).map_err(|error| error.field)
    };
    for (field, max, start) in [("name", 255, ""), ("description", 4_000, ""), ("avatar", 500, "https://")] {
        let text = |length: usize| format!("{start}{}", "x".repeat(length - start.len()));
        assert_eq!(create(field, text(max).into()), Ok(()));
        assert_eq!(create(field, text(max + 1).into()), Err(Some(field)));
    }
    assert_eq!(create("memberIds", vec!["u"; rules.max_named_members].into()), Ok(()));
    assert_eq!(create("memberIds", vec!["u"; rules.max_named_members + 1].into()), Err(Some("memberIds")));
}

#[test]
fn a_cafe_takes_what_its_setting_says_and_no_more_than_the_deployment() {
    let send = |max_cafe_chars, max_content_chars, chars: usize| {
        let rules = Rules { max_cafe_chars, max_content_chars, ..Rules::default() };
        let said = json!({"cafeId": "r", "content": "é".repeat(chars)});
        let sent = Vocabulary::Cafe.parse_command("message:send", &args(&said), &rules).map(drop);
        let changed = json!({"messageId": "0190a6f0-0000-7000-8000-000000000001", "content": "é".repeat(chars)});
        let edited = Vocabulary::Cafe.parse_command("message:edit", &args(&changed), &rules).map(drop);
        assert_eq!(sent, edited);
        sent.map_err(|error| error.code)
    };
    assert_eq!((send(500, 4_000, 500), send(500, 4_000, 501)), (Ok(()), Err(Code::ContentTooLong)));
    assert_eq!((send(800, 4_000, 800), send(800, 4_000, 801)), (Ok(()), Err(Code::ContentTooLong)));
    assert_eq!((send(800, 700, 700), send(800, 700, 701)), (Ok(()), Err(Code::ContentTooLong)));
}

#[test]
fn u_0000_is_refused_in_every_text_that_is_taken() {
    for (vocabulary, name, fields) in entries() {
        for field in fields {
            let message = "0190a6f0-0000-7000-8000-000000000001";
            let mut bad = json!({
                "roomId": "r", "content": "x", "name": "x", "memberIds": ["u"], "token": "x", "messageId": message,
                "messageIds": [message], "emoji": "x", "after": "7", "query": "x", "status": "away", "userId": "u",
                "role": "member", "reason": "x", "cafeId": "r", "conversationId": "r", "isTyping": true,
                "fileName": "a.png", "fileSize": 1, "mimeType": "image/png", "uploadId": message, "fileId": message,
                "kind": if *field == "token" { "fcm" } else { "web" }, "endpoint": "https://push.example.net/a",
                "keys": {"p256dh": "BCVx", "auth": "qg"}, "deviceId": "d", "identityKey": "x", "signedKey": "x",
                "signature": "x",
            });
            if *field == "contentEncrypted"
                && let Some(fields) = bad.as_object_mut()
            {
                fields.remove("content");
            }
            let list = ["memberIds", "messageIds", "userIds", "mentions"].contains(field);
            bad[field] = if list { json!(["a\0b"]) } else { json!("a\0b") };
            let (code, named) = refused(vocabulary, name, &bad);
            assert_eq!((code, named), (Code::BadRequest, Some(*field)), "{name}");
        }
    }
}

#[test]
fn anothers_inbox_and_a_room_that_is_not_there_get_the_same_answer() {
    let inbox = parse(Vocabulary::Dotted, "room.join", &json!({"roomId": "user:user2"}));
    assert_eq!(inbox, Err(ChatError::not_found("room")));
}

#[test]
fn an_event_of_another_vocabulary_is_refused_with_its_name() {
    let error = parse(Vocabulary::Snake, "room.join", &json!({"roomId": "r"})).expect_err("refused");
    assert_eq!(error.code, Code::UnknownEvent);
    assert_eq!(error.message, "`room.join` is dotted; this socket speaks snake");
}

#[test]
fn a_refusal_can_name_its_message_though_the_payload_is_wrong() {
    let rules = Rules::default();
    assert_eq!(temp_id(&args(&json!({"content": 7, "tempId": "t1"})), &rules).as_deref(), Some("t1"));
    assert_eq!(temp_id(&args(&json!({"tempId": 7})), &rules), None);
    assert_eq!(temp_id(&args(&json!("t1")), &rules), None);
    assert_eq!(temp_id(&[], &rules), None);
}

#[test]
fn a_message_is_called_failed_only_when_it_was_not_taken_for_certain() {
    for code in Code::ALL {
        let error = ChatError::new(code, "x");
        let event = Vocabulary::Dotted.refusal_event("message.send", &error, Some("t1"));
        let unknown = matches!(code, Code::Unknown | Code::Internal);
        assert_eq!(event.name == "message.sent", !unknown, "{code:?}");
        assert_eq!(event.body.contains(r#""status":"failed""#), !unknown, "{code:?}");
        let ack = Vocabulary::Dotted.refusal_ack(&error, Some("t1"));
        assert_eq!(ack.contains(r#""status":"failed""#), !unknown, "{code:?}");
    }
}

#[test]
fn a_long_event_name_is_not_repeated_to_its_sender_in_full() {
    let name = "é".repeat(10_000);
    let error = parse(Vocabulary::Dotted, &name, &json!({})).expect_err("refused");
    assert!(error.message.len() < 300);
    assert!(Vocabulary::Dotted.refusal_event(&name, &error, None).body.len() < 600);
}

#[test]
fn who_joined_or_left_hears_it_through_the_inbox() {
    let told: Vec<_> = deliveries()
        .iter()
        .filter_map(|(title, d)| told_by_inbox(&d.event).map(|id| (*title, id.to_string())))
        .collect();
    assert_eq!(told, [("a member joined", "user2".to_owned()), ("a member left", "user2".to_owned())]);
}

#[test]
fn an_inbox_event_outside_an_inbox_tells_nothing() {
    let misplaced = delivery(&group().id, ada(), Kind::RoomAdded { room: group(), pair: vec![] });
    for vocabulary in Vocabulary::ALL {
        assert!(vocabulary.render(&News::Delivery(&misplaced)).is_empty());
    }
}

/// What a vocabulary may say: the names of events in its golden transcripts.
fn said(vocabulary: Vocabulary) -> BTreeSet<String> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/vocabularies/golden");
    let transcript = |kind: &str| {
        std::fs::read_to_string(golden.join(format!("{}.{kind}.txt", vocabulary.as_str())))
            .expect("a golden transcript")
    };
    let (events, answers) = (transcript("events"), transcript("answers"));
    let unasked = answers.lines().filter_map(|line| line.strip_prefix("or "));
    let lines = events.lines().filter(|line| !line.starts_with('#')).chain(unasked);
    lines.filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
}

#[test]
fn every_event_stands_in_the_page_of_its_vocabulary() {
    for vocabulary in Vocabulary::ALL {
        let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vocabularies");
        let page = std::fs::read_to_string(page.join(format!("{}.md", vocabulary.as_str()))).expect("a page");
        let taken = vocabulary.commands().iter().map(|entry| entry.name.to_owned());
        for name in taken.chain(said(vocabulary)) {
            // Answers without an ack are one rule, and `error` before the vocabulary is known is another's.
            let by_rule = name.ends_with(".response") || (vocabulary == Vocabulary::Dotted && name == "error");
            assert!(by_rule || page.contains(&format!("`{name}`")), "{}.md lacks `{name}`", vocabulary.as_str());
        }
    }
}

/// Whether a field of that name holds an id, or several.
fn is_id(name: &str) -> bool {
    name == "id" || ["Id", "_id", "Ids", "_ids"].iter().any(|end| name.ends_with(end))
}

/// Notes each id of a value, and whether it is a text. What a user has put into `metadata` is theirs.
fn ids(value: &Value, found: &mut Vec<(String, bool)>) {
    let text = |value: &Value| value.is_string() || value.is_null();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| *name != "metadata") {
                if is_id(name) {
                    let is_text = value.as_array().map_or_else(|| text(value), |list| list.iter().all(text));
                    found.push((format!("{name}: {value}"), is_text));
                }
                ids(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| ids(value, found)),
        _ => {}
    }
}

/// The same of a schema's properties.
fn ids_of_schema(schema: &Value, found: &mut Vec<(String, bool)>) {
    match schema {
        Value::Object(fields) => {
            for (name, of) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if is_id(name) {
                    let inner = if of["type"] == "array" { &of["items"] } else { of };
                    found.push((format!("{name}: {of}"), inner["type"] == "string"));
                }
            }
            fields.values().for_each(|inner| ids_of_schema(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| ids_of_schema(inner, found)),
        _ => {}
    }
}

#[test]
fn ids_are_strings_in_every_transcript_and_every_schema() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).expect("a file of the repository");
    let mut found = Vec::new();
    for vocabulary in Vocabulary::ALL {
        for kind in ["events", "answers", "rest"] {
            let name = format!("src/vocabularies/golden/{}.{kind}.txt", vocabulary.as_str());
            if kind == "rest" && !folder.join(&name).exists() {
                continue;
            }
            let before = found.len();
            for line in read(&name).lines().filter(|line| !line.starts_with('#')) {
                // Of requests, what they are answered with; it is indented.
                let said = kind != "rest" || line.starts_with(' ');
                if let Some(body) = line.find('{').filter(|_| said)
                    && let Ok(value) = serde_json::from_str(&line[body..])
                {
                    ids(&value, &mut found);
                }
            }
            assert!(found.len() > before + 10, "{name} has ids");
        }
    }
    // Both are the code's own: other tests compare them with it.
    for document in ["../docs/api/openapi.json", "../docs/api/asyncapi.json"] {
        let before = found.len();
        let value = serde_json::from_str(&read(document)).expect("JSON");
        ids_of_schema(&value, &mut found);
        assert!(found.len() > before + 100, "{document} has ids");
    }
    let numbers: Vec<_> = found.into_iter().filter(|(_, is_text)| !is_text).collect();
    assert!(numbers.is_empty(), "{numbers:?}");
}

/// `dotted` is complete: a command of any kind that the others' transcripts show is in its own.
#[test]
fn dotted_asks_for_everything_that_others_ask_for() {
    let golden = include_str!("golden/dotted.commands.txt");
    let dotted: BTreeSet<&str> = golden.lines().filter_map(kind_of_command).collect();
    for other in [
        include_str!("golden/snake.commands.txt"),
        include_str!("golden/cafe.commands.txt"),
        include_str!("golden/conversations.commands.txt"),
        include_str!("golden/cafe.rest.txt"),
        include_str!("golden/conversations.rest.txt"),
    ] {
        for kind in
            other.lines().filter_map(kind_of_command).filter(|kind| !["Heartbeat", "Authenticate"].contains(kind))
        {
            assert!(dotted.contains(kind), "no event of dotted's transcript is {kind}");
        }
    }
}

/// `Send` of a transcript's `  Send(Send { …`.
fn kind_of_command(line: &str) -> Option<&str> {
    let line = line.strip_prefix("  ").filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))?;
    line.split(|c: char| !c.is_ascii_alphanumeric()).next()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(user:|direct_|group_)?[a-z0-9-]{0,4}".prop_map(Value::from),
        Just(json!("0190a6f0-0000-7000-8000-000000000001")),
        Just(json!("2025-11-19T10:30:00Z")),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(".{0,6}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_never_panics_on_any_json(event in 0usize..1024, arguments in proptest::collection::vec(any_json(), 0..3)) {
        let entries = entries();
        let (vocabulary, name, _) = entries[event % entries.len()];
        let args: Vec<_> = arguments.iter().flat_map(args).collect();
        let _ = vocabulary.parse_command(name, &args, &Rules::default());
    }

    #[test]
    fn no_request_panics_its_route(route in 0usize..64, body in any_json(), given in any_json()) {
        let routes: Vec<_> = cafe::rest::ROUTES.iter().chain(conversations::rest::ROUTES).collect();
        let route = routes[route % routes.len()];
        let given: Vec<_> = match given {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), args(value).remove(0))).collect(),
            _ => Vec::new(),
        };
        let _ = route.command(&given, args(&body).first().map(|body| &**body), &Rules::default());
    }

    #[test]
    fn a_refusal_names_a_field_that_the_event_takes(
        event in 0usize..1024,
        values in proptest::collection::vec(any_json(), 12),
    ) {
        let entries = entries();
        let (vocabulary, name, fields) = entries[event % entries.len()];
        let payload: Value =
            Value::Object(fields.iter().zip(values).map(|(field, value)| ((*field).to_owned(), value)).collect());
        if let Err(error) = parse(vocabulary, name, &payload) {
            prop_assert!(error.field.is_none_or(|field| fields.contains(&field)), "{:?}", error);
            prop_assert!(!error.code.retryable(), "{:?}", error);
            let ack: Value = serde_json::from_str(&vocabulary.refusal_ack(&error, None)).unwrap();
            prop_assert!(ack.is_object());
        }
    }

    #[test]
    fn any_event_name_is_answered(name in ".{0,100}") {
        for vocabulary in Vocabulary::ALL {
            let _ = vocabulary.parse_command(&name, &[], &Rules::default());
        }
    }
}
