//! The Socket.IO packet codec (SIO5 § "Packet encoding").
//!
//! `<type>[<attachments>-][<namespace>,][<ack id>][JSON]`. Decoding is strict about all but the arguments of an event:
//! where an event's name is known and its arguments cannot be read, the event carries a [`Fault`] instead.

use serde_json::value::RawValue;

use crate::app::Fault;
use crate::json;

/// Bytes of a namespace, and of an event's name.
const MAX_NAME: usize = 256;

/// Names that only the library itself may raise (socket.io-parser, `RESERVED_EVENTS`).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A packet from a client.
#[derive(Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) body: Body,
}

/// What a client may send.
#[derive(Debug)]
pub(crate) enum Body {
    Connect { auth: Option<Box<RawValue>> },
    Disconnect,
    Event { id: Option<u64>, name: String, args: Result<Vec<Box<RawValue>>, Fault> },
    Ack { id: u64, args: Result<Vec<Box<RawValue>>, Fault> },
}

/// Why a packet cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PacketError {
    /// It is not a packet that a client may send.
    #[error("{0}")]
    Invalid(&'static str),
    /// It has binary attachments.
    #[error("binary packets are not supported")]
    Binary,
}

/// Decodes the text after the Engine.IO type. Beyond `max` bytes, an event's arguments are not read.
pub(crate) fn decode(text: &str, max: usize) -> Result<Packet<'_>, PacketError> {
    let oversize = text.len() > max;
    let kind = *text.as_bytes().first().ok_or(PacketError::Invalid("empty packet"))?;
    match kind {
        b'0'..=b'3' => {}
        b'5' | b'6' => return Err(PacketError::Binary),
        _ => return Err(PacketError::Invalid("unknown packet type")),
    }
    let (namespace, rest) = split_namespace(&text[1..])?;
    let (id, payload) = split_id(rest)?;
    let body = match kind {
        b'0' => connect(id, payload, oversize)?,
        b'1' if payload.is_empty() && id.is_none() => Body::Disconnect,
        b'1' => return Err(PacketError::Invalid("disconnect with a payload")),
        b'2' => event(id, payload, oversize)?,
        _ => Body::Ack { id: id.ok_or(PacketError::Invalid("ack without an id"))?, args: args(payload, oversize, 0) },
    };
    return Ok(Packet { namespace, body });

    fn event(id: Option<u64>, payload: &str, oversize: bool) -> Result<Body, PacketError> {
        let inner = payload.strip_prefix('[').ok_or(PacketError::Invalid("event payload is not an array"))?;
        let (name, _) =
            json::leading_string(inner.trim_ascii_start()).ok_or(PacketError::Invalid("event name is not a string"))?;
        if name.len() > MAX_NAME || RESERVED.contains(&name.as_str()) {
            return Err(PacketError::Invalid("event name is not allowed"));
        }
        Ok(Body::Event { id, name, args: args(payload, oversize, 1) })
    }
}

fn connect(id: Option<u64>, payload: &str, oversize: bool) -> Result<Body, PacketError> {
    if id.is_some() || oversize {
        return Err(PacketError::Invalid("connect with an id, or too large"));
    }
    if payload.is_empty() {
        return Ok(Body::Connect { auth: None });
    }
    if !payload.starts_with('{') || json::fault(payload, 0).is_some() {
        return Err(PacketError::Invalid("auth is not an object"));
    }
    let auth = serde_json::from_str(payload).map_err(|_| PacketError::Invalid("auth is not JSON"))?;
    Ok(Body::Connect { auth: Some(auth) })
}

/// The elements of the array `payload` after the first `skip`.
fn args(payload: &str, oversize: bool, skip: usize) -> Result<Vec<Box<RawValue>>, Fault> {
    if oversize {
        return Err(Fault::TooLarge);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(payload).map_err(|e| {
        // Not the error's own text: it may quote the input.
        Fault::Json(format!("{:?} error at column {}", e.classify(), e.column()))
    })?;
    if let Some(fault) = json::fault(payload, 1) {
        return Err(Fault::Json(fault.to_owned()));
    }
    Ok(elements.into_iter().skip(skip).map(ToOwned::to_owned).collect())
}

fn split_namespace(text: &str) -> Result<(&str, &str), PacketError> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    let (namespace, rest) = text.split_once(',').unwrap_or((text, ""));
    if namespace.len() > MAX_NAME {
        return Err(PacketError::Invalid("namespace too long"));
    }
    Ok((namespace, rest))
}

