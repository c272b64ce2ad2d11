//! Push subscriptions and public keys: `push.*`, `keys.*`. What may be in them the commands check.

use parlor_core::command::Command;
use parlor_core::device::{Address, Bundle, OneTimeKey};
use parlor_core::error::ChatError;
use parlor_core::ids::UserId;
use serde::Deserialize;

use crate::vocabularies::payload::Payload;
use crate::vocabularies::rules::Rules;

/// As a browser's `PushSubscription.toJSON()` has them.
#[derive(Deserialize)]
struct BrowserKeys {
    p256dh: String,
    auth: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneTime {
    key_id: String,
    key: String,
}

fn required_text(payload: &Payload<'_>, field: &'static str) -> Result<String, ChatError> {
    payload.required(field, payload.text(field)?)
}

pub(super) fn subscribe(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    let kind =
        payload.word("kind", "web, fcm, apns", |kind| ["web", "fcm", "apns"].into_iter().find(|one| *one == kind))?;
    let address = match payload.required("kind", kind)? {
        "web" => {
            let endpoint = required_text(payload, "endpoint")?;
            let raw = payload.required("keys", payload.raw("keys"))?;
            let keys: BrowserKeys = serde_json::from_str(raw)
                .map_err(|_| ChatError::field("keys", "`keys` must be an object with p256dh and auth"))?;
            Address::Web { endpoint, p256dh: keys.p256dh, auth: keys.auth }
        }
        "fcm" => Address::Fcm { token: required_text(payload, "token")? },
        _ => Address::Apns { token: required_text(payload, "token")? },
    };
    Ok(Command::Subscribe(address))
}

pub(super) fn unsubscribe(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    let address = payload.text("endpoint")?.or(payload.text("token")?);
    Ok(Command::Unsubscribe { address: payload.required("endpoint", address)? })
}

pub(super) fn publish(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    const ONE_TIME: &str = "`oneTimeKeys` must be a list of objects with keyId and key";
    let one_time: Vec<OneTime> = match payload.raw("oneTimeKeys") {
        None => Vec::new(),
        Some(raw) => serde_json::from_str(raw).map_err(|_| ChatError::field("oneTimeKeys", ONE_TIME))?,
    };
    Ok(Command::PublishKeys(Box::new(Bundle {
        device: required_text(payload, "deviceId")?,
        identity_key: required_text(payload, "identityKey")?,
        signed_key: required_text(payload, "signedKey")?,
        signature: required_text(payload, "signature")?,
        one_time_keys: one_time.into_iter().map(|one| OneTimeKey { id: one.key_id, key: one.key }).collect(),
    })))
}

pub(super) fn keys(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let users = payload.users("userIds", rules.max_page as usize)?;
    Ok(Command::Keys { users: payload.required("userIds", users)? })
}

pub(super) fn claim(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    let user = required_text(payload, "userId")?;
    let user = UserId::parse(&user).ok_or_else(|| ChatError::field("userId", "`userId` must be a user's id"))?;
    Ok(Command::ClaimKey { user, device: payload.text("deviceId")? })
}
