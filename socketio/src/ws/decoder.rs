//! Bytes to messages, without I/O. Keeps nothing but what an incomplete frame or message has brought so far.

use super::frame::{self, Opcode};
use crate::CloseReason;

/// A whole message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary,
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
    /// What has been read and not yet been taken; a frame's head at most, unless the sink has paused.
    rest: Vec<u8>,
    /// The parts so far of a fragmented text message (§5.4).
    parts: Option<Vec<u8>>,
}

impl Decoder {
    /// Takes `data`, which it unmasks in place. When the sink pauses, what follows is kept: call again with nothing.
    ///
    /// # Errors
    /// Why the connection must be closed: the sink's own reason, or a frame that is not allowed or is over `max` bytes.
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
        while let Some(header) = frame::read_header(&data[used..])? {
            let parts = self.parts.as_ref().map_or(0, Vec::len);
            let so_far = if header.opcode.is_control() { 0 } else { parts };
            if header.payload > max.saturating_sub(so_far) {
                return Err(CloseReason::TooLarge);
            }
            let start = used + header.size;
            let Some(payload) = data.get_mut(start..start + header.payload) else { break };
            frame::unmask(payload, header.mask);
            used = start + header.payload;
            if self.frame(header.opcode, header.last, payload, sink)? == Flow::Pause {
                break;
            }
        }
        Ok(used)
    }

    fn frame(&mut self, opcode: Opcode, last: bool, payload: &[u8], sink: Sink<'_>) -> Result<Flow, CloseReason> {
        match (opcode, &mut self.parts) {
            (Opcode::Ping, _) => sink(Message::Ping(payload)),
            (Opcode::Pong, _) => sink(Message::Pong),
            (Opcode::Close, _) if payload.len() == 1 => Err(CloseReason::ProtocolError),
            (Opcode::Close, _) => sink(Message::Close),
            (Opcode::Binary, None) => sink(Message::Binary),
            (Opcode::Text, None) if last => text(payload, sink),
            (Opcode::Text, none @ None) => {
                *none = Some(payload.to_vec());
                Ok(Flow::More)
            }
            (Opcode::Continue, Some(parts)) => {
                parts.extend_from_slice(payload);
                if !last {
                    return Ok(Flow::More);
                }
                let whole = self.parts.take().unwrap_or_default();
                text(&whole, sink)
            }
            // A continuation of nothing, or a new message inside another.
            (Opcode::Continue, None) | (Opcode::Text | Opcode::Binary, Some(_)) => Err(CloseReason::ProtocolError),
        }
    }

    /// Bytes kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.rest.capacity() + self.parts.as_ref().map_or(0, Vec::capacity)
    }
}

fn text(payload: &[u8], sink: Sink<'_>) -> Result<Flow, CloseReason> {
    sink(Message::Text(std::str::from_utf8(payload).map_err(|_| CloseReason::InvalidText)?))
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
        let got = all(&mut decoder, &data, 1000, 100_000).unwrap();
        assert_eq!(got[1..], ["Ping([33])", "Text(\"begin\")"]);
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
    fn what_the_rfc_does_not_allow_is_refused() {
        let refuse = |data: &[u8]| all(&mut Decoder::default(), data, 1 << 20, 1000).unwrap_err();
        assert_eq!(refuse(b"\x81\x01a"), CloseReason::ProtocolError);
        for first in [0xC1, 0xA1, 0x91, 0x83, 0x8B, 0x80, 0x09] {
            assert_eq!(refuse(&client(first, b"a")), CloseReason::ProtocolError, "{first:x}");
        }
        assert_eq!(refuse(&client(0x89, &[0; 126])), CloseReason::ProtocolError);
        assert_eq!(refuse(&client(0x88, &[0])), CloseReason::ProtocolError);
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
            texts in prop::collection::vec(".{0,300}", 1..6), chunk in 1usize..400,
        ) {
            let data: Vec<u8> = texts.iter().flat_map(|t| client(0x81, t.as_bytes())).collect();
            let mut decoder = Decoder::default();
            let got = all(&mut decoder, &data, chunk, 10_000).unwrap();
            let expected: Vec<String> = texts.iter().map(|t| format!("{:?}", Message::Text(t))).collect();
            prop_assert_eq!(got, expected);
            prop_assert_eq!(decoder.kept(), 0);
        }

        #[test]
        fn never_panics_and_keeps_little(data in prop::collection::vec(any::<u8>(), 0..600), chunk in 1usize..100) {
            let mut decoder = Decoder::default();
            let _ = all(&mut decoder, &data, chunk, 100);
            prop_assert!(decoder.kept() < 1000);
        }
    }
}
