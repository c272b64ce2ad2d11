//! The parsers, for `fuzz/`: each takes any bytes and panics where a promise is broken.
//!
//! Memory is part of the promises: what a parser keeps is compared with its bounds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::app::Fault;
use crate::engine::packet::{self as engine, Packet};
use crate::packet::{self, Awaited, Body, Content, Limits};
use crate::ws::{Decoder, Flow, Message, deflate, handshake};

const LIMITS: Limits = Limits { payload: 512, attachments: 3 };
const MAX_FRAME: usize = 1024;

/// An Engine.IO packet.
pub fn engine_packet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match engine::decode(text) {
        Ok(Packet::Binary(data)) => {
            let again = format!("b{}", STANDARD.encode(&data));
            assert_eq!(engine::decode(&again), Ok(Packet::Binary(data)));
        }
        Ok(Packet::Message(message)) => assert_eq!(message, &text[1..]),
        _ => {}
    }
}

/// A polling payload, with the Socket.IO packets in it and their attachments.
pub fn polling_payload(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut at, mut bytes) = (0, 0);
    let mut awaited: Option<Awaited> = None;
    while let Some((packet, next)) = engine::split(text, at) {
        assert!(next > at && !packet.contains(engine::SEPARATOR));
        bytes += packet.len() + 1;
        at = next;
        match (engine::decode(packet), &mut awaited) {
            (Ok(Packet::Message(message)), None) => {
                if let Ok(packet) = packet::decode(message, LIMITS)
                    && let Body::Event { content, .. } | Body::Ack { content, .. } = packet.body
                    && content.attachments > 0
                {
                    awaited = Some(Awaited::new(content.attachments, message.len(), content.args.is_ok()));
                }
            }
            (Ok(Packet::Binary(data)), Some(waiting)) => {
                if waiting.take(data, LIMITS.payload, MAX_FRAME).is_err() {
                    return;
                }
                assert!(waiting.kept() <= LIMITS.payload && waiting.bytes() <= MAX_FRAME);
                if waiting.is_complete() {
                    awaited = None;
                }
            }
            (Ok(Packet::Message(_) | Packet::Binary(_)) | Err(_), _) => return,
            (Ok(_), _) => {}
        }
    }
    assert_eq!(bytes, text.len() + 1);
}

/// A Socket.IO packet: what can be read is written and read again as the same.
pub fn socketio_packet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(packet) = packet::decode(text, LIMITS) else { return };
    let namespace = packet.namespace;
    match packet.body {
        Body::Connect { auth } => {
            auth.iter().for_each(|auth| parses(auth));
        }
        Body::Disconnect => {}
        Body::Event { id, name, content } => {
            let Some((args, count)) = readable(&content) else { return };
            let again = match count {
                0 => packet::event(namespace, &name, id, &args),
                _ => packet::binary_event(namespace, &name, id, &args, count),
            };
            let Ok(packet) = packet::decode(&again[1..], wide(&again)) else { panic!("{again}") };
            let Body::Event { id: same_id, name: same_name, content: same } = packet.body else { panic!("{again}") };
            assert_eq!((packet.namespace, same_id, &same_name), (namespace, id, &name));
            assert_eq!(readable(&same), Some((args, count)));
        }
        Body::Ack { id, content } => {
            let Some((args, count)) = readable(&content) else { return };
            let again = match count {
                0 => packet::ack(namespace, id, &args),
                _ => packet::binary_ack(namespace, id, &args, count),
            };
            let Ok(packet) = packet::decode(&again[1..], wide(&again)) else { panic!("{again}") };
            let Body::Ack { id: same_id, content: same } = packet.body else { panic!("{again}") };
            assert_eq!((packet.namespace, same_id), (namespace, id));
            assert_eq!(readable(&same), Some((args, count)));
        }
    }
}

/// Written again, a packet may be longer: an escape in a name, say.
fn wide(text: &str) -> Limits {
    Limits { payload: text.len(), ..LIMITS }
}

fn readable(content: &Content) -> Option<(Vec<&str>, usize)> {
    assert!(content.attachments <= LIMITS.attachments);
    let args = match &content.args {
        Ok(args) => args,
        Err(Fault::TooLarge | Fault::Json(_)) => return None,
    };
    args.iter().for_each(|arg| parses(arg));
    for num in args.iter().filter_map(|arg| packet::placeholder(arg)) {
        assert!(content.attachments == 0 || num < content.attachments);
    }
    Some((args.iter().map(|arg| arg.get()).collect(), content.attachments))
}

