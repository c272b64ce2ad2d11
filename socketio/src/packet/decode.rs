//! Text to packets. Decoding is strict about all but the arguments of an event: where an event's name is known and its
//! arguments cannot be read, the event carries a [`Fault`] instead.

use serde_json::value::RawValue;

use super::attachments::{self, Unusable};
use super::{MAX_NAME, RESERVED};
use crate::app::Fault;
use crate::json;

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
    Event { id: Option<u64>, name: String, content: Content },
    Ack { id: u64, content: Content },
}

/// What an event or an ack brings.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) args: Result<Vec<Box<RawValue>>, Fault>,
    /// How many binary messages follow, whatever became of the arguments.
    pub(crate) attachments: usize,
}

/// How large packets may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes, beyond which an event's arguments are not read.
    pub(crate) payload: usize,
    /// Attachments of one packet.
    pub(crate) attachments: usize,
}

/// Why a packet cannot be taken: it is not one that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PacketError(&'static str);

/// Decodes the text after the Engine.IO type.
pub(crate) fn decode(text: &str, limits: Limits) -> Result<Packet<'_>, PacketError> {
    let oversize = text.len() > limits.payload;
    let kind = *text.as_bytes().first().ok_or(PacketError("empty packet"))?;
    let (attachments, rest) = match kind {
        b'0'..=b'3' => (0, &text[1..]),
        b'5' | b'6' => split_attachments(&text[1..], limits.attachments)?,
        _ => return Err(PacketError("unknown packet type")),
    };
    let (namespace, rest) = split_namespace(rest)?;
    let (id, payload) = split_id(rest)?;
    let body = match kind {
        b'0' => connect(id, payload, oversize)?,
        b'1' if payload.is_empty() && id.is_none() => Body::Disconnect,
        b'1' => return Err(PacketError("disconnect with a payload")),
        b'2' | b'5' => {
            let name = name(payload)?;
            Body::Event { id, name, content: content(payload, oversize, 1, attachments)? }
        }
        _ => {
            let id = id.ok_or(PacketError("ack without an id"))?;
            Body::Ack { id, content: content(payload, oversize, 0, attachments)? }
        }
    };
    Ok(Packet { namespace, body })
}

fn name(payload: &str) -> Result<String, PacketError> {
    let inner = payload.strip_prefix('[').ok_or(PacketError("event payload is not an array"))?;
    let (name, _) = json::leading_string(inner.trim_ascii_start()).ok_or(PacketError("event name is not a string"))?;
    if name.len() > MAX_NAME || RESERVED.contains(&name.as_str()) {
        return Err(PacketError("event name is not allowed"));
    }
    Ok(name)
}

fn connect(id: Option<u64>, payload: &str, oversize: bool) -> Result<Body, PacketError> {
    if id.is_some() || oversize {
        return Err(PacketError("connect with an id, or too large"));
    }
    if payload.is_empty() {
        return Ok(Body::Connect { auth: None });
    }
    if !payload.starts_with('{') || json::fault(payload, 0).is_some() {
        return Err(PacketError("auth is not an object"));
    }
    let auth = serde_json::from_str(payload).map_err(|_| PacketError("auth is not JSON"))?;
    Ok(Body::Connect { auth: Some(auth) })
}

/// What is in the array `payload` after the first `skip` elements.
fn content(payload: &str, oversize: bool, skip: usize, attachments: usize) -> Result<Content, PacketError> {
    let mut args = if oversize { Err(Fault::TooLarge) } else { args(payload, skip) };
    if attachments > 0 && args.is_ok() {
        match attachments::check(payload, attachments) {
            Ok(()) => {}
            Err(Unusable::Illegal) => return Err(PacketError("placeholders and attachments do not match")),
            Err(Unusable::Number) => args = Err(Fault::Json("number out of range".into())),
        }
    }
    Ok(Content { args, attachments })
}

