//! Acks in both directions (SIO5 § "Acknowledgement").

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::app::{Answer, Fault};
use crate::packet;
use crate::{EmitError, Frame, Socket};

/// The answer that a client awaits. Owned: it may be sent from another task, once. Dropped unsent, the client hears
/// nothing.
#[derive(Debug)]
pub struct Ack {
    socket: Socket,
    id: u64,
}

impl Ack {
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id }
    }

    /// Answers with one argument. A socket that is gone needs no answer; a value that cannot be written as JSON is
    /// logged and not sent.
    pub fn send(self, arg: &(impl Serialize + ?Sized)) {
        match serde_json::to_string(arg) {
            Ok(json) => self.send_raw(&json),
            Err(error) => tracing::error!(%error, "an ack cannot be written as JSON"),
        }
    }

    /// Answers with one argument that is JSON already. It is not checked.
    pub fn send_raw(self, arg_json: &str) {
        self.answer(&[arg_json]);
    }

    /// Answers with any number of arguments.
    pub fn send_args(self, args: &[&RawValue]) {
        self.send_binary(args, &[]);
    }

    /// Answers with any number of arguments that hold binary data: where a piece belongs, `args` have a placeholder, as
    /// in [`Event::args`](crate::Event::args).
    pub fn send_binary(self, args: &[&RawValue], attachments: &[Bytes]) {
        let args: Vec<&str> = args.iter().map(|a| a.get()).collect();
        if attachments.is_empty() {
            return self.answer(&args);
        }
        let packet = packet::binary_ack(self.socket.namespace(), self.id, &args, attachments.len());
        self.queue(&Frame::with_attachments(&packet, attachments));
    }

    fn answer(&self, args: &[&str]) {
        self.queue(&Frame::text(&packet::ack(self.socket.namespace(), self.id, args)));
    }

    fn queue(&self, frame: &Frame) {
        // A socket that is gone needs no answer.
        let _ = self.socket.emit(frame);
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The event was not sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// As many answers are awaited from this socket as may be.
    #[error("too many acks are awaited from this socket")]
    TooMany,
    /// The client did not answer in time.
    #[error("the client did not answer in time")]
    Timeout,
    /// The socket was closed first.
    #[error("the socket was closed before the client answered")]
    Closed,
    /// The client's answer cannot be read, or is too large.
    #[error("the client's answer cannot be read")]
    Malformed,
}

type Answered = Result<Answer, Fault>;

/// Answers that one socket awaits from its client.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Answered>>,
}

impl Pending {
    pub(crate) fn add(&mut self, max: usize) -> Option<(u64, oneshot::Receiver<Answered>)> {
        if self.waiting.len() >= max {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(id, sender);
        Some((id, receiver))
    }

    /// Takes a client's answer; one that nobody awaits is ignored.
    pub(crate) fn answer(&mut self, id: u64, answer: Answered) {
        if let Some(sender) = self.waiting.remove(&id) {
            // The waiter may have given up.
            let _ = sender.send(answer);
        }
    }

    pub(crate) fn forget(&mut self, id: u64) {
        self.waiting.remove(&id);
    }
}

/// Waits for an answer and gives its place free, however it ends.
pub(crate) async fn wait(
    socket: &Socket,
    id: u64,
    receiver: oneshot::Receiver<Answered>,
    timeout: Duration,
) -> Result<Answer, AckError> {
    struct Place<'a>(&'a Socket, u64);
    impl Drop for Place<'_> {
        fn drop(&mut self) {
            self.0.forget_ack(self.1);
        }
    }
    let _place = Place(socket, id);
    match tokio::time::timeout(timeout, receiver).await {
        Err(_) => Err(AckError::Timeout),
        Ok(Err(_)) => Err(AckError::Closed),
        Ok(Ok(Err(_))) => Err(AckError::Malformed),
        Ok(Ok(Ok(answer))) => Ok(answer),
    }
}
