//! JSON Web Tokens: one pinned algorithm (HS256), `exp`, `iss`, `aud` and `sub` required, `nbf` respected, 5 s of
//! leeway. Every failure is one and the same to the client.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Auth;

/// What a token says. `userId`, `userName` and `userAvatar` are the names that `dotted-architecture.md` §4 uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id.
    pub sub: String,
    /// Who made the token.
    pub iss: String,
    /// For whom: one name or an array of them (RFC 7519 §4.1.3).
    pub aud: serde_json::Value,
    /// Made at, in seconds since the Unix epoch.
    #[serde(default)]
    pub iat: i64,
    /// Good until, in seconds since the Unix epoch.
    pub exp: i64,
    /// The same as `sub`, under the documents' name; not read.
    #[serde(rename = "userId", default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The display name; the id where it is missing.
    #[serde(rename = "userName", default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A URL.
    #[serde(rename = "userAvatar", default, skip_serializing_if = "Option::is_none")]
    pub user_avatar: Option<String>,
}

/// A verified identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Who.
    pub(crate) user: Actor,
    /// Until when. `None`: a guest's, which does not expire.
    pub(crate) expires: Option<Timestamp>,
}

/// Signs claims with a secret, HS256.
///
/// # Errors
/// The claims cannot be encoded.
pub fn mint(claims: &Claims, secret: &str) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes()))
}

/// Verifies tokens with the current secret and, while keys rotate, the one before.
pub struct Tokens {
    keys: Vec<DecodingKey>,
    validation: Validation,
}

/// The token is not one of ours, or not any more. Why is for the log alone.
#[derive(Debug, thiserror::Error)]
#[error("invalid token: {0}")]
pub struct Invalid(String);

impl Tokens {
    /// With the keys and names of `auth`.
    pub fn new(auth: &Auth) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&auth.issuer]);
        validation.set_audience(&[&auth.audience]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        let secrets = [Some(&auth.secret), auth.previous_secret.as_ref()];
        let keys = secrets.into_iter().flatten().map(|secret| DecodingKey::from_secret(secret.as_bytes())).collect();
        Self { keys, validation }
    }

    /// What a good token says.
    ///
    /// # Errors
    /// Why it is not good: for an operator or the log, never for the client.
    pub fn claims(&self, token: &str) -> Result<Claims, Invalid> {
        let mut reason = String::from("no key");
        for key in &self.keys {
            match jsonwebtoken::decode::<Claims>(token, key, &self.validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(Invalid(reason))
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Identity, Invalid> {
        identity(self.claims(token)?)
    }
}

fn identity(claims: Claims) -> Result<Identity, Invalid> {
    let id = UserId::parse(&claims.sub).ok_or_else(|| Invalid("sub is no user id".into()))?;
    let name =
        claims.user_name.filter(|name| !name.trim().is_empty()).map_or_else(|| Arc::from(id.as_str()), Arc::from);
    let user = Actor { id, name, avatar: claims.user_avatar.map(Arc::from) };
    Ok(Identity { user, expires: Some(Timestamp(claims.exp.saturating_mul(1000))) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn claims() -> Claims {
        Claims {
            sub: "u1".into(),
            iss: "parlor".into(),
            aud: "parlor".into(),
            iat: 0,
            exp: Timestamp::now().0 / 1000 + 60,
            user_id: None,
            user_name: Some("User 1".into()),
            user_avatar: None,
        }
    }

    fn auth() -> Auth {
        Config::for_testing("t").auth
    }

    fn verify(auth: &Auth, claims: &Claims, secret: &str) -> bool {
        Tokens::new(auth).verify(&mint(claims, secret).expect("signed")).is_ok()
    }

    #[test]
    fn a_token_of_ours_names_its_user() {
        let auth = auth();
        let identity = Tokens::new(&auth).verify(&mint(&claims(), &auth.secret).expect("signed")).expect("valid");
        assert_eq!((identity.user.id.as_str(), &*identity.user.name), ("u1", "User 1"));
    }

    #[test]
    fn a_token_of_another_key_issuer_audience_or_time_is_refused() {
        let auth = auth();
        assert!(!verify(&auth, &claims(), "another secret"));
        assert!(!verify(&auth, &Claims { iss: "x".into(), ..claims() }, &auth.secret));
        assert!(!verify(&auth, &Claims { aud: "x".into(), ..claims() }, &auth.secret));
        assert!(!verify(&auth, &Claims { exp: 1, ..claims() }, &auth.secret));
        assert!(!verify(&auth, &Claims { sub: String::new(), ..claims() }, &auth.secret));
    }

    #[test]
    fn a_token_without_an_algorithm_or_signature_is_refused() {
        use base64::Engine;
        let b64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let header = b64.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let body = b64.encode(serde_json::to_string(&claims()).expect("JSON"));
        let tokens = Tokens::new(&auth());
        assert!(tokens.verify(&format!("{header}.{body}.")).is_err());
        let signed = mint(&claims(), &auth().secret).expect("signed");
        let (unsigned, _) = signed.rsplit_once('.').expect("three parts");
        assert!(tokens.verify(&format!("{unsigned}.")).is_err());
        assert!(tokens.verify("").is_err());
    }

    #[test]
    fn the_key_before_is_accepted_while_keys_rotate() {
        let auth = Auth { previous_secret: Some("the old one".into()), ..auth() };
        assert!(verify(&auth, &claims(), "the old one"));
        assert!(verify(&auth, &claims(), &auth.secret));
    }
}
