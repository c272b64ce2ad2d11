//! `/api/rooms`: what `dotted` asks over a socket, for those who have none.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use parlor_core::command::{Command, Cursor, Direction, History};
use parlor_core::error::ChatError;
use parlor_core::ids::RoomId;
use serde::Deserialize;

use super::{Bearer, Form, Rendering, carry_out};
use crate::Shared;
use crate::vocabularies::Vocabulary;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/api/rooms/{room}/messages", get(history))
}

#[derive(Deserialize)]
struct Range {
    cursor: Option<String>,
    direction: Option<String>,
    limit: Option<u32>,
}

/// `GET /api/rooms/{room}/messages?cursor&direction&limit`: as `message.history`.
async fn history(
    State(shared): State<Arc<Shared>>,
    bearer: Bearer,
    Path(room): Path<String>,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
) -> Response {
    match read(&shared, &room, range.map(|Query(range)| range).map_err(|error| error.body_text())) {
        Ok(history) => {
            let rendering = Rendering::new(Form::Dotted, StatusCode::OK, |answer| Vocabulary::Dotted.ack(answer));
            carry_out(&shared, bearer, Command::History(history), rendering).await
        }
        Err(error) => Form::Dotted.refuse(&error),
    }
}

fn read(shared: &Shared, room: &str, range: Result<Range, String>) -> Result<History, ChatError> {
    let range = range.map_err(|reason| ChatError::field("query", reason))?;
    let room = RoomId::parse(room).filter(|room| room.inbox_owner().is_none());
    let cursor = match range.cursor.as_deref() {
        None => None,
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| {
            ChatError::field("cursor", "`cursor` must be a cursor of a page, a message's id or an ISO 8601 time")
        })?),
    };
    let direction = match range.direction.as_deref() {
        None | Some("before") => Direction::Before,
        Some("after") => Direction::After,
        Some(_) => return Err(ChatError::field("direction", "`direction` must be one of before, after")),
    };
    let rules = &shared.config.rules;
    let limit = match range.limit {
        Some(0) => {
            let message = format!("`limit` must be a whole number, 1 to {}", rules.max_page);
            return Err(ChatError::field("limit", message));
        }
        limit => limit.unwrap_or(rules.default_page).min(rules.max_page),
    };
    Ok(History { room: room.ok_or_else(|| ChatError::not_found("room"))?, cursor, direction, limit })
}
