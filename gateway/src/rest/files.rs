//! `/api/files`: the bytes of files, and the commands of `dotted` for those who have no socket.
//!
//! A file is served as what it is, never as a page: pictures, sound and film in place, everything else as a download;
//! a browser is told to believe the type, to run nothing and to ask nobody (RELIABILITY.md §3).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::StringRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::Actor;
use parlor_core::file::File;
use parlor_core::ids::{BlobId, FileId};
use parlor_core::membership::nameless;
use parlor_core::ports::blobs::{Key, Pieces, PutError};
use parlor_core::ports::files::{Stage, Storage};
use parlor_core::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Bearer, Form, Rendering, carry_out};
use crate::Shared;
use crate::auth;
use crate::caller::Caller;
use crate::files::{self, Part, Progress, Purpose, UPLOAD_LASTS};
use crate::vocabularies::Vocabulary;

/// A client that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an address of the bucket's own is good, to begin a download: nobody can take it back, so not for long.
const REDIRECT_LASTS: Duration = Duration::from_secs(5 * 60);
/// What is read of a body that was refused, so that its sender sees the answer, and for how long.
const LEFTOVER: u64 = 1 << 20;
const LEFTOVER_LASTS: Duration = Duration::from_secs(5);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/files", post(start))
        .route("/api/files/{file}", get(fetch).put(put).delete(cancel))
        .route("/api/files/{file}/complete", post(complete).get(fetch_complete))
        .route("/api/files/{file}/url", post(url).get(fetch_url))
        .route("/api/files/{file}/{name}", get(fetch_named))
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

// ---- the commands ---------------------------------------------------------------------------------------------------

fn dotted(status: StatusCode) -> Rendering {
    Rendering::new(Form::Dotted, status, |answer| Vocabulary::Dotted.ack(answer))
}

fn id(text: &str, what: &str) -> Result<FileId, ChatError> {
    FileId::parse(text).ok_or_else(|| ChatError::not_found(what))
}

/// `POST /api/files` with what `file.upload.start` takes.
async fn start(State(shared): State<Arc<Shared>>, bearer: Bearer, body: Result<String, StringRejection>) -> Response {
    let body = body.map_err(|error| {
        let large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        ChatError::new(if large { Code::TooLarge } else { Code::BadRequest }, error.body_text())
    });
    let payload = body.and_then(|body| {
        RawValue::from_string(body).map_err(|_| ChatError::new(Code::BadRequest, "the body is not JSON"))
    });
    let command = payload
        .and_then(|payload| Vocabulary::Dotted.parse_command("file.upload.start", &[payload], &shared.config.rules));
    match command {
        Ok(command) => carry_out(&shared, bearer, command, dotted(StatusCode::CREATED)).await,
        Err(error) => Form::Dotted.refuse(&error),
    }
}

/// `POST /api/files/{file}/complete`: as `file.upload.complete`.
async fn complete(State(shared): State<Arc<Shared>>, bearer: Bearer, Path(file): Path<String>) -> Response {
    match id(&file, "upload") {
        Ok(upload) => carry_out(&shared, bearer, Command::CompleteUpload { upload }, dotted(StatusCode::OK)).await,
        Err(error) => Form::Dotted.refuse(&error),
    }
}

/// `DELETE /api/files/{file}`: as `file.upload.cancel`.
async fn cancel(State(shared): State<Arc<Shared>>, bearer: Bearer, Path(file): Path<String>) -> Response {
    match id(&file, "upload") {
        Ok(upload) => carry_out(&shared, bearer, Command::CancelUpload { upload }, dotted(StatusCode::OK)).await,
        Err(error) => Form::Dotted.refuse(&error),
    }
}

/// `POST /api/files/{file}/url`: as `file.url`.
async fn url(State(shared): State<Arc<Shared>>, bearer: Bearer, Path(file): Path<String>) -> Response {
    match id(&file, "file") {
        Ok(file) => carry_out(&shared, bearer, Command::FileUrl { file }, dotted(StatusCode::OK)).await,
        Err(error) => Form::Dotted.refuse(&error),
    }
}

