//! The golden transcripts as samples: other tests hold them to the code.

use serde_json::Value;

use crate::vocabularies::Vocabulary;

/// What answers a command, by the command's name in Rust: titles of the golden transcripts.
const ANSWERS: &[(&str, &[&str])] = &[
    ("Authenticate", &["done"]),
    ("Send", &["sent", "sent, without seq and tempId"]),
    ("Edit", &["edited"]),
    ("Delete", &["deleted"]),
    ("React", &["reacted"]),
    ("Pin", &["pinned"]),
    ("Pins", &["pins"]),
    ("History", &["page"]),
    ("Thread", &["page"]),
    ("Messages", &["a counted page"]),
    ("Sync", &["changes"]),
    ("Search", &["found", "found, to the end"]),
    ("Delivered", &["delivered"]),
    ("Read", &["read"]),
    ("Receipts", &["receipts"]),
    ("Topics", &["topics"]),
    ("Status", &["done"]),
    ("Presence", &["presence", "presence of one"]),
    ("Live", &["who is here"]),
    ("Typing", &["done"]),
    ("Typists", &["who types"]),
    ("CreateRoom", &["created a group", "created a channel", "created a direct room"]),
    ("Join", &["joined a group", "joined a channel"]),
    ("Leave", &["left"]),
    ("Room", &["a room", "a room, changed", "a direct room"]),
    ("Rooms", &["rooms"]),
    ("UpdateRoom", &["a room, changed"]),
    ("AddMembers", &["a room, changed"]),
    ("RemoveMembers", &["a room, changed"]),
    ("SetRole", &["a room, changed"]),
    ("DeleteRoom", &["the room is deleted"]),
    ("Members", &["members"]),
    ("Mute", &["muted"]),
    ("Ban", &["banned", "banned no more"]),
    ("Bans", &["bans"]),
    ("Block", &["blocked"]),
    ("Blocks", &["blocks"]),
    ("Report", &["reported"]),
    ("StartUpload", &["an upload begins"]),
    ("CompleteUpload", &["an upload is complete"]),
    ("CancelUpload", &["done"]),
    ("FileUrl", &["a file's address"]),
    ("PushKey", &["push key"]),
    ("Subscribe", &["done"]),
    ("Unsubscribe", &["done"]),
    ("PublishKeys", &["keys"]),
    ("Keys", &["keys"]),
    ("ClaimKey", &["claimed"]),
    ("Heartbeat", &["done"]),
    // The connection ends instead.
    ("Disconnect", &[]),
];

/// The titles of what answers a command.
pub(super) fn titles(command: &impl std::fmt::Debug) -> &'static [&'static str] {
    let text = format!("{command:?}");
    let name = text.split(|char: char| !char.is_ascii_alphanumeric()).next().unwrap_or_default();
    let found = ANSWERS.iter().find(|(known, _)| *known == name);
    found.map(|(_, titles)| *titles).unwrap_or_else(|| panic!("what answers {name}?"))
}

/// What one vocabulary says: title, event's name (`ack` for an ack) and body, in the transcripts' order.
pub(super) struct Said(Vec<(String, String, Value)>);

impl Said {
    pub(super) fn events(vocabulary: Vocabulary) -> Self {
        Self::read(match vocabulary {
            Vocabulary::Dotted => include_str!("../golden/dotted.events.txt"),
            Vocabulary::Snake => include_str!("../golden/snake.events.txt"),
            Vocabulary::Cafe => include_str!("../golden/cafe.events.txt"),
            Vocabulary::Conversations => include_str!("../golden/conversations.events.txt"),
        })
    }

    pub(super) fn answers(vocabulary: Vocabulary) -> Self {
        Self::read(match vocabulary {
            Vocabulary::Dotted => include_str!("../golden/dotted.answers.txt"),
            Vocabulary::Snake => include_str!("../golden/snake.answers.txt"),
            Vocabulary::Cafe => include_str!("../golden/cafe.answers.txt"),
            Vocabulary::Conversations => include_str!("../golden/conversations.answers.txt"),
        })
    }

    fn read(transcript: &str) -> Self {
        let (mut said, mut title) = (Vec::new(), "");
        for line in transcript.lines() {
            if let Some(text) = line.strip_prefix("# ") {
                title = text;
            } else if let Some((name, body)) = line.trim_start_matches("or ").split_once(" {") {
                let body = serde_json::from_str(&format!("{{{body}")).expect("golden bodies are JSON");
                said.push((title.to_owned(), name.to_owned(), body));
            }
        }
        Self(said)
    }

    /// The bodies of the acks with these titles.
    pub(super) fn acks(&self, titles: &[&str]) -> Vec<Value> {
        let ack = self.0.iter().filter(|(title, name, _)| name == "ack" && titles.contains(&title.as_str()));
        ack.map(|(_, _, body)| body.clone()).collect()
    }

    /// The bodies of acks that are refusals.
    pub(super) fn refusals(&self) -> Vec<Value> {
        let ack = self.0.iter().filter(|(title, name, _)| name == "ack" && title.contains(" refused: "));
        ack.map(|(_, _, body)| body.clone()).collect()
    }

    /// The bodies of each server event.
    pub(super) fn told(&self) -> std::collections::BTreeMap<String, Vec<Value>> {
        let mut told = std::collections::BTreeMap::<String, Vec<Value>>::new();
        for (_, name, body) in self.0.iter().filter(|(_, name, _)| name != "ack") {
            told.entry(name.clone()).or_default().push(body.clone());
        }
        told
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.0.iter().map(|(_, _, body)| body.clone()).collect()
    }
}

/// A request's answers of `cafe` or `conversations`, by the route's name.
pub(crate) fn rest_answers(document: &str, route: &str) -> Vec<Value> {
    let transcript = match document {
        "cafe" => include_str!("../golden/cafe.rest.txt"),
        _ => include_str!("../golden/conversations.rest.txt"),
    };
    let (mut inside, mut found) = (false, Vec::new());
    for line in transcript.lines() {
        if !line.starts_with("  ") {
            inside = line.split_once(" {").is_some_and(|(name, _)| name == route);
        } else if let Some(at) = line.find(" {\"").filter(|_| inside && !line.starts_with("  {")) {
            found.extend(serde_json::from_str::<Value>(&line[at + 1..]));
        }
    }
    found
}
