//! Refusals → acks and events: `{error, message, retryable, …}` (`dotted-architecture.md` §12).

use parlor_core::error::{ChatError, Code};
use serde::Serialize;

use crate::vocabularies::outgoing::{Outgoing, Refusal, json, shown};

#[derive(Serialize)]
struct Refused<'a> {
    error: &'static str,
    #[serde(flatten)]
    refusal: Refusal<'a>,
    /// `failed`, for a message that was definitely not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// The client's event, where no ack says which one was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
}

impl<'a> Refused<'a> {
    fn new(error: &'a ChatError, temp_id: Option<&'a str>) -> Self {
        Self { error: error.code.as_str(), refusal: Refusal::new(error, temp_id), status: None, event: None }
    }
}

/// Whether nothing was done for certain. After a timeout or a fault of ours nobody knows, and `failed` would be a lie.
fn definite(error: &ChatError) -> bool {
    !matches!(error.code, Code::Unknown | Code::Internal)
}

pub(in crate::vocabularies) fn ack(error: &ChatError, temp_id: Option<&str>) -> String {
    // Only messages have a tempId, and their ack is a `message.sent`.
    let status = (temp_id.is_some() && definite(error)).then_some("failed");
    json(&Refused { status, ..Refused::new(error, temp_id) })
}

pub(in crate::vocabularies) fn event(command: &str, error: &ChatError, temp_id: Option<&str>) -> Outgoing {
    let refused = Refused::new(error, temp_id);
    if command == "message.send" && definite(error) {
        return Outgoing::new("message.sent", &Refused { status: Some("failed"), ..refused });
    }
    Outgoing::new("connection.error", &Refused { event: Some(shown(command)), ..refused })
}

/// A failure that no command asked for.
pub(super) fn failed(error: &ChatError) -> Outgoing {
    Outgoing::new("connection.error", &Refused::new(error, None))
}
