//! Who the clients say they are.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

/// Guests, or users with tokens.
pub(crate) struct Identities {
    /// Signs tokens (HS256). None: all are guests.
    secret: Option<String>,
    /// Of this run alone: users who come again have rooms already.
    run: u32,
}

/// What a client that comes back shows of the session that it had (socket.io-client, `Socket._sendConnectPacket`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) pid: Option<String>,
    pub(crate) offset: Option<String>,
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
        Self { secret, run: rand::random() }
    }

    /// A user's id; none, if they are guests: then the server gives them one.
    pub(crate) fn user(&self, number: usize) -> Option<String> {
        self.secret.is_some().then(|| self.user_id(number))
    }

    fn user_id(&self, number: usize) -> String {
        format!("swarm-{:08x}-{number}", self.run)
    }

    /// What a client presents on its first CONNECT, in JSON.
    ///
    /// # Errors
    /// The secret cannot sign.
    pub(crate) fn auth(&self, number: usize) -> Result<String> {
        self.auth_again(number, &Past::default())
    }

    /// What a client presents that had a session, in JSON.
    ///
    /// # Errors
    /// The secret cannot sign.
    pub(crate) fn auth_again(&self, number: usize, past: &Past) -> Result<String> {
        let name = format!("swarm {number}");
        let mut auth = match &self.secret {
            None => serde_json::json!({ "name": name, "vocabulary": "dotted" }),
            Some(secret) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                let sub = self.user_id(number);
                let claims = Claims { sub, name, iss: "parlor", aud: "parlor", iat: now, exp: now + 3600 };
                let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
                let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
                serde_json::json!({ "token": token, "vocabulary": "dotted" })
            }
        };
        if let Some(pid) = &past.pid {
            auth["pid"] = pid.as_str().into();
            // As a client that has heard no offset: the field is left out.
            if let Some(offset) = &past.offset {
                auth["offset"] = offset.as_str().into();
            }
        }
        Ok(auth.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_shows_its_private_id_and_its_offset() {
        let identities = Identities::new(None);
        let auth = |pid: Option<&str>, offset: Option<&str>| -> serde_json::Value {
            let past = Past { pid: pid.map(Into::into), offset: offset.map(Into::into) };
            serde_json::from_str(&identities.auth_again(7, &past).unwrap()).unwrap()
        };
        let both = auth(Some("p"), Some("o"));
        assert_eq!((&both["pid"], &both["offset"], &both["name"]), (&"p".into(), &"o".into(), &"swarm 7".into()));
        assert_eq!(auth(Some("p"), None).get("offset"), None);
        assert_eq!(auth(None, Some("o")).get("offset"), None, "without a private id a stock client sends neither");
    }
}
