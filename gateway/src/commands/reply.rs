//! The answer to one command: by its ack where one was asked for, else as an event where the vocabulary has one; or as
//! the response to a request.

use std::sync::Arc;
use std::time::Instant;

use parlor_core::error::ChatError;
use parlor_socketio::Ack;
use tokio::sync::oneshot;

use crate::client::Client;
use crate::refusals;
use crate::rest::{Rendered, Rendering};
use crate::vocabularies::{Answer, Vocabulary};

/// Owned by whoever answers; every command is answered once.
pub(crate) struct Reply {
    to: To,
    temp_id: Option<String>,
    began: Instant,
}

enum To {
    Socket { client: Arc<Client>, vocabulary: Vocabulary, event: String, ack: Option<Ack> },
    Request { rendering: Rendering, response: oneshot::Sender<Rendered> },
}

impl Reply {
    /// To an event of a socket.
    pub(crate) fn new(
        client: Arc<Client>,
        vocabulary: Vocabulary,
        event: String,
        temp_id: Option<String>,
        ack: Option<Ack>,
        began: Instant,
    ) -> Self {
        Self { to: To::Socket { client, vocabulary, event, ack }, temp_id, began }
    }

    /// To a request. The receiver fails if nobody answers.
    pub(crate) fn request(rendering: Rendering) -> (Self, oneshot::Receiver<Rendered>) {
        let (response, answered) = oneshot::channel();
        (Self { to: To::Request { rendering, response }, temp_id: None, began: Instant::now() }, answered)
    }

    /// When the command was read.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Whether the answer says of messages how far each has got: only then is it looked up.
    pub(crate) fn shows_status(&self) -> bool {
        match &self.to {
            To::Socket { vocabulary, .. } => vocabulary.shows_status(),
            To::Request { rendering, .. } => rendering.shows_status,
        }
    }

    /// Whether a list of rooms names the first members of each: only then are they read.
    pub(crate) fn shows_participants(&self) -> bool {
        match &self.to {
            To::Socket { .. } => false,
            To::Request { rendering, .. } => rendering.shows_participants,
        }
    }

    pub(crate) fn ok(self, answer: &Answer<'_>) {
        match self.to {
            To::Socket { vocabulary, ack: Some(ack), .. } => ack.send_raw(&vocabulary.ack(answer)),
            To::Socket { client, vocabulary, ack: None, .. } => client.send(vocabulary.unasked(answer)),
            // Nobody waits any more where the request was given up.
            To::Request { rendering, response } => drop(response.send((rendering.ok)(answer))),
        }
    }

    pub(crate) fn done(self) {
        self.ok(&Answer::Done);
    }

    pub(crate) fn refuse(self, error: &ChatError) {
        match &self.to {
            To::Socket { event, .. } => refusals::refused(event, error),
            To::Request { .. } => refusals::refused(refusals::REQUEST, error),
        }
        let temp_id = self.temp_id.as_deref();
        match self.to {
            To::Socket { vocabulary, ack: Some(ack), .. } => ack.send_raw(&vocabulary.refusal_ack(error, temp_id)),
            To::Socket { client, vocabulary, event, ack: None } => {
                client.send([vocabulary.refusal_event(&event, error, temp_id)]);
            }
            To::Request { rendering, response } => drop(response.send(rendering.refused(error))),
        }
    }

    /// Answers with what a command came to, where it came to something that is told at once.
    pub(crate) fn settle(self, outcome: Result<Answer<'_>, ChatError>) {
        match outcome {
            Ok(answer) => self.ok(&answer),
            Err(error) => self.refuse(&error),
        }
    }
}
