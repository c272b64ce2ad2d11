//! Engine.IO alone (<https://socket.io/docs/v4/engine-io-protocol/>): messages of text and bytes over either transport,
//! without Socket.IO's namespaces, events and acks.

use std::sync::Arc;

use crate::link::Link;
use crate::{CloseReason, Closed, Frame};

/// A client that speaks Engine.IO.
#[derive(Debug)]
pub struct Client<'a>(&'a Arc<Link>);

/// What a client sent, or is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes: base64 in a polling payload.
    Binary(&'a [u8]),
}

/// Takes what clients send. Given as [`Config::engine`](crate::Config::engine).
#[derive(Clone)]
pub struct Engine(Arc<Take>);

type Take = dyn Fn(&Client<'_>, Message<'_>) + Send + Sync;

impl Engine {
    /// Has `take` called for every message, in order for one client. It must not block.
    pub fn new(take: impl Fn(&Client<'_>, Message<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(crate) fn message(&self, client: &Client<'_>, message: Message<'_>) {
        (self.0)(client, message);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine(..)")
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(link: &'a Arc<Link>) -> Self {
        Self(link)
    }

    /// Queues a message. Never blocks.
    ///
    /// # Errors
    /// [`Closed`]: nothing was queued. A message that does not fit into the queue closes the connection.
    pub fn send(&self, message: Message<'_>) -> Result<(), Closed> {
        self.0.push(match message {
            Message::Text(text) => Frame::text(&format!("4{text}")),
            Message::Binary(data) => Frame::binary(data),
        })
    }

    /// Closes the session once what is queued has been flushed.
    pub fn close(&self, reason: CloseReason) {
        self.0.close(reason, false);
    }
}
