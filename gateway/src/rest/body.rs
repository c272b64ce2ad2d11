//! A request's body: one JSON object, of the form that the route takes.
//!
//! It must be called `application/json`: a form of a page elsewhere cannot send that without being asked first.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use parlor_core::error::{ChatError, Code};
use serde::de::value::Error as Unnamed;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

use super::Form;

/// A body, read. Fields that the route does not take are ignored; `null` is the same as absent.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let form = Form::of_path(request.uri().path());
        let read = async {
            if media(request.headers()) != Some(Media::Json) {
                return Err(not_json());
            }
            let bytes = Bytes::from_request(request, state).await.map_err(|error| match error.status().as_u16() {
                413 => ChatError::new(Code::TooLarge, "a body may hold at most 64 KiB"),
                _ => ChatError::field("body", "the body could not be read"),
            })?;
            parse(&bytes).map(Self)
        };
        read.await.map_err(|error| form.refuse(&error))
    }
}

/// What a body is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    /// As browsers call a string of which a page does not say what it is (`conversations.md` sends one so).
    Text,
    Other,
}

/// What a body is called, parameters left aside. `None`: nothing.
pub(super) fn media(headers: &HeaderMap) -> Option<Media> {
    let called = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let media = called.split(';').next().unwrap_or_default().trim();
    Some(match media {
        json if json.eq_ignore_ascii_case("application/json") => Media::Json,
        text if text.eq_ignore_ascii_case("text/plain") => Media::Text,
        _ => Media::Other,
    })
}

/// The refusal of a body that is called something else.
pub(super) fn not_json() -> ChatError {
    ChatError::new(Code::UnsupportedType, "the body must be application/json")
}

/// A body of the form that `T` is.
///
/// # Errors
/// The field that is missing or wrong, in the words of the routes that read commands.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ChatError> {
    // An array would be read as a struct's fields in their order.
    let object = bytes.trim_ascii_start().starts_with(b"{");
    let read = if object { serde_json::from_slice(bytes) } else { Err(serde_json::Error::custom("no object")) };
    read.map_err(|error| {
        let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
            return ChatError::new(Code::BadRequest, "the body is not valid JSON");
        };
        let fields = fields_of::<T>();
        match body {
            Value::Object(body) => wrong_field::<T>(fields, &body, &error.to_string()),
            _ if fields.is_empty() => ChatError::new(Code::BadRequest, "the body must be a JSON object"),
            _ => {
                let message = format!("the body must be a JSON object with {}", fields.join(", "));
                ChatError::new(Code::BadRequest, message)
            }
        }
    })
}

/// What is wrong with a body that is an object. `said` is what serde says of it, which no client is told.
fn wrong_field<T: DeserializeOwned>(fields: &[&'static str], body: &Map<String, Value>, said: &str) -> ChatError {
    for field in fields {
        let is = |fault: &str| said.starts_with(&format!("{fault} field `{field}`"));
        if is("missing") {
            return ChatError::field(field, format!("`{field}` is required"));
        }
        if is("duplicate") {
            return ChatError::field(field, format!("`{field}` is there twice"));
        }
        // Read alone, a field is either wrong or lacks the others.
        let Some(value) = body.get(*field) else { continue };
        let alone = Value::Object(Map::from_iter([((*field).to_owned(), value.clone())]));
        if let Err(error) = T::deserialize(alone) {
            let error = error.to_string();
            match error.split_once(", expected ").map(|(_, expected)| expected) {
                Some("a string") => return ChatError::field(field, format!("`{field}` must be a string")),
                Some("u64") => {
                    return ChatError::field(field, format!("`{field}` must be a whole number, 0 or more"));
                }
                Some(_) => return ChatError::field(field, format!("`{field}` is not of the type that it must be")),
                None => {}
            }
        }
    }
    ChatError::field("body", "the body is not of the form that this route takes")
}

/// The names of a struct's fields, as they are in JSON; none of what is no struct.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Names(&'static [&'static str]);

    impl<'de> Deserializer<'de> for &mut Names {
        type Error = Unnamed;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Unnamed> {
            self.0 = fields;
            Err(Unnamed::custom("the names alone were asked for"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unnamed> {
            Err(Unnamed::custom("no struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names = Names(&[]);
    let _ = T::deserialize(&mut names);
    names.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wanted {
        #[allow(dead_code, reason = "only whether it is read counts")]
        display_name: String,
        #[allow(dead_code, reason = "only whether it is read counts")]
        password: Option<String>,
        #[allow(dead_code, reason = "only whether it is read counts")]
        ttl: Option<u64>,
    }

    #[test]
    fn a_body_that_does_not_fit_names_its_field_in_the_servers_own_words() {
        for (body, field, message) in [
            ("{}", Some("displayName"), "`displayName` is required"),
            (r#"{"displayName":null}"#, Some("displayName"), "`displayName` must be a string"),
            (r#"{"password":"x"}"#, Some("displayName"), "`displayName` is required"),
            (r#"{"displayName":1}"#, Some("displayName"), "`displayName` must be a string"),
            (r#"{"password":[],"displayName":"x"}"#, Some("password"), "`password` must be a string"),
            (r#"{"displayName":"x","ttl":-1}"#, Some("ttl"), "`ttl` must be a whole number, 0 or more"),
            (r#"{"displayName":"x","ttl":"1"}"#, Some("ttl"), "`ttl` must be a whole number, 0 or more"),
            (r#"{"displayName":"x","displayName":"y"}"#, Some("displayName"), "`displayName` is there twice"),
            (r#"["x",null,1]"#, None, "the body must be a JSON object with displayName, password, ttl"),
            ("[]", None, "the body must be a JSON object with displayName, password, ttl"),
            ("", None, "the body is not valid JSON"),
            (r#"{"displayName":"x""#, None, "the body is not valid JSON"),
        ] {
            let error = parse::<Wanted>(body.as_bytes()).expect_err(body);
            assert_eq!((error.code, error.field, &*error.message), (Code::BadRequest, field, message), "{body}");
        }
        assert!(parse::<Wanted>(br#"{"displayName":"x","other":[]}"#).is_ok());
        let error = parse::<BTreeMap<String, Value>>(b"[]").expect_err("no object");
        assert_eq!(error.message, "the body must be a JSON object");
    }
}
