//! `/api/server`: what the team's own back end may do, with `Authorization: Bearer <server key>`. It acts on every user,
//! room and message, by the same decisions as the users' own commands, and in the name of [`the_server`].

mod members;
mod messages;
mod rooms;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::Actor;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::membership::By;
use serde_json::value::RawValue;

use super::Form;
use crate::Shared;
use crate::auth::{SERVER, SERVER_NAME};
use crate::vocabularies::Vocabulary;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().merge(users::routes()).merge(rooms::routes()).merge(members::routes()).merge(messages::routes())
}

/// A request with a server key. A route that takes it answers 401 to every other.
struct Server;

impl FromRequestParts<Arc<Shared>> for Server {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key =
            header.and_then(|value| value.split_once(' ')).filter(|(word, _)| word.eq_ignore_ascii_case("bearer"));
        if key.is_some_and(|(_, key)| shared.server_keys.knows(key.trim())) {
            return Ok(Self);
        }
        tracing::info!("a request without a server key was refused");
        Err(Form::Dotted.refuse(&ChatError::new(Code::Unauthorized, "a server key is needed")))
    }
}

/// Whom users see where the server acts.
fn the_server() -> Actor {
    Actor { id: UserId::trusted(SERVER), name: SERVER_NAME.into(), avatar: None }
}

/// With all rights, under its name.
fn by_server() -> By {
    By::Server(the_server())
}

fn user_id(text: &str) -> Result<UserId, ChatError> {
    let message = "a user's id has 1 to 255 characters, none of them a control character";
    UserId::parse(text).filter(|id| id.as_str() != SERVER).ok_or_else(|| ChatError::field("userId", message))
}

fn room_id(text: &str) -> Result<RoomId, ChatError> {
    let room = RoomId::parse(text).filter(|room| room.inbox_owner().is_none());
    room.ok_or_else(|| ChatError::not_found("room"))
}

/// A body whose fields are those of a dotted event: read and checked as that is.
type Fields = BTreeMap<String, Box<RawValue>>;

fn as_event(shared: &Shared, event: &str, fields: &Fields) -> Result<Command, ChatError> {
    let payload =
        serde_json::value::to_raw_value(fields).map_err(|error| ChatError::field("body", error.to_string()))?;
    Vocabulary::Dotted.parse_command(event, &[payload], &shared.config.rules)
}

/// A text as a field of a body.
fn quoted(text: &str) -> Result<Box<RawValue>, ChatError> {
    serde_json::value::to_raw_value(text).map_err(|error| ChatError::field("body", error.to_string()))
}
