//! The answer to who has signed in: `{token, expiresAt, user}`, with the refresh cookie beside it.

use std::sync::Arc;

use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use parlor_core::error::{ChatError, Code};
use parlor_core::event::Actor;
use parlor_core::ports::Unavailable;
use parlor_core::ports::accounts::{Account, AccountError, NewSession};
use parlor_core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Rendered;
use crate::Shared;
use crate::auth::{self, Issued};

/// A user as they see themselves.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile<'a> {
    id: &'a str,
    username: Option<&'a str>,
    email: Option<&'a str>,
    display_name: &'a str,
    avatar: Option<&'a str>,
    created_at: Option<String>,
}

impl<'a> Profile<'a> {
    pub(crate) fn of(account: &'a Account) -> Self {
        Self {
            username: account.username.as_deref(),
            email: account.email.as_deref(),
            created_at: Some(account.created_at.to_string()),
            ..Self::stranger(&account.user)
        }
    }

    /// Of one who is known by a token alone.
    pub(crate) fn stranger(user: &'a Actor) -> Self {
        let (id, display_name, avatar) = (user.id.as_str(), &*user.name, user.avatar.as_deref());
        Self { id, username: None, email: None, display_name, avatar, created_at: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedIn<'a> {
    token: &'a str,
    expires_at: String,
    user: Profile<'a>,
}

/// A response with a token.
pub(crate) fn with_token(status: StatusCode, issued: &Issued, user: Profile<'_>) -> Response {
    json(status, &SignedIn { token: &issued.token, expires_at: issued.expires.to_string(), user })
}

/// A response that is JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => Rendered { status, body, retry_after: None }.into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A response with a cookie beside it.
pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Begins a session, with its first token and cookie.
pub(crate) async fn begin(shared: &Arc<Shared>, status: StatusCode, account: &Account) -> Result<Response, ChatError> {
    let (session, refresh, now) = (Uuid::now_v7(), auth::refresh_token(), Timestamp::now());
    let issued = auth::issue(&shared.config.auth, &account.user, &session.to_string(), shared.config.auth.ttl)?;
    let new = NewSession {
        session,
        user: account.user.id.clone(),
        token: auth::refresh_hash(&refresh),
        now,
        expires: refresh_end(shared, now),
    };
    shared.ports.accounts.begin_session(&new).await.map_err(|error| away(&error))?;
    let response = with_token(status, &issued, Profile::of(account));
    Ok(with_cookie(response, auth::refresh_cookie(&shared.config, &refresh)))
}

/// When a refresh token made now ends.
pub(crate) fn refresh_end(shared: &Shared, now: Timestamp) -> Timestamp {
    now.plus_millis(i64::try_from(shared.config.auth.refresh_ttl.as_millis()).unwrap_or(i64::MAX))
}

/// Accounts cannot be read or written now.
pub(crate) fn away(error: &Unavailable) -> ChatError {
    tracing::warn!(%error, "accounts are away");
    ChatError::busy("accounts cannot be reached right now")
}

/// What a refused write of an account says.
pub(crate) fn refusal(error: AccountError) -> ChatError {
    let taken = |field, message| ChatError { field: Some(field), ..ChatError::new(Code::Conflict, message) };
    match error {
        AccountError::UsernameTaken => taken("username", "this username is taken"),
        AccountError::EmailTaken => taken("email", "this email address is taken"),
        AccountError::Unavailable(error) => away(&error),
    }
}
