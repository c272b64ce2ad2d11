//! JSON Web Tokens: one pinned algorithm, `exp`, `iss`, `aud` and `sub` required, `nbf` respected, 5 s of leeway. Every
//! failure is one and the same to the client, but for a token whose time is over, which a handshake tells apart.
//!
//! HS256 with Parlor's own secret, or the algorithm of an external issuer with the keys of its set ([`super::jwks`]).

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header};
use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::guest::is_guests;
use super::jwks::Issuer;
use super::name::SERVER;
use crate::config::{self, Auth};

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
    /// The session that it belongs to, and ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// An external issuer's display name (OpenID Connect Core §5.1), where `userName` is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An external issuer's picture, where `userAvatar` is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// The longest token that is looked at, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// Names and pictures are cut at, or left out above, so many characters: the issuer's, so no reason to refuse.
const NAME_CHARS: usize = 255;
const AVATAR_CHARS: usize = 2_048;

/// A verified identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Who.
    pub(crate) user: Actor,
    /// Nobody's account: what guests may do is for the settings to say, whichever way they came.
    pub(crate) guest: bool,
    /// Until when. `None`: a guest's without a token, which does not expire.
    pub(crate) expires: Option<Timestamp>,
    /// The session that its token belongs to.
    pub(crate) session: Option<Box<str>>,
    /// When its token was made, or its session began.
    pub(crate) issued: Timestamp,
}

/// Signs claims with a secret, HS256.
///
/// # Errors
/// The claims cannot be encoded.
pub fn mint(claims: &Claims, secret: &str) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes()))
}

/// Verifies tokens.
pub struct Tokens {
    keys: Keys,
    validation: Validation,
}

enum Keys {
    /// The current secret and, while secrets rotate, the one before.
    Own(Vec<DecodingKey>),
    /// Somebody else's.
    Issuer(Arc<Issuer>),
}

/// Why a token is not taken. The reason is for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It is not one of ours, or not any more.
    #[error("invalid token: {0}")]
    Token(String),
    /// It was one of ours, and its time is over.
    #[error("the token has expired")]
    Expired,
    /// Nobody can tell now: the issuer's keys cannot be had. The same token may be good later.
    #[error("the token cannot be checked: {0}")]
    Away(String),
}

impl Tokens {
    /// With the keys and names of `auth`.
    pub fn new(auth: &Auth) -> Self {
        let algorithm = match auth.algorithm {
            config::Algorithm::Hs256 => Algorithm::HS256,
            config::Algorithm::Rs256 => Algorithm::RS256,
            config::Algorithm::Es256 => Algorithm::ES256,
            config::Algorithm::EdDsa => Algorithm::EdDSA,
        };
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&auth.issuer]);
        validation.set_audience(&[&auth.audience]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        let keys = match &auth.jwks_url {
            Some(url) => Keys::Issuer(Issuer::new(url.clone(), algorithm)),
            None => {
                let secrets = [Some(&auth.secret), auth.previous_secret.as_ref()].into_iter().flatten();
                Keys::Own(secrets.map(|secret| DecodingKey::from_secret(secret.as_bytes())).collect())
            }
        };
        Self { keys, validation }
    }

    /// What a good token says.
    ///
    /// # Errors
    /// Why it is not good: for an operator or the log, never for the client.
    pub async fn claims(&self, token: &str) -> Result<Claims, Invalid> {
        if token.len() > MAX_BYTES {
            return Err(Invalid::Token(format!("more than {MAX_BYTES} bytes")));
        }
        let header = decode_header(token).map_err(|error| Invalid::Token(error.to_string()))?;
        // Extensions that must be understood are none that we understand (RFC 7515 §4.1.11).
        if header.crit.is_some() || !self.validation.algorithms.contains(&header.alg) {
            return Err(Invalid::Token("its header is not one of ours".into()));
        }
        match &self.keys {
            Keys::Issuer(issuer) => self.decode(token, &issuer.key(header.kid.as_deref()).await?),
            Keys::Own(keys) => {
                let mut outcome = Err(Invalid::Token("no key".into()));
                for key in keys {
                    outcome = self.decode(token, key);
                    // An expired one was signed with this key: the other would call it forged.
                    if matches!(outcome, Ok(_) | Err(Invalid::Expired)) {
                        break;
                    }
                }
                outcome
            }
        }
    }

    fn decode(&self, token: &str, key: &DecodingKey) -> Result<Claims, Invalid> {
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Invalid::Expired,
            _ => Invalid::Token(error.to_string()),
        })
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Identity, Invalid> {
        identity(self.claims(token).await?)
    }
}

