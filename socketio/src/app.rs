//! What an application gives the server, and what it is given.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::packet;
use crate::{Ack, CloseReason, Handshake, Socket};

/// What an application gives the server. One per server.
pub trait Application: Send + Sync + 'static {
    /// One client in one namespace.
    type Session: Session;

    /// A client asks to CONNECT to `socket.namespace()`.
    ///
    /// `Ok`: the CONNECT answer is queued, then [`Session::opened`] runs. `Err`: the client gets CONNECT_ERROR, after
    /// which a stock client does not try again. `socket` may be cloned and kept at once; emits before the CONNECT
    /// answer is queued are refused with [`Closed`](crate::Closed). Nothing else of this connection is handled until
    /// this future ends, and it is never dropped half way.
    fn connect(&self, socket: Socket, request: Connect) -> impl Future<Output = Result<Self::Session, Refusal>> + Send;
}

impl<T: Application> Application for Arc<T> {
    type Session = T::Session;

    fn connect(&self, socket: Socket, request: Connect) -> impl Future<Output = Result<Self::Session, Refusal>> + Send {
        T::connect(self, socket, request)
    }
}

/// One client in one namespace, as the application sees it.
///
/// `opened`, then any number of `event`s, then `closed`: one at a time, each run to its end, even when the transport
/// goes away meanwhile. A session that [`Application::connect`] returned is always opened and always closed, once.
pub trait Session: Send + Sync + 'static {
    /// The CONNECT answer has been queued: whatever is emitted now comes after it.
    fn opened(&self) -> impl Future<Output = ()> + Send;

    /// The client sent an event. The next is not handed over before this future ends; a slow one delays only its own
    /// connection. Work that may take long and needs no order should be spawned, with the [`Ack`].
    fn event(&self, event: Event) -> impl Future<Output = ()> + Send;

    /// The socket is gone. Runs exactly once, last; events read before the client went away are handled before it.
    fn closed(&self, reason: CloseReason) -> impl Future<Output = ()> + Send;
}

/// A CONNECT request (SIO5 § "Connection to a namespace").
#[derive(Debug)]
pub struct Connect {
    /// The client's `auth` object, as it was sent.
    pub auth: Option<Box<RawValue>>,
    /// `auth.pid`: the private id of the session that the client would like to go on with. Stock clients merge it into
    /// `auth` by themselves once a CONNECT answer carried one.
    pub pid: Option<String>,
    /// `auth.offset`: the last offset that the client saw, merged in the same way.
    pub offset: Option<String>,
    /// The HTTP request that opened the transport. Made for this call: keep what you need of it, not all of it.
    pub handshake: Arc<Handshake>,
}

/// An event from a client (SIO5 § "Sending and receiving data").
#[derive(Debug)]
pub struct Event {
    /// The first element of the array: at most 256 bytes, never one of Socket.IO's reserved names.
    pub name: String,
    /// The elements after it, unparsed. Empty when there is a [`fault`](Self::fault). Nested no deeper than
    /// serde_json's limit and free of lone surrogates, so that parsing one into `Value` fails on numbers alone (1e999).
    ///
    /// Where binary data was, at any depth, a placeholder still is: `{"_placeholder":true,"num":0}` stands for the first
    /// of the [`attachments`](Self::attachments), and so on (SIO5 § "Binary"). See [`attachment`](Self::attachment).
    pub args: Vec<Box<RawValue>>,
    /// The binary data of the arguments: at most [`Config::max_attachments`](crate::Config::max_attachments) pieces, each
    /// named by at least one placeholder in `args`, which name no others. Empty when there is a fault. An event without
    /// any is not searched: what looks like a placeholder there is what the client wrote.
    pub attachments: Vec<Bytes>,
    /// Size of the packet, in bytes, its attachments included. What came compressed or as base64 counts uncompressed.
    pub bytes: usize,
    /// Why the arguments could not be read. The socket lives; the application answers with an error by ack.
    pub fault: Option<Fault>,
    /// The client awaits an answer to this event.
    pub ack: Option<Ack>,
}

impl Event {
    /// The binary data that `arg` stands for; none if it is no placeholder for any.
    pub fn attachment(&self, arg: &RawValue) -> Option<&Bytes> {
        self.attachments.get(packet::placeholder(arg)?)
    }
}

/// A client's answer to an event (SIO5 § "Acknowledgement").
#[derive(Debug, Clone)]
pub struct Answer {
    /// The answer's arguments, as [`Event::args`].
    pub args: Vec<Box<RawValue>>,
    /// Their binary data, as [`Event::attachments`].
    pub attachments: Vec<Bytes>,
}

impl Answer {
    /// The binary data that `arg` stands for; none if it is no placeholder for any.
    pub fn attachment(&self, arg: &RawValue) -> Option<&Bytes> {
        self.attachments.get(packet::placeholder(arg)?)
    }
}

/// Why an event's arguments could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The packet, its attachments included, is larger than [`Config::max_payload`](crate::Config::max_payload).
    TooLarge,
    /// The arguments are not JSON that can be parsed: syntax, depth over 127, lone surrogates. The text says which,
    /// and does not quote the input.
    Json(String),
}

/// The answer to a CONNECT that is refused: CONNECT_ERROR with `{message, data}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What the client's `connect_error` handler sees as `err.message`.
    pub message: String,
    /// What it sees as `err.data`.
    pub data: Option<Value>,
}

impl Refusal {
    /// A refusal without data.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }
}
