//! Binary attachments (SIO5 § "Binary"): the binary messages that follow a packet, and the placeholders in its JSON
//! that say where each belongs.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::CloseReason;
use crate::app::Fault;

/// Attachments that have been announced and are not all there yet.
#[derive(Debug)]
pub(crate) struct Awaited {
    left: usize,
    /// Of the packet and of what has come since.
    bytes: usize,
    /// None once they are of no use: the packet has a fault, or is too large.
    got: Option<Vec<Bytes>>,
}

impl Awaited {
    /// For a packet of `bytes` bytes that announced `count` attachments. Unless `wanted` they are read and forgotten.
    pub(crate) fn new(count: usize, bytes: usize, wanted: bool) -> Self {
        Self { left: count, bytes, got: wanted.then(Vec::new) }
    }

    /// Bytes of the packet with what has come of its attachments.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Takes the next one. Packet and attachments together are kept up to `max_payload` bytes.
    ///
    /// # Errors
    /// They are over `max_frame` bytes; or none is missing.
    pub(crate) fn take(&mut self, data: Bytes, max_payload: usize, max_frame: usize) -> Result<(), CloseReason> {
        self.left = self.left.checked_sub(1).ok_or(CloseReason::ParseError)?;
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > max_frame {
            return Err(CloseReason::TooLarge);
        }
        if self.bytes > max_payload {
            self.got = None;
        }
        if let Some(got) = &mut self.got {
            got.push(data);
        }
        Ok(())
    }

    /// What came, all of it.
    ///
    /// # Errors
    /// It was too large, or not wanted.
    pub(crate) fn finish(self) -> Result<Vec<Bytes>, Fault> {
        self.got.ok_or(Fault::TooLarge)
    }

    /// Bytes kept.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn kept(&self) -> usize {
        self.got.iter().flatten().map(Bytes::len).sum()
    }
}

/// Why the placeholders in a packet's JSON cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// One of them names no attachment, or an attachment is named by none: nobody may send such a packet.
    Illegal,
    /// There is a number that is out of range, so that the JSON cannot be read at all.
    Number,
}

/// Checks that the placeholders in the JSON `text` and `count` attachments belong together. The reference parser
/// refuses placeholders that name no attachment (socket.io-parser, `reconstructPacket`); no client sends an attachment
/// that is named nowhere.
pub(crate) fn check(text: &str, count: usize) -> Result<(), Unusable> {
    let mut named = vec![false; count];
    let mut legal = true;
    let mut json = serde_json::Deserializer::from_str(text);
    Walk { named: &mut named, legal: &mut legal }.deserialize(&mut json).map_err(|_| Unusable::Number)?;
    if legal && !named.contains(&false) { Ok(()) } else { Err(Unusable::Illegal) }
}

/// The number in `json` if it is a placeholder: `{"_placeholder":true,"num":0}`.
pub(crate) fn placeholder(json: &RawValue) -> Option<usize> {
    // Most values are told by their first byte.
    let object = json.get().starts_with('{').then(|| serde_json::from_str::<Value>(json.get()).ok()).flatten()?;
    let num = object.get("num")?.as_u64()?;
    (object.get("_placeholder") == Some(&Value::Bool(true))).then_some(usize::try_from(num).ok()?)
}

/// Goes through JSON in search of placeholders, and keeps none of it.
struct Walk<'a> {
    named: &'a mut [bool],
    legal: &'a mut bool,
}

/// As much of a value as its object needs to know.
#[derive(PartialEq)]
enum Seen {
    True,
    Number(Option<usize>),
    Other,
}

