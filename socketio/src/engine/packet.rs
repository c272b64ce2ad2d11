//! The Engine.IO packet codec (EIO4 § "Packet encoding").

use serde_json::json;

use crate::{CloseReason, Config};

/// Between the packets of one polling payload (EIO4 § "HTTP long-polling", "Packet encoding").
pub(crate) const SEPARATOR: char = '\x1e';

/// A packet from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Close,
    Pong,
    Message(&'a str),
    /// A noop, which says nothing.
    Noop,
}

/// Reads a packet. A ping is the server's alone in this revision, and an upgrade has not been offered.
pub(crate) fn decode(text: &str) -> Result<Packet<'_>, CloseReason> {
    match text.as_bytes().first() {
        Some(b'1') => Ok(Packet::Close),
        Some(b'3') => Ok(Packet::Pong),
        Some(b'4') => Ok(Packet::Message(&text[1..])),
        Some(b'6') => Ok(Packet::Noop),
        // Binary data in a text payload, as base64.
        Some(b'b') => Err(CloseReason::Unsupported),
        _ => Err(CloseReason::ParseError),
    }
}

/// The open packet (EIO4 § "Handshake"). Upgrades will be offered here.
pub(crate) fn open(sid: &str, config: &Config) -> String {
    let body = json!({
        "sid": sid,
        "upgrades": [],
        "pingInterval": config.ping_interval.as_millis() as u64,
        "pingTimeout": config.ping_timeout.as_millis() as u64,
        "maxPayload": config.max_payload,
    });
    format!("0{body}")
}
