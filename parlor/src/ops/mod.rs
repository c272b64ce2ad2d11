//! What operators ask a process over HTTP: whether it lives, whether it is ready, and its numbers.

mod health;
mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use serde_json::json;

pub(crate) use health::{Dependency, Health};
pub(crate) use metrics::Recorder;

/// `/health`, `/health/live`, `/health/ready` and `/metrics`: the same for every role.
pub(crate) fn routes(health: &Arc<Health>, recorder: Recorder) -> Router {
    let (ready, alias) = (health.clone(), health.clone());
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/health/ready", get(move || async move { readiness(&ready) }))
        .route("/health", get(move || async move { readiness(&alias) }))
        .route(
            "/metrics",
            get(move || async move {
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render())
            }),
        )
}

fn readiness(health: &Health) -> impl IntoResponse + use<> {
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health.report()))
}

/// `/health/chat`: the documents' own form (dotted-readme.md, Health Check Endpoint). Always 200: it tells, and
/// `/health/ready` decides. `fanout` is the name of the dependency that stands for Redis.
pub(crate) fn chat_route(
    health: &Arc<Health>,
    fanout: &'static str,
    connections: impl Fn() -> usize + Clone + Send + Sync + 'static,
) -> Router {
    let health = health.clone();
    let answer = move || {
        let body = health.chat(fanout, connections());
        async move { Json(body) }
    };
    Router::new().route("/health/chat", get(answer))
}
