//! Requests of REST: how what they say becomes a command, and how its answer looks. The paths are in `rest/`.

use parlor_core::command::Command;
use parlor_core::error::ChatError;
use parlor_core::event::Actor;
use parlor_core::time::Timestamp;
use serde_json::value::RawValue;

use super::outgoing::Answer;
use super::payload::{Entry, Payload};
use super::rules::Rules;

/// One request that a document describes.
pub(crate) struct Route {
    /// Its name is method and path; its fields are those of path, query and body together.
    pub(super) entry: Entry,
    /// The status of an answer that is no refusal.
    pub(crate) status: u16,
    /// What its body is, as JSON text.
    pub(crate) body: fn(&Answer<'_>, &Asked) -> String,
}

impl Route {
    /// Whether its answer has messages that say how far each has got.
    pub(crate) fn shows_status(&self) -> bool {
        super::conversations::rest::shows_status(self)
    }

    /// Whether its answer is a list of rooms that names the first members of each.
    pub(crate) fn shows_participants(&self) -> bool {
        super::conversations::rest::shows_participants(self)
    }

    /// Parses a request in full. `given` is what path, query and headers say.
    ///
    /// # Errors
    /// As [`Vocabulary::parse_command`](super::Vocabulary::parse_command).
    pub(crate) fn command(
        &self,
        given: &[(String, Box<RawValue>)],
        body: Option<&RawValue>,
        rules: &Rules,
    ) -> Result<Command, ChatError> {
        (self.entry.read)(&Payload::of_request(&self.entry, given, body)?, rules)
    }
}

/// What a request asked for, and who: an answer alone does not say it again.
pub(crate) struct Asked {
    /// Who asks.
    pub(crate) user: Actor,
    /// For what.
    pub(crate) command: Command,
    /// When.
    pub(crate) at: Timestamp,
}
