//! REST: the same commands as the sockets', on the same checks, limits and broadcasts. One file per group of routes.
//!
//! A route reads its path, query and body into a [`Command`], and names a [`Rendering`]: how the answer and a refusal
//! look in its document. [`carry_out`] does the rest; `endpoint.rs` is both for routes that need nothing of their own.
//! Everything here is below `/api`; bodies hold 64 KiB at most (uploads have a route of their own).

mod accounts;
mod address;
mod bearer;
mod body;
mod cafe;
mod conversations;
mod credentials;
mod devices;
mod endpoint;
mod errors;
mod files;
mod me;
#[cfg(test)]
mod openapi;
mod rejections;
mod request;
mod rooms;
mod server;
mod signed_in;
mod whole;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use tower_http::cors::{AllowOrigin, CorsLayer};

pub(crate) use bearer::Bearer;
pub(crate) use errors::Form;

use crate::Shared;
use crate::caller::Caller;
use crate::commands::{self, Reply};
use crate::vocabularies::Answer;

/// What a request's body may hold, as what a frame may (RELIABILITY.md §3).
const MAX_BODY: usize = 64 * 1024;

/// All routes below `/api`.
pub(crate) fn routes(shared: &Arc<Shared>) -> Router {
    groups()
        .route("/api", any(|| async { unknown() }))
        .route("/api/{*path}", any(|| async { unknown() }))
        .layer(from_fn(rejections::in_form))
        .layer(from_fn(whole::in_full))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(cors(shared))
        .with_state(shared.clone())
}

/// Those that do something; `docs/api/openapi.json` has each of them.
fn groups() -> Router<Arc<Shared>> {
    Router::new()
        .merge(files::routes())
        .merge(cafe::routes())
        .merge(conversations::routes())
        .merge(rooms::routes())
        .merge(devices::routes())
        .merge(accounts::routes())
        .merge(me::routes())
        .merge(server::routes())
}

/// Pages of the allowed origins may ask, with their cookies; others may not.
fn cors(shared: &Shared) -> CorsLayer {
    let allowed = match &shared.config.allowed_origins {
        None => AllowOrigin::mirror_request(),
        Some(origins) => AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            axum::http::header::AUTHORIZATION,
            CONTENT_TYPE,
            axum::http::header::RANGE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([RETRY_AFTER, axum::http::header::CONTENT_RANGE, axum::http::header::ETAG])
}

fn unknown() -> Response {
    Form::Dotted.refuse(&ChatError::not_found("route"))
}

/// How a route's answers look.
pub(crate) struct Rendering {
    /// The response to an accepted command.
    pub(crate) ok: Box<dyn FnOnce(&Answer<'_>) -> Rendered + Send>,
    /// The form of a refusal's body.
    pub(crate) form: Form,
    /// The response says of messages how far each has got.
    pub(crate) shows_status: bool,
    /// The response names the first members of each room of a list.
    pub(crate) shows_participants: bool,
}

impl Rendering {
    /// Answers with a status and what `body` makes of the answer: JSON text.
    pub(crate) fn new(
        form: Form,
        status: StatusCode,
        body: impl FnOnce(&Answer<'_>) -> String + Send + 'static,
    ) -> Self {
        let ok = Box::new(move |answer: &Answer<'_>| Rendered { status, body: body(answer), retry_after: None });
        Self { ok, form, shows_status: false, shows_participants: false }
    }

    pub(crate) fn refused(&self, error: &ChatError) -> Rendered {
        self.form.render(error)
    }
}

/// A response, before it is one: its body is JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// Whole seconds.
    pub(crate) retry_after: Option<u64>,
}

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        let headers =
            [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
        let mut response = (self.status, headers, self.body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Carries a command out for a request's user, and waits for its answer.
pub(crate) async fn carry_out(
    shared: &Arc<Shared>,
    Bearer(identity): Bearer,
    command: Command,
    rendering: Rendering,
) -> Response {
    let form = rendering.form;
    let (reply, answered) = Reply::request(rendering);
    let caller = Caller::request(identity);
    commands::act(shared, &caller, command, reply).await;
    match answered.await {
        Ok(rendered) => rendered.into_response(),
        Err(_) => form.refuse(&ChatError::new(Code::Internal, "nobody answered")),
    }
}
