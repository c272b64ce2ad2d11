//! WebSocket (RFC 6455), as far as a Socket.IO server needs it.

mod decoder;
pub(crate) mod deflate;
mod frame;
pub(crate) mod handshake;
mod incoming;
pub(crate) mod outgoing;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use decoder::Decoder;
pub(crate) use decoder::{Flow, Message};
pub(crate) use frame::{MAX_HEADER, Opcode, close_payload, deflated, write_header};
pub(crate) use incoming::Incoming;
pub(crate) use outgoing::{Flushed, Stream};
