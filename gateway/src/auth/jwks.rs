//! The keys of an external issuer: a JSON Web Key Set (RFC 7517) at a configured URL. What a token says about where its
//! key is (`jku`, `x5u`, `jwk`, `x5c`) is never looked at.
//!
//! The set is fetched when it is first needed, again for a key id that it lacks (at most once a minute), and beside the
//! work when it is ten minutes old. Until the next set is here the one before serves: an issuer that is away, or that
//! brings a new key in, disturbs nobody. A key that left the set is refused from the next set on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Invalid;

/// Between two fetches that unknown key ids cause.
const AGAIN: Duration = Duration::from_secs(60);
/// After one that failed.
const RETRY: Duration = Duration::from_secs(5);
/// A set as old as this is fetched anew.
const AGE: Duration = Duration::from_secs(600);
/// For one fetch.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a set may hold.
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 100;

/// Where the keys are.
pub(crate) struct Issuer {
    url: String,
    algorithm: Algorithm,
    keys: ArcSwapOption<Keys>,
    /// When the next fetch may begin. Held while one is under way.
    next: Mutex<Option<Instant>>,
    /// The last fetch failed: whether a key exists is not known.
    failed: AtomicBool,
}

struct Keys {
    fetched: Instant,
    keys: Vec<(Option<String>, DecodingKey)>,
}

impl Keys {
    /// A token that names no key is good only where there is one key to name.
    fn find(&self, kid: Option<&str>) -> Option<DecodingKey> {
        let found = match kid {
            Some(kid) => self.keys.iter().find(|(id, _)| id.as_deref() == Some(kid)),
            None => Some(&self.keys).filter(|keys| keys.len() == 1).and_then(|keys| keys.first()),
        };
        found.map(|(_, key)| key.clone())
    }
}

impl Issuer {
    pub(crate) fn new(url: String, algorithm: Algorithm) -> Arc<Self> {
        Arc::new(Self {
            url,
            algorithm,
            keys: ArcSwapOption::empty(),
            next: Mutex::new(None),
            failed: AtomicBool::new(false),
        })
    }

    /// The key with that id.
    ///
    /// # Errors
    /// There is none, or the set cannot be had.
    pub(crate) async fn key(self: &Arc<Self>, kid: Option<&str>) -> Result<DecodingKey, Invalid> {
        let known = self.keys.load_full();
        if let Some(key) = known.as_ref().and_then(|keys| keys.find(kid)) {
            if known.is_some_and(|keys| keys.fetched.elapsed() >= AGE) {
                let issuer = self.clone();
                tokio::spawn(async move { issuer.renew(true).await });
            }
            return Ok(key);
        }
        self.renew(false).await;
        let keys = self.keys.load_full();
        keys.and_then(|keys| keys.find(kid)).ok_or_else(|| {
            let reason = String::from("no such key in the issuer's set");
            if self.failed.load(Ordering::Acquire) { Invalid::Away(reason) } else { Invalid::Token(reason) }
        })
    }

    /// Fetches the set, if its time has come; one at a time, and those who waited use what it brought.
    async fn renew(&self, unless_under_way: bool) {
        let mut next = if unless_under_way {
            let Ok(next) = self.next.try_lock() else { return };
            next
        } else {
            self.next.lock().await
        };
        if next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let fetched = fetch(&self.url, self.algorithm).await;
        self.failed.store(fetched.is_err(), Ordering::Release);
        let wait = match fetched {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the issuer's keys were read");
                self.keys.store(Some(Arc::new(Keys { fetched: Instant::now(), keys })));
                AGAIN
            }
            Err(error) => {
                tracing::warn!(error, "the issuer's keys cannot be read; those that are known still hold");
                metrics::counter!("parlor_jwks_failures_total").increment(1);
                RETRY
            }
        };
        *next = Some(Instant::now() + wait);
    }
}

async fn fetch(url: &str, algorithm: Algorithm) -> Result<Vec<(Option<String>, DecodingKey)>, String> {
    // Chosen once for the process; whoever was first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())?;
    let mut response = client.get(url).send().await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("the answer is {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| error.to_string())? {
        if body.len() + part.len() > MAX_BYTES {
            return Err(format!("the set has more than {MAX_BYTES} bytes"));
        }
        body.extend_from_slice(&part);
    }
    let set: JwkSet = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let usable = set.keys.iter().filter(|key| fits(key, algorithm)).take(MAX_KEYS);
    Ok(usable.filter_map(|key| Some((key.common.key_id.clone(), DecodingKey::from_jwk(key).ok()?))).collect())
}

/// Whether a key is one that may sign with the configured algorithm. A symmetric key in a public set is never one.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let for_signing = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let said = key.common.key_algorithm.is_none_or(|said| said.to_string() == format!("{algorithm:?}"));
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    for_signing && said && kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(json: &str) -> Jwk {
        serde_json::from_str(json).expect("a key")
    }

    #[test]
    fn only_keys_of_the_configured_algorithm_are_taken() {
        let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}"#;
        assert!(fits(&jwk(ed), Algorithm::EdDSA));
        assert!(!fits(&jwk(ed), Algorithm::RS256));
        assert!(!fits(&jwk(&ed.replace("\"kid\"", "\"use\":\"enc\",\"kid\"")), Algorithm::EdDSA));
        assert!(fits(&jwk(&ed.replace("\"kid\"", "\"alg\":\"EdDSA\",\"kid\"")), Algorithm::EdDSA));
        assert!(!fits(&jwk(&ed.replace("\"kid\"", "\"alg\":\"ES256\",\"kid\"")), Algorithm::EdDSA));
        assert!(!fits(&jwk(r#"{"kty":"oct","k":"c2VjcmV0","kid":"a"}"#), Algorithm::RS256));
    }

    #[test]
    fn a_token_without_a_key_id_needs_a_set_of_one() {
        let key = |id: &str| (Some(id.to_owned()), DecodingKey::from_secret(b"x"));
        let one = Keys { fetched: Instant::now(), keys: vec![key("a")] };
        assert!(one.find(None).is_some() && one.find(Some("a")).is_some() && one.find(Some("b")).is_none());
        let two = Keys { fetched: Instant::now(), keys: vec![key("a"), key("b")] };
        assert!(two.find(None).is_none() && two.find(Some("b")).is_some());
    }
}
