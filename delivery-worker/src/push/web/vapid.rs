//! Voluntary application server identification (RFC 8292): a push service knows by a signed token who sends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::EncodePrivateKey;
use parking_lot::Mutex;
use parlor_core::time::Timestamp;
use ring::rand::SystemRandom;
use serde::Serialize;

use super::encrypt::fresh_key;
use crate::push::Fault;

/// A token is good for 12 hours (24 at most, RFC 8292 §2), and used for half of that.
const GOOD: Duration = Duration::from_secs(12 * 3600);
/// Tokens kept, one for each push service; browsers know a handful.
const MAX_TOKENS: usize = 256;

/// The server's key pair: browsers are given the public half when they subscribe.
#[derive(Clone)]
pub struct VapidKey {
    secret: SecretKey,
    public: String,
}

/// Without the secret.
impl std::fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VapidKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl VapidKey {
    /// A new one.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn generate() -> Result<Self, Fault> {
        Ok(Self::of(fresh_key(&SystemRandom::new()).map_err(|error| Fault(error.to_string()))?))
    }

    /// Reads a private key as [`Self::private`] shows it.
    ///
    /// # Errors
    /// It is no such key.
    pub fn parse(private: &str) -> Result<Self, Fault> {
        let bytes = URL_SAFE_NO_PAD.decode(private.trim().trim_end_matches('='));
        let secret = bytes.ok().filter(|bytes| bytes.len() == 32).and_then(|bytes| SecretKey::from_slice(&bytes).ok());
        secret.map(Self::of).ok_or_else(|| Fault("the VAPID key is none: `parlor genvapid` makes one".to_owned()))
    }

    fn of(secret: SecretKey) -> Self {
        let public = URL_SAFE_NO_PAD.encode(secret.public_key().to_encoded_point(false));
        Self { secret, public }
    }

    /// The secret half: 32 bytes in base64url.
    pub fn private(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secret.to_bytes())
    }

    /// The public half, a browser's `applicationServerKey`: 65 bytes in base64url.
    pub fn public(&self) -> &str {
        &self.public
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

/// Makes tokens, one for each push service, and keeps them while they are good.
pub(super) struct Vapid {
    key: EncodingKey,
    public: String,
    subject: String,
    tokens: Mutex<HashMap<String, Token>>,
}

#[derive(Clone)]
struct Token {
    header: Arc<str>,
    renew_at: u64,
}

impl Vapid {
    /// `subject` is whom a service writes to when something is wrong: `mailto:…` or `https://…` (RFC 8292 §2.1).
    pub(super) fn new(key: &VapidKey, subject: &str) -> Result<Self, Fault> {
        if !subject.starts_with("mailto:") && !subject.starts_with("https://") {
            return Err(Fault("the VAPID subject is neither mailto: nor https://".to_owned()));
        }
        let der = key.secret.to_pkcs8_der().map_err(|error| Fault(error.to_string()))?;
        Ok(Self {
            key: EncodingKey::from_ec_der(der.as_bytes()),
            public: key.public.clone(),
            subject: subject.to_owned(),
            tokens: Mutex::default(),
        })
    }

    /// The Authorization header for a service, known by its origin.
    pub(super) fn authorization(&self, origin: &str) -> Result<Arc<str>, jsonwebtoken::errors::Error> {
        let now = u64::try_from(Timestamp::now().0 / 1000).unwrap_or(0);
        if let Some(token) = self.tokens.lock().get(origin).filter(|token| now < token.renew_at) {
            return Ok(token.header.clone());
        }
        let claims = Claims { aud: origin, exp: now + GOOD.as_secs(), sub: &self.subject };
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key)?;
        let header: Arc<str> = format!("vapid t={signed}, k={}", self.public).into();
        let mut tokens = self.tokens.lock();
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.insert(origin.to_owned(), Token { header: header.clone(), renew_at: now + GOOD.as_secs() / 2 });
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_it_was_shown() {
        let key = VapidKey::generate().expect("a key");
        let again = VapidKey::parse(&key.private()).expect("the same key");
        assert_eq!((again.public(), again.private()), (key.public(), key.private()));
        assert_eq!(URL_SAFE_NO_PAD.decode(key.public()).expect("base64url").len(), 65);
        for wrong in ["", "AAAA", &"A".repeat(43), &key.public] {
            assert!(VapidKey::parse(wrong).is_err(), "{wrong}");
        }
        assert!(!format!("{key:?}").contains(&key.private()));
    }

    #[test]
    fn a_token_is_made_once_for_each_service() {
        let vapid = Vapid::new(&VapidKey::generate().expect("a key"), "mailto:ops@example.com").expect("it fits");
        let one = vapid.authorization("https://a.example.net").expect("signed");
        assert_eq!(one, vapid.authorization("https://a.example.net").expect("signed"));
        assert_ne!(one, vapid.authorization("https://b.example.net").expect("signed"));
        assert!(Vapid::new(&VapidKey::generate().expect("a key"), "ops@example.com").is_err());
    }
}
