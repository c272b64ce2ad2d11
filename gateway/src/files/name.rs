//! What a file is called: no folders, nothing that cannot be seen, and safe in a header.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name, in characters.
const MAX_CHARS: usize = 255;

/// A name without folders (of any system), control characters, and marks that turn the direction of writing, with which
/// `exe.jpg` is made to look like `gpj.exe`. Never empty.
pub(crate) fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = last.chars().filter(|&c| !c.is_control() && !turns_direction(c));
    let name: String = shown.take(MAX_CHARS).collect();
    let name = name.trim().trim_end_matches('.');
    // `.`, `..` and hidden files: what is left has a name of its own.
    let name = name.trim_start_matches('.').trim();
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

/// The bidirectional embeddings, overrides and isolates of Unicode (UAX #9 §2.1 to §2.5).
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// What RFC 8187 §3.2.1 lets stand as it is.
const ATTR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What may stand in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A `Content-Disposition` (RFC 6266 §4): the name in ASCII for old clients, and as it is for others.
pub(crate) fn disposition(name: &str, inline: bool) -> String {
    let kind = if inline { "inline" } else { "attachment" };
    let ascii: String =
        name.chars().map(|c| if (' '..='~').contains(&c) && !"\"\\%;".contains(c) { c } else { '_' }).collect();
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTR))
}

/// The name as the end of a URL.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_folders_and_nothing_invisible() {
        for (given, cleaned) in [
            ("photo.png", "photo.png"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system32\\evil.dll", "evil.dll"),
            ("/", "file"),
            ("..", "file"),
            (".htaccess", "htaccess"),
            ("a\u{0}b\r\nSet-Cookie: x", "abSet-Cookie: x"),
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("  spaced.txt  ", "spaced.txt"),
            ("Grüße 🌍.png", "Grüße 🌍.png"),
            ("", "file"),
        ] {
            assert_eq!(clean(given), cleaned, "{given:?}");
        }
        assert_eq!(clean(&"x".repeat(1000)).len(), MAX_CHARS);
    }

    #[test]
    fn a_disposition_holds_nothing_of_a_name_that_could_end_it() {
        assert_eq!(
            disposition("a \"b\";\\ é.png", false),
            "attachment; filename=\"a _b___ _.png\"; filename*=UTF-8''a%20%22b%22%3B%5C%20%C3%A9.png"
        );
        assert!(disposition("photo.png", true).starts_with("inline; filename=\"photo.png\""));
        assert!(disposition("🌍\u{2028}", false).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
}
