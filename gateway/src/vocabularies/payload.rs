//! Reading a payload: the fields that a command takes, each checked in full, and an error that names the first wrong
//! one.

use parlor_core::blank::is_blank;
use parlor_core::command::{Command, Cursor};
use parlor_core::error::{ChatError, Code};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::rules::Rules;

/// A client event: its name, the fields it takes, and how they become a command. Without fields the arguments are not
/// looked at.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(super) name: &'static str,
    pub(super) fields: &'static [&'static str],
    pub(super) read: fn(&Payload<'_>, &Rules) -> Result<Command, ChatError>,
}

/// The fields of one payload that a command takes, unparsed.
#[derive(Default)]
pub(crate) struct Payload<'a> {
    fields: SmallVec<[(&'static str, &'a RawValue); 8]>,
    repeated: Option<&'static str>,
}

impl<'a> Payload<'a> {
    /// Takes an event's only argument apart; none at all is an empty one. A field that is there twice is refused: which
    /// one was meant is unknown.
    pub(super) fn read(entry: &Entry, args: &'a [Box<RawValue>]) -> Result<Self, ChatError> {
        let expected = || {
            let takes = format!("`{}` takes one argument, an object with {}", entry.name, entry.fields.join(", "));
            ChatError::new(Code::BadRequest, takes)
        };
        let only = match args {
            [] => return Ok(Self::default()),
            [only] => only,
            _ => return Err(expected()),
        };
        let payload = Self::take(entry.fields, only).ok_or_else(expected)?;
        match payload.repeated {
            Some(field) => Err(ChatError::field(field, format!("`{field}` is there twice"))),
            None => Ok(payload),
        }
    }

    /// Takes a request apart: its body, an object, and what its path, query and headers say, which counts more.
    pub(super) fn of_request(
        entry: &Entry,
        given: &'a [(String, Box<RawValue>)],
        body: Option<&'a RawValue>,
    ) -> Result<Self, ChatError> {
        let mut payload = match body {
            None => Self::default(),
            Some(body) => Self::take(entry.fields, body).ok_or_else(|| {
                let takes = format!("the body must be a JSON object with {}", entry.fields.join(", "));
                ChatError::new(Code::BadRequest, takes)
            })?,
        };
        for (name, value) in given {
            let Some(name) = entry.fields.iter().find(|field| *field == name) else { continue };
            payload.fields.retain(|(known, _)| known != name);
            payload.fields.push((name, value));
        }
        match payload.repeated {
            Some(field) => Err(ChatError::field(field, format!("`{field}` is there twice"))),
            None => Ok(payload),
        }
    }

