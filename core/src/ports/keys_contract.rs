//! The contract of [`super::keys`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::keys_contract!(make())`, where `make` gives a [`Subject`] that is empty.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::keys::{Keys, MAX_DEVICES, MAX_ONE_TIME_KEYS};
use crate::device::{Bundle, DeviceKeys, OneTimeKey};
use crate::ids::UserId;

/// One promise a test.
#[macro_export]
macro_rules! keys_contract {
    ($make:expr) => {
        $crate::keys_contract!(@ $make;
            what_a_device_publishes_is_found_as_it_was
            publishing_again_replaces_the_signed_key_and_adds_one_time_keys
            one_time_keys_are_claimed_in_order_and_then_there_are_none
            each_one_time_key_is_claimed_once_however_many_claim_at_once
            a_key_that_was_published_before_is_not_taken_again
            no_more_keys_wait_than_may
            a_new_identity_key_is_a_new_device
            with_one_device_too_many_the_oldest_goes
            a_device_is_forgotten_by_its_user_alone
            nobody_claims_from_a_device_that_is_not_there
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let subject = $make.await;
                $crate::ports::keys_contract::$promise(&subject).await;
                $crate::ports::keys_contract::Subject::close(subject).await;
            }
        )*
    };
}

/// An implementation under test, empty.
#[async_trait]
pub trait Subject: Send + Sync {
    /// What is tried.
    fn keys(&self) -> Arc<dyn Keys>;
    /// Removes what was made for the test.
    async fn close(self);
}

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

fn one_time(ids: impl IntoIterator<Item = usize>) -> Vec<OneTimeKey> {
    ids.into_iter().map(|n| OneTimeKey { id: n.to_string(), key: format!("key {n} ☎=+/") }).collect()
}

fn published(device: &str, ids: impl IntoIterator<Item = usize>) -> Bundle {
    Bundle {
        device: device.into(),
        identity_key: format!("identity of {device}"),
        signed_key: "a signed key".into(),
        signature: "its signature".into(),
        one_time_keys: one_time(ids),
    }
}

fn found(owner: &str, published: &Bundle, left: u32) -> DeviceKeys {
    DeviceKeys {
        user: user(owner),
        device: published.device.clone(),
        identity_key: published.identity_key.clone(),
        signed_key: published.signed_key.clone(),
        signature: published.signature.clone(),
        one_time_key: None,
        left,
    }
}

