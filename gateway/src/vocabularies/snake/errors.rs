//! Refusals → acks and the `error` event: `{code, message, …}` (`snake-kafka.md`, WebSocket Events).

use parlor_core::error::ChatError;
use serde::Serialize;

use crate::vocabularies::outgoing::{Outgoing, Refusal, json, shown};

#[derive(Serialize)]
struct Refused<'a> {
    code: &'static str,
    /// The code again, in an ack: what tells it from the ack of an accepted command in every vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(flatten)]
    refusal: Refusal<'a>,
    /// The client's event, where no ack says which one was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
}

/// An `error` that no refused command stands behind, and that nothing but another token helps against.
#[derive(Serialize)]
struct Notice<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
}

pub(in crate::vocabularies) fn ack(error: &ChatError, temp_id: Option<&str>) -> String {
    let code = error.code.as_str();
    json(&Refused { code, error: Some(code), refusal: Refusal::new(error, temp_id), event: None })
}

pub(in crate::vocabularies) fn event(command: &str, error: &ChatError, temp_id: Option<&str>) -> Outgoing {
    let (code, event) = (error.code.as_str(), Some(shown(command)));
    Outgoing::new("error", &Refused { code, error: None, refusal: Refusal::new(error, temp_id), event })
}

/// The body of a refused request, `{code, message, …}` alone.
pub(in crate::vocabularies) fn body(error: &ChatError) -> String {
    let code = error.code.as_str();
    json(&Refused { code, error: None, refusal: Refusal::new(error, None), event: None })
}

/// A failure that no command asked for.
pub(in crate::vocabularies) fn failed(error: &ChatError) -> Outgoing {
    let code = error.code.as_str();
    Outgoing::new("error", &Refused { code, error: None, refusal: Refusal::new(error, None), event: None })
}

pub(super) fn notice(code: &str, message: &str) -> Outgoing {
    Outgoing::new("error", &Notice { code, message, retryable: false })
}
