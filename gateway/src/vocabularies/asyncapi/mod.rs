//! `docs/api/asyncapi.json`: every event of every vocabulary, made from the code and the golden transcripts.
//! `UPDATE_DOCS=1 cargo test -p parlor-gateway document` writes it anew.

mod fields;
mod shape;
mod transcripts;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;

use parlor_core::command::Command;
use parlor_core::error::ChatError;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

pub(crate) use fields::field;
pub(crate) use shape::Forms;
pub(crate) use transcripts::rest_answers;

use super::payload::{Entry, Payload};
use super::{Route, Rules, Vocabulary, connection};
use transcripts::{Said, titles};
use words::{ASKED, HEARD, SAID, sentence};

/// Fields that a payload needs, and fields of which it needs one.
pub(crate) struct Needed {
    pub(crate) required: Vec<String>,
    pub(crate) one_of: Vec<String>,
}

/// A client event or request, asked what it takes.
pub(crate) struct Takes {
    entry: Entry,
    rules: Rules,
    /// A payload that is taken, with as many fields as may be together.
    pub(crate) example: Map<String, Value>,
    pub(crate) needed: Needed,
    pub(crate) command: Command,
}

impl Takes {
    pub(super) fn of(entry: &Entry) -> Self {
        let rules = Rules::default();
        let mut example = Map::new();
        for name in entry.fields {
            let schema =
                field(entry.name, name, &rules).unwrap_or_else(|| panic!("{}: `{name}` has no row", entry.name));
            example.insert((*name).to_owned(), schema["examples"][0].clone());
        }
        // What excludes something else is left out.
        let mut left_out = Vec::new();
        let command = loop {
            match read(entry, &example, &rules) {
                Ok(command) => break command,
                Err(ChatError { field: Some(field), .. }) if example.remove(field).is_some() => left_out.push(field),
                Err(error) => panic!("{}: {example:?}: {error}", entry.name),
            }
        };
        let mut takes = Self {
            entry: *entry,
            rules,
            example,
            needed: Needed { required: Vec::new(), one_of: Vec::new() },
            command,
        };
        takes.ask(&left_out);
        takes
    }

    /// Finds what is needed by leaving it out.
    fn ask(&mut self, left_out: &[&str]) {
        for name in self.entry.fields.iter().filter(|name| self.example.contains_key(**name)) {
            let mut without = self.example.clone();
            let value = without.remove(*name);
            if self.variants(&without).any(|payload| read(&self.entry, &payload, &self.rules).is_ok()) {
                continue;
            }
            let stand_in = left_out.iter().find(|other| {
                let mut instead = without.clone();
                instead.insert((**other).to_owned(), value.clone().unwrap_or_default());
                read(&self.entry, &instead, &self.rules).is_ok()
            });
            match stand_in {
                Some(other) => self.needed.one_of = vec![(*name).to_owned(), (*other).to_owned()],
                None => self.needed.required.push((*name).to_owned()),
            }
        }
        // Of several that each may be missing one may be needed.
        let bare: Map<String, Value> =
            self.example.clone().into_iter().filter(|(name, _)| self.needed.required.contains(name)).collect();
        if self.needed.one_of.is_empty() && read(&self.entry, &bare, &self.rules).is_err() {
            self.needed.one_of = self
                .example
                .keys()
                .filter(|name| {
                    let mut with = bare.clone();
                    with.insert((*name).clone(), self.example[*name].clone());
                    read(&self.entry, &with, &self.rules).is_ok()
                })
                .cloned()
                .collect();
        }
    }

    /// A payload with each word that its fields may be: a direct room needs other fields than a group.
    fn variants(&self, payload: &Map<String, Value>) -> impl Iterator<Item = Map<String, Value>> {
        let mut variants = vec![payload.clone()];
        for name in payload.keys() {
            let schema = field(self.entry.name, name, &self.rules).expect("asked before");
            for word in schema["enum"].as_array().into_iter().flatten() {
                let mut variant = payload.clone();
                variant.insert(name.clone(), word.clone());
                variants.push(variant);
            }
        }
        variants.into_iter()
    }

