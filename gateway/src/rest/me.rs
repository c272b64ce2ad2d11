//! `/api/me`: the caller's own profile.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::Actor;
use parlor_core::ports::accounts::{Account, Changes, Login};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::accounts::{gone, settle};
use super::body::Body;
use super::signed_in::{Profile, away, json, refusal, with_token};
use super::{Bearer, credentials};
use crate::Shared;
use crate::auth::{self, issue};
use crate::commands::erase;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/api/me", get(read).patch(change).delete(remove))
}

#[derive(Serialize)]
struct Me<'a> {
    user: Profile<'a>,
}

/// `GET /api/me`: `{user}`. Of a guest, and of whom the store does not know yet, what the token says.
async fn read(State(shared): State<Arc<Shared>>, Bearer(identity): Bearer) -> Response {
    let found = async {
        let account = shared.ports.accounts.account(&identity.user.id).await.map_err(|error| away(&error))?;
        let user = account.as_ref().map_or_else(|| Profile::stranger(&identity.user), Profile::of);
        Ok(json(StatusCode::OK, &Me { user }))
    };
    settle(found.await)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patch {
    display_name: Option<String>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "said")]
    avatar: Option<Option<String>>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "said")]
    email: Option<Option<String>>,
    new_password: Option<String>,
    current_password: Option<String>,
}

/// Tells `null` from a field that is not there.
fn said<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// `PATCH /api/me {displayName?, avatar?, email?, newPassword?, currentPassword?}`: `{token, expiresAt, user}`, the
/// token with the new name in it. A new password or address needs the current password, and a new password ends all
/// other sessions.
async fn change(State(shared): State<Arc<Shared>>, Bearer(identity): Bearer, Body(patch): Body<Patch>) -> Response {
    let changed = async {
        let mut changes = Changes {
            name: patch.display_name.as_deref().map(credentials::display_name).transpose()?,
            avatar: optional(patch.avatar.as_ref(), credentials::avatar)?,
            email: optional(patch.email.as_ref(), credentials::email)?,
            password_hash: None,
        };
        let new_password = patch.new_password.map(|text| credentials::password("newPassword", text)).transpose()?;
        if new_password.is_some() || changes.email.is_some() {
            ask_again(&shared, &identity.user, patch.current_password).await?;
        } else {
            own(&shared, &identity.user).await?;
        }
        let renewed = new_password.is_some();
        if let Some(password) = new_password {
            changes.password_hash = Some(shared.passwords.hash(password).await?);
        }
        let account = shared.ports.accounts.update(&identity.user.id, &changes).await.map_err(refusal)?;
        let account = account.ok_or_else(|| ChatError::not_found("account"))?;
        if renewed {
            let kept = identity.session.as_deref().and_then(|session| Uuid::try_parse(session).ok());
            let ended = shared.ports.accounts.end_sessions(&account.user.id, kept).await;
            for session in ended.map_err(|error| away(&error))? {
                auth::end(&shared, &account.user, Some(&session.to_string())).await?;
            }
        }
        let session = identity.session.as_deref().map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        let issued = issue(&shared.config.auth, &account.user, &session, shared.config.auth.ttl)?;
        Ok(with_token(StatusCode::OK, &issued, Profile::of(&account)))
    };
    settle(changed.await)
}

fn optional(
    said: Option<&Option<String>>,
    check: impl FnOnce(&str) -> Result<String, ChatError>,
) -> Result<Option<Option<String>>, ChatError> {
    said.map(|value| value.as_deref().map(check).transpose()).transpose()
}

/// The account of a user who has one here.
async fn own(shared: &Shared, user: &Actor) -> Result<Account, ChatError> {
    let account = shared.ports.accounts.account(&user.id).await.map_err(|error| away(&error))?;
    account.filter(|account| account.username.is_some()).ok_or_else(|| {
        ChatError::new(Code::Forbidden, "this profile is not kept here: it is changed where the user signs in")
    })
}

/// Has the user show the password once more.
async fn ask_again(shared: &Shared, user: &Actor, password: Option<String>) -> Result<(), ChatError> {
    own(shared, user).await?;
    let password =
        password.ok_or_else(|| ChatError::field("currentPassword", "`currentPassword` is needed for this"))?;
    shared.limiter.pass(&user.id, "login", shared.config.limits.login).await?;
    let found = shared.ports.accounts.credentials(Login::User(&user.id)).await.map_err(|error| away(&error))?;
    if shared.passwords.verify(password, found.map(|(_, hash)| hash)).await? {
        Ok(())
    } else {
        Err(ChatError { field: Some("currentPassword"), ..ChatError::new(Code::Forbidden, "Wrong password") })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    current_password: Option<String>,
}

/// `DELETE /api/me {currentPassword}`: 204. The account, its sessions and memberships are gone; its messages stay, as
/// nobody's.
async fn remove(State(shared): State<Arc<Shared>>, Bearer(identity): Bearer, Body(asked): Body<Removal>) -> Response {
    let removed = async {
        ask_again(&shared, &identity.user, asked.current_password).await?;
        erase(&shared, &identity.user).await?;
        Ok(gone(&shared))
    };
    settle(removed.await)
}
