//! The directory of public device keys. Signed-in users may look any user up, as they may write to any user; how often
//! is limited, so that nobody uses up another's one-time keys.

use std::sync::Arc;

use parlor_core::device::{Bundle, DeviceKeys};
use parlor_core::error::ChatError;
use parlor_core::ids::UserId;
use parlor_core::ports::keys::{MAX_KEY_BYTES, MAX_KEY_ID_CHARS, MAX_ONE_TIME_KEYS};

use super::Reply;
use super::devices::busy;
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Publishes, and answers with the device as others see it: so it knows how many one-time keys are left.
pub(super) async fn publish(shared: &Arc<Shared>, caller: &Caller, bundle: &Bundle, reply: Reply) {
    let publish = async {
        check(bundle)?;
        shared.limiter.pass(&caller.user.id, "keys", shared.config.limits.keys).await?;
        let left = shared.ports.keys.publish(&caller.user.id, bundle).await.map_err(|away| busy(&away))?;
        Ok(DeviceKeys {
            user: caller.user.id.clone(),
            device: bundle.device.clone(),
            identity_key: bundle.identity_key.clone(),
            signed_key: bundle.signed_key.clone(),
            signature: bundle.signature.clone(),
            one_time_key: None,
            left,
        })
    };
    let published = publish.await;
    reply.settle(published.as_ref().map(|keys| Answer::Keys(std::slice::from_ref(keys))).map_err(ChatError::clone));
}

pub(super) async fn look_up(shared: &Arc<Shared>, caller: &Caller, users: &[UserId], reply: Reply) {
    let look_up = async {
        shared.limiter.pass(&caller.user.id, "keys", shared.config.limits.keys).await?;
        shared.ports.keys.keys(users).await.map_err(|away| busy(&away))
    };
    let found = look_up.await;
    reply.settle(found.as_ref().map(|keys| Answer::Keys(keys)).map_err(ChatError::clone));
}

pub(super) async fn claim(shared: &Arc<Shared>, caller: &Caller, user: &UserId, device: Option<String>, reply: Reply) {
    let claim = async {
        let keys = &shared.ports.keys;
        shared.limiter.pass(&caller.user.id, "key_claim", shared.config.limits.key_claim).await?;
        let devices = match device {
            Some(device) => vec![id("deviceId", device)?],
            None => {
                let all = keys.keys(std::slice::from_ref(user)).await.map_err(|away| busy(&away))?;
                all.into_iter().map(|keys| keys.device).collect()
            }
        };
        let mut claimed = Vec::with_capacity(devices.len());
        for device in devices {
            claimed.extend(keys.claim(user, &device).await.map_err(|away| busy(&away))?);
        }
        if claimed.is_empty() { Err(ChatError::not_found("device")) } else { Ok(claimed) }
    };
    let claimed = claim.await;
    reply.settle(claimed.as_ref().map(|keys| Answer::Keys(keys)).map_err(ChatError::clone));
}

fn check(bundle: &Bundle) -> Result<(), ChatError> {
    id("deviceId", bundle.device.clone())?;
    key("identityKey", &bundle.identity_key)?;
    key("signedKey", &bundle.signed_key)?;
    key("signature", &bundle.signature)?;
    if bundle.one_time_keys.len() > MAX_ONE_TIME_KEYS {
        return Err(ChatError::field("oneTimeKeys", format!("`oneTimeKeys` has more than {MAX_ONE_TIME_KEYS} keys")));
    }
    bundle.one_time_keys.iter().try_for_each(|one| {
        id("oneTimeKeys", one.id.clone())?;
        key("oneTimeKeys", &one.key)
    })
}

fn id(field: &'static str, text: String) -> Result<String, ChatError> {
    let fits = (1..=MAX_KEY_ID_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then_some(text).ok_or_else(|| {
        ChatError::field(field, format!("an id in `{field}` has 1 to {MAX_KEY_ID_CHARS} characters, none of control"))
    })
}

/// Base64 in either alphabet: the server looks no further.
fn key(field: &'static str, text: &str) -> Result<(), ChatError> {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    if text.is_empty() || text.len() > MAX_KEY_BYTES || !text.bytes().all(base64) {
        let message = format!("a key in `{field}` is base64 of 1 to {MAX_KEY_BYTES} characters");
        return Err(ChatError::field(field, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use parlor_core::device::OneTimeKey;

    use super::*;

    fn bundle() -> Bundle {
        Bundle {
            device: "phone".into(),
            identity_key: "aWRlbnRpdHk=".into(),
            signed_key: "c2lnbmVk-_".into(),
            signature: "c2lnbmF0dXJl+/".into(),
            one_time_keys: vec![OneTimeKey { id: "1".into(), key: "a2V5".into() }],
        }
    }

    #[test]
    fn keys_are_base64_of_bounded_length_and_few() {
        assert_eq!(check(&bundle()), Ok(()));
        let long = "a".repeat(MAX_KEY_BYTES + 1);
        for wrong in ["", "with space", "nul\u{0}", "ü", &long] {
            assert!(check(&Bundle { identity_key: wrong.into(), ..bundle() }).is_err());
            assert!(check(&Bundle { signature: wrong.into(), ..bundle() }).is_err());
        }
        assert!(check(&Bundle { device: "x".repeat(MAX_KEY_ID_CHARS + 1), ..bundle() }).is_err());
        assert!(check(&Bundle { device: "\n".into(), ..bundle() }).is_err());
        let one = bundle().one_time_keys[0].clone();
        let many = Bundle { one_time_keys: vec![one; MAX_ONE_TIME_KEYS + 1], ..bundle() };
        assert_eq!(check(&many).expect_err("too many").field, Some("oneTimeKeys"));
    }
}
