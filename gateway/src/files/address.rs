//! Addresses that say by themselves who may use them and until when: for a PUT to a gateway, and for what a browser
//! fetches without a token, such as a picture on a page.
//!
//! `?token=EXPIRES.USER.MAC`: seconds since the epoch, the user's id and an HMAC-SHA256 (RFC 2104) over purpose, file,
//! user and expiry, the last two in base64url. The user is asked about again when the address is used: who was removed
//! from the room has lost it, and so has who signed out everywhere since it was made. Signing out on one device leaves it:
//! an address is the user's, not a session's.
//!
//! An address that a bucket signs cannot be taken back. Those for reading are given only by redirect from one of these,
//! and are good for five minutes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use parlor_core::file::File;
use parlor_core::ids::{FileId, UserId};
use parlor_core::time::Timestamp;
use sha2::Sha256;

use super::name::segment;
use super::{ADDRESS_LASTS, UPLOAD_LASTS};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Bringing the bytes.
    Put,
    /// Fetching them.
    Get,
}

impl Purpose {
    /// How long an address is good from its making; expiry is cut to the second.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::Put => UPLOAD_LASTS,
            Self::Get => ADDRESS_LASTS,
        }
    }
}

/// Makes addresses, and believes its own.
pub(crate) struct Addresses {
    /// The first one signs; the others are from before a change of secrets.
    keys: Vec<Hmac<Sha256>>,
    public_url: String,
}

impl Addresses {
    /// `secrets`: those that sign tokens too, the newest first.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>, public_url: &str) -> Self {
        let keys = secrets.into_iter().map(|secret| {
            // A key of its own for this use, so that nothing signed here can pass for something else.
            let mut key = hmac(secret.as_bytes());
            key.update(b"parlor file addresses");
            hmac(&key.finalize().into_bytes())
        });
        Self { keys: keys.collect(), public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// Where `user` may bring a file's bytes.
    pub(crate) fn put(&self, file: FileId, user: &UserId, expires: Timestamp) -> String {
        format!("{}/api/files/{file}?token={}", self.public_url, self.token(Purpose::Put, file, user, expires))
    }

    /// Where `user` may fetch a file.
    pub(crate) fn get(&self, file: &File, user: &UserId, expires: Timestamp) -> String {
        let token = self.token(Purpose::Get, file.id, user, expires);
        format!("{}/api/files/{}/{}?token={token}", self.public_url, file.id, segment(&file.name))
    }

    fn token(&self, purpose: Purpose, file: FileId, user: &UserId, expires: Timestamp) -> String {
        let seconds = expires.0.div_euclid(1000);
        let mac = self.keys.first().map(|key| signed(key, purpose, file, user, seconds).finalize().into_bytes());
        let (user, mac) = (URL_SAFE_NO_PAD.encode(user.as_str()), URL_SAFE_NO_PAD.encode(mac.unwrap_or_default()));
        format!("{seconds}.{user}.{mac}")
    }

    /// The user for whom an address was made, and when, at the latest. `None`: it was not made here, not for this, or is
    /// over.
    pub(crate) fn user(
        &self,
        purpose: Purpose,
        file: FileId,
        token: &str,
        now: Timestamp,
    ) -> Option<(UserId, Timestamp)> {
        let mut parts = token.split('.');
        let (seconds, user, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let seconds: i64 = seconds.parse().ok()?;
        if parts.next().is_some() || seconds < now.0.div_euclid(1000) {
            return None;
        }
        let user = UserId::parse(&String::from_utf8(URL_SAFE_NO_PAD.decode(user).ok()?).ok()?)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let good = |key| signed(key, purpose, file, &user, seconds).verify_slice(&mac).is_ok();
        let made = Timestamp(seconds * 1000).plus_millis(-i64::try_from(purpose.lasts().as_millis()).ok()?);
        self.keys.iter().any(good).then_some((user, made))
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn signed(key: &Hmac<Sha256>, purpose: Purpose, file: FileId, user: &UserId, seconds: i64) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(match purpose {
        Purpose::Put => b"put",
        Purpose::Get => b"get",
    });
    mac.update(file.0.as_bytes());
    mac.update(&seconds.to_be_bytes());
    // Last, so that its length needs no saying.
    mac.update(user.as_str().as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(url: &str) -> &str {
        url.split_once("?token=").expect("a token").1
    }

    #[test]
    fn an_address_is_good_for_its_user_file_and_purpose_until_it_expires() {
        let addresses = Addresses::new(["new secret", "old secret"], "https://chat.example.com/");
        let (file, user) = (FileId::now(), UserId::trusted("Ann / Ö"));
        let url = addresses.put(file, &user, Timestamp(60_000));
        assert!(url.starts_with(&format!("https://chat.example.com/api/files/{file}?token=60.")), "{url}");
        let (token, made) = (token(&url), Timestamp(60_000 - 15 * 60_000));
        assert_eq!(addresses.user(Purpose::Put, file, token, Timestamp(60_999)), Some((user.clone(), made)));
        assert_eq!(addresses.user(Purpose::Put, file, token, Timestamp(61_000)), None);
        assert_eq!(addresses.user(Purpose::Get, file, token, Timestamp(0)), None);
        assert_eq!(addresses.user(Purpose::Put, FileId::now(), token, Timestamp(0)), None);
        let later = token.replacen("60.", "6000.", 1);
        assert_eq!(addresses.user(Purpose::Put, file, &later, Timestamp(0)), None);
        for other in ["", "60", "60..", "60.QQ.AA", &format!("{token}.x"), &token[..token.len() - 1]] {
            assert_eq!(addresses.user(Purpose::Put, file, other, Timestamp(0)), None, "{other}");
        }
        let before = Addresses::new(["old secret"], "").put(file, &user, Timestamp(60_000));
        let before = before.split_once("?token=").expect("a token").1;
        assert_eq!(addresses.user(Purpose::Put, file, before, Timestamp(0)), Some((user, made)));
        let strange = Addresses::new(["guessed"], "");
        assert_eq!(strange.user(Purpose::Put, file, token, Timestamp(0)), None);
    }
}
