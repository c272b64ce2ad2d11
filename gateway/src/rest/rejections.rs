//! Requests that never reach their route's own code: a path, a query or a body that is no text, or a field that is there
//! twice. The framework refuses them as plain text; here that gets the form that every other refusal has.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;
use parlor_core::error::{ChatError, Code};

use super::Form;

/// Answers a request, in the form of its route.
pub(super) async fn in_form(request: Request, next: Next) -> Response {
    let form = Form::of_path(request.uri().path());
    let response = next.run(request).await;
    let plain = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let (code, message) = match response.status() {
        _ if !plain => return response,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            (Code::BadRequest, "the path, the query or the body could not be read")
        }
        StatusCode::PAYLOAD_TOO_LARGE => (Code::TooLarge, "a body may hold at most 64 KiB"),
        _ => return response,
    };
    form.refuse(&ChatError::new(code, message))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::{Path, Query};
    use axum::http::Request;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
    }

    async fn answer(path: &str) -> (u16, String) {
        use tower_service::Service;
        let route =
            get(|Path(_): Path<String>, Query(Token { token }): Query<Token>| async { token.unwrap_or_default() });
        let mut router: Router = Router::new().route("/api/files/{file}", route).layer(from_fn(in_form));
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = Service::call(&mut router, request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(to_bytes(response.into_body(), 1024).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_in_the_form_of_every_other_refusal() {
        for path in ["/api/files/%FF", "/api/files/a?token=a&token=b"] {
            let (status, body) = answer(path).await;
            assert_eq!(status, 400, "{path}");
            assert!(body.starts_with(r#"{"error":"bad_request""#), "{path}: {body}");
        }
        assert_eq!(answer("/api/files/a?token=b").await, (200, "b".into()));
    }
}
