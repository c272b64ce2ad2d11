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

use super::{Form, MAX_BODY};

/// What is read of a body that is too large, and for how long.
const LEFTOVER: usize = 1 << 20;
const LEFTOVER_LASTS: Duration = Duration::from_secs(5);

/// Hands the request on with all of its body, or refuses one of more than 64 KiB.
pub(super) async fn in_full(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let upload = *request.method() == Method::PUT && path.starts_with("/api/files/");
    if upload || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let form = Form::of_path(path);
    let (parts, body) = request.into_parts();
    match read(body.into_data_stream()).await {
        Ok(body) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => form.refuse(&error),
    }
}

async fn read(mut pieces: BodyDataStream) -> Result<Body, ChatError> {
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
    Ok(Body::from(whole))
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
