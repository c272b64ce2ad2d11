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
use crate::auth::{self, issue_until};
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
    /// `null` removes it, and so does an empty text: what a form says that was emptied.
    #[serde(default, deserialize_with = "said")]
    avatar: Option<Option<String>>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "said")]
    email: Option<Option<String>>,
    new_password: Option<String>,
    current_password: Option<String>,
}

impl Patch {
    /// The current password alone changes nothing.
    fn is_empty(&self) -> bool {
        self.display_name.is_none() && self.avatar.is_none() && self.email.is_none() && self.new_password.is_none()
    }
}

/// Tells `null` from a field that is not there.
fn said<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// `PATCH /api/me {displayName?, avatar?, email?, newPassword?, currentPassword?}`: `{token, expiresAt, user}`, the
/// token with the new name in it, good for as long as the one that was shown: a session is prolonged by its refresh
/// token alone. A new password or address needs the current password, and a new password ends all other sessions. What
/// changes nothing is 400; one user changes as much as they may sign in.
async fn change(State(shared): State<Arc<Shared>>, Bearer(identity): Bearer, Body(patch): Body<Patch>) -> Response {
    let changed = async {
        if patch.is_empty() {
            return Err(ChatError::new(Code::BadRequest, "nothing to change was named"));
        }
        shared.limiter.pass(&identity.user.id, "profile", shared.config.limits.login).await?;
        let avatar = patch.avatar.map(|said| said.filter(|url| !url.trim().is_empty()));
        let mut changes = Changes {
            name: patch.display_name.as_deref().map(credentials::own_name).transpose()?,
            avatar: optional(avatar.as_ref(), credentials::avatar)?,
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
        let issued = match identity.expires {
            Some(expires) => issue_until(&shared.config.auth, &account.user, &session, expires)?,
            // Only a guest of a socket has no token, and asks for nothing here.
            None => return Err(ChatError::new(Code::Unauthorized, "Authentication token required")),
        };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::to_bytes;
    use parlor_core::error::Limit;
    use parlor_core::ids::UserId;
    use parlor_core::ports::accounts::{Accounts, NewAccount};
    use serde_json::{Value, json};

    use super::*;
    use crate::Config;
    use crate::auth::issue;
    use crate::stage::Stage;

    /// A stage where Ann has an account.
    async fn with_ann(config: Config) -> (Stage, Actor) {
        let stage = Stage::set_with(config).await;
        let user = Actor { id: UserId::trusted("ann"), name: "Ann".into(), avatar: None };
        let (username, password_hash) = ("ann".into(), String::new());
        let new = NewAccount { user: user.clone(), username, email: None, password_hash };
        stage.store.register(&new).await.expect("registered");
        (stage, user)
    }

    async fn patch(stage: &Stage, token: &str, body: Value) -> (StatusCode, Value) {
        let identity = stage.shared.tokens.verify(token).await.expect("a good token");
        let patch = Body(serde_json::from_value(body).expect("a patch"));
        let response = change(State(stage.shared.clone()), Bearer(identity), patch).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 16).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn a_new_name_gives_a_token_no_more_time() {
        let (stage, ann) = with_ann(Config::for_testing("test")).await;
        let auth = &stage.shared.config.auth;
        let session = Uuid::now_v7().to_string();
        let mut shown = issue(auth, &ann, &session, Duration::from_secs(30)).expect("a token");
        let expires = shown.expires;
        assert!(auth.ttl > Duration::from_secs(60), "one made anew would be good for longer");
        for name in ["Anna", "Annette"] {
            let (status, body) = patch(&stage, &shown.token, json!({ "displayName": name })).await;
            assert_eq!((status, body["expiresAt"].as_str()), (StatusCode::OK, Some(&*expires.to_string())), "{body}");
            shown.token = body["token"].as_str().expect("a token").to_owned();
            let identity = stage.shared.tokens.verify(&shown.token).await.expect("a good token");
            assert_eq!((&*identity.user.name, identity.expires), (name, Some(expires)));
            assert_eq!(identity.session.as_deref(), Some(&*session), "and it ends with the same session");
        }
    }

    #[tokio::test]
    async fn what_changes_nothing_is_refused_and_makes_no_token() {
        let (stage, ann) = with_ann(Config::for_testing("test")).await;
        let token = issue(&stage.shared.config.auth, &ann, "s", Duration::from_secs(30)).expect("a token").token;
        for nothing in [json!({}), json!({ "currentPassword": "x" })] {
            let (status, body) = patch(&stage, &token, nothing).await;
            assert_eq!((status, body.get("token")), (StatusCode::BAD_REQUEST, None), "{body}");
        }
    }

    #[tokio::test]
    async fn ones_own_picture_is_removed_by_null_or_an_empty_text() {
        let (stage, ann) = with_ann(Config::for_testing("test")).await;
        let token = issue(&stage.shared.config.auth, &ann, "s", Duration::from_secs(30)).expect("a token").token;
        for nothing in [json!(null), json!(""), json!(" ")] {
            let url = "https://example.org/ann.png";
            let (status, body) = patch(&stage, &token, json!({ "avatar": url })).await;
            assert_eq!((status, body["user"]["avatar"].as_str()), (StatusCode::OK, Some(url)), "{body}");
            let (status, body) = patch(&stage, &token, json!({ "avatar": nothing })).await;
            assert_eq!((status, body["user"]["avatar"].as_str()), (StatusCode::OK, None), "{nothing}: {body}");
            let shown = body["token"].as_str().expect("a token");
            let identity = stage.shared.tokens.verify(shown).await.expect("a good token");
            assert_eq!(identity.user.avatar, None, "nor does the new token have it");
            let account = stage.store.account(&ann.id).await.expect("read").expect("an account");
            assert_eq!(account.user.avatar, None);
        }
        let (status, body) = patch(&stage, &token, json!({ "avatar": "javascript:x" })).await;
        assert_eq!((status, body["field"].as_str()), (StatusCode::BAD_REQUEST, Some("avatar")));
    }

    #[tokio::test]
    async fn nobody_takes_the_servers_name() {
        let (stage, ann) = with_ann(Config::for_testing("test")).await;
        let token = issue(&stage.shared.config.auth, &ann, "s", Duration::from_secs(30)).expect("a token").token;
        let (status, body) = patch(&stage, &token, json!({ "displayName": " SERVER " })).await;
        assert_eq!((status, body["field"].as_str()), (StatusCode::BAD_REQUEST, Some("displayName")), "{body}");
        let account = stage.store.account(&ann.id).await.expect("read").expect("an account");
        assert_eq!(&*account.user.name, "Ann");
    }

    #[tokio::test]
    async fn a_profile_is_changed_no_more_often_than_its_limit() {
        let mut config = Config::for_testing("test");
        config.limits.login = Some(Limit { limit: 2, window: Duration::from_secs(60) });
        let (stage, ann) = with_ann(config).await;
        let token = issue(&stage.shared.config.auth, &ann, "s", Duration::from_secs(30)).expect("a token").token;
        for (name, expected) in [("A", 200), ("B", 200), ("C", 429)] {
            let (status, body) = patch(&stage, &token, json!({ "displayName": name })).await;
            assert_eq!(status.as_u16(), expected, "{body}");
        }
        let account = stage.store.account(&ann.id).await.expect("read").expect("an account");
        assert_eq!(&*account.user.name, "B");
    }
}