/// Who asks: by the address itself, else by a token in a header.
async fn user(
    shared: &Shared,
    purpose: Purpose,
    file: FileId,
    token: Option<&str>,
    bearer: Option<Bearer>,
) -> Result<Actor, ChatError> {
    match (token, bearer) {
        (Some(token), _) => {
            let wrong = || ChatError::new(Code::Unauthorized, "this address is not good any more; ask for another");
            let (user, made) = shared.addresses.user(purpose, file, token, Timestamp::now()).ok_or_else(wrong)?;
            if auth::ended_since(shared, &user, made).await {
                return Err(wrong());
            }
            Ok(nameless(&user))
        }
        (None, Some(Bearer(identity))) => Ok(identity.user),
        (None, None) => Err(ChatError::new(Code::Unauthorized, "Authentication token required")),
    }
}

// ---- bringing bytes -------------------------------------------------------------------------------------------------

/// `PUT /api/files/{file}`: the bytes of a declared file, once, as many as were declared.
async fn put(
    State(shared): State<Arc<Shared>>,
    bearer: Option<Bearer>,
    Path(file): Path<String>,
    Query(Token { token }): Query<Token>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body: Pieces = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed();
    let taken = async {
        let file = id(&file, "upload")?;
        let user = user(&shared, Purpose::Put, file, token.as_deref(), bearer).await?;
        take(&shared, file, &user, &headers, &mut body).await
    };
    let taken = taken.await;
    match taken {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            drain(body).await;
            Form::Dotted.refuse(&error)
        }
    }
}

async fn take(
    shared: &Arc<Shared>,
    id: FileId,
    user: &Actor,
    headers: &HeaderMap,
    body: &mut Pieces,
) -> Result<(), ChatError> {
    let storage = files::storage(shared)?;
    let found = storage.files.file(id).await.map_err(files::busy)?;
    let Some((file, stage)) = found.filter(|(file, _)| file.owner == user.id) else {
        return Err(ChatError::not_found("upload"));
    };
    if stage != Stage::Declared {
        return Err(ChatError::new(Code::Conflict, "the file is complete already"));
    }
    announced(&file, headers)?;
    let age = Timestamp::now().0.saturating_sub(file.created_at.0);
    let left = UPLOAD_LASTS.checked_sub(Duration::from_millis(age.max(0).unsigned_abs()));
    let left = left.ok_or_else(|| ChatError::not_found("upload"))?;
    let key = Key::incoming(id);
    if storage.blobs.size(&key).await.map_err(files::busy)?.is_some() {
        return Err(ChatError::new(Code::Conflict, "the file's bytes are there already"));
    }
    let _own = shared.pouring.begin(id, &user.id)?;
    let _turn = shared.uploading.try_acquire().map_err(|_| ChatError::busy("too many uploads at this moment"))?;
    let pieces = std::mem::replace(body, futures_util::stream::empty().boxed());
    let outcome = pour(shared, storage, &file, &key, pieces, left).await;
    if let Err(error) = &outcome {
        files::failed(shared, &file, error).await;
    } else if storage.files.file(id).await.map_err(files::busy)?.is_none() {
        // Cancelled meanwhile.
        files::discard(storage, &key).await;
        return Err(ChatError::not_found("upload"));
    }
    outcome
}

/// What the request says of its body must be what was declared.
fn announced(file: &File, headers: &HeaderMap) -> Result<(), ChatError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let Some(length) = length else {
        return Err(ChatError::new(Code::BadRequest, "a Content-Length is required"));
    };
    if length > file.size {
        let message = format!("{} bytes were declared, {length} are announced", file.size);
        return Err(ChatError::new(Code::TooLarge, message));
    }
    if length < file.size {
        let message = format!("{} bytes were declared, {length} are announced", file.size);
        return Err(ChatError::new(Code::BadRequest, message));
    }
    let mime = text(CONTENT_TYPE).map(|mime| mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match mime {
        Some(mime) if mime != file.mime => {
            Err(ChatError::new(Code::UnsupportedType, format!("{} was declared, {mime} is announced", file.mime)))
        }
        _ => Ok(()),
    }
}

