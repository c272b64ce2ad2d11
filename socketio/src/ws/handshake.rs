//! The opening handshake (RFC 6455 §4.2), and in it the offer of compression (RFC 7692 §5, §7.1).

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

/// What a request that can be answered gets.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub(crate) key: HeaderValue,
    /// The value of `Sec-WebSocket-Extensions`: permessage-deflate, or nothing.
    pub(crate) extension: Option<HeaderValue>,
}

/// Reads a request. With `compression`, the first offer of permessage-deflate that can be kept is accepted.
pub(crate) fn accept<B>(request: &Request<B>, compression: bool) -> Result<Accepted, Refused> {
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
    let key = HeaderValue::from_str(&accept).map_err(|_| Refused::Bad)?;
    Ok(Accepted { key, extension: compression.then(|| extension(headers)).flatten() })
}

pub(crate) fn extension(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| split(v, ',')).find_map(deflate).map(HeaderValue::from_static)
}

/// The answer to an offer of permessage-deflate. None declines it, as §7.1 demands for a parameter that is unknown, is
/// there twice, or has a value that is not allowed.
///
/// Windows are never taken over, in either direction. The server's window is always the largest, since what it
/// compresses is the same for all: an offer that wants a smaller one is declined, and a client may make another. For the
/// client's window any size will do.
fn deflate(offer: &str) -> Option<&'static str> {
    let mut params = split(offer, ';');
    if params.next() != Some("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    for param in params {
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start()))),
            None => (param, None),
        };
        let allowed = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            "server_max_window_bits" => value == Some("15"),
            "client_max_window_bits" => {
                value.is_none_or(|v| matches!(v, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15"))
            }
            _ => false,
        };
        if !allowed || seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(if seen.contains(&"server_max_window_bits") {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15"
    } else {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    })
}

/// The trimmed parts of a header's value between separators that are not within quotes (RFC 6455 §9.1).
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c: char| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    });
    parts.map(str::trim)
}

/// A quoted value means what it would without quotes (§9.1). Nothing that is allowed here needs a backslash.
fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn answer(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(value));
        }
        extension(&headers).map(|v| v.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_offer_is_answered_without_context_takeover() {
        for offer in [
            "permessage-deflate",
            // What browsers and the common JavaScript client offer.
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate;client_max_window_bits=10;server_no_context_takeover",
            "permessage-deflate ; client_no_context_takeover ; client_max_window_bits = \"8\"",
            "x-webkit-deflate-frame, permessage-deflate",
            "permessage-bzip; a=\"q,permessage-deflate;\\\"\", permessage-deflate",
        ] {
            assert_eq!(answer(&[offer]).as_deref(), Some(PLAIN), "{offer}");
        }
        assert_eq!(answer(&["foo", "permessage-deflate"]).as_deref(), Some(PLAIN));
        let window = answer(&["permessage-deflate; server_max_window_bits=15"]).unwrap();
        assert_eq!(window, format!("{PLAIN}; server_max_window_bits=15"));
    }

    #[test]
    fn an_offer_that_cannot_be_kept_is_declined_and_the_next_one_taken() {
        for offer in [
            "",
            "permessage-bzip",
            "Permessage-Deflate",
            "permessage-deflate; unknown",
            "permessage-deflate;",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=\"\"",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=08",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=\"15",
            "permessage-deflate; a=\", permessage-deflate",
        ] {
            assert_eq!(answer(&[offer]), None, "{offer}");
        }
        let two = "permessage-deflate; server_max_window_bits=10, permessage-deflate; client_max_window_bits";
        assert_eq!(answer(&[two]).as_deref(), Some(PLAIN));
    }

    #[test]
    fn compression_is_answered_only_where_it_is_on() {
        let request = Request::builder()
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            // The example of RFC 6455 §1.3.
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Extensions", "permessage-deflate")
            .body(())
            .unwrap();
        let on = accept(&request, true).unwrap();
        assert_eq!(on.key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(on.extension.unwrap(), PLAIN);
        assert_eq!(accept(&request, false).unwrap().extension, None);
    }

    proptest! {
        #[test]
        fn reading_an_offer_never_panics(
            offer in r#"(permessage-deflate|client_max_window_bits|server_max_window_bits|[ ;,="\\0-9a-z]){0,20}"#,
        ) {
            for part in split(&offer, ',') {
                let _ = deflate(part);
            }
        }
    }
}
