//! `/api/conversations` and `/api/messages`: the requests of `conversations.md`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodFilter, delete, post};
use parlor_core::command::Command;
use parlor_core::error::ChatError;
use parlor_core::ids::RoomId;

use super::endpoint::Endpoint;
use super::request::Request;
use super::{Bearer, Form};
use crate::Shared;
use crate::vocabularies::Route;
use crate::vocabularies::conversations::rest as say;

pub(super) fn routes() -> Router<Arc<Shared>> {
    let (get, post_, patch, delete_) =
        (MethodFilter::GET, MethodFilter::POST, MethodFilter::PATCH, MethodFilter::DELETE);
    Router::new()
        .route("/api/conversations/direct", post(direct))
        .route("/api/conversations/group", route(&say::GROUP, &[]).on(post_))
        .route("/api/conversations", route(&say::LIST, &[]).on(get))
        .route("/api/conversations/{id}", route(&say::ONE, CONVERSATION).on(get))
        .route("/api/conversations/{id}/participants", route(&say::ADD, CONVERSATION).on(post_))
        .route("/api/conversations/{id}/participants/{user}", delete(remove))
        .route("/api/messages", route(&say::SEND, &[]).on(post_))
        .route(
            "/api/messages/{id}",
            route(&say::PAGE, CONVERSATION)
                .on(get)
                .merge(route(&say::EDIT, MESSAGE).on(patch))
                .merge(route(&say::DELETE, MESSAGE).on(delete_)),
        )
        .route("/api/messages/{id}/status", route(&say::STATUS, MESSAGE).on(post_))
        .route("/api/messages/{id}/reactions", route(&say::REACT, MESSAGE).on(post_))
        .route("/api/messages/{id}/reactions/{emoji}", route(&say::UNREACT, MESSAGE).on(delete_))
}

const CONVERSATION: &[(&str, &str)] = &[("id", "conversationId"), ("user", "userId")];
const MESSAGE: &[(&str, &str)] = &[("id", "messageId")];

fn route(route: &'static Route, places: &'static [(&'static str, &'static str)]) -> Endpoint {
    Endpoint::route(route, Form::Conversations, places)
}

/// 201 where the conversation is new, 200 where the pair has it already.
async fn direct(State(shared): State<Arc<Shared>>, bearer: Bearer, request: Request) -> Response {
    let endpoint = route(&say::DIRECT, &[]);
    let command = match endpoint.read(&shared, request) {
        Ok(command) => command,
        Err(error) => return endpoint.form().refuse(&error),
    };
    let alone = |command: &Command| match command {
        Command::CreateRoom(new) => new.members.iter().all(|user| *user == bearer.0.user.id),
        _ => false,
    };
    if alone(&command) {
        return endpoint.form().refuse(&ChatError::field("user_id", "a direct conversation needs another user"));
    }
    let id = match &command {
        Command::CreateRoom(new) => new.members.first().map(|partner| RoomId::direct(&bearer.0.user.id, partner)),
        _ => None,
    };
    let existed = match id {
        Some(id) => matches!(shared.ports.store.room(&id).await, Ok(Some(_))),
        None => false,
    };
    let mut response = endpoint.carry_out(&shared, bearer, command).await;
    if existed && response.status() == StatusCode::CREATED {
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// Who removes oneself leaves.
async fn remove(State(shared): State<Arc<Shared>>, bearer: Bearer, request: Request) -> Response {
    let endpoint = route(&say::REMOVE, CONVERSATION);
    match endpoint.read(&shared, request) {
        Ok(Command::RemoveMembers { room, users }) if users.iter().all(|user| *user == bearer.0.user.id) => {
            endpoint.carry_out(&shared, bearer, Command::Leave { room }).await
        }
        Ok(command) => endpoint.carry_out(&shared, bearer, command).await,
        Err(error) => endpoint.form().refuse(&error),
    }
}
