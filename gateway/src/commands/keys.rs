//! The directory of public device keys. Signed-in users may look any user up, as they may write to any user, who does
//! not block them.
//!
//! Nobody uses up another's one-time keys: a claimer gets a few of one owner's an hour ([`OF_ONE`]), which is enough to
//! open a session with each of their devices, and again after a reinstall, and is less than a device publishes anew. Where
//! none are left a claim is answered with the signed key, which has no end.

use std::sync::Arc;
use std::time::Duration;

use parlor_core::device::{Bundle, DeviceKeys};
use parlor_core::error::{ChatError, Code, Limit};
use parlor_core::ids::UserId;
use parlor_core::ports::keys::{MAX_KEY_BYTES, MAX_KEY_ID_CHARS, MAX_ONE_TIME_KEYS};

use super::Reply;
use super::devices::busy;
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Claims of one user from one other, whatever the device: a tenth of what one device may have waiting.
const OF_ONE: Limit = Limit { limit: 10, window: Duration::from_secs(3600) };

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
    let claimed = take(shared, caller, user, device).await;
    reply.settle(claimed.as_ref().map(|keys| Answer::Keys(keys)).map_err(ChatError::clone));
}

async fn take(
    shared: &Arc<Shared>,
    caller: &Caller,
    user: &UserId,
    device: Option<String>,
) -> Result<Vec<DeviceKeys>, ChatError> {
    let (keys, claimer) = (&shared.ports.keys, &caller.user.id);
    shared.limiter.pass(claimer, "key_claim", shared.config.limits.key_claim).await?;
    let devices = match device {
        Some(device) => vec![id("deviceId", device)?],
        None => {
            let all = keys.keys(std::slice::from_ref(user)).await.map_err(|away| busy(&away))?;
            all.into_iter().map(|keys| keys.device).collect()
        }
    };
    shared.limiter.pass_within(&pair(claimer, user), claimer, "key_claim_of_one", Some(OF_ONE)).await?;
    if shared.ports.safety.has_blocked(user, claimer).await.map_err(|away| busy(&away))? {
        return Err(ChatError::new(Code::Forbidden, "their keys cannot be claimed"));
    }
    let mut claimed = Vec::with_capacity(devices.len());
    for device in devices {
        claimed.extend(keys.claim(user, &device).await.map_err(|away| busy(&away))?);
    }
    if claimed.is_empty() { Err(ChatError::not_found("device")) } else { Ok(claimed) }
}

/// One name for two users, in that order: who has a window of their own in the tier that counts pairs.
fn pair(claimer: &UserId, owner: &UserId) -> UserId {
    let length = claimer.as_str().len();
    UserId::trusted(format!("{length}:{claimer}:{owner}"))
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
    use parlor_core::error::Code;
    use parlor_core::ports::keys::Keys;
    use parlor_core::ports::safety::Safety;
    use parlor_core::ports::store::Store;

    use super::*;
    use crate::stage::{Stage, caller, user};

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

    #[tokio::test]
    async fn nobody_uses_up_the_one_time_keys_of_another() {
        let (stage, ann) = (Stage::set().await, UserId::trusted("ann"));
        let keys = (0..MAX_ONE_TIME_KEYS).map(|n| OneTimeKey { id: n.to_string(), key: "a2V5".into() });
        let published = Bundle { one_time_keys: keys.collect(), ..bundle() };
        stage.store.publish(&ann, &published).await.expect("published");
        let claim = async |who: &str| take(&stage.shared, &caller(who), &ann, None).await;
        for _ in 0..OF_ONE.limit {
            assert!(claim("eve").await.expect("a device")[0].one_time_key.is_some());
        }
        let refused = claim("eve").await.expect_err("one too many");
        assert_eq!((refused.code, refused.limit), (Code::RateLimited, Some(OF_ONE)));
        assert!(refused.retry_after.is_some());
        let left = stage.store.keys(std::slice::from_ref(&ann)).await.expect("devices")[0].left;
        assert_eq!(left, 90, "a refused claim takes nothing");
        assert!(claim("ben").await.expect("another's claims")[0].one_time_key.is_some());
    }

    #[tokio::test]
    async fn who_is_blocked_claims_nothing() {
        let (stage, ann) = (Stage::set().await, UserId::trusted("ann"));
        stage.store.publish(&ann, &bundle()).await.expect("published");
        for name in ["ann", "eve"] {
            stage.store.see_user(&user(name)).await.expect("seen");
        }
        stage.store.block(&user("ann"), &user("eve").id, true, 10).await.expect("blocked");
        // The two have no room.
        let refused = take(&stage.shared, &caller("eve"), &ann, None).await;
        assert_eq!(refused.expect_err("blocked").code, Code::Forbidden);
        assert_eq!(stage.store.keys(&[ann]).await.expect("devices")[0].left, 1);
    }

    #[tokio::test]
    async fn where_no_one_time_key_is_left_the_signed_one_is_the_answer() {
        let (stage, ann) = (Stage::set().await, UserId::trusted("ann"));
        stage.store.publish(&ann, &bundle()).await.expect("published");
        let eve = caller("eve");
        for expected in [true, false] {
            let found = take(&stage.shared, &eve, &ann, None).await.expect("a device");
            assert_eq!(found[0].one_time_key.is_some(), expected);
            assert_eq!((&*found[0].signed_key, &*found[0].signature), ("c2lnbmVk-_", "c2lnbmF0dXJl+/"));
        }
    }
}
