//! Refusals → status and body. The status is the code's; the body's form is the document's.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parlor_core::error::{ChatError, Code};

use super::Rendered;
use crate::refusals;
use crate::vocabularies::refusal_body;

/// Which document's form a refusal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{error, message, …}`: Parlor's own routes.
    Dotted,
    /// The same, where a room is called a conversation: the routes of `conversations.md`.
    Conversations,
    /// `{code, message, …}`: the routes of `cafe.md`.
    Cafe,
}

impl Form {
    /// The form of the route with this path.
    pub(crate) fn of_path(path: &str) -> Self {
        if path.starts_with("/api/chat/") { Self::Cafe } else { Self::Dotted }
    }

    pub(crate) fn render(self, error: &ChatError) -> Rendered {
        let renamed = ChatError::not_found("conversation");
        let is_renamed = self == Self::Conversations && *error == ChatError::not_found("room");
        let error = if is_renamed { &renamed } else { error };
        let retry_after = error.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        Rendered { status: status(error.code), body: refusal_body(error, self == Self::Cafe), retry_after }
    }

    /// A response that is a refusal.
    pub(crate) fn refuse(self, error: &ChatError) -> Response {
        refusals::refused(refusals::REQUEST, error);
        self.render(error).into_response()
    }
}

/// The status of each code.
pub(crate) fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest | Code::ContentTooLong | Code::UnknownEvent => StatusCode::BAD_REQUEST,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::Banned => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict | Code::RoomFull => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::RateLimited | Code::Spam => StatusCode::TOO_MANY_REQUESTS,
        Code::ServerFull | Code::Busy => StatusCode::SERVICE_UNAVAILABLE,
        // Nobody knows whether it was done: the same request with the same key may be repeated.
        Code::Unknown => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::error::{ChatError, Code};

    use super::{Form, status};

    #[test]
    fn a_room_is_called_a_conversation_where_its_document_does() {
        let missing = |form: Form, what| form.render(&ChatError::not_found(what)).body;
        assert!(missing(Form::Conversations, "room").contains(r#""message":"conversation not found""#));
        assert!(missing(Form::Conversations, "message").contains(r#""message":"message not found""#));
        assert!(missing(Form::Dotted, "room").contains(r#""message":"room not found""#));
    }

    #[test]
    fn the_page_of_errors_tells_every_code_with_its_status_and_whether_to_retry() {
        let page = include_str!("../../../docs/errors.md");
        let told: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `") && line.matches('|').count() == 5)
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        for code in Code::ALL {
            let name = format!("`{}`", code.as_str());
            let row = told.iter().find(|row| row[1] == name).unwrap_or_else(|| panic!("{name} has no line"));
            assert_eq!(row[2], status(code).as_str(), "{name}");
            assert_eq!(row[3], if code.retryable() { "yes" } else { "no" }, "{name}");
        }
        assert_eq!(told.len(), Code::ALL.len(), "{told:?}");
    }
}