    /// The schema of a payload with those fields of it that `here` names.
    pub(crate) fn schema(&self, here: &[&str]) -> Value {
        let properties: Map<String, Value> = here
            .iter()
            .map(|name| ((*name).to_owned(), field(self.entry.name, name, &self.rules).expect("asked before")))
            .collect();
        let required: Vec<&String> = self.needed.required.iter().filter(|name| here.contains(&name.as_str())).collect();
        let mut schema = json!({ "type": "object", "required": required, "properties": properties });
        if self.needed.one_of.iter().any(|name| here.contains(&name.as_str())) {
            schema["anyOf"] = self.needed.one_of.iter().map(|name| json!({ "required": [name] })).collect();
        }
        schema
    }

    pub(crate) fn name(&self) -> &'static str {
        self.entry.name
    }

    pub(crate) fn fields(&self) -> &'static [&'static str] {
        self.entry.fields
    }
}

fn read(entry: &Entry, payload: &Map<String, Value>, rules: &Rules) -> Result<Command, ChatError> {
    let args = [to_raw_value(payload).expect("JSON")];
    let payload = if entry.fields.is_empty() { Payload::default() } else { Payload::read(entry, &args)? };
    (entry.read)(&payload, rules)
}

/// A dotted event, and the schema of its ack among `forms`.
pub(crate) fn dotted(event: &str, forms: &Forms) -> (Takes, Value, &'static str) {
    let entry = Vocabulary::Dotted.commands().iter().find(|entry| entry.name == event).expect("an event of dotted");
    let takes = Takes::of(entry);
    let samples = Said::answers(Vocabulary::Dotted).acks(titles(&takes.command));
    let ack = forms.object(&samples);
    (takes, ack, sentence(SAID, event).expect("every event has a sentence"))
}

/// What a request of a document takes.
pub(crate) fn takes_of(route: &Route) -> Takes {
    Takes::of(&route.entry)
}

/// The sentence of a request of a document.
pub(crate) fn sentence_of(request: &str) -> &'static str {
    sentence(ASKED, request).unwrap_or_else(|| panic!("{request} has no sentence"))
}

/// The objects that one vocabulary's acks and events hold.
pub(crate) fn forms(vocabulary: Vocabulary) -> Forms {
    let mut bodies = Said::events(vocabulary).bodies();
    bodies.extend(Said::answers(vocabulary).bodies());
    Forms::new(vocabulary.as_str(), &bodies)
}

/// A key for a name: component keys have no colons.
fn key(kind: &str, name: &str) -> String {
    format!("{kind}.{}", name.replace(':', "_"))
}

