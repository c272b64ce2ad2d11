//! The Socket.IO packet codec (SIO5 § "Packet encoding").
//!
//! `<type>[<attachments>-][<namespace>,][<ack id>][JSON]`, and behind a packet with attachments as many binary messages
//! (SIO5 § "Binary").

mod attachments;
mod decode;
mod encode;

pub(crate) use attachments::{Awaited, placeholder};
pub(crate) use decode::{Body, Content, Limits, decode};
pub(crate) use encode::{ack, binary_ack, binary_event, connected, disconnect, event, refused};

/// Bytes of a namespace, and of an event's name.
const MAX_NAME: usize = 256;

/// Names that only the library itself may raise (socket.io-parser, `RESERVED_EVENTS`).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
