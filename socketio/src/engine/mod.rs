//! Engine.IO v4: packets, HTTP answers, long-polling, and going over to a WebSocket.

pub(crate) mod http;
mod mailbox;
pub(crate) mod packet;
pub(crate) mod polling;
pub mod raw;
pub(crate) mod upgrade;

pub(crate) use mailbox::{Mailbox, Payload};
