//! The page at `/` and the documents at `/docs`: files that were built beforehand and are part of the binary.

mod docs;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub(crate) use docs::routes as docs;

/// Path below `/`, and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Scripts, styles and connections from here alone, and nothing that turns text into script: what users write is text.
/// Files alone go to and come from `origins` too.
fn policy(origins: &[String]) -> String {
    let files: String = ["'self'"].into_iter().chain(origins.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src {files} data:; media-src {files}; \
         connect-src {files}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// Serves the page. `origins`: where browsers send files to and get them from beside this server, such as
/// `https://bucket.s3.eu-central-1.amazonaws.com`.
pub(crate) fn routes(origins: &[String]) -> Router {
    let policy: Arc<str> = policy(origins).into();
    let page = {
        let policy = policy.clone();
        move |path: &'static str| {
            let policy = policy.clone();
            get(move || async move { serve(path, &policy) })
        }
    };
    let asset = move |Path(name): Path<String>| async move { serve(&format!("assets/{name}"), &policy) };
    Router::new()
        .route("/", page("index.html"))
        .route("/icon.svg", page("icon.svg"))
        .route("/favicon.ico", page("icon.svg"))
        .route("/assets/{name}", get(asset))
}

fn serve(path: &str, policy: &str) -> Response {
    let Some((_, content)) = FILES.iter().find(|(name, _)| *name == path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "json")) => "application/json",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    };
    // Assets are named by their content.
    let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, caching),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, *content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page_and_its_assets_are_in_the_binary() {
        let (_, page) = FILES.iter().find(|(name, _)| *name == "index.html").expect("a page");
        let page = std::str::from_utf8(page).expect("text");
        for asset in page.split('"').filter(|part| part.starts_with("assets/")) {
            assert_eq!(serve(asset, "").status(), StatusCode::OK, "{asset}");
        }
        assert_eq!(serve("assets/../index.html", "").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn files_may_be_in_a_bucket_and_scripts_may_not() {
        let policy = policy(&["https://bucket.example".to_owned()]);
        for files in ["img-src", "media-src", "connect-src"] {
            assert!(policy.contains(&format!("{files} 'self' https://bucket.example")), "{policy}");
        }
        assert!(policy.contains("script-src 'self';") && policy.contains("style-src 'self';"), "{policy}");
        assert_eq!(serve("index.html", &policy).headers()[CONTENT_SECURITY_POLICY], policy);
    }
}
