//! Frame headers (RFC 6455 §5.2), read and written by tungstenite's codec.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::deflate;
use crate::CloseReason;

/// Bytes of the longest header that a server writes.
pub(crate) const MAX_HEADER: usize = 10;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continue,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A client's frame header.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) last: bool,
    /// The message that begins with this frame is compressed (RFC 7692 §6).
    pub(crate) deflated: bool,
    pub(crate) mask: [u8; 4],
    /// Bytes of the header itself.
    pub(crate) size: usize,
    /// Bytes of the payload.
    pub(crate) payload: usize,
}

/// Reads the header that `data` begins with; none when there is too little of it. Refuses what a client may not send:
/// no mask (§5.1), reserved bits without an extension (§5.2), control frames in parts or over 125 bytes (§5.5). With
/// `deflate` negotiated, the first reserved bit may be set on the first frame of a data message (RFC 7692 §6.1).
pub(crate) fn read_header(data: &[u8], deflate: bool) -> Result<Option<Header>, CloseReason> {
    let mut cursor = Cursor::new(data);
    let Some((header, payload)) = FrameHeader::parse(&mut cursor).map_err(|_| CloseReason::ProtocolError)? else {
        return Ok(None);
    };
    let opcode = match header.opcode {
        OpCode::Data(Data::Continue) => Opcode::Continue,
        OpCode::Data(Data::Text) => Opcode::Text,
        OpCode::Data(Data::Binary) => Opcode::Binary,
        OpCode::Control(Control::Close) => Opcode::Close,
        OpCode::Control(Control::Ping) => Opcode::Ping,
        OpCode::Control(Control::Pong) => Opcode::Pong,
        _ => return Err(CloseReason::ProtocolError),
    };
    let Some(mask) = header.mask else { return Err(CloseReason::ProtocolError) };
    let may_be_deflated = deflate && matches!(opcode, Opcode::Text | Opcode::Binary);
    if header.rsv2 || header.rsv3 || (header.rsv1 && !may_be_deflated) {
        return Err(CloseReason::ProtocolError);
    }
    if opcode.is_control() && (!header.is_final || payload > 125) {
        return Err(CloseReason::ProtocolError);
    }
    let payload = usize::try_from(payload).map_err(|_| CloseReason::TooLarge)?;
    let size = cursor.position() as usize;
    Ok(Some(Header { opcode, last: header.is_final, deflated: header.rsv1, mask, size, payload }))
}

/// Writes the header of a whole, unmasked message.
pub(crate) fn write_header(opcode: Opcode, payload: usize, out: &mut Vec<u8>) {
    write(opcode, false, payload, out);
}

/// A whole text message, framed and compressed; none where that makes it no shorter. For clients that negotiated it.
pub(crate) fn deflated(text: &[u8]) -> Option<Vec<u8>> {
    let payload = deflate::compress(text)?;
    let mut framed = Vec::with_capacity(payload.len() + MAX_HEADER);
    write(Opcode::Text, true, payload.len(), &mut framed);
    framed.extend_from_slice(&payload);
    Some(framed)
}

fn write(opcode: Opcode, deflated: bool, payload: usize, out: &mut Vec<u8>) {
    let opcode = match opcode {
        Opcode::Continue => OpCode::Data(Data::Continue),
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Binary => OpCode::Data(Data::Binary),
        Opcode::Close => OpCode::Control(Control::Close),
        Opcode::Ping => OpCode::Control(Control::Ping),
        Opcode::Pong => OpCode::Control(Control::Pong),
    };
    let header = FrameHeader { opcode, rsv1: deflated, ..FrameHeader::default() };
    header.format(payload as u64, out).expect("writing to a vector cannot fail");
}

/// The payload of a close frame (§5.5.1).
pub(crate) fn close_payload(reason: CloseReason) -> Vec<u8> {
    let mut payload = reason.websocket_code().to_be_bytes().to_vec();
    let text = reason.text();
    payload.extend_from_slice(&text.as_bytes()[..text.len().min(123)]);
    payload
}

/// Whether a close frame says something that may be said: nothing, or a code that may be sent (§7.4) and a reason in
/// UTF-8 (§5.5.1).
pub(crate) fn check_close(payload: &[u8]) -> Result<(), CloseReason> {
    if payload.is_empty() {
        return Ok(());
    }
    let Some((code, reason)) = payload.split_first_chunk::<2>() else { return Err(CloseReason::ProtocolError) };
    if !CloseCode::from(u16::from_be_bytes(*code)).is_allowed() {
        return Err(CloseReason::ProtocolError);
    }
    std::str::from_utf8(reason).map(drop).map_err(|_| CloseReason::InvalidText)
}

/// Undoes a client's masking (§5.3).
pub(crate) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
