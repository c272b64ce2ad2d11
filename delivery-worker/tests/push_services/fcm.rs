//! Google's token endpoint (RFC 7523) and the HTTP v1 interface of Firebase Cloud Messaging.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use parking_lot::Mutex;
use parlor_core::device::Address;
use parlor_core::ids::UserId;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::push::PushProvider;
use parlor_core::ports::push_contract::{Mood, Subject, Taken};
use parlor_core::time::Timestamp;
use parlor_delivery_worker::push::{Fcm, FcmConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{Desk, header, refuse, serve};

/// Keys of nobody, made for these tests: `openssl genpkey -algorithm RSA`.
const PRIVATE: &str = include_str!("rsa.pem");
const PUBLIC: &str = include_str!("rsa.pub.pem");
const EMAIL: &str = "parlor@test-project.iam.example.com";
const DEVICE: &str = "dGVzdA:APA91b-a_phone";

pub struct Google {
    pub desk: Desk,
    pub provider: Arc<Fcm>,
    office: Office,
    server: AbortHandle,
}

#[derive(Clone)]
struct Office {
    desk: Desk,
    /// Access tokens that hold.
    tokens: Arc<Mutex<Vec<String>>>,
    granted: Arc<Mutex<usize>>,
    /// How long a token is said to be good, in seconds.
    good: Arc<Mutex<u64>>,
}

impl Google {
    pub async fn open() -> Self {
        let desk = Desk::default();
        let office = Office {
            desk: desk.clone(),
            tokens: Arc::default(),
            granted: Arc::default(),
            good: Arc::new(Mutex::new(3600)),
        };
        let routes = Router::new().route("/token", post(grant)).route("/v1/projects/{project}/{send}", post(take));
        let (address, server) = serve(routes.with_state(office.clone())).await;
        let service_account = json!({
            "type": "service_account",
            "project_id": "test-project",
            "client_email": EMAIL,
            "private_key": PRIVATE,
            "token_uri": format!("http://{address}/token"),
        });
        let config = FcmConfig { service_account: service_account.to_string(), endpoint: format!("http://{address}") };
        Self { desk, provider: Arc::new(Fcm::new(&config).unwrap()), office, server }
    }

    /// How many tokens were given out.
    pub fn granted(&self) -> usize {
        *self.office.granted.lock()
    }

    /// Says that tokens are good for so long.
    pub fn grant_for(&self, good: Duration) {
        *self.office.good.lock() = good.as_secs();
    }

    /// No token given out so far holds any more.
    pub fn revoke(&self) {
        self.office.tokens.lock().clear();
    }
}

impl Subject for Google {
    fn provider(&self) -> Arc<dyn PushProvider> {
        self.provider.clone()
    }

    fn subscription(&self) -> Subscription {
        let address = Address::Fcm { token: DEVICE.into() };
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

#[derive(Deserialize)]
struct Asked {
    grant_type: String,
    assertion: String,
}

async fn grant(State(office): State<Office>, headers: HeaderMap, Form(asked): Form<Asked>) -> Response {
    let mut validation = Validation::new(Algorithm::RS256);
    let host = headers["host"].to_str().unwrap();
    validation.set_audience(&[format!("http://{host}/token")]);
    validation.set_issuer(&[EMAIL]);
    let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).unwrap();
    let assertion = jsonwebtoken::decode::<Value>(&asked.assertion, &key, &validation);
    let good = assertion.is_ok_and(|token| {
        let (claims, lasts) = (&token.claims, |name: &str| token.claims[name].as_u64().unwrap_or(0));
        claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging" && lasts("exp") <= lasts("iat") + 3600
    });
    if !good || asked.grant_type != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    }
    let mut granted = office.granted.lock();
    *granted += 1;
    let token = format!("ya29.token-{granted}");
    office.tokens.lock().push(token.clone());
    Json(json!({ "access_token": token, "expires_in": *office.good.lock(), "token_type": "Bearer" })).into_response()
}

async fn take(
    State(office): State<Office>,
    Path((project, send)): Path<(String, String)>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    if (project.as_str(), send.as_str()) != ("test-project", "messages:send") {
        return refuse(StatusCode::NOT_FOUND, "no such project");
    }
    office.take(&headers, &asked).unwrap_or_else(|refusal| refusal)
}

/// An error in the form of `google.rpc.Status`.
fn failed(status: StatusCode, name: &str, code: &str) -> Response {
    let detail = json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code });
    let body = json!({ "error": { "code": status.as_u16(), "status": name, "details": [detail] } });
    (status, Json(body)).into_response()
}

impl Office {
    fn take(&self, headers: &HeaderMap, asked: &Value) -> Result<Response, Response> {
        let token = header(headers, "authorization")?.strip_prefix("Bearer ").unwrap_or_default();
        if !self.tokens.lock().iter().any(|good| good == token) {
            return Err(failed(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"));
        }
        match self.desk.mood() {
            Mood::Takes => {}
            Mood::Gone => return Err(failed(StatusCode::NOT_FOUND, "NOT_FOUND", "UNREGISTERED")),
            Mood::Busy(seconds) => {
                let after = [("retry-after", seconds.to_string())];
                let body = failed(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED");
                return Err((after, body).into_response());
            }
            Mood::Fails => return Err(failed(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "UNAVAILABLE")),
            Mood::Refuses => return Err(failed(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "INVALID_ARGUMENT")),
        }
        let message = &asked["message"];
        let data = message["data"].as_object().ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "data"))?;
        if message["token"] != DEVICE || asked.to_string().len() > 8192 || data.values().any(|value| !value.is_string())
        {
            return Err(failed(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "INVALID_ARGUMENT"));
        }
        // What counts against the 4,096 bytes.
        if json!([data, message["notification"]]).to_string().len() > 2 * 4096 || json!(data).to_string().len() > 4096 {
            return Err(failed(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "INVALID_ARGUMENT"));
        }
        let (word, shown) = (|name: &str| data[name].as_str().unwrap().to_owned(), &message["notification"]);
        let ttl = message["android"]["ttl"].as_str().and_then(|ttl| ttl.strip_suffix('s'));
        self.desk.take(Taken {
            collapse: message["android"]["collapse_key"].as_str().unwrap_or_default().to_owned(),
            message: word("messageId"),
            room: word("roomId"),
            sender: word("senderId"),
            title: shown["title"].as_str().unwrap_or_default().to_owned(),
            body: shown["body"].as_str().map(str::to_owned),
            ttl: ttl.and_then(|ttl| ttl.parse().ok()).unwrap_or(0),
            credential: token.to_owned(),
        });
        Ok(Json(json!({ "name": "projects/test-project/messages/1" })).into_response())
    }
}
