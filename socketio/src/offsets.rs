//! Connection state recovery: a client that is told where it stands, so that it can say so when it comes back.
//!
//! Stock clients keep the last argument of any event as their offset if it is a string, and present it with their
//! private id on the next CONNECT (socket.io-client, `Socket.onevent` and `_sendConnectPacket`). What has to be in it
//! is the application's business; this crate knows which frames really went out, and tells.

use std::sync::Arc;

use crate::{Frame, packet, ws};

/// A place in an ordered stream of the application's (a room's log, say), put on a frame by
/// [`Frame::marked`](crate::Frame::marked).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which stream, by a number that means something to the application alone.
    pub stream: u64,
    /// The place in it.
    pub place: u64,
}

/// Keeps track of what one client has been sent. See [`Socket::set_offsets`](crate::Socket::set_offsets).
///
/// All methods are called from the write path: they must be quick and must not block. `passed` and `pinged` are called
/// one at a time, in the order in which things go out; `ponged` comes from the reading side and may meet them.
pub trait Offsets: Send + Sync + 'static {
    /// Frames with these marks have been put together for one write, in this order. A text appended to `offset` goes
    /// out right behind them as the one argument of the offset event; nothing appended, no event. The text must hold
    /// neither `"` nor `\` nor control characters. `marks` is empty where
    /// [`Socket::emit_offset`](crate::Socket::emit_offset) asked.
    fn passed(&self, marks: &[Mark], offset: &mut String);

    /// A ping goes out behind everything passed so far.
    fn pinged(&self);

    /// The client answered the last ping: it has read everything that was passed before it.
    fn ponged(&self);
}

/// What one connection's write path tells, and how the answer is sent.
pub(crate) struct Tracker {
    /// The packet up to the offset.
    head: Box<str>,
    offsets: Arc<dyn Offsets>,
}

/// Behind the offset.
const TAIL: &str = "\"]";

/// Buffers that stay with a thread.
#[derive(Default)]
pub(crate) struct Buffers {
    marks: Vec<Mark>,
    packet: String,
}

impl Tracker {
    pub(crate) fn new(namespace: &str, event: &str, offsets: Arc<dyn Offsets>) -> Self {
        let whole = packet::event(namespace, event, None, &["\"\""]);
        let head = whole.strip_suffix(TAIL).unwrap_or_default();
        Self { head: head.into(), offsets }
    }

    /// `frames` are about to go out. True: the offset event that must follow them is in the packet buffer.
    fn pass(&self, frames: &[Frame], due: bool, buffers: &mut Buffers) -> bool {
        buffers.marks.clear();
        for frame in frames {
            buffers.marks.extend(frame.mark());
            // What lies before the ping in this write counts as behind it, which is on the safe side.
            if frame.is_ping() {
                self.offsets.pinged();
            }
        }
        if buffers.marks.is_empty() && !due {
            return false;
        }
        buffers.packet.clear();
        buffers.packet.push_str(&self.head);
        self.offsets.passed(&buffers.marks, &mut buffers.packet);
        let said = buffers.packet.len() > self.head.len();
        debug_assert!(!buffers.packet[self.head.len()..].contains(['"', '\\']), "an offset is plain text");
        buffers.packet.push_str(TAIL);
        said
    }

    /// The offset event that must follow `frames`, as a WebSocket frame appended to `out`.
    pub(crate) fn write_after(&self, frames: &[Frame], due: bool, buffers: &mut Buffers, out: &mut Vec<u8>) {
        if self.pass(frames, due, buffers) {
            ws::write_header(ws::Opcode::Text, buffers.packet.len(), out);
            out.extend_from_slice(buffers.packet.as_bytes());
        }
    }

    /// The same as a frame.
    pub(crate) fn after(&self, frames: &[Frame], due: bool) -> Option<Frame> {
        let mut buffers = Buffers::default();
        self.pass(frames, due, &mut buffers).then(|| Frame::text(&buffers.packet))
    }

    pub(crate) fn ponged(&self) {
        self.offsets.ponged();
    }
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("head", &self.head).finish_non_exhaustive()
    }
}
