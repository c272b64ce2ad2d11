//! What nobody sees: a text of nothing else is no name, and no id that a person could tell from another.

/// Characters without a width or a mark of their own: controls, soft hyphen, joiners, marks of direction, variation
/// selectors, fillers, tags.
pub fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(char, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        || matches!(char, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}')
        || matches!(char, '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether there is nothing to see in a text: it is empty, or white space and invisible characters alone.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|char| char.is_whitespace() || is_invisible(char))
}

#[cfg(test)]
mod tests {
    use super::is_blank;

    #[test]
    fn a_text_is_blank_if_nobody_sees_anything_in_it() {
        for blank in ["", " ", "\t\n", "\u{a0}\u{3000}", "\u{200b}", "\u{200d}\u{feff} ", "\u{3164}", "\u{2800}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["a", " a ", "\u{200b}a", "\u{2764}\u{fe0f}", "-", "\u{301}"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }
}
