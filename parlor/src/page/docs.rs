//! The documents for clients: what can be said, asked and heard, for people and for programs. They hold no secrets, and
//! no script.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;

use super::{FILES, serve};

/// Text, one style sheet and one picture from here, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Serves `/docs`, `/docs/openapi.json`, `/docs/asyncapi.json` and the pages beside them.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/docs", get(|| async { document("index") }))
        .route("/docs/", get(|| async { document("index") }))
        .route("/docs/{name}", get(|Path(name): Path<String>| async move { document(&name) }))
}

/// A page is named without its `.html`.
fn document(name: &str) -> Response {
    let path = format!("docs/{name}");
    let there = FILES.iter().any(|(known, _)| *known == path);
    serve(&if there { path } else { format!("{path}.html") }, POLICY)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};

    use super::{FILES, POLICY, document};

    #[test]
    fn both_documents_are_in_every_binary_and_nothing_runs_there() {
        for name in ["openapi.json", "asyncapi.json"] {
            let response = document(name);
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        }
        let index = document("index");
        assert_eq!(index.status(), StatusCode::OK);
        assert_eq!(index.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(document("../index").status(), StatusCode::NOT_FOUND);
        for (name, page) in FILES.iter().filter(|(name, _)| name.starts_with("docs/") && name.ends_with(".html")) {
            assert!(!String::from_utf8_lossy(page).contains("<script"), "{name}");
        }
    }
}
