//! The schema of what the server says, from the golden samples of it.
//!
//! An object inside another is described once for each name it stands under, from all samples of that name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::words::{PROPERTIES, sentence};

/// Objects that hold what a client put there, or what another schema describes.
const FREE: [&str; 4] = ["metadata", "headers", "data", "dimensions"];

/// Absent where there is nothing to say, though every sample happens to have them.
const OPTIONAL: [&str; 22] = [
    "description",
    "name",
    "title",
    "avatar",
    "userAvatar",
    "senderAvatar",
    "avatar_url",
    "metadata",
    "mentions",
    "replyTo",
    "reply_to_id",
    "tempId",
    "seq",
    "lastMessage",
    "last_message",
    "unreadCount",
    "userName",
    "senderName",
    "reason",
    "retryAfter",
    "lastSeen",
    "last_message_at",
];

/// `null` where there is nothing to say, though no sample may have it: the name of a direct room, for one.
const NULLABLE: [&str; 12] = [
    "name",
    "title",
    "avatar",
    "avatar_url",
    "description",
    "lastSeen",
    "nextCursor",
    "prevCursor",
    "reason",
    "until",
    "lastMessage",
    "last_message",
];

/// The objects of one vocabulary by the name that they stand under.
pub(crate) struct Forms {
    /// What stands before their names in `components/schemas`.
    prefix: String,
    samples: BTreeMap<String, Vec<Value>>,
}

impl Forms {
    pub(crate) fn new(prefix: &str, bodies: &[Value]) -> Self {
        let mut forms = Self { prefix: prefix.to_owned(), samples: BTreeMap::new() };
        bodies.iter().for_each(|body| forms.gather(body));
        forms
    }

    fn gather(&mut self, body: &Value) {
        for (name, value) in body.as_object().into_iter().flatten().filter(|(name, _)| !FREE.contains(&name.as_str())) {
            let inner = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for object in inner.iter().filter(|value| value.is_object()) {
                self.samples.entry(name.clone()).or_default().push(object.clone());
                self.gather(object);
            }
        }
    }

    /// `components/schemas`: every object that stands inside another.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        self.samples.iter().map(|(name, samples)| (format!("{}.{name}", self.prefix), self.object(samples)))
    }

    /// The schema of these samples of one object.
    pub(crate) fn object(&self, samples: &[Value]) -> Value {
        let mut names = BTreeMap::<&str, Vec<&Value>>::new();
        for (name, value) in samples.iter().filter_map(Value::as_object).flatten() {
            names.entry(name).or_default().push(value);
        }
        let always = |name: &str, values: &[&Value]| values.len() == samples.len() && !OPTIONAL.contains(&name);
        let required: Vec<&str> =
            names.iter().filter(|(name, values)| always(name, values)).map(|(name, _)| *name).collect();
        let properties: Map<String, Value> =
            names.iter().map(|(name, values)| ((*name).to_owned(), self.property(name, values))).collect();
        json!({ "type": "object", "required": required, "properties": properties })
    }

    fn property(&self, name: &str, values: &[&Value]) -> Value {
        let mut kinds: BTreeSet<&str> = values.iter().map(|value| kind(value)).collect();
        if NULLABLE.contains(&name) {
            kinds.insert("null");
        }
        if kinds.iter().eq(["null"].iter()) {
            // A text or a time, where there is one.
            kinds.insert("string");
        }
        let inner = |value: &Value| value.as_object().is_some() && !FREE.contains(&name);
        let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        let objects = values.iter().any(|value| inner(value));
        let reference = json!({ "$ref": format!("#/components/schemas/{}.{name}", self.prefix) });
        let mut schema = if objects {
            let mut any = vec![reference.clone()];
            any.extend(kinds.iter().filter(|kind| **kind != "object").map(|kind| json!({ "type": kind })));
            if any.len() == 1 { json!({ "allOf": any }) } else { json!({ "anyOf": any }) }
        } else if kinds.len() == 1 {
            json!({ "type": kinds.first() })
        } else {
            json!({ "type": kinds })
        };
        if kinds.contains("array") {
            schema["items"] = match items.first() {
                Some(first) if inner(first) => reference,
                Some(first) => json!({ "type": kind(first) }),
                None => json!({}),
            };
        }
        if kinds.iter().all(|kind| matches!(*kind, "string" | "null")) && kinds.contains("string") {
            let texts = || values.iter().filter_map(|value| value.as_str());
            if texts().next().is_none() {
                // No sample shows one.
            } else if texts().all(|text| text.len() == 24 && text.ends_with('Z') && text.contains('T')) {
                schema["format"] = "date-time".into();
            } else if texts().all(|text| uuid::Uuid::try_parse(text).is_ok()) {
                schema["format"] = "uuid".into();
            }
        }
        schema["description"] = described(name).into();
        schema
    }
}

/// A property's sentence.
fn described(name: &str) -> &'static str {
    sentence(PROPERTIES, name).unwrap_or_else(|| panic!("`{name}` has no sentence in words.rs"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