async fn pour(
    shared: &Arc<Shared>,
    storage: &Storage,
    file: &File,
    key: &Key,
    pieces: Pieces,
    left: Duration,
) -> Result<(), ChatError> {
    let progress = Progress::of(shared, file);
    let pieces = progress.count(hurried(pieces));
    let written = tokio::time::timeout(left, storage.blobs.put(key, file.size, pieces)).await;
    progress.end().await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(PutError::TooLong)) => Err(ChatError::new(Code::TooLarge, "more bytes came than were declared")),
        Ok(Err(PutError::Short(reason))) => {
            tracing::debug!(reason, "an upload broke off");
            Err(ChatError::new(Code::BadRequest, "the upload broke off; it may be tried again"))
        }
        Ok(Err(PutError::Unavailable(error))) => Err(files::busy(error)),
        Err(_) => Err(ChatError::new(Code::BadRequest, "the upload took too long")),
    }
}

/// The same bytes; a pause of [`SILENCE`] ends them.
fn hurried(pieces: Pieces) -> Pieces {
    let next = |mut pieces: Pieces| async move {
        match tokio::time::timeout(SILENCE, pieces.next()).await {
            Ok(piece) => piece.map(|piece| (piece, pieces)),
            Err(_) => Some((Err(std::io::Error::other("the client is silent")), futures_util::stream::empty().boxed())),
        }
    };
    futures_util::stream::unfold(pieces, next).boxed()
}

