//! Engine.IO v4 and Socket.IO v5 packets of the default namespace, and what of them a load generator needs to know.

use serde::Deserialize;
use uuid::Uuid;

/// A packet from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// Engine.IO's handshake, JSON.
    Open(&'a [u8]),
    /// To be answered.
    Ping,
    /// The answer to CONNECT, JSON.
    Connected(&'a [u8]),
    /// CONNECT_ERROR, JSON.
    Refused(&'a [u8]),
    Disconnected,
    Event {
        name: &'a [u8],
        /// What follows the name and its comma: the arguments, and the closing bracket.
        args: &'a [u8],
    },
    Ack {
        id: u64,
        /// A JSON array.
        args: &'a [u8],
    },
    /// Nothing that matters here.
    Other,
}

impl<'a> Packet<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Self {
        match text {
            [b'0', rest @ ..] => Self::Open(rest),
            [b'2', ..] => Self::Ping,
            [b'4', b'0', rest @ ..] => Self::Connected(rest),
            [b'4', b'1', ..] => Self::Disconnected,
            [b'4', b'2', rest @ ..] => Self::event(rest),
            [b'4', b'3', rest @ ..] => {
                let (id, args) = number(rest);
                id.map_or(Self::Other, |id| Self::Ack { id, args })
            }
            [b'4', b'4', rest @ ..] => Self::Refused(rest),
            _ => Self::Other,
        }
    }

    fn event(text: &'a [u8]) -> Self {
        // The server may ask for an ack; nobody gives one here.
        let (_, text) = number(text);
        let Some(text) = text.strip_prefix(b"[\"") else { return Self::Other };
        let Some(end) = text.iter().position(|byte| *byte == b'"') else { return Self::Other };
        let (name, rest) = text.split_at(end);
        Self::Event { name, args: rest.strip_prefix(b"\",").unwrap_or_default() }
    }
}

/// What a stock client keeps as its offset of this event: the last element of its array, the name included, if that is
/// a string (socket.io-client, `Socket.emitEvent`).
pub(crate) fn offset(name: &[u8], args: &[u8]) -> Option<String> {
    if args.is_empty() {
        return Some(String::from_utf8_lossy(name).into_owned());
    }
    // Nothing but a string ends in a quote; only then is it worth parsing.
    args.strip_suffix(b"]")?.trim_ascii_end().strip_suffix(b"\"")?;
    let array = [b"[", args].concat();
    let values: Vec<&serde_json::value::RawValue> = serde_json::from_slice(&array).ok()?;
    serde_json::from_str(values.last()?.get()).ok()
}

/// The private id in the answer to CONNECT, where the server gives one.
pub(crate) fn private_id(connected: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Connected {
        pid: Option<String>,
    }
    serde_json::from_slice::<Connected>(connected).ok()?.pid
}

/// The number that `text` begins with, and the rest.
fn number(text: &[u8]) -> (Option<u64>, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    (digits_value(number), rest)
}

fn digits_value(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// What identifies a delivered message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) temp_id: Uuid,
    pub(crate) seq: u64,
}

/// Reads the arguments of `message.received`. None: not a message that a swarm sent.
pub(crate) fn delivered(args: &[u8]) -> Option<Delivered> {
    tail(args).or_else(|| {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Message {
            seq: u64,
            temp_id: Uuid,
        }
        let mut values = serde_json::Deserializer::from_slice(args).into_iter::<Message>();
        let message = values.next()?.ok()?;
        Some(Delivered { temp_id: message.temp_id, seq: message.seq })
    })
}

/// `…,"seq":N,"tempId":"UUID"}]`: how Parlor ends a message, so that its content need not be parsed. Inside a string
/// the quotes would be escaped, and a nested object would end in two braces.
fn tail(args: &[u8]) -> Option<Delivered> {
    let rest = args.strip_suffix(b"\"}]")?;
    let (rest, temp_id) = rest.split_at_checked(rest.len().checked_sub(36)?)?;
    let rest = rest.strip_suffix(b",\"tempId\":\"")?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, seq) = rest.split_at(rest.len() - digits);
    rest.strip_suffix(b",\"seq\":")?;
    Some(Delivered { temp_id: Uuid::try_parse_ascii(temp_id).ok()?, seq: digits_value(seq)? })
}

/// What an ack says when it says no.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    /// The code.
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) message: String,
}

/// The refusal in an ack's arguments; none: it is a success.
pub(crate) fn refusal(args: &[u8]) -> Option<Refusal> {
    serde_json::from_slice::<(Refusal,)>(args).ok().map(|(refusal,)| refusal)
}

