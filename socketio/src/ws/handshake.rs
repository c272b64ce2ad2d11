//! The opening handshake (RFC 6455 §4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request};

/// Why a request is no WebSocket handshake that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It does not ask for an upgrade, or not properly.
    Bad,
    /// It asks for another version than 13 (§4.4).
    Version,
}

/// The value of `Sec-WebSocket-Accept` for this request. No extension is ever accepted: permessage-deflate will be
/// answered here.
pub(crate) fn accept<B>(request: &Request<B>) -> Result<HeaderValue, Refused> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket");
    if !asks {
        return Err(Refused::Bad);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
        return Err(Refused::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refused::Bad)?.as_bytes();
    if STANDARD.decode(key).map_or(0, |k| k.len()) != 16 {
        return Err(Refused::Bad);
    }
    let accept = tungstenite::handshake::derive_accept_key(key);
    HeaderValue::from_str(&accept).map_err(|_| Refused::Bad)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
}