/// Reads on a little: a connection that is closed with unread bytes may lose the answer on its way.
async fn drain(mut body: Pieces) {
    let read = async {
        let mut left = LEFTOVER;
        while let Some(Ok(piece)) = body.next().await {
            match left.checked_sub(piece.len() as u64) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(LEFTOVER_LASTS, read).await;
}

// ---- fetching bytes -------------------------------------------------------------------------------------------------

/// `GET /api/files/{file}`.
async fn fetch(
    State(shared): State<Arc<Shared>>,
    bearer: Option<Bearer>,
    Path(file): Path<String>,
    Query(Token { token }): Query<Token>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let id = id(&file, "file")?;
        let user = user(&shared, Purpose::Get, id, token.as_deref(), bearer).await?;
        files::readable(&shared, &Caller::reader(user), id).await
    };
    match found.await {
        Ok((file, blob)) => match serve(&shared, &file, blob, &method, &headers).await {
            Ok(response) => response,
            Err(error) => Form::Dotted.refuse(&error),
        },
        Err(error) => Form::Dotted.refuse(&error),
    }
}

/// `GET /api/files/{file}/{name}`: the name is for people, and for programs that save what they fetch.
async fn fetch_named(
    shared: State<Arc<Shared>>,
    bearer: Option<Bearer>,
    Path((file, _)): Path<(String, String)>,
    token: Query<Token>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    fetch(shared, bearer, Path(file), token, method, headers).await
}

/// A file that is called `url`.
async fn fetch_url(
    shared: State<Arc<Shared>>,
    bearer: Option<Bearer>,
    file: Path<String>,
    token: Query<Token>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    fetch(shared, bearer, file, token, method, headers).await
}

/// A file that is called `complete`.
async fn fetch_complete(
    shared: State<Arc<Shared>>,
    bearer: Option<Bearer>,
    file: Path<String>,
    token: Query<Token>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    fetch(shared, bearer, file, token, method, headers).await
}

async fn serve(
    shared: &Shared,
    file: &File,
    blob: BlobId,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ChatError> {
    let storage = files::storage(shared)?;
    let key = Key::settled(blob);
    let disposition = files::disposition(&file.name, files::shown_inline(&file.mime));
    if method != Method::HEAD {
        let own = storage.blobs.get_address(&key, &file.mime, &disposition, REDIRECT_LASTS).await;
        if let Some(address) = own.map_err(files::busy)? {
            let mut response = StatusCode::FOUND.into_response();
            safe(response.headers_mut());
            // A browser that kept the redirect would follow it to an address that is over.
            set(response.headers_mut(), CACHE_CONTROL, "no-store");
            set(response.headers_mut(), LOCATION, &address);
            return Ok(response);
        }
    }
    let tag = format!("\"{blob}\"");
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let known = |list: &str| list.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*");
    let mut response = if text(IF_NONE_MATCH).is_some_and(known) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        // A range of another version than the client has is of no use to it (RFC 9110 §13.1.5).
        let current = text(IF_RANGE).is_none_or(|condition| condition == tag);
        let range = text(RANGE).filter(|_| current && method == Method::GET);
        let mut response = part(storage, &key, file, files::part(range, file.size), method).await?;
        set(response.headers_mut(), CONTENT_DISPOSITION, &disposition);
        response
    };
    safe(response.headers_mut());
    set(response.headers_mut(), ETAG, &tag);
    set(response.headers_mut(), ACCEPT_RANGES, "bytes");
    Ok(response)
}

async fn part(storage: &Storage, key: &Key, file: &File, part: Part, method: &Method) -> Result<Response, ChatError> {
    let (status, from, to) = match part {
        Part::Whole => (StatusCode::OK, 0, file.size),
        Part::Range(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Part::Unsatisfiable => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", file.size));
            return Ok(response);
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let pieces = storage.blobs.read(key, from, to).await.map_err(files::busy)?;
        let Some(pieces) = pieces else {
            tracing::error!(file = %file.id, "a file's bytes are missing");
            return Err(ChatError::not_found("file"));
        };
        Body::from_stream(pieces)
    };
    let mut response = (status, body).into_response();
    set(response.headers_mut(), CONTENT_TYPE, &typed(&file.mime));
    set(response.headers_mut(), CONTENT_LENGTH, &(to - from).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(response.headers_mut(), CONTENT_RANGE, &format!("bytes {from}-{}/{}", to - 1, file.size));
    }
    Ok(response)
}

/// Text was checked to be UTF-8.
fn typed(mime: &str) -> String {
    if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

/// What keeps a file from being more than a file.
fn safe(headers: &mut HeaderMap) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        // The address may be another's tomorrow; what is in a browser's cache was its user's.
        (CACHE_CONTROL, "private, max-age=3600"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => tracing::error!(%name, "a header could not be written"),
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;
    use parlor_core::ids::RoomId;

    use super::*;
    use crate::stage::{Stage, user as actor};

    async fn declared(stage: &Stage, room: &RoomId) -> File {
        let file = File {
            id: FileId::now(),
            room: room.clone(),
            owner: actor("ann").id,
            name: "picture.png".into(),
            size: 4,
            mime: "image/png".into(),
            created_at: Timestamp::now(),
        };
        stage.files.files.declare(&file).await.expect("declared");
        file
    }

    #[tokio::test]
    async fn who_signs_out_everywhere_takes_the_addresses_of_files_along() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let file = declared(&stage, &room).await;
        let (ann, ben) = (actor("ann"), actor("ben"));
        let address = |who: &Actor, purpose: Purpose, at: Timestamp| {
            let expires = at.plus_millis(i64::try_from(purpose.lasts().as_millis()).expect("short"));
            let url = match purpose {
                Purpose::Put => stage.shared.addresses.put(file.id, &who.id, expires),
                Purpose::Get => stage.shared.addresses.get(&file, &who.id, expires),
            };
            url.split_once("?token=").expect("a token").1.to_owned()
        };
        let asks = async |purpose: Purpose, token: &str| user(&stage.shared, purpose, file.id, Some(token), None).await;
        let made = Timestamp::now();
        let (get, put) = (address(&ann, Purpose::Get, made), address(&ann, Purpose::Put, made));
        let other = address(&ben, Purpose::Get, made);
        assert_eq!(asks(Purpose::Get, &get).await.map(|user| user.id), Ok(ann.id.clone()));

        auth::end(&stage.shared, &ann, Some("one session")).await.expect("told");
        assert!(asks(Purpose::Get, &get).await.is_ok(), "an address is the user's, not a session's");
        auth::end(&stage.shared, &ann, None).await.expect("told");
        assert_eq!(asks(Purpose::Get, &get).await.expect_err("withdrawn").code, Code::Unauthorized);
        assert_eq!(asks(Purpose::Put, &put).await.expect_err("withdrawn").code, Code::Unauthorized);
        assert!(asks(Purpose::Get, &other).await.is_ok(), "another's stays good");
        let later = address(&ann, Purpose::Get, Timestamp::now().plus_millis(2000));
        assert!(asks(Purpose::Get, &later).await.is_ok(), "who signs in again gets new ones");

        stage.memory.away(true);
        assert!(asks(Purpose::Get, &get).await.is_ok(), "that memory may be away, and nobody is refused by it");
    }
}
