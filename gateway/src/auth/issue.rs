//! Tokens that Parlor makes.

use std::time::Duration;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::Actor;
use parlor_core::time::Timestamp;

use super::{Claims, mint};
use crate::config::Auth;

/// A token, and until when it is good.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) expires: Timestamp,
}

/// Makes a token of a session, good from now for `ttl`.
///
/// # Errors
/// `forbidden`: tokens are an external issuer's to make.
pub(crate) fn issue(auth: &Auth, user: &Actor, session: &str, ttl: Duration) -> Result<Issued, ChatError> {
    let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX / 1000);
    let exp = (Timestamp::now().0 / 1000).saturating_add(ttl);
    issue_until(auth, user, session, Timestamp(exp.saturating_mul(1000)))
}

/// Makes a token of a session, good until `expires`, to the second: for who shows a token and says something new of
/// themselves, which is no reason for more time.
///
/// # Errors
/// As [`issue`].
pub(crate) fn issue_until(auth: &Auth, user: &Actor, session: &str, expires: Timestamp) -> Result<Issued, ChatError> {
    if auth.jwks_url.is_some() {
        return Err(ChatError::new(Code::Forbidden, "tokens come from the configured issuer, not from here"));
    }
    let iat = Timestamp::now().0 / 1000;
    let exp = expires.0 / 1000;
    let claims = Claims {
        sub: user.id.to_string(),
        iss: auth.issuer.clone(),
        aud: auth.audience.clone().into(),
        iat,
        exp,
        user_id: Some(user.id.to_string()),
        user_name: Some(user.name.to_string()),
        user_avatar: user.avatar.as_deref().map(str::to_owned),
        sid: Some(session.to_owned()),
        name: None,
        picture: None,
    };
    let token = mint(&claims, &auth.secret).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        ChatError::new(Code::Internal, "no token could be made")
    })?;
    Ok(Issued { token, expires: Timestamp(exp.saturating_mul(1000)) })
}
