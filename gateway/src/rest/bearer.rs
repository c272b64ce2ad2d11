//! Who a request is from: `Authorization: Bearer TOKEN` (RFC 6750 §2.1), the same token as a socket's.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use parlor_core::error::{ChatError, Code};

use super::Form;
use crate::Shared;
use crate::auth::{self, Identity};

/// A request's user. A route that takes it answers 401 to a request without a valid token.
pub(crate) struct Bearer(pub(crate) Identity);

impl FromRequestParts<Arc<Shared>> for Bearer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        identity(parts, shared).await.map(Self).map_err(|error| Form::of_path(parts.uri.path()).refuse(&error))
    }
}

impl OptionalFromRequestParts<Arc<Shared>> for Bearer {
    type Rejection = Response;

    /// `None`: no token at all. One that is not valid is refused all the same.
    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Option<Self>, Response> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<Arc<Shared>>>::from_request_parts(parts, shared).await.map(Some)
    }
}

async fn identity(parts: &Parts, shared: &Shared) -> Result<Identity, ChatError> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| {
        // Schemes are compared without regard to case (RFC 9110 §11.1).
        scheme.eq_ignore_ascii_case("bearer")
    }) else {
        return Err(ChatError::new(Code::Unauthorized, "Authentication token required"));
    };
    auth::admit(shared, token.1.trim()).await.map_err(|error| {
        tracing::info!(%error, "a request's token was refused");
        auth::refusal(&error)
    })
}
