//! Firebase Cloud Messaging, HTTP v1, with the access tokens of a service account (RFC 7523).

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use parlor_core::device::Address;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::push::{Notification, PushError, PushProvider};
use parlor_core::time::Timestamp;
use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::payload::payload;
use super::{Fault, http};

/// Where Google serves it.
pub const ENDPOINT: &str = "https://fcm.googleapis.com";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google lets an assertion be good.
const ASSERTION_GOOD: u64 = 3600;
/// A token is renewed this long before it ends.
const MARGIN: Duration = Duration::from_secs(120);

/// What FCM needs.
#[derive(Clone)]
pub struct Config {
    /// The service account's key file, as Google gives it (JSON).
    pub service_account: String,
    /// [`ENDPOINT`], or a stand-in.
    pub endpoint: String,
}

/// Without the key.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ServiceAccount {
    project_id: String,
    client_email: String,
    private_key: String,
    token_uri: String,
}

/// Pushes to Android.
pub struct Fcm {
    client: Client,
    url: String,
    email: String,
    token_uri: String,
    key: EncodingKey,
    token: Mutex<Option<Token>>,
    /// Whoever renews the token has it: the others wait for the result.
    renewing: Semaphore,
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    renew_at: Instant,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Fcm {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(config: &Config) -> Result<Self, Fault> {
        let wrong = |what: &str| Fault(format!("the FCM service account {what}"));
        let account: ServiceAccount = serde_json::from_str(&config.service_account)
            .map_err(|error| wrong(&format!("is no key file: {error}")))?;
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes())
            .map_err(|error| wrong(&format!("has no usable private_key: {error}")))?;
        Ok(Self {
            client: http::build(http::client())?,
            url: format!("{}/v1/projects/{}/messages:send", config.endpoint.trim_end_matches('/'), account.project_id),
            email: account.client_email,
            token_uri: account.token_uri,
            key,
            token: Mutex::new(None),
            renewing: Semaphore::new(1),
        })
    }

    fn known_token(&self) -> Option<Arc<str>> {
        let token = self.token.lock();
        token.as_ref().filter(|token| Instant::now() < token.renew_at).map(|token| token.text.clone())
    }

    async fn token(&self) -> Result<Arc<str>, PushError> {
        if let Some(token) = self.known_token() {
            return Ok(token);
        }
        let _turn = self.renewing.acquire().await;
        if let Some(token) = self.known_token() {
            return Ok(token);
        }
        let granted = self.renew().await?;
        let good = Duration::from_secs(granted.expires_in);
        let used = good.saturating_sub(MARGIN).max(good / 2);
        let text: Arc<str> = granted.access_token.into();
        *self.token.lock() = Some(Token { text: text.clone(), renew_at: Instant::now() + used });
        Ok(text)
    }

    async fn renew(&self) -> Result<Granted, PushError> {
        let now = u64::try_from(Timestamp::now().0 / 1000).unwrap_or(0);
        let assertion =
            Assertion { iss: &self.email, scope: SCOPE, aud: &self.token_uri, iat: now, exp: now + ASSERTION_GOOD };
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &assertion, &self.key)
            .map_err(|error| PushError::Rejected(format!("no assertion can be signed: {error}")))?;
        let form = [("grant_type", GRANT), ("assertion", &signed)];
        let answer = http::ask(self.client.post(&self.token_uri).form(&form)).await?;
        if answer.status != StatusCode::OK {
            let refused = || PushError::Rejected(format!("no access token: {}", answer.refusal()));
            return Err(answer.retry().unwrap_or_else(refused));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| PushError::Rejected("no access token in the answer of the token endpoint".to_owned()))
    }

    /// A token that was refused is not used again.
    fn forget(&self, refused: &str) {
        self.token.lock().take_if(|token| *token.text == *refused);
    }
}

#[async_trait]
impl PushProvider for Fcm {
    async fn send(&self, to: &Subscription, notification: &Notification) -> Result<(), PushError> {
        let Address::Fcm { token: device } = &to.address else { return Err(PushError::Gone) };
        let token = self.token().await?;
        let id = notification.message.to_string();
        let mut shown = json!({ "title": notification.title });
        if let Some(body) = &notification.body {
            shown["body"] = Value::from(body.as_str());
        }
        let message = json!({ "message": {
            "token": device,
            "notification": shown,
            "data": payload(notification),
            "android": {
                "collapse_key": id,
                "priority": "HIGH",
                "ttl": format!("{}s", notification.ttl.as_secs()),
                // What is shown already under this tag is replaced.
                "notification": { "tag": id },
            },
        }});
        let answer = http::ask(self.client.post(&self.url).bearer_auth(&token).json(&message)).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let error = Refusal::of(&answer.body);
        match (answer.status, error.code.as_str()) {
            // The documented words for a token that is over, or was never this project's.
            (_, "UNREGISTERED" | "SENDER_ID_MISMATCH") => Err(PushError::Gone),
            (StatusCode::BAD_REQUEST, _) if error.field == "message.token" => Err(PushError::Gone),
            (StatusCode::UNAUTHORIZED, _) => {
                self.forget(&token);
                Err(PushError::Retry { after: None, reason: "the access token was refused".to_owned() })
            }
            _ => Err(answer.retry().unwrap_or_else(|| PushError::Rejected(answer.refusal()))),
        }
    }
}

/// The two details of an error that say what to do (`google.firebase.fcm.v1.FcmError`, `google.rpc.BadRequest`).
#[derive(Default)]
struct Refusal {
    code: String,
    field: String,
}

impl Refusal {
    fn of(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut refusal = Self::default();
        for detail in body["error"]["details"].as_array().into_iter().flatten() {
            if let Some(code) = detail["errorCode"].as_str() {
                refusal.code = code.to_owned();
            }
            if let Some(field) = detail["fieldViolations"][0]["field"].as_str() {
                refusal.field = field.to_owned();
            }
        }
        refusal
    }
}
