//! Apple Push Notification service: HTTP/2, with a signed provider token.

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

use super::payload::payload;
use super::{Fault, http};

/// Where Apple serves it.
pub const ENDPOINT: &str = "https://api.push.apple.com";
/// Apple refuses tokens older than 60 minutes, and ones that change more often than every 20.
const RENEW: Duration = Duration::from_secs(40 * 60);

/// What APNs needs.
#[derive(Clone)]
pub struct Config {
    /// The signing key as Apple gives it: the text of the `.p8` file.
    pub key: String,
    /// That key's id.
    pub key_id: String,
    /// The team's id.
    pub team: String,
    /// The app's bundle id.
    pub topic: String,
    /// [`ENDPOINT`], Apple's sandbox, or a stand-in.
    pub endpoint: String,
}

/// Without the key.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("topic", &self.topic).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Pushes to iOS and macOS.
pub struct Apns {
    client: Client,
    endpoint: String,
    topic: String,
    team: String,
    header: Header,
    key: EncodingKey,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    made: Instant,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
}

impl Apns {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(config: &Config) -> Result<Self, Fault> {
        let key = EncodingKey::from_ec_pem(config.key.as_bytes())
            .map_err(|error| Fault(format!("the APNs key is no .p8 file: {error}")))?;
        Ok(Self {
            // Apple speaks nothing else.
            client: http::build(http::client().http2_prior_knowledge())?,
            endpoint: config.endpoint.trim_end_matches('/').to_owned(),
            topic: config.topic.clone(),
            team: config.team.clone(),
            header: Header { kid: Some(config.key_id.clone()), typ: None, ..Header::new(Algorithm::ES256) },
            key,
            token: Mutex::new(None),
        })
    }

    /// One token for all: made under the lock, which is a fraction of a millisecond in 40 minutes.
    fn token(&self) -> Result<Arc<str>, PushError> {
        let mut token = self.token.lock();
        if let Some(token) = token.as_ref().filter(|token| token.made.elapsed() < RENEW) {
            return Ok(token.text.clone());
        }
        let iat = u64::try_from(Timestamp::now().0 / 1000).unwrap_or(0);
        let signed = jsonwebtoken::encode(&self.header, &Claims { iss: &self.team, iat }, &self.key)
            .map_err(|error| PushError::Rejected(format!("no token can be signed: {error}")))?;
        let text: Arc<str> = signed.into();
        *token = Some(Token { text: text.clone(), made: Instant::now() });
        Ok(text)
    }

    /// A token that was refused is not used again.
    fn forget(&self, refused: &str) {
        self.token.lock().take_if(|token| *token.text == *refused);
    }
}

#[async_trait]
impl PushProvider for Apns {
    async fn send(&self, to: &Subscription, notification: &Notification) -> Result<(), PushError> {
        let Address::Apns { token: device } = &to.address else { return Err(PushError::Gone) };
        // It becomes a part of the path.
        if device.is_empty() || !device.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PushError::Gone);
        }
        let token = self.token()?;
        let mut alert = json!({ "title": notification.title });
        if let Some(body) = &notification.body {
            alert["body"] = Value::from(body.as_str());
        }
        let mut body = json!({ "aps": {
            "alert": alert,
            "thread-id": notification.room.as_str(),
            // Lets the app decrypt or complete what is shown.
            "mutable-content": 1,
        }});
        for (name, value) in payload(notification).as_object().into_iter().flatten() {
            // Title and text are in the alert.
            if name != "title" && name != "body" {
                body[name] = value.clone();
            }
        }
        let ttl = i64::try_from(notification.ttl.as_secs()).unwrap_or(i64::MAX);
        let request = self
            .client
            .post(format!("{}/3/device/{device}", self.endpoint))
            .bearer_auth(&token)
            .header("apns-topic", &self.topic)
            .header("apns-push-type", "alert")
            .header("apns-priority", "10")
            .header("apns-expiration", (notification.time.0 / 1000).saturating_add(ttl))
            .header("apns-collapse-id", notification.message.to_string())
            .json(&body);
        let answer = http::ask(request).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (answer.status, refusal.reason.as_str()) {
            (StatusCode::GONE, _) | (StatusCode::BAD_REQUEST, "BadDeviceToken" | "DeviceTokenNotForTopic") => {
                Err(PushError::Gone)
            }
            (StatusCode::FORBIDDEN, "ExpiredProviderToken") => {
                self.forget(&token);
                Err(PushError::Retry { after: None, reason: refusal.reason })
            }
            _ => Err(answer.retry().unwrap_or_else(|| PushError::Rejected(answer.refusal()))),
        }
    }
}