    fn take(fields: &'static [&'static str], arg: &'a RawValue) -> Option<Self> {
        Wanted(fields).deserialize(&mut serde_json::Deserializer::from_str(arg.get())).ok()
    }

    /// A field as it stands; `null` is absent.
    pub(super) fn raw(&self, field: &'static str) -> Option<&'a str> {
        let found = self.fields.iter().find(|(name, _)| *name == field)?;
        Some(found.1.get()).filter(|text| *text != "null")
    }

    pub(super) fn required<T>(&self, field: &'static str, value: Option<T>) -> Result<T, ChatError> {
        value.ok_or_else(|| ChatError::field(field, format!("`{field}` is required")))
    }

    pub(super) fn text(&self, field: &'static str) -> Result<Option<String>, ChatError> {
        self.raw(field).map(|raw| string(field, raw)).transpose()
    }

    /// A text of at most `max` characters.
    pub(super) fn short_text(&self, field: &'static str, max: usize) -> Result<Option<String>, ChatError> {
        let text = self.text(field)?;
        match &text {
            Some(text) if longer_than(text, max) => {
                Err(ChatError::field(field, format!("`{field}` has more than {max} characters")))
            }
            _ => Ok(text),
        }
    }

    pub(super) fn flag(&self, field: &'static str) -> Result<Option<bool>, ChatError> {
        match self.raw(field) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(wrong_type(field, "true or false", other)),
        }
    }

    /// One of a set of words; `allowed` names them for the error.
    pub(super) fn word<T>(
        &self,
        field: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ChatError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| ChatError::field(field, format!("`{field}` must be one of {allowed}")))
    }

    /// The room that a command is about. An inbox's id gets the answer of a room that is not there.
    pub(super) fn room(&self) -> Result<RoomId, ChatError> {
        self.room_at("roomId")
    }

    pub(super) fn optional_room(&self) -> Result<Option<RoomId>, ChatError> {
        self.optional_room_at("roomId")
    }

    /// The same, where the vocabulary calls it something else.
    pub(super) fn room_at(&self, field: &'static str) -> Result<RoomId, ChatError> {
        self.required(field, self.optional_room_at(field)?)
    }

    pub(super) fn optional_room_at(&self, field: &'static str) -> Result<Option<RoomId>, ChatError> {
        self.text(field)?.map(|text| room_id(field, &text)).transpose()
    }

    pub(super) fn message(&self, field: &'static str) -> Result<Option<MessageId>, ChatError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let id = MessageId::parse(&text);
        id.map(Some).ok_or_else(|| ChatError::field(field, format!("`{field}` must be a message's id, a UUID")))
    }

    /// A message's content; `blank` says whether it may be empty.
    pub(super) fn content(&self, rules: &Rules, blank: bool) -> Result<String, ChatError> {
        self.content_at("content", rules.max_content_chars, blank)
    }

    /// The same, where the vocabulary calls it something else or takes less of it.
    pub(super) fn content_at(&self, field: &'static str, max: usize, blank: bool) -> Result<String, ChatError> {
        let content = self.required(field, self.text(field)?)?;
        if longer_than(&content, max) {
            let message = format!("`{field}` has more than {max} characters");
            return Err(ChatError { field: Some(field), ..ChatError::new(Code::ContentTooLong, message) });
        }
        if !blank && content.trim().is_empty() {
            return Err(ChatError::field(field, format!("`{field}` is empty")));
        }
        Ok(content)
    }

    pub(super) fn temp_id(&self, rules: &Rules) -> Result<Option<String>, ChatError> {
        self.temp_id_at("tempId", rules)
    }

    pub(super) fn temp_id_at(&self, field: &'static str, rules: &Rules) -> Result<Option<String>, ChatError> {
        match self.short_text(field, rules.max_temp_id_chars)? {
            Some(text) if text.is_empty() => Err(ChatError::field(field, format!("`{field}` is empty"))),
            temp_id => Ok(temp_id),
        }
    }

    /// A JSON object, kept as it stands. Bounded in bytes and depth; every number must be finite, every text
    /// storable.
    pub(super) fn metadata(&self, rules: &Rules) -> Result<Option<String>, ChatError> {
        const FIELD: &str = "metadata";
        let Some(raw) = self.raw(FIELD) else { return Ok(None) };
        if !raw.starts_with('{') {
            return Err(wrong_type(FIELD, "an object", raw));
        }
        if raw.len() > rules.max_metadata_bytes {
            let max = rules.max_metadata_bytes;
            return Err(ChatError::field(FIELD, format!("`metadata` has more than {max} bytes")));
        }
        let value: Value = serde_json::from_str(raw)
            .map_err(|_| ChatError::field(FIELD, "`metadata` holds a number out of range or is not valid JSON"))?;
        check_json(&value, rules.max_metadata_depth)
            .map_err(|fault| ChatError::field(FIELD, format!("`metadata` {fault}")))?;
        Ok(Some(raw.to_owned()))
    }

    /// A seq (text or number), a message's id or a time.
    pub(super) fn cursor(&self) -> Result<Option<Cursor>, ChatError> {
        self.cursor_at("cursor")
    }

    pub(super) fn cursor_at(&self, field: &'static str) -> Result<Option<Cursor>, ChatError> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let cursor = match raw.as_bytes().first() {
            Some(b'"') => Cursor::parse(&string(field, raw)?),
            _ => Seq::parse(raw).map(Cursor::Seq),
        };
        cursor.map(Some).ok_or_else(|| {
            let rule = "must be a cursor of a page, a message's id or an ISO 8601 time";
            ChatError::field(field, format!("`{field}` {rule}"))
        })
    }

    /// How many messages a page holds: cut to the most there may be.
    pub(super) fn limit(&self, rules: &Rules) -> Result<u32, ChatError> {
        self.limit_or(rules.default_page, rules)
    }

    /// The same, where a page has another size if none is named.
    pub(super) fn limit_or(&self, default: u32, rules: &Rules) -> Result<u32, ChatError> {
        let Some(raw) = self.raw("limit") else { return Ok(default) };
        let number = serde_json::from_str::<f64>(raw).ok().filter(|n| n.fract() == 0.0 && (1.0..=MAX_SAFE).contains(n));
        let number = number.ok_or_else(|| {
            ChatError::field("limit", format!("`limit` must be a whole number, 1 to {}", rules.max_page))
        })?;
        let max = rules.max_page;
        // At most `max`, so it fits.
        Ok(if number >= f64::from(max) { max } else { number as u32 })
    }

    /// A whole number from 1 to 2⁵³ − 1, above which a JavaScript number is not exact.
    pub(super) fn count(&self, field: &'static str) -> Result<Option<u64>, ChatError> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let number = serde_json::from_str::<u64>(raw).ok().filter(|number| (1..=Seq::MAX.0).contains(number));
        number.map(Some).ok_or_else(|| ChatError::field(field, format!("`{field}` must be a whole number, 1 or more")))
    }

    /// User ids, as many as may be named at once.
    pub(super) fn users(&self, field: &'static str, max: usize) -> Result<Option<Vec<UserId>>, ChatError> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        if !raw.starts_with('[') {
            return Err(wrong_type(field, "an array of user ids", raw));
        }
        let items: Vec<&RawValue> = serde_json::from_str(raw)
            .map_err(|_| ChatError::field(field, format!("`{field}` must be an array of user ids")))?;
        if items.len() > max {
            return Err(ChatError::field(field, format!("`{field}` names more than {max} users")));
        }
        let ids = items.into_iter().map(|item| {
            if !item.get().starts_with('"') {
                return Err(ChatError::field(field, format!("`{field}` must hold user ids, each a string")));
            }
            let text = string(field, item.get())?;
            UserId::parse(&text).ok_or_else(|| {
                let rule = "must hold user ids: 1 to 255 characters without control characters";
                ChatError::field(field, format!("`{field}` {rule}"))
            })
        });
        ids.collect::<Result<_, _>>().map(Some)
    }
}

