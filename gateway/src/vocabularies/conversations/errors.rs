//! Refusals → acks and events: `{success: false, error, message, retryAfter?}`.

use parlor_core::error::ChatError;
use serde::Serialize;

use crate::vocabularies::outgoing::{Outgoing, Refusal, json, shown};

#[derive(Serialize)]
struct Refused<'a> {
    success: bool,
    error: &'static str,
    #[serde(flatten)]
    refusal: Refusal<'a>,
    /// The client's event, where no ack says which one was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
}

impl<'a> Refused<'a> {
    fn new(error: &'a ChatError, temp_id: Option<&'a str>) -> Self {
        Self { success: false, error: error.code.as_str(), refusal: Refusal::new(error, temp_id), event: None }
    }
}

/// A `chat:error` that no refused command stands behind, and that nothing but another token helps against.
#[derive(Serialize)]
struct Notice<'a> {
    success: bool,
    error: &'a str,
    message: &'a str,
    retryable: bool,
}

pub(in crate::vocabularies) fn ack(error: &ChatError, temp_id: Option<&str>) -> String {
    json(&Refused::new(error, temp_id))
}

pub(in crate::vocabularies) fn event(command: &str, error: &ChatError, temp_id: Option<&str>) -> Outgoing {
    Outgoing::new("chat:error", &Refused { event: Some(shown(command)), ..Refused::new(error, temp_id) })
}

/// A failure that no command asked for.
pub(super) fn failed(error: &ChatError) -> Outgoing {
    Outgoing::new("chat:error", &Refused::new(error, None))
}

pub(super) fn notice(error: &str, message: &str) -> Outgoing {
    Outgoing::new("chat:error", &Notice { success: false, error, message, retryable: false })
}
