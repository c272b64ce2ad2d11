//! Push subscriptions: where a user's devices are told of messages while they are away.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlor_core::address::is_public;
use parlor_core::device::Address;
use parlor_core::error::{ChatError, Code};
use parlor_core::ports::devices::{MAX_ADDRESS_BYTES, Subscription};
use parlor_core::time::Timestamp;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::config::Push;
use crate::vocabularies::Answer;

/// The key with which browsers subscribe.
pub(crate) fn key(shared: &Shared, reply: Reply) {
    match &shared.config.push.web_key {
        Some(key) => reply.ok(&Answer::PushKey(key)),
        None => reply.refuse(&unavailable("Web Push")),
    }
}

pub(super) async fn subscribe(shared: &Arc<Shared>, caller: &Caller, address: Address, reply: Reply) {
    let subscribe = async {
        check(&address, &shared.config.push)?;
        shared.limiter.pass(&caller.user.id, "push", shared.config.limits.push).await?;
        let user = caller.user.id.clone();
        let subscription = Subscription { user, address, registered_at: Timestamp::now(), reached_at: None };
        let kept = shared.ports.devices.subscribe(&subscription).await;
        kept.map_err(|away| busy(&away))
    };
    reply.settle(subscribe.await.map(|()| Answer::Done));
}

/// Removing what is not there is no error: a device that signs out need not know.
pub(super) async fn unsubscribe(shared: &Arc<Shared>, caller: &Caller, address: &str, reply: Reply) {
    let unsubscribe = async {
        bounded("endpoint", address)?;
        shared.limiter.pass(&caller.user.id, "push", shared.config.limits.push).await?;
        let removed = shared.ports.devices.unsubscribe(&caller.user.id, address).await;
        removed.map_err(|away| busy(&away))
    };
    reply.settle(unsubscribe.await.map(|_| Answer::Done));
}

pub(super) fn busy(away: &parlor_core::ports::Unavailable) -> ChatError {
    tracing::debug!(%away, "devices cannot be read or written");
    ChatError::busy("Devices cannot be reached at the moment. Please try again.")
}

fn unavailable(service: &str) -> ChatError {
    ChatError::new(Code::NotFound, format!("this server is not set up for {service}"))
}

fn bounded(field: &'static str, text: &str) -> Result<(), ChatError> {
    if text.is_empty() || text.len() > MAX_ADDRESS_BYTES || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let message = format!("`{field}` must have 1 to {MAX_ADDRESS_BYTES} bytes without spaces");
        return Err(ChatError::field(field, message));
    }
    Ok(())
}

/// Whether the workers can push there. A name is looked up by the worker, which asks public addresses alone.
fn check(address: &Address, push: &Push) -> Result<(), ChatError> {
    match address {
        Address::Web { endpoint, p256dh, auth } => {
            push.web_key.as_ref().ok_or_else(|| unavailable("Web Push"))?;
            bounded("endpoint", endpoint)?;
            if !is_endpoint(endpoint, push.private_endpoints) {
                return Err(ChatError::field("endpoint", "`endpoint` must be an https URL on the public internet"));
            }
            let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default();
            let point = bytes(p256dh);
            if (point.len(), point.first()) != (65, Some(&4)) || bytes(auth).len() != 16 {
                let message = "`keys` must hold a P-256 point of 65 bytes (p256dh) and 16 bytes (auth) in base64url";
                return Err(ChatError::field("keys", message));
            }
            Ok(())
        }
        Address::Fcm { token } => {
            if !push.fcm {
                return Err(unavailable("FCM"));
            }
            bounded("token", token)
        }
        Address::Apns { token } => {
            if !push.apns {
                return Err(unavailable("APNs"));
            }
            bounded("token", token)?;
            // It becomes a part of a path.
            if token.len() > 400 || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(ChatError::field("token", "`token` must be hexadecimal"));
            }
            Ok(())
        }
    }
}

fn is_endpoint(endpoint: &str, private: bool) -> bool {
    let Ok(uri) = endpoint.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let plain = !authority.as_str().contains('@') && !host.is_empty();
    let public = scheme == "https" && host.parse::<IpAddr>().ok().is_none_or(is_public);
    plain && (public || (private && (scheme == "https" || scheme == "http")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Push {
        Push { web_key: Some("BCVx".into()), fcm: true, apns: true, private_endpoints: false }
    }

    fn web(endpoint: &str) -> Address {
        Address::Web {
            endpoint: endpoint.into(),
            p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4".into(),
            auth: "BTBZMqHH6r4Tts7J_aSIgg".into(),
        }
    }

    #[test]
    fn a_subscription_is_taken_where_its_service_is_set_up() {
        let addresses = [
            web("https://push.example.net/a"),
            Address::Fcm { token: "a:token-_".into() },
            Address::Apns { token: "00ff".into() },
        ];
        for address in &addresses {
            assert_eq!(check(address, &all()), Ok(()));
            let error = check(address, &Push::default()).expect_err("it is not set up");
            assert_eq!(error.code, Code::NotFound);
        }
    }

    #[test]
    fn an_endpoint_within_a_private_network_is_refused() {
        for private in ["http://push.example.net/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1:8443/a"] {
            assert!(check(&web(private), &all()).is_err(), "{private}");
            assert_eq!(check(&web(private), &Push { private_endpoints: true, ..all() }), Ok(()), "{private}");
        }
        for none in
            ["", "push", "ftp://push.example.net/", "https://", "https://user@push.example.net/", "https://a b/"]
        {
            assert!(check(&web(none), &Push { private_endpoints: true, ..all() }).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_no_key_or_token_is_refused() {
        let long = "a".repeat(MAX_ADDRESS_BYTES + 1);
        for token in ["", "with space", "nul\u{0}", &long] {
            assert!(check(&Address::Fcm { token: token.into() }, &all()).is_err());
            assert!(check(&Address::Apns { token: token.into() }, &all()).is_err());
        }
        assert!(check(&Address::Apns { token: "../3/device".into() }, &all()).is_err());
        let endpoint = "https://push.example.net/".to_owned();
        let keys = Address::Web { endpoint, p256dh: "BCVx".into(), auth: "qg".into() };
        assert_eq!(check(&keys, &all()).expect_err("no keys").field, Some("keys"));
    }
}