/// The seq in the ack of `message.send`, where the server told it.
pub(crate) fn seq_of_ack(args: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Sent {
        seq: Option<u64>,
    }
    serde_json::from_slice::<(Sent,)>(args).ok().and_then(|(sent,)| sent.seq)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn packets_are_told_apart() {
        for (text, packet) in [
            ("0{\"sid\":\"a\"}", Packet::Open(b"{\"sid\":\"a\"}")),
            ("2", Packet::Ping),
            ("40{\"sid\":\"b\"}", Packet::Connected(b"{\"sid\":\"b\"}")),
            ("41", Packet::Disconnected),
            ("42[\"hi\"]", Packet::Event { name: b"hi", args: b"" }),
            ("42[\"hi\",{\"a\":1}]", Packet::Event { name: b"hi", args: b"{\"a\":1}]" }),
            ("427[\"hi\",1]", Packet::Event { name: b"hi", args: b"1]" }),
            ("4312[{}]", Packet::Ack { id: 12, args: b"[{}]" }),
            ("43[{}]", Packet::Other),
            ("44{\"message\":\"no\"}", Packet::Refused(b"{\"message\":\"no\"}")),
            ("6", Packet::Other),
            ("", Packet::Other),
            ("42", Packet::Other),
        ] {
            assert_eq!(Packet::parse(text.as_bytes()), packet, "{text}");
        }
    }

    #[test]
    fn an_offset_is_whatever_string_ends_an_event() {
        let of = |args: &str| offset(b"hi", args.as_bytes());
        assert_eq!(of("\"a\"]").as_deref(), Some("a"));
        assert_eq!(of("{\"a\":1},\"b\\\"]\"]").as_deref(), Some("b\"]"));
        assert_eq!(of("\"b\\\\\" ]").as_deref(), Some("b\\"));
        assert_eq!(of("").as_deref(), Some("hi"), "an event without arguments ends in its name");
        for none in ["1]", "{\"a\":\"b\"}]", "[\"a\"]]", "\"a\",null]"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(private_id(br#"{"sid":"s","pid":"p"}"#).as_deref(), Some("p"));
        assert_eq!(private_id(br#"{"sid":"s"}"#), None);
    }

    #[test]
    fn an_acks_refusal_is_told_from_a_success() {
        assert_eq!(refusal(br#"[{"messageId":"m","status":"sent","seq":9}]"#), None);
        assert_eq!(seq_of_ack(br#"[{"messageId":"m","status":"sent","seq":9}]"#), Some(9));
        assert_eq!(seq_of_ack(br#"[{"messageId":"m","status":"sent"}]"#), None);
        let no = refusal(br#"[{"error":"busy","message":"later","retryable":true}]"#).unwrap();
        assert_eq!((no.error.as_str(), no.message.as_str()), ("busy", "later"));
    }

    #[test]
    fn a_message_in_other_clothes_is_read_too() {
        let id = Uuid::from_u128(7);
        let expected = Some(Delivered { temp_id: id, seq: 5 });
        assert_eq!(delivered(format!(r#"{{"tempId":"{id}","seq":5}}]"#).as_bytes()), expected);
        assert_eq!(delivered(format!(r#"{{ "seq": 5, "tempId": "{id}" }}, 1]"#).as_bytes()), expected);
        assert_eq!(delivered(br#"{"seq":5,"tempId":"temp_1"}]"#), None);
        assert_eq!(delivered(br#"{"seq":5}]"#), None);
        assert_eq!(delivered(b""), None);
    }

    proptest! {
        /// Whatever is in the content, even something that looks like the end of a message.
        #[test]
        fn the_short_way_sees_what_the_long_way_sees(content in ".*", seq in 0_u64..(1 << 53), id in any::<u128>()) {
            let id = Uuid::from_u128(id);
            for content in [content.clone(), format!("{content},\"seq\":1,\"tempId\":\"{}\"}}", Uuid::nil())] {
                let text = format!(
                    r#"{{"content":{},"metadata":{{"seq":3,"tempId":"x"}},"seq":{seq},"tempId":"{id}"}}]"#,
                    json!(content)
                );
                prop_assert_eq!(tail(text.as_bytes()), Some(Delivered { temp_id: id, seq }));
                prop_assert_eq!(delivered(text.as_bytes()), Some(Delivered { temp_id: id, seq }));
                let other = format!(r#"{{"seq":{seq},"tempId":"{id}","content":{}}}]"#, json!(content));
                prop_assert_eq!(tail(other.as_bytes()), None);
                prop_assert_eq!(delivered(other.as_bytes()), Some(Delivered { temp_id: id, seq }));
            }
        }
    }
}
