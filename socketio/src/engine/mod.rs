//! Engine.IO v4: packets, HTTP answers, and long-polling.

pub(crate) mod http;
mod mailbox;
pub(crate) mod packet;
pub(crate) mod polling;

pub(crate) use mailbox::{Mailbox, Payload};