fn args(payload: &str, skip: usize) -> Result<Vec<Box<RawValue>>, Fault> {
    let elements: Vec<&RawValue> = serde_json::from_str(payload).map_err(|e| {
        // Not the error's own text: it may quote the input.
        Fault::Json(format!("{:?} error at column {}", e.classify(), e.column()))
    })?;
    if let Some(fault) = json::fault(payload, 1) {
        return Err(Fault::Json(fault.to_owned()));
    }
    Ok(elements.into_iter().skip(skip).map(ToOwned::to_owned).collect())
}

/// `<attachments>-`: at least one (socket.io-parser, `decodeString`).
fn split_attachments(text: &str, max: usize) -> Result<(usize, &str), PacketError> {
    let (count, rest) = text.split_once('-').ok_or(PacketError("attachments are not announced"))?;
    if !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PacketError("the number of attachments is not a number"));
    }
    match count.parse() {
        Ok(0) => Err(PacketError("a binary packet without attachments")),
        Ok(count) if count <= max => Ok((count, rest)),
        _ => Err(PacketError("too many attachments")),
    }
}

fn split_namespace(text: &str) -> Result<(&str, &str), PacketError> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    let (namespace, rest) = text.split_once(',').unwrap_or((text, ""));
    if namespace.len() > MAX_NAME {
        return Err(PacketError("namespace too long"));
    }
    Ok((namespace, rest))
}

