//! Web Push: RFC 8030 requests to a browser's push service, encrypted (RFC 8291), signed (RFC 8292).

mod encrypt;
mod vapid;

use std::net::IpAddr;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlor_core::address::is_public;
use parlor_core::device::Address;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::push::{Notification, PushError, PushProvider};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, StatusCode, Url};

pub use self::vapid::VapidKey;

use self::encrypt::{Unfit, encrypt};
use self::vapid::Vapid;
use super::payload::payload;
use super::{Fault, http};

/// What Web Push needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server's key pair, the same for as long as its subscriptions are to be good.
    pub key: VapidKey,
    /// Whom a push service writes to: `mailto:…` or `https://…`.
    pub subject: String,
    /// Whether an endpoint may be plain HTTP or lie within a private network: for tests alone.
    pub private_endpoints: bool,
}

/// Pushes to browsers.
pub struct WebPush {
    client: Client,
    vapid: Vapid,
    private_endpoints: bool,
}

impl WebPush {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(config: &Config) -> Result<Self, Fault> {
        let builder = if config.private_endpoints { http::client() } else { http::public_client() };
        Ok(Self {
            client: http::build(builder)?,
            vapid: Vapid::new(&config.key, &config.subject)?,
            private_endpoints: config.private_endpoints,
        })
    }

    /// The endpoint, if it may be asked: HTTPS, and if it names an address, a public one. Names are checked when they
    /// are looked up.
    fn endpoint(&self, address: &str) -> Option<Url> {
        let url = Url::parse(address).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        let host = url.host_str()?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let public = url.scheme() == "https" && literal.is_none_or(is_public);
        (plain && (public || self.private_endpoints)).then_some(url)
    }
}

#[async_trait]
impl PushProvider for WebPush {
    async fn send(&self, to: &Subscription, notification: &Notification) -> Result<(), PushError> {
        // What can never be pushed to is no subscription.
        let Address::Web { endpoint, p256dh, auth } = &to.address else { return Err(PushError::Gone) };
        let Some(url) = self.endpoint(endpoint) else { return Err(PushError::Gone) };
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default();
        let text = payload(notification).to_string();
        let body = encrypt(text.as_bytes(), &decode(p256dh), &decode(auth)).map_err(|unfit| match unfit {
            Unfit::Keys => PushError::Gone,
            Unfit::TooLong | Unfit::Random => PushError::Rejected(unfit.to_string()),
        })?;
        let authorization = self
            .vapid
            .authorization(&url.origin().ascii_serialization())
            .map_err(|error| PushError::Rejected(format!("no token can be signed: {error}")))?;
        let request = self
            .client
            .post(url)
            .header(AUTHORIZATION, &*authorization)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("TTL", notification.ttl.as_secs())
            .header("Urgency", "high")
            // 32 characters of base64url at most (RFC 8030 §5.4): the message's id in 22.
            .header("Topic", URL_SAFE_NO_PAD.encode(notification.message.0.as_bytes()))
            .body(body);
        let answer = http::ask(request).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            // RFC 8030 §7.3; some services say 404.
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(PushError::Gone),
            _ => Err(answer.retry().unwrap_or_else(|| PushError::Rejected(answer.refusal()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(private_endpoints: bool) -> WebPush {
        let key = VapidKey::generate().expect("a key");
        WebPush::new(&Config { key, subject: "mailto:ops@example.com".into(), private_endpoints }).expect("it fits")
    }

    #[test]
    fn an_endpoint_is_https_on_the_public_internet() {
        let (strict, open) = (web(false), web(true));
        for good in ["https://push.example.net/a", "https://8.8.8.8/a", "https://[2606:4700::1111]:8443/a"] {
            assert!(strict.endpoint(good).is_some(), "{good}");
        }
        for private in [
            "http://push.example.net/a",
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://0x7f.1/a",
            "https://2130706433/a",
            "https://017700000001/a",
        ] {
            assert!(strict.endpoint(private).is_none(), "{private}");
            assert!(open.endpoint(private).is_some(), "{private}");
        }
        for none in ["", "push.example.net", "mailto:a@example.net", "https://user:word@push.example.net/"] {
            assert!(strict.endpoint(none).is_none() && open.endpoint(none).is_none(), "{none}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_into_the_private_network_is_not_followed() {
        let asked = http::ask(web(false).client.get("https://localhost:1/")).await;
        let Err(PushError::Retry { reason, .. }) = asked else { panic!("it was followed") };
        assert!(reason.contains("nowhere on the public internet"), "{reason}");
    }
}