fn split_id(text: &str) -> Result<(Option<u64>, &str), PacketError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((None, text));
    }
    let id = text[..digits].parse().map_err(|_| PacketError::Invalid("ack id out of range"))?;
    Ok((Some(id), &text[digits..]))
}

/// `4<type>[<namespace>,]`: how every Socket.IO packet begins, with the Engine.IO type.
fn head(kind: char, namespace: &str, room: usize) -> String {
    let mut packet = String::with_capacity(namespace.len() + room + 24);
    packet.push('4');
    packet.push(kind);
    if namespace != "/" {
        packet.push_str(namespace);
        packet.push(',');
    }
    packet
}

/// Encodes an event whose arguments are JSON already.
pub(crate) fn event(namespace: &str, name: &str, id: Option<u64>, args: &[&str]) -> String {
    let mut packet = head('2', namespace, name.len() + args.iter().map(|a| a.len() + 1).sum::<usize>());
    push_id(&mut packet, id);
    packet.push('[');
    push_json(&mut packet, name);
    for arg in args {
        packet.push(',');
        packet.push_str(arg);
    }
    packet.push(']');
    packet
}

/// Encodes an ack whose arguments are JSON already.
pub(crate) fn ack(namespace: &str, id: u64, args: &[&str]) -> String {
    let mut packet = head('3', namespace, args.iter().map(|a| a.len() + 1).sum());
    push_id(&mut packet, Some(id));
    packet.push('[');
    packet.push_str(&args.join(","));
    packet.push(']');
    packet
}

/// Encodes the answer to a CONNECT.
pub(crate) fn connected(namespace: &str, sid: &str, pid: Option<&str>) -> String {
    let mut packet = head('0', namespace, sid.len() + 64);
    packet.push_str("{\"sid\":");
    push_json(&mut packet, sid);
    if let Some(pid) = pid {
        packet.push_str(",\"pid\":");
        push_json(&mut packet, pid);
    }
    packet.push('}');
    packet
}

/// Encodes the refusal of a CONNECT.
pub(crate) fn refused(namespace: &str, refusal: &crate::Refusal) -> String {
    let mut packet = head('4', namespace, refusal.message.len());
    packet.push_str("{\"message\":");
    push_json(&mut packet, &refusal.message);
    if let Some(data) = &refusal.data {
        packet.push_str(",\"data\":");
        packet.push_str(&data.to_string());
    }
    packet.push('}');
    packet
}

/// Encodes a DISCONNECT.
pub(crate) fn disconnect(namespace: &str) -> String {
    head('1', namespace, 0)
}

fn push_id(packet: &mut String, id: Option<u64>) {
    if let Some(id) = id {
        packet.push_str(&id.to_string());
    }
}