/// The id of a room that a client names.
pub(super) fn room_id(field: &'static str, text: &str) -> Result<RoomId, ChatError> {
    let id = RoomId::parse(text).filter(|_| !is_blank(text)).ok_or_else(|| {
        ChatError::field(
            field,
            format!("`{field}` must have 1 to 255 characters, no control characters, and not be blank"),
        )
    })?;
    // Somebody's inbox, theirs or not, is nothing that a client can know of.
    if id.inbox_owner().is_some() { Err(ChatError::not_found("room")) } else { Ok(id) }
}

/// The `tempId` of a payload that may be wrong otherwise, so that a refusal can name the message it is about.
pub fn temp_id(args: &[Box<RawValue>], rules: &Rules) -> Option<String> {
    Payload::take(&["tempId"], args.first()?)?.temp_id(rules).ok()?
}

/// The largest whole number below which a JavaScript number is exact: 2⁵³ − 1.
pub(super) const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

pub(super) fn longer_than(text: &str, max: usize) -> bool {
    // Bytes are never fewer than characters: most texts are not counted.
    text.len() > max && text.chars().count() > max
}

pub(super) fn string(field: &'static str, raw: &str) -> Result<String, ChatError> {
    if !raw.starts_with('"') {
        return Err(wrong_type(field, "a string", raw));
    }
    let text: String =
        serde_json::from_str(raw).map_err(|_| ChatError::field(field, format!("`{field}` is not valid text")))?;
    if text.contains('\0') {
        return Err(ChatError::field(field, format!("`{field}` contains U+0000, which cannot be stored")));
    }
    Ok(text)
}

pub(super) fn wrong_type(field: &'static str, expected: &str, raw: &str) -> ChatError {
    let found = match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    ChatError::field(field, format!("`{field}` must be {expected}, not {found}"))
}

fn check_json(value: &Value, depth: usize) -> Result<(), &'static str> {
    const NUL: &str = "contains U+0000, which cannot be stored";
    let deeper = || depth.checked_sub(1).ok_or("is nested too deeply");
    match value {
        Value::String(text) if text.contains('\0') => Err(NUL),
        Value::Array(items) => {
            let depth = deeper()?;
            items.iter().try_for_each(|item| check_json(item, depth))
        }
        Value::Object(fields) => {
            let depth = deeper()?;
            fields.iter().try_for_each(
                |(name, item)| {
                    if name.contains('\0') { Err(NUL) } else { check_json(item, depth) }
                },
            )
        }
        _ => Ok(()),
    }
}

/// Collects the fields with these names out of an object and skips the rest.
struct Wanted(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Payload<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Payload<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut payload = Payload::default();
        while let Some(name) = map.next_key_seed(Name(self.0))? {
            let Some(name) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<&'de RawValue>()?;
            if payload.fields.iter().any(|(known, _)| *known == name) {
                payload.repeated = Some(name);
            } else {
                payload.fields.push((name, value));
            }
        }
        Ok(payload)
    }
}

/// Finds a key among the wanted names.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|wanted| **wanted == name).copied())
    }
}
