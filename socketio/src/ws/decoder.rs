//! Bytes to messages, without I/O. Keeps nothing but what an incomplete frame or message has brought so far.

use super::deflate;
use super::frame::{self, Header, Opcode};
use crate::CloseReason;

/// A whole message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    Close,
}

/// Whether the receiver takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    More,
    Pause,
}

/// What takes messages.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Message<'_>) -> Result<Flow, CloseReason>;

/// Takes bytes as they come and gives out messages.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// permessage-deflate was negotiated.
    deflate: bool,
    /// What has been read and not yet been taken; a frame's head at most, unless the sink has paused.
    rest: Vec<u8>,
    parts: Option<Parts>,
}

/// A fragmented message (§5.4), so far.
#[derive(Debug)]
struct Parts {
    kind: Kind,
    bytes: Vec<u8>,
}

/// What the first frame of a message says of it.
#[derive(Debug, Clone, Copy)]
struct Kind {
    text: bool,
    deflated: bool,
}

impl Decoder {
    /// For a connection on which permessage-deflate was negotiated, or was not.
    pub(crate) fn new(deflate: bool) -> Self {
        Self { deflate, ..Self::default() }
    }

    /// Takes `data`, which it unmasks in place. When the sink pauses, what follows is kept: call again with nothing.
    ///
    /// # Errors
    /// Why the connection must be closed: the sink's own reason, or a frame that is not allowed, or a message that is over
    /// `max` bytes, uncompressed.
    pub(crate) fn feed(&mut self, data: &mut [u8], max: usize, sink: Sink<'_>) -> Result<(), CloseReason> {
        if self.rest.is_empty() {
            let used = self.run(data, max, sink)?;
            if used < data.len() {
                self.rest = data[used..].to_vec();
            }
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(data);
            let used = self.run(&mut rest, max, sink)?;
            if used < rest.len() {
                rest.drain(..used);
                if rest.len() < rest.capacity() / 4 {
                    rest.shrink_to_fit();
                }
                self.rest = rest;
            }
        }
        Ok(())
    }

    /// Returns how many bytes were used.
    fn run(&mut self, data: &mut [u8], max: usize, sink: Sink<'_>) -> Result<usize, CloseReason> {
        let mut used = 0;
        while let Some(header) = frame::read_header(&data[used..], self.deflate)? {
            let parts = self.parts.as_ref().filter(|_| !header.opcode.is_control());
            let deflated = parts.map_or(header.deflated, |p| p.kind.deflated);
            let bound = if deflated { deflate::bound(max) } else { max };
            if header.payload > bound.saturating_sub(parts.map_or(0, |p| p.bytes.len())) {
                return Err(CloseReason::TooLarge);
            }
            let start = used + header.size;
            let Some(payload) = data.get_mut(start..start + header.payload) else { break };
            frame::unmask(payload, header.mask);
            used = start + header.payload;
            if self.frame(&header, payload, max, sink)? == Flow::Pause {
                break;
            }
        }
        Ok(used)
    }

    fn frame(&mut self, header: &Header, payload: &[u8], max: usize, sink: Sink<'_>) -> Result<Flow, CloseReason> {
        let text = match header.opcode {
            Opcode::Ping => return sink(Message::Ping(payload)),
            Opcode::Pong => return sink(Message::Pong),
            Opcode::Close => {
                frame::check_close(payload)?;
                return sink(Message::Close);
            }
            Opcode::Continue => return self.go_on(header, payload, max, sink),
            Opcode::Text => true,
            Opcode::Binary => false,
        };
        let kind = Kind { text, deflated: header.deflated };
        if self.parts.is_some() {
            // A new message inside another.
            return Err(CloseReason::ProtocolError);
        }
        if header.last {
            return message(kind, payload, max, sink);
        }
        self.parts = Some(Parts { kind, bytes: payload.to_vec() });
        Ok(Flow::More)
    }

    fn go_on(&mut self, header: &Header, payload: &[u8], max: usize, sink: Sink<'_>) -> Result<Flow, CloseReason> {
        let parts = self.parts.as_mut().ok_or(CloseReason::ProtocolError)?;
        parts.bytes.extend_from_slice(payload);
        if !header.last {
            return Ok(Flow::More);
        }
        let Some(Parts { kind, bytes }) = self.parts.take() else { return Ok(Flow::More) };
        message(kind, &bytes, max, sink)
    }

    /// Bytes kept.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn kept(&self) -> usize {
        self.rest.capacity() + self.parts.as_ref().map_or(0, |p| p.bytes.capacity())
    }
}

