//! HTTP answers in the words of the reference server (engine.io, `Server.errors`), and CORS.

use axum::body::Body;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use crate::Origins;

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    UnknownTransport,
    UnknownSid,
    BadMethod,
    BadRequest,
    Forbidden,
    UnsupportedVersion,
    TooLarge,
    /// As many clients as the server takes, or it is going down.
    Full,
    /// As many clients as one address may have.
    TooMany,
    WebSocketVersion,
    /// A body with a `Content-Encoding`.
    Encoded,
}

impl Refused {
    pub(crate) fn response(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::UnknownSid => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::BadMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::Forbidden => (StatusCode::FORBIDDEN, 4, "Forbidden"),
            Self::UnsupportedVersion => (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, 3, "Server full"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, 3, "Too many connections"),
            Self::WebSocketVersion => (StatusCode::UPGRADE_REQUIRED, 3, "Bad request"),
            Self::Encoded => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "Encoded bodies are not read"),
        };
        let mut response = Response::new(Body::from(format!("{{\"code\":{code},\"message\":\"{message}\"}}")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Full | Self::TooMany => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::WebSocketVersion => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        response
    }
}

/// A polling answer. Never cached: each holds packets once.
pub(crate) fn text(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a preflight request (Fetch standard, "CORS-preflight request").
pub(crate) fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Whether a page of this origin may connect.
pub(crate) fn allowed(origins: &Origins, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ORIGIN).iter();
    match (origins, values.next(), values.next()) {
        (Origins::Any, _, _) => true,
        // A browser that sends cookies across sites sends `Origin` too; a tool has no cookies to lose.
        (Origins::List(_), None, _) => !headers.contains_key(header::COOKIE),
        (Origins::List(list), Some(origin), None) => list.iter().any(|o| o.as_bytes() == origin.as_bytes()),
        (Origins::List(_), Some(_), Some(_)) => false,
    }
}

/// Lets the page read the answer. Cookies may come along only from listed origins.
pub(crate) fn add_cors(origins: &Origins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    match origins {
        Origins::Any => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Origins::List(_) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_listed_origins_are_let_in() {
        let origins = Origins::List(vec!["https://chat.example".into()]);
        let ask = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ORIGIN, HeaderValue::from_static(value));
            }
            allowed(&origins, &headers)
        };
        assert!(ask(&[]) && ask(&["https://chat.example"]));
        for bad in [
            "null",
            "",
            "http://chat.example",
            "https://chat.example:8443",
            "https://chat.example.evil",
            "https://evilchat.example",
            "https://chat.example/",
        ] {
            assert!(!ask(&[bad]), "{bad}");
        }
        assert!(!ask(&["https://chat.example", "https://evil"]));
    }
}
