//! Refresh tokens, and the cookie they travel in.
//!
//! The cookie is `parlor_refresh`: `HttpOnly`, `SameSite=Strict`, `Secure` but in development, for `/api/auth` alone.
//! A request that brings it must name an origin that may connect: a page elsewhere cannot make a browser refresh, or
//! sign out, on its user's behalf.

use axum::http::header::{COOKIE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlor_core::error::{ChatError, Code};
use parlor_core::ports::accounts::TokenHash;
use sha2::Digest;

use crate::Config;

const NAME: &str = "parlor_refresh";

/// A new token, of 256 random bits.
pub(crate) fn token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> TokenHash {
    sha2::Sha256::digest(token.as_bytes()).into()
}

/// The cookie that brings a token to the browser.
pub(crate) fn cookie(config: &Config, token: &str) -> Option<HeaderValue> {
    written(config, token, config.auth.refresh_ttl.as_secs())
}

/// The cookie that takes it away.
pub(crate) fn no_cookie(config: &Config) -> Option<HeaderValue> {
    written(config, "", 0)
}

fn written(config: &Config, token: &str, max_age: u64) -> Option<HeaderValue> {
    let secure = if config.auth.insecure_cookies { "" } else { "; Secure" };
    let text = format!("{NAME}={token}; Path=/api/auth; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).ok()
}

/// The token of a request's cookie. `None`: it has none.
///
/// # Errors
/// `forbidden`: it has one, and comes from nowhere or from a page that may not connect.
pub(crate) fn presented(config: &Config, headers: &HeaderMap) -> Result<Option<String>, ChatError> {
    let cookies =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    let named = |cookie: &str| cookie.trim().strip_prefix(NAME)?.strip_prefix('=').map(str::to_owned);
    let Some(token) = cookies.filter_map(named).find(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let mut origins = headers.get_all(ORIGIN).iter();
    let good = match (origins.next(), origins.next(), &config.allowed_origins) {
        (Some(origin), None, Some(allowed)) => allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()),
        // Any page may connect; one without an origin of its own (a sandboxed frame, a file) is no page.
        (Some(origin), None, None) => origin != "null" && !origin.is_empty(),
        _ => false,
    };
    if good { Ok(Some(token)) } else { Err(ChatError::new(Code::Forbidden, "this origin may not use cookies here")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(config: &Config, origins: &[&str], cookie: &str) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_str(origin).expect("a header"));
        }
        headers.insert(COOKIE, HeaderValue::from_str(cookie).expect("a header"));
        presented(config, &headers).map_err(|error| error.code)
    }

    #[test]
    fn a_cookie_counts_from_exactly_the_listed_origins() {
        let listed = Some(vec!["https://chat.example.com".into()]);
        let config = Config { allowed_origins: listed, ..Config::for_testing("t") };
        let cookie = "a=b; parlor_refresh=abc; c=d";
        assert_eq!(asked(&config, &["https://chat.example.com"], cookie), Ok(Some("abc".into())));
        for origins in [
            &[][..],
            &["null"],
            &["https://chat.example.com.evil.example"],
            &["https://evil-chat.example.com"],
            &["http://chat.example.com"],
            &["https://chat.example.com:8443"],
            &["https://chat.example.com", "https://chat.example.com"],
        ] {
            assert_eq!(asked(&config, origins, cookie), Err(Code::Forbidden), "{origins:?}");
            assert_eq!(asked(&config, origins, "a=b; parlor_refresher=abc; parlor_refresh="), Ok(None));
        }
    }

    #[test]
    fn where_any_page_may_connect_a_cookie_still_needs_one() {
        let config = Config { allowed_origins: None, ..Config::for_testing("t") };
        assert_eq!(asked(&config, &["http://127.0.0.1:3000"], "parlor_refresh=abc"), Ok(Some("abc".into())));
        assert_eq!(asked(&config, &["null"], "parlor_refresh=abc"), Err(Code::Forbidden));
        assert_eq!(asked(&config, &[], "parlor_refresh=abc"), Err(Code::Forbidden));
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
        let mut config = Config::for_testing("t");
        config.auth.insecure_cookies = false;
        let cookie = cookie(&config, &token()).expect("a header");
        let text = cookie.to_str().expect("text");
        for part in ["; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/api/auth;"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
