//! WebSocket frames (RFC 6455 §5), their headers read and written by tungstenite's codec.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text,
    Close,
    Ping,
    Pong,
}

/// A whole frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
    /// Bytes on the wire.
    pub(crate) size: usize,
}

/// What no Socket.IO server that this client asked nothing special of may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a frame with an undecodable header")]
    Header,
    #[error("a masked frame, which only clients may send")]
    Masked,
    #[error("a compressed frame, which nobody asked for")]
    Compressed,
    #[error("a message in several frames")]
    Fragment,
    #[error("a binary message")]
    Binary,
}

/// The frame that `data` begins with; none while it is not whole.
pub(crate) fn parse(data: &[u8]) -> Result<Option<Frame<'_>>, Malformed> {
    let mut cursor = Cursor::new(data);
    let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| Malformed::Header)? else {
        return Ok(None);
    };
    let opcode = match header.opcode {
        OpCode::Data(Data::Text) => Opcode::Text,
        OpCode::Data(Data::Binary) => return Err(Malformed::Binary),
        OpCode::Data(_) => return Err(Malformed::Fragment),
        OpCode::Control(Control::Close) => Opcode::Close,
        OpCode::Control(Control::Ping) => Opcode::Ping,
        OpCode::Control(_) => Opcode::Pong,
    };
    if header.mask.is_some() {
        return Err(Malformed::Masked);
    }
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(Malformed::Compressed);
    }
    if !header.is_final {
        return Err(Malformed::Fragment);
    }
    let begin = usize::try_from(cursor.position()).map_err(|_| Malformed::Header)?;
    let size = usize::try_from(length).ok().and_then(|length| begin.checked_add(length)).ok_or(Malformed::Header)?;
    Ok(data.get(begin..size).map(|payload| Frame { opcode, payload, size }))
}

/// Appends a whole frame as a client sends it: masked (§5.3).
pub(crate) fn write(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let opcode = match opcode {
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Close => OpCode::Control(Control::Close),
        Opcode::Ping => OpCode::Control(Control::Ping),
        Opcode::Pong => OpCode::Control(Control::Pong),
    };
    let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
    header.format(payload.len() as u64, out).expect("writing to a vector cannot fail");
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server sends: the same without a mask.
    fn from_server(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut out).unwrap();
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn a_frame_is_read_once_it_is_whole_whatever_its_length() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut wire = from_server(&payload);
            let size = wire.len();
            wire.extend_from_slice(b"\x81");
            for cut in [1, size / 2, size - 1].into_iter().filter(|cut| *cut < size) {
                assert_eq!(parse(&wire[..cut]), Ok(None), "{length} cut at {cut}");
            }
            let frame = parse(&wire).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.payload, frame.size), (Opcode::Text, &payload[..], size));
        }
    }

    #[test]
    fn what_is_written_is_masked_and_another_library_reads_it() {
        let mut wire = Vec::new();
        write(Opcode::Text, b"42[\"hello\"]", [1, 2, 3, 4], &mut wire);
        assert_eq!(parse(&wire), Err(Malformed::Masked));
        assert_eq!(&wire[..6], &[0x81, 0x80 | 11, 1, 2, 3, 4]);
        let plain: Vec<u8> = wire[6..].iter().zip([1, 2, 3, 4].iter().cycle()).map(|(b, m)| b ^ m).collect();
        assert_eq!(plain, b"42[\"hello\"]");
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        assert_eq!(parse(&[0x82, 0]), Err(Malformed::Binary));
        assert_eq!(parse(&[0x01, 0]), Err(Malformed::Fragment));
        assert_eq!(parse(&[0xc1, 0]), Err(Malformed::Compressed));
        assert_eq!(parse(&[0x83, 0]), Err(Malformed::Header));
    }
}
