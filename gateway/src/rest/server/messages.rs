//! System messages, and the deletion of anybody's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind, Message, MessageType};
use parlor_core::ids::{EventId, MessageId};
use sha2::Digest;
use uuid::Uuid;

use super::{Fields, Server, as_event, quoted, room_id, the_server};
use crate::Shared;
use crate::commands::{answer, append, place_of};
use crate::rest::Rendered;
use crate::rest::accounts::settle;
use crate::rest::body::Body;
use crate::vocabularies::{Answer, Vocabulary};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/server/rooms/{room}/messages", post(send))
        .route("/api/server/messages/{message}", delete(remove))
}

/// `POST /api/server/rooms/{id}/messages {content, metadata?}`: 201. A system message to a room that exists. With an
/// `Idempotency-Key` it is posted once, however often the request is repeated within 30 days.
async fn send(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path(room): Path<String>,
    headers: HeaderMap,
    Body(mut fields): Body<Fields>,
) -> Response {
    let sent = async {
        let room = room_id(&room)?;
        // A client's fields that are not the server's to give.
        fields.retain(|name, _| matches!(name.as_str(), "content" | "metadata"));
        fields.insert("roomId".into(), quoted(room.as_str())?);
        let Command::Send(said) = as_event(&shared, "message.send", &fields)? else {
            return Err(ChatError::new(Code::Internal, "no message was read"));
        };
        let known = shared.ports.store.room(&room).await.map_err(|error| {
            tracing::warn!(%error, "a room could not be looked up");
            ChatError::busy("rooms cannot be looked up right now")
        })?;
        known.ok_or_else(|| ChatError::not_found("room"))?;
        let actor = the_server();
        let id = match key(&headers)? {
            Some(key) => MessageId::of_resend(&actor.id, &room, key),
            None => MessageId::now(),
        };
        let message = Message { metadata: said.metadata, ..Message::new(MessageType::System, said.content) };
        let event = Event { id: id.into(), room: room.clone(), actor, kind: Kind::MessageSent(message) };
        let pending = append(&shared, &event)?;
        let appended = answer(&shared, &room, pending).await?;
        let (time, seq) = (appended.time, appended.seq);
        let body = Vocabulary::Dotted.ack(&Answer::Sent { message: id, room: &room, time, seq, temp_id: None });
        Ok(Rendered { status: StatusCode::CREATED, body, retry_after: None }.into_response())
    };
    settle(sent.await)
}

/// The request's `Idempotency-Key`: a UUID as it is, any other text by its digest.
fn key(headers: &HeaderMap) -> Result<Option<Uuid>, ChatError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
    let message = "`Idempotency-Key` must have 1 to 255 visible ASCII characters";
    let text = text.ok_or_else(|| ChatError::field("Idempotency-Key", message))?;
    let digest = sha2::Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Ok(Some(Uuid::try_parse(text).unwrap_or_else(|_| Uuid::new_v8(bytes))))
}

/// `DELETE /api/server/messages/{id}`: 204.
async fn remove(_: Server, State(shared): State<Arc<Shared>>, Path(message): Path<String>) -> Response {
    let removed = async {
        let message = MessageId::parse(&message).ok_or_else(|| ChatError::not_found("message"))?;
        let place = place_of(&shared, message, None).await?;
        let kind = Kind::MessageDeleted { message };
        let event = Event { id: EventId::now(), room: place.room.clone(), actor: the_server(), kind };
        let pending = append(&shared, &event)?;
        answer(&shared, &place.room, pending).await?;
        shared.hub.recent.delete(message);
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(removed.await)
}