fn identity(claims: Claims) -> Result<Identity, Invalid> {
    let id = UserId::parse(&claims.sub).ok_or_else(|| Invalid::Token("sub is no user id".into()))?;
    if id.as_str() == SERVER {
        return Err(Invalid::Token("sub is nobody's".into()));
    }
    let name = claims.user_name.or(claims.name).filter(|name| !name.trim().is_empty());
    let name = name.map(|name| name.chars().filter(|char| !char.is_control()).take(NAME_CHARS).collect::<String>());
    let name = name.map_or_else(|| Arc::from(id.as_str()), Arc::from);
    let avatar = claims.user_avatar.or(claims.picture).filter(|url| url.chars().count() <= AVATAR_CHARS);
    let user = Actor { id, name, avatar: avatar.map(Arc::from) };
    let issued = began(claims.sid.as_deref()).unwrap_or(Timestamp(claims.iat.saturating_mul(1000)));
    let expires = Some(Timestamp(claims.exp.saturating_mul(1000)));
    let guest = is_guests(&user.id);
    Ok(Identity { user, guest, expires, session: claims.sid.map(Box::from), issued })
}

/// When a session of ours began: its id says so, to the millisecond.
fn began(session: Option<&str>) -> Option<Timestamp> {
    let (seconds, nanos) = Uuid::try_parse(session?).ok()?.get_timestamp()?.to_unix();
    let seconds = i64::try_from(seconds).ok()?;
    Some(Timestamp(seconds.saturating_mul(1000)).plus_millis(i64::from(nanos / 1_000_000)))
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
            sid: None,
            name: None,
            picture: None,
        }
    }

    fn auth() -> Auth {
        Config::for_testing("t").auth
    }

    async fn verify(auth: &Auth, claims: &Claims, secret: &str) -> bool {
        Tokens::new(auth).verify(&mint(claims, secret).expect("signed")).await.is_ok()
    }

    #[tokio::test]
    async fn a_token_of_ours_names_its_user() {
        let auth = auth();
        let identity = Tokens::new(&auth).verify(&mint(&claims(), &auth.secret).expect("signed")).await.expect("valid");
        assert_eq!((identity.user.id.as_str(), &*identity.user.name), ("u1", "User 1"));
    }

    #[tokio::test]
    async fn a_token_of_another_key_issuer_audience_or_time_is_refused() {
        let auth = auth();
        assert!(!verify(&auth, &claims(), "another secret").await);
        assert!(!verify(&auth, &Claims { iss: "x".into(), ..claims() }, &auth.secret).await);
        assert!(!verify(&auth, &Claims { aud: "x".into(), ..claims() }, &auth.secret).await);
        assert!(!verify(&auth, &Claims { exp: 1, ..claims() }, &auth.secret).await);
        assert!(!verify(&auth, &Claims { sub: String::new(), ..claims() }, &auth.secret).await);
    }

    #[tokio::test]
    async fn an_expired_token_is_told_from_a_bad_one_whichever_key_signed_it() {
        let auth = Auth { previous_secret: Some("the old one".into()), ..auth() };
        let tokens = Tokens::new(&auth);
        for secret in [&*auth.secret, "the old one"] {
            let expired = mint(&Claims { exp: 1, ..claims() }, secret).expect("signed");
            assert!(matches!(tokens.verify(&expired).await, Err(Invalid::Expired)), "{secret}");
        }
        let forged = mint(&Claims { exp: 1, ..claims() }, "another secret").expect("signed");
        assert!(matches!(tokens.verify(&forged).await, Err(Invalid::Token(_))));
    }

    #[tokio::test]
    async fn a_token_without_an_algorithm_or_signature_is_refused() {
        use base64::Engine;
        let b64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let header = b64.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let body = b64.encode(serde_json::to_string(&claims()).expect("JSON"));
        let tokens = Tokens::new(&auth());
        assert!(tokens.verify(&format!("{header}.{body}.")).await.is_err());
        let signed = mint(&claims(), &auth().secret).expect("signed");
        let (unsigned, _) = signed.rsplit_once('.').expect("three parts");
        assert!(tokens.verify(&format!("{unsigned}.")).await.is_err());
        assert!(tokens.verify("").await.is_err());
    }

    #[tokio::test]
    async fn the_key_before_is_accepted_while_keys_rotate() {
        let auth = Auth { previous_secret: Some("the old one".into()), ..auth() };
        assert!(verify(&auth, &claims(), "the old one").await);
        assert!(verify(&auth, &claims(), &auth.secret).await);
    }

    #[tokio::test]
    async fn a_header_that_must_be_understood_or_points_at_a_key_changes_nothing() {
        let (auth, secret) = (auth(), auth().secret);
        let key = EncodingKey::from_secret(secret.as_bytes());
        let sign = |header: &Header| jsonwebtoken::encode(header, &claims(), &key).expect("signed");
        let crit = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
        assert!(Tokens::new(&auth).verify(&sign(&crit)).await.is_err());
        let pointing =
            Header { jku: Some("http://127.0.0.1:1/".into()), kid: Some("../x".into()), ..Header::default() };
        assert!(Tokens::new(&auth).verify(&sign(&pointing)).await.is_ok(), "the key is ours, wherever it points");
    }

    #[tokio::test]
    async fn nobody_is_the_server_and_a_token_has_its_bounds() {
        let auth = auth();
        assert!(!verify(&auth, &Claims { sub: SERVER.into(), ..claims() }, &auth.secret).await);
        assert!(!verify(&auth, &Claims { user_name: Some("x".repeat(MAX_BYTES)), ..claims() }, &auth.secret).await);
    }

    #[test]
    fn name_and_avatar_come_from_the_claims_of_the_documents_else_from_openid_connects() {
        let (name, picture) = (Some("Eve".to_owned()), Some("https://example.com/e.png".to_owned()));
        let documents = Claims { user_avatar: picture.clone(), name: Some("not this".into()), ..claims() };
        let user = identity(documents).expect("an identity").user;
        assert_eq!((&*user.name, user.avatar.as_deref()), ("User 1", picture.as_deref()));
        let openid = Claims { user_name: None, name, picture: picture.clone(), ..claims() };
        let user = identity(openid).expect("an identity").user;
        assert_eq!((&*user.name, user.avatar.as_deref()), ("Eve", picture.as_deref()));
        let neither = Claims { user_name: Some("  ".into()), ..claims() };
        assert_eq!(&*identity(neither).expect("an identity").user.name, "u1");
    }

    #[test]
    fn a_token_is_a_guests_by_its_user_and_nobody_elses() {
        let of = |sub: &str| identity(Claims { sub: sub.into(), ..claims() }).expect("an identity").guest;
        let made = crate::auth::guest(&crate::auth::lineage(None), Some("Gus"));
        assert!(made.guest && of(made.user.id.as_str()));
        assert!(!of("u1") && !of("guestbook") && !of(&Uuid::new_v4().to_string()));
    }

    #[test]
    fn a_session_says_when_it_began() {
        let (before, session) = (Timestamp::now(), Uuid::now_v7().to_string());
        let began = began(Some(&session)).expect("a time");
        assert!(before <= began && began <= Timestamp::now());
        assert_eq!(super::began(Some("a session of somebody else's")), None);
    }
}
