//! Rooms: made, changed, deleted.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use parlor_core::blank::is_blank;
use parlor_core::command::{Command, NewRoom, RoomPatch};
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Room, RoomKind};
use parlor_core::ids::RoomId;
use parlor_core::membership::{Change, Decision};

use super::{Fields, Server, as_event, by_server, quoted, room_id, the_server, user_id};
use crate::Shared;
use crate::commands::{decide, new_room, relay};
use crate::rest::Rendered;
use crate::rest::accounts::settle;
use crate::rest::body::Body;
use crate::vocabularies::{Answer, Vocabulary};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/server/rooms", post(make))
        .route("/api/server/rooms/{room}", put(make_with_id).delete(remove))
}

/// `POST /api/server/rooms {type, name, memberIds, createdBy?, …}`: 201, fields as in `room.create`.
async fn make(_: Server, State(shared): State<Arc<Shared>>, Body(fields): Body<Fields>) -> Response {
    settle(create(&shared, fields, None).await)
}

/// `PUT /api/server/rooms/{id}`: as above, with an id of the back end's own, which for a group begins with `group_`; 200
/// where the room is there already, whose settings are then those that are named, and whose members stay.
async fn make_with_id(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path(room): Path<String>,
    Body(mut fields): Body<Fields>,
) -> Response {
    let made = async {
        let id = room_id(&room)?;
        fields.insert("roomId".into(), quoted(id.as_str())?);
        create(&shared, fields, Some(id)).await
    };
    settle(made.await)
}

/// Makes the room in the name of `createdBy`, who is a member, and the admin of a group.
async fn create(shared: &Arc<Shared>, fields: Fields, wanted: Option<RoomId>) -> Result<Response, ChatError> {
    let Command::CreateRoom(new) = as_event(shared, "room.create", &fields)? else {
        return Err(ChatError::new(Code::Internal, "no room was read"));
    };
    let creator = creator(shared, &fields, &new).await?;
    let partner = new.members.iter().find(|id| **id != creator.id);
    let id = match (new.kind, wanted) {
        (RoomKind::Direct, _) => {
            let partner = partner.ok_or_else(|| ChatError::field("memberIds", "a direct room needs two members"))?;
            RoomId::direct(&creator.id, partner)
        }
        (_, Some(id)) if id.as_str().starts_with("direct_") => {
            return Err(ChatError::field("roomId", "`direct_` begins the ids of direct rooms alone"));
        }
        (_, Some(id)) if is_blank(id.as_str()) => return Err(ChatError::field("roomId", "`roomId` is blank")),
        // What a room is shows in its id, wherever no more than the id is at hand.
        (RoomKind::Group, Some(id)) if !id.as_str().starts_with("group_") => {
            return Err(ChatError::field("roomId", "a group's id begins with `group_`"));
        }
        (_, Some(id)) => id,
        (RoomKind::Group, None) => RoomId::new_group(),
        (RoomKind::Channel, None) => {
            new.id.clone().ok_or_else(|| ChatError::field("name", "a channel needs a name"))?
        }
    };
    let room = Room {
        description: new.description.clone(),
        avatar: new.avatar.clone(),
        private: new.private,
        ..new_room(id.clone(), new.kind, &creator, new.name.clone())
    };
    let limit = shared.config.rooms.member_limit;
    let create = Change::Create { room, creator, members: new.members.clone(), limit };
    let mut decision = carry_out(shared, &id, create).await?;
    let mut status = StatusCode::CREATED;
    if decision.events.is_empty() {
        status = StatusCode::OK;
        if new.kind != RoomKind::Direct {
            decision = carry_out(shared, &id, Change::Update { by: by_server(), patch: patch(&fields, &new) }).await?;
        }
    }
    let body = Vocabulary::Dotted.ack(&Answer::Created { room: &decision.room, members: &decision.members });
    Ok(Rendered { status, body, retry_after: None }.into_response())
}

/// Who makes it: `createdBy`, else the first member; a channel, which has none, is the server's.
async fn creator(shared: &Shared, fields: &Fields, new: &NewRoom) -> Result<Actor, ChatError> {
    let named = match fields.get("createdBy") {
        Some(raw) => {
            let text: String = serde_json::from_str(raw.get())
                .map_err(|_| ChatError::field("createdBy", "`createdBy` must be a user's id"))?;
            Some(user_id(&text)?)
        }
        None => new.members.first().cloned(),
    };
    let Some(id) = named else {
        return if new.kind == RoomKind::Channel {
            Ok(the_server())
        } else {
            Err(ChatError::field("memberIds", "a room needs a member"))
        };
    };
    let found = shared.ports.store.users(std::slice::from_ref(&id)).await.map_err(|error| {
        tracing::warn!(%error, "users could not be looked up");
        ChatError::busy("users cannot be looked up right now")
    })?;
    found.into_iter().next().ok_or_else(|| ChatError { field: Some("createdBy"), ..ChatError::not_found("user") })
}

/// What a PUT changes of a room that is there: what it names.
fn patch(fields: &Fields, new: &NewRoom) -> RoomPatch {
    let text =
        |name: &str, value: &Option<String>| fields.contains_key(name).then(|| value.clone().unwrap_or_default());
    RoomPatch {
        name: new.name.clone(),
        description: text("description", &new.description),
        avatar: text("avatar", &new.avatar),
        private: fields.contains_key("isPrivate").then_some(new.private),
    }
}

/// `DELETE /api/server/rooms/{id}`: 204. Its id is spent.
async fn remove(_: Server, State(shared): State<Arc<Shared>>, Path(room): Path<String>) -> Response {
    let removed = async {
        carry_out(&shared, &room_id(&room)?, Change::Delete { by: by_server() }).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(removed.await)
}

/// Decides a change and tells those whom it concerns.
pub(super) async fn carry_out(shared: &Arc<Shared>, room: &RoomId, change: Change) -> Result<Decision, ChatError> {
    let decision = decide(shared, room, &change).await?;
    for member in &decision.members {
        shared.memberships.forget(room, &member.user.id);
    }
    relay(shared, room).await;
    Ok(decision)
}