fn split_id(text: &str) -> Result<(Option<u64>, &str), PacketError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((None, text));
    }
    let id = text[..digits].parse().map_err(|_| PacketError("ack id out of range"))?;
    Ok((Some(id), &text[digits..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode;
    use super::*;

    const LIMITS: Limits = Limits { payload: 64 * 1024, attachments: 10 };

    fn show(text: &str) -> String {
        match decode(text, LIMITS) {
            Err(e) => format!("{e}"),
            Ok(Packet { namespace, body }) => match body {
                Body::Connect { auth } => format!("connect {namespace} {:?}", auth.map(|a| a.get().to_owned())),
                Body::Disconnect => format!("disconnect {namespace}"),
                Body::Event { id, name, content } => {
                    format!("event {namespace} {id:?} {name} {}", show_content(content))
                }
                Body::Ack { id, content } => format!("ack {namespace} {id} {}", show_content(content)),
            },
        }
    }

    fn show_content(content: Content) -> String {
        let args = show_args(content.args);
        if content.attachments > 0 { format!("{args:?} +{}", content.attachments) } else { format!("{args:?}") }
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
        assert_eq!(
            show("51-[\"baz\",{\"_placeholder\":true,\"num\":0}]"),
            "event / None baz Ok([\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\"]) +1"
        );
        assert_eq!(
            show("52-/admin,7[\"baz\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"),
            "event /admin Some(7) baz Ok([\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\", \
             \"{\\\"_placeholder\\\":true,\\\"num\\\":1}\"]) +2"
        );
        assert_eq!(
            show("61-/admin,15[{\"_placeholder\":true,\"num\":0}]"),
            "ack /admin 15 Ok([\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\"]) +1"
        );
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
            "5[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "5-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "50-[\"a\"]",
            "5+1-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "51.0-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "51-[\"a\",{}]",
            "52-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
            "51-[\"disconnect\",{\"_placeholder\":true,\"num\":0}]",
            "599999999999999999999-[\"a\"]",
            "61-[{\"_placeholder\":true,\"num\":0}]",
        ] {
            assert!(decode(bad, LIMITS).is_err(), "{bad}");
        }
        let of = |n: usize| {
            let placeholders: Vec<_> = (0..n).map(|i| format!("{{\"_placeholder\":true,\"num\":{i}}}")).collect();
            format!("5{n}-[\"a\",{}]", placeholders.join(","))
        };
        assert!(decode(&of(10), LIMITS).is_ok());
        assert_eq!(decode(&of(11), LIMITS).unwrap_err(), PacketError("too many attachments"));
    }

    #[test]
    fn arguments_that_cannot_be_read_are_a_fault_of_the_event() {
        let deep = format!("27[\"m\",{}{}]", "[".repeat(10_000), "]".repeat(10_000));
        for bad in ["27[\"m\"", "27[\"m\",{]", "27[\"m\",\"\\ud800\"]", "27[\"m\"]x", &deep] {
            let binary = format!("51-{}", &bad[1..]);
            for (bad, expected) in [(bad, 0), (&binary, 1)] {
                let Ok(Packet { body: Body::Event { id, name, content }, .. }) = decode(bad, LIMITS) else {
                    panic!("{bad}")
                };
                assert_eq!((id, name.as_str(), content.attachments), (Some(7), "m", expected));
                assert!(matches!(content.args, Err(Fault::Json(_))), "{bad}");
            }
        }
        for large in [format!("27[\"m\",\"{}\"]", "x".repeat(65_536)), format!("51-7[\"m\",\"{}\"", "x".repeat(65_536))]
        {
            let Ok(Packet { body: Body::Event { content, .. }, .. }) = decode(&large, LIMITS) else { panic!() };
            assert_eq!(content.args.unwrap_err(), Fault::TooLarge);
        }
        let number = "51-7[\"m\",{\"_placeholder\":true,\"num\":0},1e999]";
        let Ok(Packet { body: Body::Event { content, .. }, .. }) = decode(number, LIMITS) else { panic!() };
        assert_eq!(content.args.unwrap_err(), Fault::Json("number out of range".into()));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(text in ".{0,120}") {
            let _ = decode(&text, Limits { payload: 100, attachments: 3 });
        }

        #[test]
        fn decoding_packet_like_text_never_panics(
            text in r#"[0-7]?([0-9]{1,3}-)?(/[a-z]{0,3},?)?[0-9]{0,3}[\[\]{}",:\\a-z0-9]{0,30}"#,
        ) {
            let _ = decode(&text, Limits { payload: 20, attachments: 3 });
        }

        #[test]
        fn an_event_is_read_as_it_was_written(
            namespace in "/[a-z]{0,8}",
            name in any::<String>().prop_filter("name", |n| n.len() <= MAX_NAME && !RESERVED.contains(&n.as_str())),
            id in any::<Option<u64>>(),
            args in prop::collection::vec(any::<String>(), 0..4),
            count in 0usize..4,
        ) {
            let mut json: Vec<String> = args.iter().map(|a| serde_json::to_string(a).unwrap()).collect();
            json.extend((0..count).map(|n| format!("[{{\"num\":{n},\"_placeholder\":true}}]")));
            let refs: Vec<&str> = json.iter().map(String::as_str).collect();
            let text = match count {
                0 => encode::event(&namespace, &name, id, &refs),
                _ => encode::binary_event(&namespace, &name, id, &refs, count),
            };
            let packet = decode(&text[1..], Limits { payload: usize::MAX, attachments: 3 }).unwrap();
            prop_assert_eq!(packet.namespace, namespace.as_str());
            let Body::Event { id: got_id, name: got_name, content } = packet.body else { panic!() };
            prop_assert_eq!((got_id, got_name, content.attachments), (id, name, count));
            prop_assert_eq!(show_args(content.args).unwrap(), json);
        }

        #[test]
        fn an_ack_is_read_as_it_was_written(
            id in any::<u64>(), args in prop::collection::vec(any::<i32>(), 0..4), count in 0usize..4,
        ) {
            let mut json: Vec<String> = args.iter().map(ToString::to_string).collect();
            json.extend((0..count).map(|n| format!("{{\"_placeholder\":true,\"num\":{n}}}")));
            let refs: Vec<&str> = json.iter().map(String::as_str).collect();
            let text = match count {
                0 => encode::ack("/", id, &refs),
                _ => encode::binary_ack("/", id, &refs, count),
            };
            let Body::Ack { id: got_id, content } = decode(&text[1..], LIMITS).unwrap().body else { panic!() };
            prop_assert_eq!((got_id, content.attachments), (id, count));
            prop_assert_eq!(show_args(content.args).unwrap(), json);
        }
    }
}
