//! `/api/push` and `/api/keys`: what `dotted` asks over a socket, for those who have none; a service worker, for one.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Bearer, Form, Rendering, carry_out};
use crate::Shared;
use crate::commands::{self, Reply};
use crate::vocabularies::Vocabulary;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/push/key", get(push_key))
        .route("/api/push/subscriptions", post(subscribe).delete(unsubscribe))
        .route("/api/keys", get(keys).post(publish))
        .route("/api/keys/claim", post(claim))
}

fn as_dotted() -> Rendering {
    Rendering::new(Form::Dotted, StatusCode::OK, |answer| Vocabulary::Dotted.ack(answer))
}

/// `GET /api/push/key`, as `push.key`; no secret, so without a token.
async fn push_key(State(shared): State<Arc<Shared>>) -> Response {
    let (reply, answered) = Reply::request(as_dotted());
    commands::push_key(&shared, reply);
    answered.await.map_or_else(|_| super::unknown(), IntoResponse::into_response)
}

/// `POST /api/push/subscriptions` with what `push.subscribe` takes.
async fn subscribe(shared: State<Arc<Shared>>, bearer: Bearer, body: String) -> Response {
    carry_out_event(&shared.0, bearer, "push.subscribe", body).await
}

/// `DELETE /api/push/subscriptions` with what `push.unsubscribe` takes.
async fn unsubscribe(shared: State<Arc<Shared>>, bearer: Bearer, body: String) -> Response {
    carry_out_event(&shared.0, bearer, "push.unsubscribe", body).await
}

/// `POST /api/keys` with what `keys.publish` takes.
async fn publish(shared: State<Arc<Shared>>, bearer: Bearer, body: String) -> Response {
    carry_out_event(&shared.0, bearer, "keys.publish", body).await
}

/// `POST /api/keys/claim` with what `keys.claim` takes.
async fn claim(shared: State<Arc<Shared>>, bearer: Bearer, body: String) -> Response {
    carry_out_event(&shared.0, bearer, "keys.claim", body).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Users {
    /// Separated by commas.
    #[serde(default)]
    user_ids: String,
}

/// `GET /api/keys?userIds=a,b`, as `keys.get`.
async fn keys(shared: State<Arc<Shared>>, bearer: Bearer, Query(users): Query<Users>) -> Response {
    let users: Vec<&str> = users.user_ids.split(',').filter(|id| !id.is_empty()).collect();
    let body = serde_json::json!({ "userIds": users }).to_string();
    carry_out_event(&shared.0, bearer, "keys.get", body).await
}

/// Reads a body as the payload of that event, and carries its command out.
async fn carry_out_event(shared: &Arc<Shared>, bearer: Bearer, event: &str, body: String) -> Response {
    // What is no JSON gets the refusal of a payload that is no object.
    let payload = RawValue::from_string(body).unwrap_or_else(|_| RawValue::NULL.to_owned());
    match Vocabulary::Dotted.parse_command(event, &[payload], &shared.config.rules) {
        Ok(command) => carry_out(shared, bearer, command, as_dotted()).await,
        Err(error) => Form::Dotted.refuse(&error),
    }
}
