//! A browser and its push service: RFC 8030, 8188, 8291, 8292, written from the receiver's side.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use parlor_core::device::Address;
use parlor_core::ids::UserId;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::push::PushProvider;
use parlor_core::ports::push_contract::{Mood, Subject, Taken};
use parlor_core::time::Timestamp;
use parlor_delivery_worker::push::{VapidKey, WebConfig, WebPush};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::{Desk, header, refuse, seconds_now, serve};

pub struct Web {
    pub desk: Desk,
    pub provider: Arc<WebPush>,
    origin: String,
    browser: Browser,
    server: AbortHandle,
}

/// A browser's key pair and secret.
#[derive(Clone)]
struct Browser {
    secret: SecretKey,
    auth: [u8; 16],
}

#[derive(Clone)]
struct Service {
    desk: Desk,
    browser: Browser,
    origin: String,
    /// The key that the browser subscribed with.
    application: String,
}

impl Web {
    pub async fn open() -> Self {
        let key = VapidKey::generate().unwrap();
        let desk = Desk::default();
        let browser = Browser { secret: SecretKey::from_slice(&[7; 32]).unwrap(), auth: [3; 16] };
        let (routes, state) = (Router::new().route("/push/{id}", post(take)), std::sync::OnceLock::new());
        let state: Arc<std::sync::OnceLock<Service>> = Arc::new(state);
        let (address, server) = serve(routes.with_state(state.clone())).await;
        let origin = format!("http://{address}");
        let application = key.public().to_owned();
        let (of_desk, of_browser) = (desk.clone(), browser.clone());
        let _ = state.set(Service { desk: of_desk, browser: of_browser, origin: origin.clone(), application });
        let subject = "mailto:ops@example.com".to_owned();
        let provider = Arc::new(WebPush::new(&WebConfig { key, subject, private_endpoints: true }).unwrap());
        Self { desk, provider, origin, browser, server }
    }

    pub fn subscription_of(&self, user: &str) -> Subscription {
        let p256dh = URL_SAFE_NO_PAD.encode(self.browser.secret.public_key().to_encoded_point(false));
        let address = Address::Web {
            endpoint: format!("{}/push/{user}", self.origin),
            p256dh,
            auth: URL_SAFE_NO_PAD.encode(self.browser.auth),
        };
        Subscription { user: UserId::trusted(user), address, registered_at: Timestamp::now(), reached_at: None }
    }
}

impl Subject for Web {
    fn provider(&self) -> Arc<dyn PushProvider> {
        self.provider.clone()
    }

    fn subscription(&self) -> Subscription {
        self.subscription_of("ann")
    }

    fn answer(&self, mood: Mood) {
        self.desk.answer(mood);
    }

    fn taken(&self) -> Vec<Taken> {
        self.desk.taken()
    }

    fn away(self) {
        self.server.abort();
    }
}

async fn take(
    State(service): State<Arc<std::sync::OnceLock<Service>>>,
    Path(_): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    service.get().unwrap().take(&headers, &body).unwrap_or_else(|refusal| refusal)
}

