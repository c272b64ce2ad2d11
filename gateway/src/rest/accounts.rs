//! `/api/auth`: accounts of Parlor's own, sessions, guests. Where tokens are an external issuer's there is only signing
//! out.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::membership::nameless;
use parlor_core::ports::accounts::{Login, NewAccount, Rotate, Rotation};
use parlor_core::time::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::address::Address;
use super::body::Body;
use super::signed_in::{Profile, away, begin, refresh_end, refusal, with_cookie, with_token};
use super::{Bearer, Form, credentials};
use crate::Shared;
use crate::auth::{self, issue};

/// For so long a refresh token is exchanged again: two tabs that wake together share one cookie.
const LEEWAY_MILLIS: i64 = 10_000;

/// Tries from one address for each that one account allows: an office has one address.
const PER_ADDRESS: u32 = 10;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/auth/register", post(register))
        .route("/api/auth/login", post(login))
        .route("/api/auth/refresh", post(refresh))
        .route("/api/auth/logout", post(logout))
        .route("/api/auth/logout-all", post(logout_all))
        .route("/api/auth/guest", post(guest))
}

/// A handler's outcome as a response.
pub(super) fn settle(outcome: Result<Response, ChatError>) -> Response {
    outcome.unwrap_or_else(|error| Form::Dotted.refuse(&error))
}

