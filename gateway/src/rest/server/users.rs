//! Users: made, changed, deleted, signed out, and given tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use parlor_core::error::ChatError;
use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::membership::nameless;
use parlor_core::ports::accounts::{Account, Changes};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Server, user_id};
use crate::Shared;
use crate::auth;
use crate::commands::erase;
use crate::rest::accounts::settle;
use crate::rest::body::Body;
use crate::rest::credentials;
use crate::rest::signed_in::{Profile, away, json, refusal, with_token};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/server/users/{user}", put(write).get(read).delete(remove))
        .route("/api/server/users/{user}/token", post(token))
        .route("/api/server/users/{user}/logout", post(logout))
}

#[derive(Serialize)]
struct Answer<'a> {
    user: Profile<'a>,
}

fn shown(status: StatusCode, account: &Account) -> Response {
    json(status, &Answer { user: Profile::of(account) })
}

async fn find(shared: &Shared, user: &UserId) -> Result<Option<Account>, ChatError> {
    shared.ports.accounts.account(user).await.map_err(|error| away(&error))
}

#[derive(Deserialize)]
struct Wanted {
    name: Option<String>,
    avatar: Option<String>,
}

/// `PUT /api/server/users/{id} {name?, avatar?}`: 201 with a new user, or 200 with one who was there. What is not named
/// stays; a new user without a name is called by the id. An empty `avatar` removes it.
async fn write(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path(user): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Response {
    let written = async {
        let id = user_id(&user)?;
        if auth::is_guests(&id) {
            return Err(ChatError::field("userId", "a user's id may not begin as guests' do, with `guest-`"));
        }
        let name = wanted.name.as_deref().map(credentials::display_name).transpose()?;
        let avatar = wanted.avatar.map(|url| Some(url).filter(|url| !url.is_empty()));
        let avatar = avatar.map(|url| url.as_deref().map(credentials::avatar).transpose()).transpose()?;
        let changes = Changes { name, avatar, ..Changes::default() };
        if let Some(account) = shared.ports.accounts.update(&id, &changes).await.map_err(refusal)? {
            return Ok(shown(StatusCode::OK, &account));
        }
        let name = changes.name.map_or_else(|| Arc::from(id.as_str()), Arc::from);
        let new = Actor { name, avatar: changes.avatar.flatten().map(Arc::from), id };
        shared.ports.store.see_user(&new).await.map_err(|error| away(&error))?;
        let account = find(&shared, &new.id).await?.ok_or_else(|| ChatError::not_found("user"))?;
        Ok(shown(StatusCode::CREATED, &account))
    };
    settle(written.await)
}

/// `GET /api/server/users/{id}`: `{user}`.
async fn read(_: Server, State(shared): State<Arc<Shared>>, Path(user): Path<String>) -> Response {
    let found = async {
        let account = find(&shared, &user_id(&user)?).await?.ok_or_else(|| ChatError::not_found("user"))?;
        Ok(shown(StatusCode::OK, &account))
    };
    settle(found.await)
}

/// `DELETE /api/server/users/{id}`: 204. As `DELETE /api/me`.
async fn remove(_: Server, State(shared): State<Arc<Shared>>, Path(user): Path<String>) -> Response {
    let removed = async {
        erase(&shared, &nameless(&user_id(&user)?)).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(removed.await)
}

#[derive(Deserialize)]
struct Term {
    /// In seconds.
    ttl: Option<u64>,
}

/// `POST /api/server/users/{id}/token {ttl?}`: 201 with a token for a user who exists, for `ttl` seconds: at most a
/// day, or as long as the server's own tokens where that is longer.
async fn token(
    _: Server,
    State(shared): State<Arc<Shared>>,
    Path(user): Path<String>,
    Body(term): Body<Term>,
) -> Response {
    let made = async {
        let auth = &shared.config.auth;
        let ttl = term.ttl.map_or(auth.ttl, Duration::from_secs);
        if ttl.is_zero() || ttl > auth.longest() {
            let message = format!("`ttl` must be a number of seconds, 1 to {}", auth.longest().as_secs());
            return Err(ChatError::field("ttl", message));
        }
        let account = find(&shared, &user_id(&user)?).await?.ok_or_else(|| ChatError::not_found("user"))?;
        let issued = auth::issue(auth, &account.user, &Uuid::now_v7().to_string(), ttl)?;
        Ok(with_token(StatusCode::CREATED, &issued, Profile::of(&account)))
    };
    settle(made.await)
}

/// `POST /api/server/users/{id}/logout`: 204. Ends every session and socket of the user; tokens made until now are
/// refused.
async fn logout(_: Server, State(shared): State<Arc<Shared>>, Path(user): Path<String>) -> Response {
    let out = async {
        let user = user_id(&user)?;
        shared.ports.accounts.end_sessions(&user, None).await.map_err(|error| away(&error))?;
        auth::end(&shared, &nameless(&user), None).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    settle(out.await)
}