fn document() -> Value {
    let (mut channels, mut operations, mut schemas) = (Map::new(), Map::new(), Map::new());
    for vocabulary in Vocabulary::ALL {
        let name = vocabulary.as_str();
        let forms = forms(vocabulary);
        schemas.extend(forms.schemas());
        let (events, answers) = (Said::events(vocabulary), Said::answers(vocabulary));
        let mut messages = Map::new();
        let refusals = answers.refusals();
        messages.insert(
            "refusal".into(),
            json!({
                "name": "refusal",
                "title": "A refused event's ack",
                "summary": "The one argument of the ack of an event that was refused; the codes are in docs/errors.md.",
                "payload": forms.object(&refusals),
                "examples": [{ "payload": refusals[0] }],
            }),
        );
        let refer = |key: &str| json!({ "$ref": format!("#/channels/{name}/messages/{key}") });
        let channel = json!({ "$ref": format!("#/channels/{name}") });
        for entry in vocabulary.commands().iter().chain(connection::COMMANDS) {
            let takes = Takes::of(entry);
            let summary = sentence(SAID, entry.name).unwrap_or_else(|| panic!("{} has no sentence", entry.name));
            let (said, ack) = (key("say", entry.name), key("ack", entry.name));
            messages.insert(
                said.clone(),
                json!({
                    "name": entry.name,
                    "summary": summary,
                    "payload": takes.schema(entry.fields),
                    "examples": [{ "payload": takes.example }],
                }),
            );
            let mut operation = json!({
                "action": "receive",
                "channel": channel,
                "summary": summary,
                "messages": [refer(&said)],
            });
            let samples = answers.acks(titles(&takes.command));
            if !samples.is_empty() {
                messages.insert(
                    ack.clone(),
                    json!({
                        "name": "ack",
                        "title": format!("The ack of {}", entry.name),
                        "payload": forms.object(&samples),
                        "examples": samples.iter().map(|payload| json!({ "payload": payload })).collect::<Vec<_>>(),
                    }),
                );
                operation["reply"] = json!({ "channel": channel, "messages": [refer(&ack), refer("refusal")] });
            }
            operations.insert(format!("{name}.{said}"), operation);
        }
        let mut told = events.told();
        for (event, bodies) in answers.told() {
            told.entry(event).or_default().extend(bodies);
        }
        for (event, bodies) in &told {
            let answer = sentence(HEARD, event).is_none().then_some("An answer, where no ack was asked for.");
            let summary = sentence(HEARD, event).or(answer).expect("one of the two");
            let heard = key("hear", event);
            messages.insert(
                heard.clone(),
                json!({
                    "name": event,
                    "summary": summary,
                    "payload": forms.object(bodies),
                    "examples": bodies.iter().take(3).map(|payload| json!({ "payload": payload })).collect::<Vec<_>>(),
                }),
            );
            operations.insert(
                format!("{name}.{heard}"),
                json!({
                    "action": "send",
                    "channel": channel,
                    "summary": summary,
                    "messages": [refer(&heard)],
                }),
            );
        }
        let description = format!(
            "The vocabulary `{name}`, as docs/vocabularies/{name}.md tells it. A socket's first event, or \
             `auth.vocabulary`, decides which vocabulary it speaks. Every event has one argument, an object; an event \
             with an ack is answered with one object, which has `error` (in `conversations`: `success` false) where it \
             is refused."
        );
        channels.insert(
            name.into(),
            json!({
                "address": format!("/socket.io/#{name}"),
                "title": name,
                "description": description,
                "messages": messages,
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parlor: events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What clients say and hear over Socket.IO (protocol 5, Engine.IO 4). The bounds are those of \
                a server with its settings as they come.",
            "license": { "name": "MIT" },
        },
        "servers": { "chat": {
            "host": "chat.example.com",
            "pathname": "/socket.io/",
            "protocol": "wss",
            "description": "WebSocket or HTTP long-polling; the token is `auth.token` of the handshake.",
        } },
        "channels": channels,
        "operations": operations,
        "components": { "schemas": schemas },
    })
}

/// Compares a document with its file, or writes it.
pub(crate) fn check(file: &str, document: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/api").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = serde_json::to_string_pretty(document).expect("JSON");
        std::fs::write(&path, text + "\n").expect("docs/api is writable");
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let known: Value = serde_json::from_str(&known).unwrap_or_default();
    // Not compared by `assert_eq`: both are long.
    assert!(
        known == *document,
        "{} is not what the code does; if it is meant, write it anew with UPDATE_DOCS=1",
        path.display()
    );
}

#[test]
fn the_asyncapi_document_is_the_code() {
    check("asyncapi.json", &document());
}

#[test]
fn every_example_of_a_client_event_is_taken() {
    let document = document();
    let mut seen = 0;
    for vocabulary in Vocabulary::ALL {
        let messages = document["channels"][vocabulary.as_str()]["messages"].as_object().expect("messages");
        for (key, message) in messages.iter().filter(|(key, _)| key.starts_with("say.")) {
            let name = message["name"].as_str().expect("a name");
            for example in message["examples"].as_array().expect("examples") {
                let args = [RawValue::from_string(example["payload"].to_string()).expect("JSON")];
                let read = vocabulary.parse_command(name, &args, &Rules::default());
                assert!(read.is_ok(), "{key}: {read:?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn no_sentence_of_the_asyncapi_document_is_left_over() {
    let mut names = BTreeSet::new();
    for vocabulary in Vocabulary::ALL {
        names.extend(vocabulary.commands().iter().chain(connection::COMMANDS).map(|entry| entry.name.to_owned()));
        names.extend(Said::events(vocabulary).told().into_keys());
    }
    for (event, _) in SAID.iter().chain(HEARD).flat_map(|(events, text)| events.iter().map(move |event| (event, text)))
    {
        assert!(names.contains(*event), "{event} has a sentence, and nobody says it");
    }
}
