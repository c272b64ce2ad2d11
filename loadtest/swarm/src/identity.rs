//! Who the clients say they are.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

/// Guests, or users with tokens.
pub(crate) struct Identities {
    /// Signs tokens (HS256). None: all are guests.
    secret: Option<String>,
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    name: String,
    iss: &'static str,
    aud: &'static str,
    iat: u64,
    exp: u64,
}

impl Identities {
    pub(crate) fn new(secret: Option<String>) -> Self {
        Self { secret }
    }

    /// What a client presents on CONNECT, in JSON.
    ///
    /// # Errors
    /// The secret cannot sign.
    pub(crate) fn auth(&self, number: usize) -> Result<String> {
        let name = format!("swarm {number}");
        let auth = match &self.secret {
            None => serde_json::json!({ "name": name, "vocabulary": "dotted" }),
            Some(secret) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                let sub = format!("swarm-{number}");
                let claims = Claims { sub, name, iss: "parlor", aud: "parlor", iat: now, exp: now + 3600 };
                let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
                let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
                serde_json::json!({ "token": token, "vocabulary": "dotted" })
            }
        };
        Ok(auth.to_string())
    }
}