fn message(kind: Kind, payload: &[u8], max: usize, sink: Sink<'_>) -> Result<Flow, CloseReason> {
    if kind.deflated {
        let inflated = deflate::inflate(payload, max)?;
        return message(Kind { deflated: false, ..kind }, &inflated, max, sink);
    }
    if kind.text {
        sink(Message::Text(std::str::from_utf8(payload).map_err(|_| CloseReason::InvalidText)?))
    } else {
        sink(Message::Binary(payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame.
    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..126 => out.push(0x80 | n as u8),
            n @ 126..65536 => {
                out.push(0x80 | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(0x80 | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 250];
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    fn all(decoder: &mut Decoder, data: &[u8], chunk: usize, max: usize) -> Result<Vec<String>, CloseReason> {
        let mut got = Vec::new();
        for piece in data.chunks(chunk) {
            decoder.feed(&mut piece.to_vec(), max, &mut |m| {
                got.push(format!("{m:?}"));
                Ok(Flow::More)
            })?;
        }
        Ok(got)
    }

    #[test]
    fn nothing_is_kept_between_whole_frames() {
        let mut decoder = Decoder::default();
        let mut data = client(0x81, "a".repeat(70_000).as_bytes());
        data.extend(client(0x01, b"be"));
        data.extend(client(0x89, b"!"));
        data.extend(client(0x80, b"gin"));
        data.extend(client(0x02, b"\x01"));
        data.extend(client(0x00, b"\x02"));
        data.extend(client(0x80, b"\xff"));
        data.extend(client(0x82, b""));
        let got = all(&mut decoder, &data, 1000, 100_000).unwrap();
        assert_eq!(got[1..], ["Ping([33])", "Text(\"begin\")", "Binary([1, 2, 255])", "Binary([])"]);
        assert_eq!(decoder.kept(), 0);
    }

    #[test]
    fn a_paused_sink_loses_nothing() {
        let mut decoder = Decoder::default();
        let mut data: Vec<u8> = (0..10).flat_map(|i| client(0x81, format!("{i}").as_bytes())).collect();
        let mut got = String::new();
        let mut sink = |m: Message<'_>| {
            let Message::Text(text) = m else { panic!() };
            got.push_str(text);
            Ok(if got.len().is_multiple_of(3) { Flow::Pause } else { Flow::More })
        };
        decoder.feed(&mut data, 100, &mut sink).unwrap();
        for _ in 0..3 {
            decoder.feed(&mut [], 100, &mut sink).unwrap();
        }
        assert_eq!(got, "0123456789");
    }

    #[test]
    fn compressed_messages_are_read_whole_and_in_parts() {
        let text = "once upon a time, ".repeat(50);
        let deflated = deflate::compress(text.as_bytes()).unwrap();
        let (head, tail) = deflated.split_at(7);
        let data = [
            client(0xC1, &deflated),
            client(0x41, head),
            client(0x89, b"!"),
            client(0x80, tail),
            client(0xC2, &deflated),
            client(0x81, b"plain"),
        ]
        .concat();
        let mut decoder = Decoder::new(true);
        let got = all(&mut decoder, &data, 11, 1000).unwrap();
        let expected = format!("{:?}", Message::Text(&text));
        let binary = format!("{:?}", Message::Binary(text.as_bytes()));
        assert_eq!(got, [&expected, "Ping([33])", &expected, &binary, "Text(\"plain\")"]);
        assert_eq!(decoder.kept(), 0);
    }

    #[test]
    fn the_limit_of_a_compressed_message_is_that_of_what_it_holds() {
        let refuse = |data: &[u8]| all(&mut Decoder::new(true), data, 1 << 20, 1000).unwrap_err();
        let bomb = deflate::compress(&[b'a'; 1001]).unwrap();
        assert_eq!(refuse(&client(0xC1, &bomb)), CloseReason::TooLarge);
        assert_eq!(refuse(&[client(0x41, &bomb[..3]), client(0x80, &bomb[3..])].concat()), CloseReason::TooLarge);
        assert_eq!(refuse(&client(0xC1, &[0; 1200])[..8]), CloseReason::TooLarge);
        assert_eq!(refuse(&client(0x81, &[b'a'; 1001])), CloseReason::TooLarge);
        // Stored, and so longer on the wire than the limit.
        let stored = [&[0, 0xe8, 3, 0x17, 0xfc][..], &[b'a'; 1000], &[0]].concat();
        assert_eq!(all(&mut Decoder::new(true), &client(0xC1, &stored), 100, 1000).unwrap().len(), 1);
        let not_text = deflate::compress(&[0xff; 100]).unwrap();
        assert_eq!(refuse(&client(0xC1, &not_text)), CloseReason::InvalidText);
    }

    #[test]
    fn the_compression_bit_is_for_the_first_frame_of_a_data_message_where_it_was_negotiated() {
        let refuse = |data: &[u8]| all(&mut Decoder::new(true), data, 1 << 20, 1000).unwrap_err();
        for first in [0xC9, 0xCA, 0xC8, 0xC0, 0xE1, 0xD1, 0xA1, 0x91] {
            assert_eq!(refuse(&client(first, b"")), CloseReason::ProtocolError, "{first:x}");
        }
        assert_eq!(refuse(&[client(0x41, b"\0"), client(0xC0, b"")].concat()), CloseReason::ProtocolError);
        assert_eq!(refuse(&client(0xC1, b"not deflate")), CloseReason::ProtocolError);
        assert_eq!(refuse(&client(0xC1, b"")), CloseReason::ProtocolError);
    }

    #[test]
    fn what_the_rfc_does_not_allow_is_refused() {
        let refuse = |data: &[u8]| all(&mut Decoder::default(), data, 1 << 20, 1000).unwrap_err();
        assert_eq!(refuse(b"\x81\x01a"), CloseReason::ProtocolError);
        for first in [0xC1, 0xA1, 0x91, 0x83, 0x8B, 0x80, 0x09] {
            assert_eq!(refuse(&client(first, b"a")), CloseReason::ProtocolError, "{first:x}");
        }
        assert_eq!(refuse(&client(0x89, &[0; 126])), CloseReason::ProtocolError);
        assert_eq!(refuse(&client(0x88, &[0])), CloseReason::ProtocolError);
        for code in [0_u16, 999, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(refuse(&client(0x88, &code.to_be_bytes())), CloseReason::ProtocolError, "{code}");
        }
        assert_eq!(refuse(&client(0x88, b"\x03\xe8\xff")), CloseReason::InvalidText);
        let fine = client(0x88, b"\x03\xe8bye");
        assert_eq!(all(&mut Decoder::default(), &fine, 1 << 20, 1000).unwrap(), ["Close"]);
        assert_eq!(refuse(&[client(0x01, b"a"), client(0x81, b"b")].concat()), CloseReason::ProtocolError);
        assert_eq!(refuse(&client(0x81, b"\xff")), CloseReason::InvalidText);
        assert_eq!(refuse(&client(0x81, &[b'a'; 1001])), CloseReason::TooLarge);
        assert_eq!(refuse(&client(0x81, &[b'a'; 1001])[..8]), CloseReason::TooLarge);
        assert_eq!(refuse(&[client(0x01, &[b'a'; 600]), client(0x80, &[b'a'; 401])].concat()), CloseReason::TooLarge);
        assert_eq!(refuse(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), CloseReason::TooLarge);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_messages(
            texts in prop::collection::vec((".{0,300}", 0..4usize), 1..6), chunk in 1usize..400,
        ) {
            let mut data = Vec::new();
            let mut expected = Vec::new();
            for (text, how) in &texts {
                let bytes = text.as_bytes();
                let half = bytes.len() / 2;
                match (how, deflate::compress(bytes)) {
                    (0, _) => data.extend([client(0x02, &bytes[..half]), client(0x80, &bytes[half..])].concat()),
                    (1, _) => data.extend(client(0x82, bytes)),
                    (2, Some(deflated)) => data.extend(client(0xC1, &deflated)),
                    _ => data.extend(client(0x81, bytes)),
                }
                expected.push(match how {
                    0 | 1 => format!("{:?}", Message::Binary(bytes)),
                    _ => format!("{:?}", Message::Text(text)),
                });
            }
            let mut decoder = Decoder::new(true);
            let got = all(&mut decoder, &data, chunk, 10_000).unwrap();
            prop_assert_eq!(got, expected);
            prop_assert_eq!(decoder.kept(), 0);
        }

        #[test]
        fn never_panics_and_keeps_little(
            data in prop::collection::vec(any::<u8>(), 0..600), chunk in 1usize..100, deflate in any::<bool>(),
        ) {
            let mut decoder = Decoder::new(deflate);
            let _ = all(&mut decoder, &data, chunk, 100);
            prop_assert!(decoder.kept() < 1000);
        }
    }
}