impl Walk<'_> {
    fn again(&mut self) -> Walk<'_> {
        Walk { named: self.named, legal: self.legal }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Seen, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(usize::try_from(value).ok()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Number(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Number(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Seen, A::Error> {
        while seq.next_element_seed(self.again())?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Seen, A::Error> {
        let mut is_placeholder = false;
        let mut num = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let seen = map.next_value_seed(self.again())?;
            match &*key {
                "_placeholder" => is_placeholder = seen == Seen::True,
                "num" => num = if let Seen::Number(num) = seen { num } else { None },
                _ => {}
            }
        }
        if is_placeholder {
            match num.and_then(|num| self.named.get_mut(num)) {
                Some(named) => *named = true,
                None => *self.legal = false,
            }
        }
        Ok(Seen::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_placeholder_names_an_attachment_and_every_attachment_is_named() {
        let of = |num: &str| format!("{{\"_placeholder\":true,\"num\":{num}}}");
        let deep = format!("[{{\"a\":[{},{{\"num\":0,\"b\":{}}}]}}]", of("1"), of("0"));
        for (text, count) in [
            (format!("[{}]", of("0")), 1),
            (format!("[{},{}]", of("1"), of("0")), 2),
            (format!("[{},{}]", of("0"), of("0")), 1),
            (format!("[{},{{\"_placeholder\":false,\"num\":9}},{{\"_placeholder\":1}}]", of("0")), 1),
            ("[{\"\\u005fplaceholder\":true,\"num\":0}]".into(), 1),
            (deep, 2),
        ] {
            assert_eq!(check(&text, count), Ok(()), "{text}");
        }
        for (text, count) in [
            ("[]".into(), 1),
            (format!("[{}]", of("0")), 2),
            (format!("[{}]", of("1")), 1),
            (format!("[{},{}]", of("0"), of("1")), 1),
            (format!("[{},{}]", of("0"), of("-1")), 1),
            (format!("[{},{}]", of("0"), of("0.5")), 1),
            (format!("[{},{}]", of("0"), of("\"0\"")), 1),
            (format!("[{},{}]", of("0"), of("1e300")), 1),
            (format!("[{},{{\"_placeholder\":true}}]", of("0")), 1),
        ] {
            assert_eq!(check(&text, count), Err(Unusable::Illegal), "{text}");
        }
        assert_eq!(check(&format!("[{},1e999]", of("0")), 1), Err(Unusable::Number));
    }

    #[test]
    fn a_placeholder_is_told_from_other_values() {
        let read = |text: &str| placeholder(&RawValue::from_string(text.into()).unwrap());
        assert_eq!(read("{\"_placeholder\":true,\"num\":3}"), Some(3));
        assert_eq!(read("{\"num\":1,\"_placeholder\":false, \"num\":2,\"_placeholder\":true}"), Some(2));
        for other in ["{\"_placeholder\":false,\"num\":3}", "{\"_placeholder\":true}", "{\"num\":3}", "3", "null"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn attachments_are_kept_up_to_the_payload_and_read_up_to_the_frame() {
        let piece = || Bytes::from(vec![0; 40]);
        let mut awaited = Awaited::new(3, 10, true);
        awaited.take(piece(), 100, 120).unwrap();
        awaited.take(piece(), 100, 120).unwrap();
        assert_eq!((awaited.kept(), awaited.bytes(), awaited.is_complete()), (80, 90, false));
        assert_eq!(awaited.take(piece(), 100, 120), Err(CloseReason::TooLarge));

        let mut awaited = Awaited::new(2, 30, true);
        awaited.take(piece(), 100, 120).unwrap();
        awaited.take(piece(), 100, 120).unwrap();
        assert_eq!((awaited.kept(), awaited.is_complete()), (0, true));
        assert_eq!(awaited.take(Bytes::new(), 100, 120), Err(CloseReason::ParseError));
        assert_eq!(awaited.finish(), Err(Fault::TooLarge));

        let mut unwanted = Awaited::new(1, 30, false);
        unwanted.take(piece(), 100, 120).unwrap();
        assert_eq!(unwanted.kept(), 0);
    }

    /// The same question asked of a tree.
    fn expected(value: &Value, count: usize, named: &mut Vec<u64>) -> bool {
        match value {
            Value::Array(all) => all.iter().all(|v| expected(v, count, named)),
            Value::Object(map) => {
                let inner = map.values().all(|v| expected(v, count, named));
                if map.get("_placeholder") != Some(&json!(true)) {
                    return inner;
                }
                let num = map.get("num").and_then(Value::as_u64);
                named.extend(num);
                inner && num.is_some_and(|n| n < count as u64)
            }
            _ => true,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i8>().prop_map(|n| json!(n)),
            ".{0,3}".prop_map(|s| json!(s)),
            (any::<bool>(), 0..3).prop_map(|(p, n)| json!({"_placeholder": p, "num": n})),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let key = prop_oneof![Just("num".to_owned()), Just("_placeholder".to_owned()), "[a-z]{0,2}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((key, inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_walk_agrees_with_a_parsed_tree(value in any_json(), count in 1usize..4) {
            let mut named = Vec::new();
            let legal = expected(&value, count, &mut named) && (0..count as u64).all(|n| named.contains(&n));
            prop_assert_eq!(check(&value.to_string(), count).is_ok(), legal);
        }

        #[test]
        fn no_more_is_kept_than_may_be(sizes in prop::collection::vec(0usize..60, 1..12), count in 1usize..10) {
            let mut awaited = Awaited::new(count, 20, true);
            for size in sizes {
                if awaited.take(Bytes::from(vec![1; size]), 100, 200).is_err() {
                    break;
                }
                prop_assert!(awaited.kept() <= 80 && awaited.bytes() <= 200);
            }
        }
    }
}
