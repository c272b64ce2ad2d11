//! What a request says, as fields of one payload: its path, its query, its `Idempotency-Key`, and its body.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use parlor_core::error::{ChatError, Code};
use serde_json::value::{RawValue, to_raw_value};

/// The header by which a client names what it may send again (IETF draft `idempotency-key-header`): the message's
/// `tempId`.
const KEY: &str = "idempotency-key";

/// Query fields that are numbers. In a query everything is text.
const NUMBERS: [&str; 2] = ["limit", "offset"];

/// A request, taken apart. What is wrong with it is told in the form of the route that it is for.
pub(super) struct Request {
    /// What path, query and headers say, percent-decoded: fields of JSON text.
    pub(super) given: Result<Vec<(String, Box<RawValue>)>, ChatError>,
    /// The body as it came; empty where there is none, and of requests that only read.
    pub(super) body: Result<Bytes, ChatError>,
}

impl<S: Send + Sync> FromRequest<S> for Request {
    type Rejection = Infallible;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Infallible> {
        let (mut parts, body) = request.into_parts();
        let given = given(&mut parts).await;
        let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE);
        let body = if reads {
            Ok(Bytes::new())
        } else {
            let request = axum::extract::Request::from_parts(parts, body);
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => ChatError::new(Code::TooLarge, "a body may hold at most 64 KiB"),
                _ => ChatError::new(Code::BadRequest, "the body could not be read"),
            })
        };
        Ok(Self { given, body })
    }
}

async fn given(parts: &mut Parts) -> Result<Vec<(String, Box<RawValue>)>, ChatError> {
    let mut fields = Vec::new();
    if matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE) {
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ChatError::new(Code::BadRequest, "the query could not be read"))?;
        for (name, value) in query {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(ChatError::new(Code::BadRequest, "the query names a field twice"));
            }
            let value = if NUMBERS.contains(&&*name) { number(&value) } else { text(&value) };
            fields.push((name, value?));
        }
    }
    let path = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ChatError::not_found("route"))?;
    for (name, value) in &path {
        // A query cannot say that a path is another one.
        fields.retain(|(known, _)| known != name);
        fields.push((name.to_owned(), text(value)?));
    }
    if let Some(key) = key(&parts.headers)? {
        fields.push(("tempId".to_owned(), text(&key)?));
    }
    Ok(fields)
}

/// The key, without the quotes that a structured field has.
fn key(headers: &HeaderMap) -> Result<Option<String>, ChatError> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let wrong = || ChatError::field("Idempotency-Key", "`Idempotency-Key` must be visible ASCII, and not empty");
    let key = value.to_str().map_err(|_| wrong())?.trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if key.is_empty() { Err(wrong()) } else { Ok(Some(key.to_owned())) }
}

/// A number as JSON, where it is one; what is wrong with any other the field's own rules say.
fn number(value: &str) -> Result<Box<RawValue>, ChatError> {
    match value.parse::<u64>() {
        Ok(_) => RawValue::from_string(value.trim_start_matches('+').to_owned()).or_else(|_| text(value)),
        Err(_) => text(value),
    }
}

fn text(value: &str) -> Result<Box<RawValue>, ChatError> {
    to_raw_value(value).map_err(|_| ChatError::new(Code::BadRequest, "the request could not be read"))
}
