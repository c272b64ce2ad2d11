//! Bodies are read to their end before anything is answered: a connection that is closed with unread bytes may lose the
//! answer on its way, and a proxy then tells 502. Uploads have a way of their own (`files.rs`).

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use parlor_core::error::{ChatError, Code};

use super::body::{Media, media, not_json};
use super::{Form, MAX_BODY};

/// What is read of a body that is too large, and for how long.
const LEFTOVER: usize = 1 << 20;
const LEFTOVER_LASTS: Duration = Duration::from_secs(5);

/// Hands the request on with all of its body, or refuses one of more than 64 KiB, and one that says that it is no JSON.
/// One that does not say what it is goes on: the route tells whether it takes that.
pub(super) async fn in_full(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let upload = *request.method() == Method::PUT && path.starts_with("/api/files/");
    if upload || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let form = Form::of_path(path);
    let (parts, body) = request.into_parts();
    match read(body.into_data_stream()).await {
        Ok(body) if !body.is_empty() && media(&parts.headers) == Some(Media::Other) => form.refuse(&not_json()),
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => form.refuse(&error),
    }
}

async fn read(mut pieces: BodyDataStream) -> Result<Vec<u8>, ChatError> {
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| ChatError::new(Code::BadRequest, "the body could not be read"))?;
        if whole.len() + piece.len() > MAX_BODY {
            drop(whole);
            let _ = tokio::time::timeout(LEFTOVER_LASTS, drain(pieces)).await;
            return Err(ChatError::new(Code::TooLarge, "a body may hold at most 64 KiB"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

async fn drain(mut pieces: BodyDataStream) {
    let mut left = LEFTOVER;
    while let Some(Ok(piece)) = pieces.next().await {
        match left.checked_sub(piece.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::to_bytes;
    use axum::http::header::CONTENT_TYPE;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower_service::Service;

    use super::*;

    async fn status(path: &str, media: Option<&str>, body: &'static str) -> u16 {
        let echo = || post(|body: String| async { body });
        let routes = Router::new().route("/api/rooms", echo()).route("/api/files/{file}", echo().put(|| async {}));
        let mut router: Router = routes.layer(from_fn(in_full));
        let method = if path.starts_with("/api/files/") { Method::PUT } else { Method::POST };
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if let Some(media) = media {
            request = request.header(CONTENT_TYPE, media);
        }
        let response = Service::call(&mut router, request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let told = to_bytes(response.into_body(), 1024).await.unwrap();
        if status == 415 {
            assert!(told.starts_with(br#"{"error":"unsupported_type""#), "{told:?}");
        }
        status
    }

    #[tokio::test]
    async fn a_body_that_says_it_is_no_json_is_refused_and_one_that_says_nothing_is_not() {
        let taken = ["application/json", "Application/JSON; charset=utf-8", "text/plain;charset=UTF-8"];
        for json in taken.map(Some).into_iter().chain([None]) {
            assert_eq!(status("/api/rooms", json, "{}").await, 200, "{json:?}");
        }
        for other in ["text/html", "application/x-www-form-urlencoded", "application/jsonx", ""] {
            assert_eq!(status("/api/rooms", Some(other), "{}").await, 415, "{other}");
            assert_eq!(status("/api/rooms", Some(other), "").await, 200, "{other}: no body at all");
        }
        assert_eq!(status("/api/files/a", Some("image/png"), "x").await, 200, "an upload is what it is");
    }
}