async fn claim(subject: &impl Subject, owner: &str, device: &str) -> Option<String> {
    let claimed = subject.keys().claim(&user(owner), device).await.expect("an answer");
    claimed.expect("a device").one_time_key.map(|key| key.id)
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn what_a_device_publishes_is_found_as_it_was<S: Subject>(subject: &S) {
        let keys = subject.keys();
        let (phone, laptop) = (published("phone", 0..3), published("laptop", []));
        assert_eq!(keys.publish(&user("ann"), &phone).await.expect("published"), 3);
        assert_eq!(keys.publish(&user("ann"), &laptop).await.expect("published"), 0);
        assert_eq!(keys.publish(&user("bob"), &phone).await.expect("published"), 3);
        let all = keys.keys(&[user("bob"), user("ann"), user("eve"), user("ann")]).await.expect("devices");
        assert_eq!(all, [found("ann", &laptop, 0), found("ann", &phone, 3), found("bob", &phone, 3)]);
        assert!(keys.keys(&[user("eve")]).await.expect("devices").is_empty());
    }

    pub async fn publishing_again_replaces_the_signed_key_and_adds_one_time_keys<S: Subject>(subject: &S) {
        let (keys, ann) = (subject.keys(), user("ann"));
        keys.publish(&ann, &published("phone", 0..2)).await.expect("published");
        let (signed_key, signature) = ("another".into(), "and its signature".into());
        let again = Bundle { signed_key, signature, ..published("phone", 2..4) };
        assert_eq!(keys.publish(&ann, &again).await.expect("published"), 4);
        assert_eq!(keys.keys(&[ann]).await.expect("devices"), [found("ann", &again, 4)]);
    }

    pub async fn one_time_keys_are_claimed_in_order_and_then_there_are_none<S: Subject>(subject: &S) {
        let (keys, ann, phone) = (subject.keys(), user("ann"), published("phone", [7, 3]));
        keys.publish(&ann, &phone).await.expect("published");
        for (key, left) in [(7, 1), (3, 0)] {
            let claimed = keys.claim(&ann, "phone").await.expect("an answer").expect("a device");
            let one_time_key = one_time([key]).pop();
            assert_eq!(claimed, DeviceKeys { one_time_key, ..found("ann", &phone, left) });
        }
        let claimed = keys.claim(&ann, "phone").await.expect("an answer");
        assert_eq!(claimed, Some(found("ann", &phone, 0)));
    }

    pub async fn each_one_time_key_is_claimed_once_however_many_claim_at_once<S: Subject>(subject: &S) {
        const KEYS: usize = 20;
        subject.keys().publish(&user("ann"), &published("phone", 0..KEYS)).await.expect("published");
        let claims: Vec<_> = (0..2 * KEYS)
            .map(|_| {
                let keys = subject.keys();
                tokio::spawn(async move { keys.claim(&user("ann"), "phone").await.expect("an answer") })
            })
            .collect();
        let mut handed_out = Vec::new();
        for claimed in claims {
            handed_out.extend(claimed.await.expect("no panic").expect("a device").one_time_key.map(|key| key.id));
        }
        // Whoever came while others had the last ones in hand may have got none; what is left is still there once.
        while let Some(key) = claim(subject, "ann", "phone").await {
            handed_out.push(key);
        }
        assert_eq!(handed_out.len(), KEYS);
        assert_eq!(handed_out.into_iter().collect::<BTreeSet<_>>().len(), KEYS);
    }

    pub async fn a_key_that_was_published_before_is_not_taken_again<S: Subject>(subject: &S) {
        let (keys, ann) = (subject.keys(), user("ann"));
        keys.publish(&ann, &published("phone", 0..2)).await.expect("published");
        assert_eq!(claim(subject, "ann", "phone").await.as_deref(), Some("0"));
        let again = keys.publish(&ann, &published("phone", [0, 1, 2, 2])).await.expect("published");
        assert_eq!(again, 2, "1 waits, 2 is new, 0 was claimed");
        assert_eq!(claim(subject, "ann", "phone").await.as_deref(), Some("1"));
        assert_eq!(claim(subject, "ann", "phone").await.as_deref(), Some("2"));
        assert_eq!(claim(subject, "ann", "phone").await, None);
    }

    pub async fn no_more_keys_wait_than_may<S: Subject>(subject: &S) {
        let (keys, ann) = (subject.keys(), user("ann"));
        let most = u32::try_from(MAX_ONE_TIME_KEYS).expect("few");
        let left = keys.publish(&ann, &published("phone", 0..MAX_ONE_TIME_KEYS - 1)).await.expect("published");
        assert_eq!(left, most - 1);
        let more = MAX_ONE_TIME_KEYS..MAX_ONE_TIME_KEYS + 10;
        assert_eq!(keys.publish(&ann, &published("phone", more.clone())).await.expect("published"), most);
        claim(subject, "ann", "phone").await;
        assert_eq!(keys.publish(&ann, &published("phone", more)).await.expect("published"), most);
    }

    pub async fn a_new_identity_key_is_a_new_device<S: Subject>(subject: &S) {
        let (keys, ann) = (subject.keys(), user("ann"));
        keys.publish(&ann, &published("phone", 0..5)).await.expect("published");
        claim(subject, "ann", "phone").await;
        let new = Bundle { identity_key: "another".into(), ..published("phone", [0]) };
        assert_eq!(keys.publish(&ann, &new).await.expect("published"), 1);
        assert_eq!(claim(subject, "ann", "phone").await.as_deref(), Some("0"));
        assert_eq!(claim(subject, "ann", "phone").await, None);
    }

    pub async fn with_one_device_too_many_the_oldest_goes<S: Subject>(subject: &S) {
        let (keys, ann) = (subject.keys(), user("ann"));
        for n in 0..=MAX_DEVICES {
            keys.publish(&ann, &published(&format!("device {n:02}"), [0])).await.expect("published");
            // So that the order is certain however coarse the clock.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        let kept: Vec<String> = keys.keys(&[ann]).await.expect("devices").into_iter().map(|d| d.device).collect();
        assert_eq!(kept.len(), MAX_DEVICES);
        assert_eq!(kept[0], "device 01");
    }

    pub async fn a_device_is_forgotten_by_its_user_alone<S: Subject>(subject: &S) {
        let (keys, ann) = (subject.keys(), user("ann"));
        keys.publish(&ann, &published("phone", 0..5)).await.expect("published");
        assert!(!keys.forget(&user("eve"), "phone").await.expect("an answer"));
        assert!(keys.forget(&ann, "phone").await.expect("an answer"));
        assert!(!keys.forget(&ann, "phone").await.expect("an answer"));
        assert!(keys.keys(&[ann]).await.expect("devices").is_empty());
    }

    pub async fn nobody_claims_from_a_device_that_is_not_there<S: Subject>(subject: &S) {
        subject.keys().publish(&user("ann"), &published("phone", 0..5)).await.expect("published");
        for (owner, device) in [("ann", "laptop"), ("eve", "phone")] {
            assert_eq!(subject.keys().claim(&user(owner), device).await.expect("an answer"), None);
        }
    }
}

pub use promises::*;
