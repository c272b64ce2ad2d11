//! A packet encoded once and framed once, for any number of sockets.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::packet;
use crate::ws;

/// A packet encoded once and framed once, for any number of sockets of one namespace: server frames are unmasked
/// (RFC 6455 §5.1), so the bytes are the same for all. Cloning it copies a reference.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The WebSocket frame: header, then the Engine.IO packet as text.
    bytes: Bytes,
    /// Length of the WebSocket header; polling sends what follows it.
    header: u8,
}

/// What a queued frame costs beyond its bytes.
pub(crate) const OVERHEAD: usize = 32;

impl Frame {
    /// An event with one argument.
    ///
    /// # Errors
    /// `arg` cannot be written as JSON.
    pub fn event(namespace: &str, name: &str, arg: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self::event_raw(namespace, name, &serde_json::to_string(arg)?))
    }

    /// An event with one argument that is JSON already. It is not checked.
    pub fn event_raw(namespace: &str, name: &str, arg_json: &str) -> Self {
        Self::text(&packet::event(namespace, name, None, &[arg_json]))
    }

    /// An event with any number of arguments.
    pub fn event_args(namespace: &str, name: &str, args: &[&RawValue]) -> Self {
        let args: Vec<&str> = args.iter().map(|a| a.get()).collect();
        Self::text(&packet::event(namespace, name, None, &args))
    }

    /// Frames one Engine.IO packet.
    pub(crate) fn text(packet: &str) -> Self {
        let mut bytes = Vec::with_capacity(packet.len() + ws::MAX_HEADER);
        ws::write_header(ws::Opcode::Text, packet.len(), &mut bytes);
        let header = bytes.len() as u8;
        bytes.extend_from_slice(packet.as_bytes());
        Self { bytes: bytes.into(), header }
    }

    /// Frames a WebSocket control frame: never in the queue of a polling client.
    pub(crate) fn control(opcode: ws::Opcode, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + ws::MAX_HEADER);
        ws::write_header(opcode, payload.len(), &mut bytes);
        let header = bytes.len() as u8;
        bytes.extend_from_slice(payload);
        Self { bytes: bytes.into(), header }
    }

    /// The Engine.IO ping packet.
    pub(crate) fn ping() -> Self {
        Self { bytes: Bytes::from_static(b"\x81\x012"), header: 2 }
    }

    /// Bytes on the wire, the WebSocket header included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole WebSocket frame.
    pub(crate) fn framed(&self) -> &[u8] {
        &self.bytes
    }

    /// The Engine.IO packet alone.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.bytes[usize::from(self.header)..]
    }

    /// What it counts for in a queue.
    pub(crate) fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_serves_both_transports() {
        for size in [0, 100, 125, 126, 70_000] {
            let arg = format!("\"{}\"", "x".repeat(size));
            let frame = Frame::event_raw("/custom", "a", &arg);
            let packet = format!("42/custom,[\"a\",{arg}]");
            assert_eq!(frame.packet(), packet.as_bytes());
            assert!(frame.framed().ends_with(packet.as_bytes()));
            assert_eq!(frame.len(), frame.framed().len());
        }
        assert_eq!(Frame::ping().packet(), b"2");
        assert_eq!(Frame::ping().framed(), Frame::text("2").framed());
    }
}
