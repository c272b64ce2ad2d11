//! The answer to one event: by its ack where one was asked for, else as an event where the vocabulary has one.

use std::sync::Arc;
use std::time::Instant;

use parlor_core::error::ChatError;
use parlor_socketio::Ack;

use crate::client::Client;
use crate::vocabularies::{Answer, Vocabulary};

/// Owned by whoever answers; every event is answered once.
pub(crate) struct Reply {
    client: Arc<Client>,
    vocabulary: Vocabulary,
    event: String,
    temp_id: Option<String>,
    ack: Option<Ack>,
    began: Instant,
}

impl Reply {
    pub(crate) fn new(
        client: Arc<Client>,
        vocabulary: Vocabulary,
        event: String,
        temp_id: Option<String>,
        ack: Option<Ack>,
        began: Instant,
    ) -> Self {
        Self { client, vocabulary, event, temp_id, ack, began }
    }

    /// The event's name, as the client sent it.
    pub(crate) fn event(&self) -> &str {
        &self.event
    }

    /// When the event was read.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn ok(self, answer: &Answer<'_>) {
        match self.ack {
            Some(ack) => ack.send_raw(&self.vocabulary.ack(answer)),
            None => self.client.send(self.vocabulary.unasked(answer)),
        }
    }

    pub(crate) fn done(self) {
        self.ok(&Answer::Done);
    }

    pub(crate) fn refuse(self, error: &ChatError) {
        metrics::counter!("parlor_errors_total", "code" => error.code.as_str()).increment(1);
        let temp_id = self.temp_id.as_deref();
        match self.ack {
            Some(ack) => ack.send_raw(&self.vocabulary.refusal_ack(error, temp_id)),
            None => self.client.send([self.vocabulary.refusal_event(&self.event, error, temp_id)]),
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
