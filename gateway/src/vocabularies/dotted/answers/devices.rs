//! Answers about devices: the key for Web Push, public keys of users.

use parlor_core::device::DeviceKeys;
use parlor_core::ids::UserId;
use serde::Serialize;

use crate::vocabularies::outgoing::{Answer, Outgoing};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PushKey<'a> {
    public_key: &'a str,
}

#[derive(Serialize)]
struct Keys<'a> {
    devices: Vec<Device<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Device<'a> {
    user_id: &'a UserId,
    device_id: &'a str,
    identity_key: &'a str,
    signed_key: &'a str,
    signature: &'a str,
    /// In the answer to a claim, where one was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_key: Option<OneTime<'a>>,
    one_time_keys_left: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneTime<'a> {
    key_id: &'a str,
    key: &'a str,
}

impl<'a> From<&'a DeviceKeys> for Device<'a> {
    fn from(keys: &'a DeviceKeys) -> Self {
        Self {
            user_id: &keys.user,
            device_id: &keys.device,
            identity_key: &keys.identity_key,
            signed_key: &keys.signed_key,
            signature: &keys.signature,
            one_time_key: keys.one_time_key.as_ref().map(|one| OneTime { key_id: &one.id, key: &one.key }),
            one_time_keys_left: keys.left,
        }
    }
}

/// What was asked, as an event for who asked without an ack. `None`: an answer about something else.
pub(super) fn asked(answer: &Answer<'_>) -> Option<Outgoing> {
    match *answer {
        Answer::PushKey(public_key) => Some(Outgoing::new("push.key.response", &PushKey { public_key })),
        Answer::Keys(keys) => {
            let devices = keys.iter().map(Device::from).collect();
            Some(Outgoing::new("keys.response", &Keys { devices }))
        }
        _ => None,
    }
}
