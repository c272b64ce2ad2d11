//! The Engine.IO packet codec (EIO4 § "Packet encoding").

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::json;

use crate::{CloseReason, Config, Transport};

/// Between the packets of one polling payload (EIO4 § "HTTP long-polling", "Packet encoding").
pub(crate) const SEPARATOR: char = '\x1e';

/// A packet from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Close,
    Pong,
    Message(&'a str),
    /// A binary message, which was base64 in a text.
    Binary(Bytes),
    /// A noop, which says nothing.
    Noop,
}

/// Standard alphabet; padding is what clients disagree about.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a packet. A ping is the server's alone in this revision but for the probe of an upgrade, which goes its own way.
/// Like the reference parser (engine.io-parser, `decodePacket`) it takes base64 in any text, a WebSocket's too.
pub(crate) fn decode(text: &str) -> Result<Packet<'_>, CloseReason> {
    match text.as_bytes().first() {
        Some(b'1') => Ok(Packet::Close),
        Some(b'3') => Ok(Packet::Pong),
        Some(b'4') => Ok(Packet::Message(&text[1..])),
        Some(b'6') => Ok(Packet::Noop),
        Some(b'b') => {
            let data = BASE64.decode(&text[1..]).map_err(|_| CloseReason::ParseError)?;
            Ok(Packet::Binary(data.into()))
        }
        _ => Err(CloseReason::ParseError),
    }
}

/// The packet of a polling payload that begins at `at`, and where the next one does; none past the last.
pub(crate) fn split(payload: &str, at: usize) -> Option<(&str, usize)> {
    let rest = payload.get(at..)?;
    let packet = rest.split_once(SEPARATOR).map_or(rest, |(packet, _)| packet);
    Some((packet, at + packet.len() + SEPARATOR.len_utf8()))
}

/// Answers a polling request that has nothing else to say.
pub(crate) const NOOP: &str = "6";

/// The open packet (EIO4 § "Handshake"). A polling client is offered the WebSocket.
pub(crate) fn open(sid: &str, config: &Config, transport: Transport) -> String {
    let upgrades: &[&str] = if transport == Transport::Polling { &["websocket"] } else { &[] };
    let body = json!({
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": config.ping_interval.as_millis() as u64,
        "pingTimeout": config.ping_timeout.as_millis() as u64,
        "maxPayload": config.max_payload,
    });
    format!("0{body}")
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_of_the_protocol_document_are_read() {
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("3"), Ok(Packet::Pong));
        assert_eq!(decode("4hello"), Ok(Packet::Message("hello")));
        assert_eq!(decode("6"), Ok(Packet::Noop));
        assert_eq!(decode("bAQIDBA=="), Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))));
        assert_eq!(decode("bAQIDBA"), Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))));
        assert_eq!(decode("b"), Ok(Packet::Binary(Bytes::new())));
        for bad in ["", "0{}", "2", "2probe", "5", "7", "abc", "bA", "bA===", "b AQI", "b-_-_", "bAQJ="] {
            assert_eq!(decode(bad), Err(CloseReason::ParseError), "{bad}");
        }
    }

    #[test]
    fn a_payload_is_split_at_every_separator() {
        let split_all = |payload: &str| {
            let (mut at, mut all) = (0, Vec::new());
            while let Some((packet, next)) = split(payload, at) {
                all.push(packet.to_owned());
                at = next;
            }
            all
        };
        assert_eq!(split_all("4a"), ["4a"]);
        assert_eq!(split_all("4a\x1ebAQ==\x1e4é"), ["4a", "bAQ==", "4é"]);
        assert_eq!(split_all("4a\x1e"), ["4a", ""]);
        assert_eq!(split_all(""), [""]);
    }

    proptest! {
        #[test]
        fn decoding_never_panics(text in "[b0-7]?.{0,40}") {
            let _ = decode(&text);
        }

        #[test]
        fn a_binary_message_is_read_as_it_was_written(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = format!("b{}", general_purpose::STANDARD.encode(&data));
            prop_assert_eq!(decode(&text), Ok(Packet::Binary(data.into())));
        }

        #[test]
        fn a_payload_of_packets_is_read_as_it_was_joined(packets in prop::collection::vec("[^\x1e]{0,9}", 1..8)) {
            let payload = packets.join("\x1e");
            let mut at = 0;
            for packet in &packets {
                let (got, next) = split(&payload, at).unwrap();
                prop_assert_eq!(got, packet);
                at = next;
            }
            prop_assert_eq!(split(&payload, at), None);
        }
    }
}
