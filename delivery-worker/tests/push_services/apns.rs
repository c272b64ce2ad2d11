//! Apple's service: HTTP/2, provider tokens, its headers and reasons.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use parlor_core::device::Address;
use parlor_core::ids::UserId;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::push::PushProvider;
use parlor_core::ports::push_contract::{Mood, Subject, Taken};
use parlor_core::time::Timestamp;
use parlor_delivery_worker::push::{Apns, ApnsConfig};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{Desk, header, seconds_now, serve};

/// Keys of nobody, made for these tests: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
const PRIVATE: &str = include_str!("ec.pem");
const PUBLIC: &str = include_str!("ec.pub.pem");
const DEVICE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
const TOPIC: &str = "com.example.parlor";

pub struct Apple {
    desk: Desk,
    provider: Arc<Apns>,
    server: AbortHandle,
}

impl Apple {
    pub async fn open() -> Self {
        let desk = Desk::default();
        let routes = Router::new().route("/3/device/{token}", post(take));
        let (address, server) = serve(routes.with_state(desk.clone())).await;
        let config = ApnsConfig {
            key: PRIVATE.to_owned(),
            key_id: "ABC123DEFG".to_owned(),
            team: "DEF123GHIJ".to_owned(),
            topic: TOPIC.to_owned(),
            endpoint: format!("http://{address}"),
        };
        Self { desk, provider: Arc::new(Apns::new(&config).unwrap()), server }
    }
}

impl Subject for Apple {
    fn provider(&self) -> Arc<dyn PushProvider> {
        self.provider.clone()
    }

    fn subscription(&self) -> Subscription {
        let address = Address::Apns { token: DEVICE.into() };
        Subscription { user: UserId::trusted("ann"), address, registered_at: Timestamp::now(), reached_at: None }
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

fn failed(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "reason": reason }))).into_response()
}

async fn take(
    State(desk): State<Desk>,
    Path(device): Path<String>,
    version: Version,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    if version != Version::HTTP_2 {
        return failed(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP/2 alone");
    }
    answer(&desk, &device, &headers, &body).unwrap_or_else(|refusal| refusal)
}

fn answer(desk: &Desk, device: &str, headers: &HeaderMap, body: &[u8]) -> Result<Response, Response> {
    let token = header(headers, "authorization")?
        .strip_prefix("bearer ")
        .or_else(|| headers["authorization"].to_str().ok()?.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| failed(StatusCode::FORBIDDEN, "MissingProviderToken"))?;
    check(token)?;
    if header(headers, "apns-topic")? != TOPIC {
        return Err(failed(StatusCode::BAD_REQUEST, "TopicDisallowed"));
    }
    if header(headers, "apns-push-type")? != "alert" || !["5", "10"].contains(&header(headers, "apns-priority")?) {
        return Err(failed(StatusCode::BAD_REQUEST, "InvalidPushType"));
    }
    let collapse = header(headers, "apns-collapse-id")?;
    if collapse.len() > 64 {
        return Err(failed(StatusCode::BAD_REQUEST, "BadCollapseId"));
    }
    let expires: u64 = header(headers, "apns-expiration")?.parse().unwrap_or(0);
    if body.len() > 4096 {
        return Err(failed(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge"));
    }
    if device != DEVICE {
        return Err(failed(StatusCode::BAD_REQUEST, "BadDeviceToken"));
    }
    match desk.mood() {
        Mood::Takes => {}
        Mood::Gone => return Err(failed(StatusCode::GONE, "Unregistered")),
        Mood::Busy(seconds) => {
            let after = [("retry-after", seconds.to_string())];
            return Err((after, failed(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")).into_response());
        }
        Mood::Fails => return Err(failed(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")),
        Mood::Refuses => return Err(failed(StatusCode::BAD_REQUEST, "PayloadEmpty")),
    }
    let text: Value = serde_json::from_slice(body).map_err(|_| failed(StatusCode::BAD_REQUEST, "PayloadEmpty"))?;
    let (word, alert) = (|name: &str| text[name].as_str().unwrap().to_owned(), &text["aps"]["alert"]);
    // From the message's time, which is now, but for the second.
    let ttl = expires.saturating_sub(seconds_now());
    desk.take(Taken {
        collapse: collapse.to_owned(),
        message: word("messageId"),
        room: word("roomId"),
        sender: word("senderId"),
        title: alert["title"].as_str().unwrap_or_default().to_owned(),
        body: alert["body"].as_str().map(str::to_owned),
        ttl: ttl.next_multiple_of(10),
        credential: token.to_owned(),
    });
    Ok((StatusCode::OK, [("apns-id", "EC1BF194-B3B2-424A-89A9-5A918A6E6B5D")]).into_response())
}

fn check(token: &str) -> Result<(), Response> {
    let header =
        jsonwebtoken::decode_header(token).map_err(|_| failed(StatusCode::FORBIDDEN, "InvalidProviderToken"))?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.set_issuer(&["DEF123GHIJ"]);
    let key = DecodingKey::from_ec_pem(PUBLIC.as_bytes()).unwrap();
    let token = jsonwebtoken::decode::<Value>(token, &key, &validation);
    let claims = token.map_err(|_| failed(StatusCode::FORBIDDEN, "InvalidProviderToken"))?.claims;
    if header.kid.as_deref() != Some("ABC123DEFG") {
        return Err(failed(StatusCode::FORBIDDEN, "InvalidProviderToken"));
    }
    let made = claims["iat"].as_u64().unwrap_or(0);
    if made + 3600 < seconds_now() || made > seconds_now() + 60 {
        return Err(failed(StatusCode::FORBIDDEN, "ExpiredProviderToken"));
    }
    Ok(())
}
