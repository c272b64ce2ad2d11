//! What a search looks for: words and phrases, bounded, and where they stand in a text.

use crate::error::ChatError;

/// Characters of a query.
pub const MAX_QUERY_CHARS: usize = 200;
/// Words and phrases of a query.
pub const MAX_TERMS: usize = 10;

/// Words, and phrases in double quotes, all of which must be in a message. Upper and lower case are the same; nothing
/// is an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    terms: Vec<String>,
    /// Their words, in lower case.
    words: Vec<String>,
}

impl Terms {
    /// Reads a query. What holds neither a letter nor a digit is left out.
    ///
    /// # Errors
    /// `BadRequest`, naming `query`: more than [`MAX_QUERY_CHARS`] or [`MAX_TERMS`], or nothing to look for.
    pub fn parse(query: &str) -> Result<Self, ChatError> {
        if query.len() > MAX_QUERY_CHARS && query.chars().count() > MAX_QUERY_CHARS {
            return Err(ChatError::field("query", format!("`query` has more than {MAX_QUERY_CHARS} characters")));
        }
        let mut terms: Vec<String> = Vec::new();
        // Every second part stands between quotes; a last quote that is not closed reaches to the end.
        for (at, part) in query.split('"').enumerate() {
            let within: Vec<&str> = if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() };
            let found = within.into_iter().map(str::trim).filter(|term| term.contains(char::is_alphanumeric));
            terms.extend(found.map(str::to_owned));
        }
        terms.dedup();
        if terms.is_empty() {
            return Err(ChatError::field("query", "`query` holds no word to look for"));
        }
        if terms.len() > MAX_TERMS {
            return Err(ChatError::field("query", format!("`query` holds more than {MAX_TERMS} words and phrases")));
        }
        let words = terms.iter().flat_map(|term| term.split(|c: char| !c.is_alphanumeric()));
        let words = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        Ok(Self { terms, words })
    }

    /// Each in double quotes, with blanks between: what PostgreSQL's `websearch_to_tsquery` and SQLite's FTS5 both take
    /// as "all of these, literally".
    pub fn quoted(&self) -> String {
        self.terms.iter().map(|term| format!("\"{term}\"")).collect::<Vec<_>>().join(" ")
    }

    /// The whole text, escaped for HTML, with the words looked for between `<mark>` and `</mark>`.
    ///
    /// Made here and not by the database: both mark the same words, and nothing of the text is lost on the way.
    pub fn highlight(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 32);
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            let (run, after) = rest.split_at(word);
            if !run.is_empty() && self.words.contains(&run.to_lowercase()) {
                out.push_str("<mark>");
                out.push_str(run);
                out.push_str("</mark>");
            } else {
                out.push_str(run);
            }
            let mut between = after.chars();
            if let Some(c) = between.next() {
                escape(c, &mut out);
            }
            rest = between.as_str();
        }
        out
    }
}

fn escape(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(query: &str) -> Terms {
        Terms::parse(query).expect(query)
    }

    #[test]
    fn words_and_quoted_phrases_are_looked_for_and_nothing_is_an_operator() {
        assert_eq!(terms("black coffee").quoted(), r#""black" "coffee""#);
        assert_eq!(terms(r#"tea "black coffee" -or* OR"#).quoted(), r#""tea" "black coffee" "-or*" "OR""#);
        assert_eq!(terms(r#"tea "not closed"#).quoted(), r#""tea" "not closed""#);
        for nothing in ["", "  ", "\"\"", "!!! ?", "👩‍🚀"] {
            assert_eq!(Terms::parse(nothing).expect_err(nothing).field, Some("query"));
        }
    }

    #[test]
    fn a_query_is_bounded_in_characters_and_words() {
        assert!(Terms::parse(&"ä".repeat(200)).is_ok());
        assert!(Terms::parse(&"ä".repeat(201)).is_err());
        assert!(Terms::parse("a b c d e f g h i j").is_ok());
        assert!(Terms::parse("a b c d e f g h i j k").is_err());
    }

    #[test]
    fn whole_words_are_marked_and_all_else_is_escaped() {
        let coffee = terms("COFFEE black");
        assert_eq!(coffee.highlight("Black coffee, coffees"), "<mark>Black</mark> <mark>coffee</mark>, coffees");
        assert_eq!(
            coffee.highlight("<b>coffee</b> & <script>\"'"),
            "&lt;b&gt;<mark>coffee</mark>&lt;/b&gt; &amp; &lt;script&gt;&quot;&#39;"
        );
    }

    proptest! {
        #[test]
        fn no_text_gets_markup_through_and_none_is_lost(query in "[a-z]{1,3}( [a-z]{1,3}){0,3}", text in "\\PC{0,60}") {
            let shown = terms(&query).highlight(&text);
            let bare = shown.replace("<mark>", "").replace("</mark>", "");
            prop_assert!(!bare.contains(['<', '>', '"', '\'']));
            let back = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(back.replace("&amp;", "&"), text);
        }
    }
}