/// What is promised of [`Event::args`](crate::Event::args): it parses, unless a number is out of range.
fn parses(json: &RawValue) {
    if let Err(error) = serde_json::from_str::<Value>(json.get()) {
        assert!(error.to_string().contains("number out of range"), "{error}: {json}");
    }
}

/// A client's WebSocket bytes, after four that say how: with compression or without, and how the rest is cut. However
/// that is, the same messages come out, and little is kept.
pub fn websocket_decoder(data: &[u8]) {
    let Some(([deflate, cut, step, max], bytes)) = data.split_first_chunk() else { return };
    let (deflate, max) = (deflate % 2 == 1, usize::from(*max) * 4);
    let whole = decode_all(&mut Decoder::new(deflate), std::iter::once(bytes), max);
    let mut rest = bytes;
    let mut size = usize::from(*cut).max(1);
    let pieces = std::iter::from_fn(|| {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        size = (size + usize::from(*step)) % 97 + 1;
        (!piece.is_empty()).then_some(piece)
    });
    let cut = decode_all(&mut Decoder::new(deflate), pieces, max);
    assert_eq!(whole, cut);
}

fn decode_all<'a>(decoder: &mut Decoder, pieces: impl Iterator<Item = &'a [u8]>, max: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut paused = true;
        let mut piece = piece.to_vec();
        while std::mem::take(&mut paused) {
            let fed = decoder.feed(&mut piece, max, &mut |message| {
                let size = match &message {
                    Message::Text(text) => text.len(),
                    Message::Binary(data) | Message::Ping(data) => data.len(),
                    Message::Pong | Message::Close => 0,
                };
                assert!(size <= max.max(125));
                seen.push(format!("{message:?}"));
                // As a sink that has enough for now would.
                paused = seen.len().is_multiple_of(3);
                Ok(if paused { Flow::Pause } else { Flow::More })
            });
            if let Err(reason) = fed {
                seen.push(reason.to_string());
                return seen;
            }
            piece.clear();
        }
        // A frame and a fragmented message at most, in buffers that grow by doubling.
        assert!(decoder.kept() <= 4 * (deflate::bound(max) + 125 + 14), "{} kept of {max}", decoder.kept());
    }
    seen
}

/// A compressed message, after two bytes that say how large it may be.
pub fn inflate(data: &[u8]) {
    let Some((max, payload)) = data.split_first_chunk() else { return };
    let max = usize::from(u16::from_le_bytes(*max));
    if let Ok(out) = deflate::inflate(payload, max) {
        assert!(out.len() <= max && out.capacity() <= max + 1);
        assert!(out.is_empty() || deflate::inflate(payload, out.len() - 1).is_err());
    }
    if let Some(compressed) = deflate::compress(payload) {
        assert!(compressed.len() < payload.len());
        assert_eq!(deflate::inflate(&compressed, payload.len()).as_deref(), Ok(payload));
    }
}

/// The value of `Sec-WebSocket-Extensions`.
pub fn extension_offer(data: &[u8]) {
    let Ok(value) = hyper::header::HeaderValue::from_bytes(data) else { return };
    let mut headers = hyper::HeaderMap::new();
    headers.insert(hyper::header::SEC_WEBSOCKET_EXTENSIONS, value);
    if handshake::extension(&headers).is_some() {
        assert!(data.windows(18).any(|w| w == b"permessage-deflate"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_of_every_target_pass() {
        type Target = fn(&[u8]);
        let targets: [(&str, Target); 6] = [
            ("engine_packet", engine_packet),
            ("polling_payload", polling_payload),
            ("socketio_packet", socketio_packet),
            ("websocket_decoder", websocket_decoder),
            ("inflate", inflate),
            ("extension_offer", extension_offer),
        ];
        for (name, target) in targets {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
            let seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
            assert!(!seeds.is_empty(), "{name}");
            for seed in seeds {
                target(&std::fs::read(seed.unwrap().path()).unwrap());
            }
        }
    }
}
