//! `/api/chat`: the requests of `cafe.md`.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodFilter;

use super::Form;
use super::endpoint::Endpoint;
use crate::Shared;
use crate::vocabularies::Route;
use crate::vocabularies::cafe::rest::{DELETE, MESSAGES, PRESENCE, TOPICS};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/api/chat/messages/{id}",
            route(&MESSAGES, &[("id", "cafeId")])
                .on(MethodFilter::GET)
                .merge(route(&DELETE, &[("id", "messageId")]).on(MethodFilter::DELETE)),
        )
        .route("/api/chat/presence/{id}", route(&PRESENCE, &[("id", "cafeId")]).on(MethodFilter::GET))
        .route("/api/chat/topics/{id}", route(&TOPICS, &[("id", "cafeId")]).on(MethodFilter::GET))
}

fn route(route: &'static Route, places: &'static [(&'static str, &'static str)]) -> Endpoint {
    Endpoint::route(route, Form::Cafe, places)
}