/// Accounts are Parlor's only where tokens are.
fn own_accounts(shared: &Shared) -> Result<(), ChatError> {
    if shared.config.auth.jwks_url.is_some() { Err(ChatError::not_found("route")) } else { Ok(()) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    username: String,
    email: Option<String>,
    password: String,
    display_name: Option<String>,
}

/// `POST /api/auth/register {username, email?, password, displayName?}`: 201 and signed in.
async fn register(State(shared): State<Arc<Shared>>, address: Address, Body(new): Body<Registration>) -> Response {
    let registered = async {
        own_accounts(&shared)?;
        if !shared.config.auth.registration {
            return Err(ChatError::new(Code::Forbidden, "accounts are made by this server's team"));
        }
        let username = credentials::username(&new.username)?;
        let email = new.email.as_deref().map(credentials::email).transpose()?;
        let name = match new.display_name.as_deref() {
            Some(name) => credentials::own_name(name)?,
            // Who gives no other name is shown by this one.
            None => credentials::not_the_servers("username", username.clone())?,
        };
        let password = credentials::password("password", new.password)?;
        address.pass(&shared, "register", shared.config.limits.register, 1).await?;
        let password_hash = shared.passwords.hash(password).await?;
        let user = Actor { id: UserId::trusted(Uuid::new_v4().to_string()), name: name.into(), avatar: None };
        let new = NewAccount { user, username, email, password_hash };
        let account = shared.ports.accounts.register(&new).await.map_err(refusal)?;
        tracing::info!(user = %account.user.id, "an account was made");
        begin(&shared, StatusCode::CREATED, &account).await
    };
    settle(registered.await)
}

#[derive(Deserialize)]
struct SignIn {
    username: Option<String>,
    email: Option<String>,
    password: String,
}

/// `POST /api/auth/login {username | email, password}`. Whoever does not exist is answered as who has another password,
/// and after as long.
async fn login(State(shared): State<Arc<Shared>>, address: Address, Body(sign_in): Body<SignIn>) -> Response {
    let signed_in = async {
        own_accounts(&shared)?;
        let email = sign_in.email.map(|email| email.to_lowercase());
        let by = match (&sign_in.username, &email) {
            (Some(name), None) => Login::Username(name),
            (None, Some(address)) => Login::Email(address),
            _ => return Err(ChatError::field("username", "either `username` or `email` is needed")),
        };
        let limit = shared.config.limits.login;
        address.pass(&shared, "login", limit, PER_ADDRESS).await?;
        let (Login::Username(said) | Login::Email(said)) = by else { return Err(ChatError::not_found("account")) };
        let said: String = said.chars().filter(|char| !char.is_control()).take(255).collect();
        // What nobody can be called is looked for nowhere, and fails as slowly.
        let (Login::Username(raw) | Login::Email(raw)) = by else { return Err(ChatError::not_found("account")) };
        let could_be = said == raw && (credentials::username(&said).is_ok() || credentials::email(&said).is_ok());
        shared.limiter.pass(&UserId::trusted(format!("account {}", said.to_lowercase())), "login", limit).await?;
        let found = if could_be { shared.ports.accounts.credentials(by).await } else { Ok(None) };
        let (account, hash) = found.map_err(|error| away(&error))?.unzip();
        let right = shared.passwords.verify(sign_in.password, hash).await?;
        match account.filter(|_| right) {
            Some(account) => begin(&shared, StatusCode::OK, &account).await,
            None => {
                tracing::info!("a sign-in was refused");
                metrics::counter!("parlor_sign_ins_refused_total").increment(1);
                Err(ChatError::new(Code::Unauthorized, "Wrong username or password"))
            }
        }
    };
    settle(signed_in.await)
}

/// `POST /api/auth/refresh`: the cookie's token for the next, and a new token beside it. One that was used before ends
/// its session everywhere.
async fn refresh(State(shared): State<Arc<Shared>>, address: Address, headers: HeaderMap) -> Response {
    let refreshed = async {
        own_accounts(&shared)?;
        let invalid = || ChatError::new(Code::Unauthorized, "Invalid refresh token");
        let presented = auth::presented_refresh(&shared.config, &headers)?.ok_or_else(invalid)?;
        address.pass(&shared, "refresh", shared.config.limits.login, PER_ADDRESS).await?;
        let (next, now) = (auth::refresh_token(), Timestamp::now());
        let rotate = Rotate {
            token: auth::refresh_hash(&presented),
            next: auth::refresh_hash(&next),
            now,
            expires: refresh_end(&shared, now),
            leeway_millis: LEEWAY_MILLIS,
        };
        match shared.ports.accounts.rotate(&rotate).await.map_err(|error| away(&error))? {
            Rotation::Next { account, session } => {
                let ttl = shared.config.auth.ttl;
                let issued = issue(&shared.config.auth, &account.user, &session.to_string(), ttl)?;
                let response = with_token(StatusCode::OK, &issued, Profile::of(&account));
                Ok(with_cookie(response, auth::refresh_cookie(&shared.config, &next)))
            }
            Rotation::Reused { user, session } => {
                tracing::warn!(%user, %session, "a refresh token was used twice; its session is ended");
                metrics::counter!("parlor_refresh_reuses_total").increment(1);
                // Its sockets may be the thief's. If they cannot be told, their token still ends.
                let _ = auth::end(&shared, &nameless(&user), Some(&session.to_string())).await;
                Err(invalid())
            }
            Rotation::Unknown => Err(invalid()),
        }
    };
    match refreshed.await {
        Ok(response) => response,
        Err(error) => {
            let gone = (error.code == Code::Unauthorized).then(|| auth::no_refresh_cookie(&shared.config)).flatten();
            with_cookie(Form::Dotted.refuse(&error), gone)
        }
    }
}

/// `POST /api/auth/logout`: ends the session of the cookie and that of the token, whichever came.
async fn logout(State(shared): State<Arc<Shared>>, bearer: Option<Bearer>, headers: HeaderMap) -> Response {
    let out = async {
        let presented = auth::presented_refresh(&shared.config, &headers)?;
        let of_cookie = match presented {
            Some(token) => {
                let ended = shared.ports.accounts.end_session_of(auth::refresh_hash(&token)).await;
                ended.map_err(|error| away(&error))?.map(|(user, session)| (nameless(&user), session.to_string()))
            }
            None => None,
        };
        let of_token = bearer.and_then(|Bearer(identity)| Some((identity.user, identity.session?.to_string())));
        if of_cookie.is_none() && of_token.is_none() {
            return Err(ChatError::new(Code::Unauthorized, "Authentication token required"));
        }
        if let Some((user, session)) = &of_token
            && let Ok(id) = Uuid::try_parse(session)
        {
            shared.ports.accounts.end_session(&user.id, id).await.map_err(|error| away(&error))?;
        }
        let same = of_cookie.as_ref().map(|(_, session)| session) == of_token.as_ref().map(|(_, session)| session);
        for (user, session) in of_cookie.iter().chain(of_token.iter().filter(|_| !same)) {
            auth::end(&shared, user, Some(session)).await?;
        }
        Ok(gone(&shared))
    };
    settle(out.await)
}

/// `POST /api/auth/logout-all`: ends every session of the token's user.
async fn logout_all(State(shared): State<Arc<Shared>>, Bearer(identity): Bearer) -> Response {
    let out = async {
        shared.ports.accounts.end_sessions(&identity.user.id, None).await.map_err(|error| away(&error))?;
        auth::end(&shared, &identity.user, None).await?;
        Ok(gone(&shared))
    };
    settle(out.await)
}

/// Signed out: nothing to say, and no cookie any more.
pub(super) fn gone(shared: &Shared) -> Response {
    with_cookie(StatusCode::NO_CONTENT.into_response(), auth::no_refresh_cookie(&shared.config))
}

#[derive(Deserialize)]
struct Guest {
    name: Option<String>,
}

/// `POST /api/auth/guest {name?}`: 201 with a token for a guest who is nobody yet.
async fn guest(State(shared): State<Arc<Shared>>, address: Address, Body(asked): Body<Guest>) -> Response {
    let made = async {
        if !shared.config.auth.guests {
            return Err(ChatError::new(Code::Forbidden, "guests are not let in"));
        }
        address.pass(&shared, "guest", shared.config.limits.login, PER_ADDRESS).await?;
        let name = asked.name.map(|name| credentials::not_the_servers("name", name)).transpose()?;
        let guest = auth::guest(&auth::lineage(None), name.as_deref());
        let session = Uuid::now_v7().to_string();
        let issued = issue(&shared.config.auth, &guest.user, &session, shared.config.auth.ttl)?;
        Ok(with_token(StatusCode::CREATED, &issued, Profile::stranger(&guest.user)))
    };
    settle(made.await)
}
