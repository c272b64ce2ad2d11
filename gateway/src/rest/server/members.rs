//! Who is in a room, as what, and who is kept out of it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use parlor_core::error::ChatError;
use parlor_core::event::{Role, RoomKind};
use parlor_core::membership::Change;
use parlor_core::time::Timestamp;
use serde::Deserialize;

use super::rooms::carry_out;
use super::{Server, by_server, room_id, user_id};
use crate::Shared;
use crate::rest::accounts::settle;
use crate::rest::body::Body;
use crate::rest::signed_in::away;

/// Characters of a ban's reason.
const REASON_CHARS: usize = 500;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/server/rooms/{room}/members/{user}", put(put_in).delete(take_out))
        .route("/api/server/rooms/{room}/bans/{user}", put(ban).delete(unban))
}

#[derive(Deserialize)]
struct Wanted {
    role: Option<String>,
}

/// `PUT /api/server/rooms/{id}/members/{userId} {role?}`: 204. The user is a member, with that role where one is given;
/// in a channel, which has no members, a role alone is set.
async fn put_in(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path((room, user)): Path<(String, String)>,
    Body(wanted): Body<Wanted>,
) -> Response {
    let put_in = async {
        let (room, user) = (room_id(&room)?, user_id(&user)?);
        let role = wanted.role.as_deref().map(|name| match name {
            "admin" => Ok(Role::Admin),
            "moderator" => Ok(Role::Moderator),
            "member" => Ok(Role::Member),
            _ => Err(ChatError::field("role", "`role` must be one of admin, moderator, member")),
        });
        let role = role.transpose()?;
        let known = shared.ports.store.room(&room).await.map_err(|error| away(&error))?;
        let known = known.ok_or_else(|| ChatError::not_found("room"))?;
        if known.kind != RoomKind::Channel {
            let limit = shared.config.rooms.member_limit;
            carry_out(&shared, &room, Change::Add { by: by_server(), users: vec![user.clone()], limit }).await?;
        }
        if let Some(role) = role {
            carry_out(&shared, &room, Change::SetRole { by: by_server(), user, role }).await?;
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(put_in.await)
}

/// `DELETE /api/server/rooms/{id}/members/{userId}`: 204; 404 where the user is no member.
async fn take_out(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path((room, user)): Path<(String, String)>,
) -> Response {
    let out = async {
        let (room, user) = (room_id(&room)?, user_id(&user)?);
        let decision = carry_out(&shared, &room, Change::Remove { by: by_server(), users: vec![user] }).await?;
        if decision.events.is_empty() {
            return Err(ChatError::not_found("member"));
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(out.await)
}

#[derive(Deserialize)]
struct Ban {
    until: Option<String>,
    reason: Option<String>,
}

/// `PUT /api/server/rooms/{id}/bans/{userId} {until?, reason?}`: 204. `until` is an ISO 8601 time.
async fn ban(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path((room, user)): Path<(String, String)>,
    Body(ban): Body<Ban>,
) -> Response {
    let banned = async {
        let (room, user) = (room_id(&room)?, user_id(&user)?);
        let until = ban.until.as_deref().map(|text| {
            let until = Timestamp::parse(text).filter(|until| *until > Timestamp::now());
            until.ok_or_else(|| ChatError::field("until", "`until` must be an ISO 8601 time that is to come"))
        });
        let until = until.transpose()?;
        let reason = ban.reason.filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|text| text.chars().count() > REASON_CHARS || text.contains('\0')) {
            return Err(ChatError::field("reason", format!("`reason` has more than {REASON_CHARS} characters")));
        }
        carry_out(&shared, &room, Change::Ban { by: by_server(), user, until, reason }).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(banned.await)
}

/// `DELETE /api/server/rooms/{id}/bans/{userId}`: 204.
async fn unban(_: Server, State(shared): State<Arc<Shared>>, Path((room, user)): Path<(String, String)>) -> Response {
    let lifted = async {
        let (room, user) = (room_id(&room)?, user_id(&user)?);
        carry_out(&shared, &room, Change::Unban { by: by_server(), user }).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(lifted.await)
}
