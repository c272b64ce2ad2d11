//! What raw JSON must not hold, so that the application can parse it: depth and lone surrogates.
//!
//! `RawValue` is checked for syntax alone. Parsing it into values fails later on deep nesting (serde_json stops at 128)
//! and on halves of surrogate pairs; both are found here, before an event is handed over.

/// Containers that may be open at once in one argument.
pub(crate) const MAX_DEPTH: usize = 127;

/// Says what is wrong with syntactically valid JSON `text`, if anything. `outer` containers around the text are not
/// counted.
pub(crate) fn fault(text: &str, outer: usize) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let limit = MAX_DEPTH + outer;
    // Nearly every event passes here: two scans that need no state.
    let openings = bytes.iter().filter(|b| matches!(b, b'[' | b'{')).count();
    if openings <= limit && !text.contains("\\u") {
        return None;
    }
    scan(bytes, limit)
}

fn scan(bytes: &[u8], limit: usize) -> Option<&'static str> {
    let mut depth = 0usize;
    let mut at = 0;
    let mut in_string = false;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if in_string {
            match byte {
                b'"' => in_string = false,
                b'\\' if bytes.get(at) == Some(&b'u') => match escape(bytes, at + 1) {
                    Some(0xD800..=0xDBFF) => {
                        let low = (bytes.get(at + 5..at + 7) == Some(b"\\u")).then(|| escape(bytes, at + 7)).flatten();
                        if !matches!(low, Some(0xDC00..=0xDFFF)) {
                            return Some("lone surrogate");
                        }
                        at += 11;
                    }
                    Some(0xDC00..=0xDFFF) => return Some("lone surrogate"),
                    _ => at += 5,
                },
                b'\\' => at += 1,
                _ => {}
            }
        } else {
            match byte {
                b'"' => in_string = true,
                b'[' | b'{' => {
                    depth += 1;
                    if depth > limit {
                        return Some("nested too deeply");
                    }
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}

fn escape(bytes: &[u8], at: usize) -> Option<u16> {
    let hex = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
    u16::from_str_radix(hex, 16).ok()
}

/// Reads the JSON string that `text` begins with; returns it and what follows.
pub(crate) fn leading_string(text: &str) -> Option<(String, &str)> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    let (string, after) = (text.get(..=at)?, text.get(at + 1..)?);
    Some((serde_json::from_str(string).ok()?, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn depth_counts_containers_outside_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(fault(&nested(127), 0), None);
        assert!(serde_json::from_str::<Value>(&nested(127)).is_ok());
        assert_eq!(fault(&nested(128), 0), Some("nested too deeply"));
        assert_eq!(fault(&nested(10_000), 0), Some("nested too deeply"));
        assert_eq!(fault(&format!("\"{}\"", "[".repeat(500)), 0), None);
        assert_eq!(fault(&format!("[{}]", vec!["[]"; 500].join(",")), 0), None);
    }

    #[test]
    fn lone_surrogates_are_found_and_pairs_are_not() {
        assert_eq!(fault(r#""\ud83d\ude00""#, 0), None);
        assert_eq!(fault(r#""\\ud83d""#, 0), None);
        for bad in [r#""\ud83d""#, r#""\ude00\ud83d""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#"{"\uDC00":1}"#] {
            assert_eq!(fault(bad, 0), Some("lone surrogate"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_anything(text in ".{0,200}", outer in 0usize..3) {
            let _ = scan(text.as_bytes(), outer);
            let _ = fault(&text, outer);
            let _ = leading_string(&text);
        }

        #[test]
        fn what_passes_can_be_parsed(text in r#"(\[|\]|"|\\u[dD][89cC]00|\\u0041|\\|,){0,12}"#) {
            if serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() && fault(&text, 0).is_none() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
            }
        }

        #[test]
        fn a_leading_string_is_read_as_serde_reads_it(string in any::<String>(), rest in ".{0,20}") {
            let text = format!("{}{rest}", serde_json::to_string(&string).unwrap());
            prop_assert_eq!(leading_string(&text), Some((string, rest.as_str())));
        }
    }
}
