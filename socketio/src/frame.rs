//! A packet encoded once and framed once, for any number of sockets.

use std::sync::{Arc, LazyLock, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::engine::packet::SEPARATOR;
use crate::ws::{self, Opcode};
use crate::{Mark, packet};

/// A packet encoded once and framed once, for any number of sockets of one namespace: server frames are unmasked
/// (RFC 6455 §5.1), so the bytes are the same for all. Cloning it copies a reference, and that is all a queue holds.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For a WebSocket: one frame, or one and those of its attachments.
    framed: Box<[u8]>,
    /// Length of the first frame's header.
    header: u8,
    /// For polling, where that is not what follows the header: packets with attachments.
    packets: Option<Box<str>>,
    /// For a WebSocket that negotiated compression; made by the first that needs it. `None` in it: it would not pay.
    deflated: OnceLock<Option<Box<[u8]>>>,
    /// Payloads that are shorter are not worth compressing; a control frame never is.
    deflate: bool,
    mark: Option<Mark>,
}

/// What a queued frame costs beyond its bytes.
pub(crate) const OVERHEAD: usize = 32;

static PING: LazyLock<Frame> = LazyLock::new(|| Frame::text("2"));

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

    /// An event with any number of arguments that hold binary data: where a piece of it belongs, the arguments have a
    /// placeholder (SIO5 § "Binary"), `{"_placeholder":true,"num":0}` for the first of the attachments. They are not
    /// checked.
    pub fn event_binary(namespace: &str, name: &str, args: &[&RawValue], attachments: &[Bytes]) -> Self {
        Self::binary_event(namespace, name, None, args, attachments)
    }

    pub(crate) fn binary_event(
        namespace: &str,
        name: &str,
        id: Option<u64>,
        args: &[&RawValue],
        attachments: &[Bytes],
    ) -> Self {
        let args: Vec<&str> = args.iter().map(|a| a.get()).collect();
        if attachments.is_empty() {
            return Self::text(&packet::event(namespace, name, id, &args));
        }
        let packet = packet::binary_event(namespace, name, id, &args, attachments.len());
        Self::with_attachments(&packet, attachments)
    }

    /// The same frame with a place in one of the application's streams; see [`Offsets`](crate::Offsets).
    #[must_use]
    pub fn marked(mut self, mark: Mark) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.mark = Some(mark);
            return self;
        }
        let Inner { framed, header, packets, deflate, .. } = &*self.0;
        Self(Arc::new(Inner {
            framed: framed.clone(),
            header: *header,
            packets: packets.clone(),
            deflated: OnceLock::new(),
            deflate: *deflate,
            mark: Some(mark),
        }))
    }

    /// Frames one Engine.IO packet.
    pub(crate) fn text(packet: &str) -> Self {
        Self::one(Opcode::Text, packet.as_bytes(), None)
    }

    /// Frames one binary Engine.IO message (EIO4 § "Packet encoding": as it is on a WebSocket, base64 after a `b` in a
    /// polling payload).
    pub(crate) fn binary(data: &[u8]) -> Self {
        Self::one(Opcode::Binary, data, Some(format!("b{}", STANDARD.encode(data))))
    }

    /// A packet and its attachments, which must follow it with nothing between (SIO5 § "Packet encoding").
    pub(crate) fn with_attachments(packet: &str, attachments: &[Bytes]) -> Self {
        let size: usize = attachments.iter().map(|a| a.len() + ws::MAX_HEADER).sum();
        let mut framed = Vec::with_capacity(ws::MAX_HEADER + packet.len() + size);
        ws::write_header(Opcode::Text, packet.len(), &mut framed);
        let header = framed.len() as u8;
        framed.extend_from_slice(packet.as_bytes());
        let mut packets = packet.to_owned();
        for attachment in attachments {
            ws::write_header(Opcode::Binary, attachment.len(), &mut framed);
            framed.extend_from_slice(attachment);
            packets.push(SEPARATOR);
            packets.push('b');
            STANDARD.encode_string(attachment, &mut packets);
        }
        Self(Arc::new(Inner {
            framed: framed.into(),
            header,
            packets: Some(packets.into()),
            deflated: OnceLock::new(),
            deflate: false,
            mark: None,
        }))
    }

    /// How many Engine.IO packets it is.
    pub(crate) fn count(&self) -> usize {
        self.0.packets.as_ref().map_or(1, |packets| 1 + packets.matches(SEPARATOR).count())
    }

    /// The inverse of [`packets`](Self::packets): a text packet and its attachments.
    pub(crate) fn from_packets(packets: &str) -> Option<Self> {
        let mut parts = packets.split(SEPARATOR);
        let packet = parts.next()?;
        let attachments = parts.map(|part| STANDARD.decode(part.strip_prefix('b')?).ok().map(Bytes::from));
        let attachments = attachments.collect::<Option<Vec<Bytes>>>()?;
        Some(if attachments.is_empty() { Self::text(packet) } else { Self::with_attachments(packet, &attachments) })
    }

    /// Frames a WebSocket control frame: never in the queue of a polling client.
    pub(crate) fn control(opcode: Opcode, payload: &[u8]) -> Self {
        Self::one(opcode, payload, None)
    }

    fn one(opcode: Opcode, payload: &[u8], packets: Option<String>) -> Self {
        let mut framed = Vec::with_capacity(payload.len() + ws::MAX_HEADER);
        ws::write_header(opcode, payload.len(), &mut framed);
        let header = framed.len() as u8;
        framed.extend_from_slice(payload);
        Self(Arc::new(Inner {
            framed: framed.into(),
            header,
            packets: packets.map(Into::into),
            deflated: OnceLock::new(),
            deflate: opcode == Opcode::Text,
            mark: None,
        }))
    }

    /// What is a whole, short WebSocket frame already.
    pub(crate) fn framed_already(framed: &[u8]) -> Self {
        // RFC 6455 §5.2: 126 says that two bytes of length follow.
        let header = if framed.get(1).is_some_and(|len| *len >= 126) { 4 } else { 2 };
        Self(Arc::new(Inner {
            framed: framed.into(),
            header,
            packets: None,
            deflated: OnceLock::new(),
            deflate: false,
            mark: None,
        }))
    }

    /// The Engine.IO ping packet.
    pub(crate) fn ping() -> Self {
        PING.clone()
    }

    pub(crate) fn is_ping(&self) -> bool {
        Arc::ptr_eq(&self.0, &PING.0)
    }

    pub(crate) fn mark(&self) -> Option<Mark> {
        self.0.mark
    }

    /// Bytes on the wire of a WebSocket without compression, headers included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.framed.len()
    }

    /// The whole WebSocket frame.
    pub(crate) fn framed(&self) -> &[u8] {
        &self.0.framed
    }

    /// The whole WebSocket frame as it goes to a client that negotiated compression of payloads from `from` bytes.
    pub(crate) fn wire(&self, deflate: Option<usize>) -> &[u8] {
        let Inner { framed, header, deflated, deflate: may, .. } = &*self.0;
        let payload = &framed[usize::from(*header)..];
        match deflate {
            Some(from) if *may && payload.len() >= from => {
                deflated.get_or_init(|| ws::deflated(payload).map(Vec::into_boxed_slice)).as_deref().unwrap_or(framed)
            }
            _ => framed,
        }
    }

    /// The Engine.IO packets for a polling payload, joined by the separator.
    pub(crate) fn packets(&self) -> &str {
        match &self.0.packets {
            Some(packets) => packets,
            // Only text frames have none: what they hold was a `str`.
            None => std::str::from_utf8(&self.0.framed[usize::from(self.0.header)..]).unwrap_or_default(),
        }
    }

    /// What it counts for in a queue.
    pub(crate) fn cost(&self) -> usize {
        self.0.framed.len() + OVERHEAD
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
            assert_eq!(frame.packets(), packet);
            assert!(frame.framed().ends_with(packet.as_bytes()));
            assert_eq!(frame.len(), frame.framed().len());
        }
        assert_eq!(Frame::ping().packets(), "2");
        assert_eq!(Frame::ping().framed(), b"\x81\x012");
        assert!(Frame::ping().is_ping() && !Frame::text("2").is_ping());
    }

    #[test]
    fn attachments_follow_their_packet_in_either_form() {
        let attachments = [Bytes::from_static(b"\x01\x02\x03"), Bytes::from_static(b"")];
        let frame = Frame::with_attachments("452-[\"a\"]", &attachments);
        assert_eq!(frame.packets(), "452-[\"a\"]\x1ebAQID\x1eb");
        assert_eq!(frame.framed(), b"\x81\x09452-[\"a\"]\x82\x03\x01\x02\x03\x82\x00");
        let back = Frame::from_packets(frame.packets()).unwrap();
        assert_eq!(back.framed(), frame.framed());
        assert!(Frame::from_packets("452-[\"a\"]\x1eb???").is_none());
    }

    #[test]
    fn a_mark_is_of_one_frame_alone() {
        let frame = Frame::text("4");
        let other = frame.clone();
        let mark = Mark { stream: 1, place: 2 };
        assert_eq!(frame.marked(mark).mark(), Some(mark));
        assert_eq!(other.mark(), None);
        assert_eq!(other.framed(), b"\x81\x014");
    }
}