impl Service {
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Response> {
        let authorization = header(headers, "authorization")?;
        self.check(authorization)?;
        let ttl = header(headers, "ttl")?.parse().map_err(|_| refuse(StatusCode::BAD_REQUEST, "TTL"))?;
        let topic = header(headers, "topic")?;
        if topic.len() > 32 || URL_SAFE_NO_PAD.decode(topic).is_err() {
            return Err(refuse(StatusCode::BAD_REQUEST, "Topic (RFC 8030 section 5.4)"));
        }
        if !["very-low", "low", "normal", "high"].contains(&header(headers, "urgency")?) {
            return Err(refuse(StatusCode::BAD_REQUEST, "Urgency (RFC 8030 section 5.3)"));
        }
        if header(headers, "content-encoding")? != "aes128gcm" {
            return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Encoding"));
        }
        if body.len() > 4096 {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "4096 bytes (RFC 8030 section 7.2)"));
        }
        match self.desk.mood() {
            Mood::Takes => {}
            Mood::Gone => return Err(refuse(StatusCode::GONE, "")),
            Mood::Busy(seconds) => {
                let after = [("retry-after", seconds.to_string())];
                return Err((StatusCode::TOO_MANY_REQUESTS, after).into_response());
            }
            Mood::Fails => return Err(refuse(StatusCode::BAD_GATEWAY, "")),
            Mood::Refuses => return Err(refuse(StatusCode::BAD_REQUEST, "")),
        }
        let text = self.browser.open(body).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "cannot be decrypted"))?;
        let text: Value = serde_json::from_slice(&text).unwrap();
        let word = |name: &str| text[name].as_str().unwrap_or_default().to_owned();
        self.desk.take(Taken {
            collapse: topic.to_owned(),
            message: word("messageId"),
            room: word("roomId"),
            sender: word("senderId"),
            title: word("title"),
            body: text["body"].as_str().map(str::to_owned),
            ttl,
            credential: authorization.to_owned(),
        });
        Ok((StatusCode::CREATED, [("location", "/message/1")]).into_response())
    }

    /// `vapid t=…, k=…` (RFC 8292 §3), signed by the key that the browser subscribed with.
    fn check(&self, authorization: &str) -> Result<(), Response> {
        let denied = |why: &str| refuse(StatusCode::FORBIDDEN, why);
        let parameters = authorization.strip_prefix("vapid ").ok_or_else(|| denied("scheme"))?;
        let parameter = |name: &str| {
            parameters.split(',').find_map(|one| one.trim().strip_prefix(name).and_then(|one| one.strip_prefix('=')))
        };
        let (token, key) = (parameter("t").ok_or_else(|| denied("t"))?, parameter("k").ok_or_else(|| denied("k"))?);
        if key != self.application {
            return Err(denied("another application's key"));
        }
        let point = URL_SAFE_NO_PAD.decode(key).map_err(|_| denied("k"))?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[&self.origin]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        let token = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_ec_der(&point), &validation);
        let claims = token.map_err(|error| denied(&error.to_string()))?.claims;
        if claims["exp"].as_u64().unwrap_or(u64::MAX) > seconds_now() + 24 * 3600 {
            return Err(denied("good for more than a day"));
        }
        if !claims["sub"].as_str().unwrap_or_default().starts_with("mailto:") {
            return Err(denied("sub"));
        }
        Ok(())
    }
}

impl Browser {
    /// One record of aes128gcm (RFC 8188 §2), with the key of RFC 8291 §3.4. `None`: not for this browser.
    fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = body.split_at_checked(16)?;
        let (size, rest) = rest.split_at_checked(4)?;
        let (length, rest) = rest.split_first()?;
        let (theirs, sealed) = rest.split_at_checked(usize::from(*length))?;
        let size = u32::from_be_bytes(size.try_into().ok()?);
        if sealed.len() > usize::try_from(size).ok()? {
            return None;
        }
        let sender = PublicKey::from_sec1_bytes(theirs).ok()?;
        let shared = p256::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), sender.as_affine());
        let ours = self.secret.public_key().to_encoded_point(false);
        // HKDF by hand, from RFC 5869: not the code under test.
        let extract = |salt: &[u8], secret: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
        let expand =
            |prk: &[u8], info: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, prk), &[info, &[1]].concat());
        let prk = extract(&self.auth, shared.raw_secret_bytes());
        let info = [b"WebPush: info\0", ours.as_bytes(), theirs].concat();
        let prk = extract(salt, expand(prk.as_ref(), &info).as_ref());
        let key = expand(prk.as_ref(), b"Content-Encoding: aes128gcm\0");
        let nonce = expand(prk.as_ref(), b"Content-Encoding: nonce\0");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key.as_ref()[..16]).ok()?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce.as_ref()[..12]).ok()?;
        let mut text = sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        // Padding is zeros behind the delimiter of the last record.
        let end = opened.iter().rposition(|byte| *byte != 0)?;
        (opened[end] == 2).then(|| opened[..end].to_vec())
    }
}
