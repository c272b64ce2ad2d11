//! WebSocket (RFC 6455), as far as a Socket.IO server needs it.

mod decoder;
mod frame;
pub(crate) mod handshake;
mod wire;

pub(crate) use decoder::{Flow, Message};
pub(crate) use frame::{MAX_HEADER, Opcode, close_payload, write_header};
pub(crate) use wire::Wire;
