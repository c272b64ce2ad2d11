//! A request's body: one JSON object, of the form that the route takes.
//!
//! It must be called `application/json`: a form of a page elsewhere cannot send that without being asked first.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use parlor_core::error::{ChatError, Code};
use serde::de::DeserializeOwned;

use super::Form;

/// A body, read. Fields that the route does not take are ignored; `null` is the same as absent.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let form = Form::of_path(request.uri().path());
        let read = async {
            let called = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let media = called.split(';').next().unwrap_or_default().trim();
            if !media.eq_ignore_ascii_case("application/json") {
                return Err(ChatError::new(Code::UnsupportedType, "the body must be application/json"));
            }
            let bytes = Bytes::from_request(request, state).await.map_err(|error| match error.status().as_u16() {
                413 => ChatError::new(Code::TooLarge, "a body may hold at most 64 KiB"),
                _ => ChatError::field("body", "the body could not be read"),
            })?;
            serde_json::from_slice(&bytes).map(Self).map_err(|error| ChatError::field("body", error.to_string()))
        };
        read.await.map_err(|error| form.refuse(&error))
    }
}