fn push_json(packet: &mut String, text: &str) {
    // A string always serialises.
    packet.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 64 * 1024;

    fn show(text: &str) -> String {
        match decode(text, MAX) {
            Err(e) => format!("{e}"),
            Ok(Packet { namespace, body }) => match body {
                Body::Connect { auth } => format!("connect {namespace} {:?}", auth.map(|a| a.get().to_owned())),
                Body::Disconnect => format!("disconnect {namespace}"),
                Body::Event { id, name, args } => format!("event {namespace} {id:?} {name} {:?}", show_args(args)),
                Body::Ack { id, args } => format!("ack {namespace} {id} {:?}", show_args(args)),
            },
        }
    }

    fn show_args(args: Result<Vec<Box<RawValue>>, Fault>) -> Result<Vec<String>, Fault> {
        args.map(|a| a.iter().map(|a| a.get().to_owned()).collect())
    }

    #[test]
    fn packets_of_the_protocol_document_are_read() {
        assert_eq!(show("0"), "connect / None");
        assert_eq!(show("0/custom,{\"token\":\"1\"}"), "connect /custom Some(\"{\\\"token\\\":\\\"1\\\"}\")");
        assert_eq!(show("0/custom"), "connect /custom None");
        assert_eq!(show("1/admin,"), "disconnect /admin");
        assert_eq!(show("2[\"foo\"]"), "event / None foo Ok([])");
        assert_eq!(
            show("2/admin,12[\"foo\",1,{\"a\":[]}]"),
            "event /admin Some(12) foo Ok([\"1\", \"{\\\"a\\\":[]}\"])"
        );
        assert_eq!(show("3/admin,13[\"bar\"]"), "ack /admin 13 Ok([\"\\\"bar\\\"\"])");
    }

    #[test]
    fn what_cannot_be_a_packet_is_refused() {
        for bad in [
            "",
            "abc",
            "7",
            "2",
            "2{}",
            "2[]",
            "2[1]",
            "2[null]",
            "2abc[\"m\",1]",
            "2[\"connect\"]",
            "0[]",
            "0{",
            "1{}",
            "3[1]",
            "4{\"message\":\"x\"}",
            "299999999999999999999[\"a\"]",
            "2[\"a",
            "0{\"a\":\"\\ud800\"}",
        ] {
            assert!(matches!(decode(bad, MAX), Err(PacketError::Invalid(_))), "{bad}");
        }
        assert_eq!(decode("51-[\"a\",{}]", MAX).unwrap_err(), PacketError::Binary);
    }

    #[test]
    fn arguments_that_cannot_be_read_are_a_fault_of_the_event() {
        let deep = format!("27[\"m\",{}{}]", "[".repeat(10_000), "]".repeat(10_000));
        for bad in ["27[\"m\"", "27[\"m\",{]", "27[\"m\",\"\\ud800\"]", "27[\"m\"]x", &deep] {
            let Ok(Packet { body: Body::Event { id, name, args }, .. }) = decode(bad, MAX) else { panic!("{bad}") };
            assert_eq!((id, name.as_str()), (Some(7), "m"));
            assert!(matches!(args, Err(Fault::Json(_))), "{bad}");
        }
        let large = format!("27[\"m\",\"{}\"]", "x".repeat(MAX));
        let Ok(Packet { body: Body::Event { args, .. }, .. }) = decode(&large, MAX) else { panic!() };
        assert_eq!(args.unwrap_err(), Fault::TooLarge);
    }

    proptest! {
        #[test]
        fn decoding_never_panics(text in ".{0,120}") {
            let _ = decode(&text, 100);
        }

        #[test]
        fn decoding_packet_like_text_never_panics(text in r#"[0-7]?(/[a-z]{0,3},?)?[0-9]{0,3}[\[\]{}",:\\a-z0-9]{0,30}"#) {
            let _ = decode(&text, 20);
        }

        #[test]
        fn an_event_is_read_as_it_was_written(
            namespace in "/[a-z]{0,8}",
            name in any::<String>().prop_filter("name", |n| n.len() <= MAX_NAME && !RESERVED.contains(&n.as_str())),
            id in any::<Option<u64>>(),
            args in prop::collection::vec(any::<String>(), 0..4),
        ) {
            let json: Vec<String> = args.iter().map(|a| serde_json::to_string(a).unwrap()).collect();
            let refs: Vec<&str> = json.iter().map(String::as_str).collect();
            let text = event(&namespace, &name, id, &refs);
            let packet = decode(&text[1..], usize::MAX).unwrap();
            prop_assert_eq!(packet.namespace, namespace.as_str());
            let Body::Event { id: got_id, name: got_name, args: got } = packet.body else { panic!() };
            prop_assert_eq!((got_id, got_name), (id, name));
            prop_assert_eq!(show_args(got).unwrap(), json);
        }

        #[test]
        fn an_ack_is_read_as_it_was_written(id in any::<u64>(), args in prop::collection::vec(any::<i32>(), 0..4)) {
            let json: Vec<String> = args.iter().map(ToString::to_string).collect();
            let refs: Vec<&str> = json.iter().map(String::as_str).collect();
            let text = ack("/", id, &refs);
            let Body::Ack { id: got_id, args: got } = decode(&text[1..], MAX).unwrap().body else { panic!() };
            prop_assert_eq!(got_id, id);
            prop_assert_eq!(show_args(got).unwrap(), json);
        }
    }
}
