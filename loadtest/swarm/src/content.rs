//! What the swarm says. Text like a language's: a full-text index that is fed one word over and over costs nothing.

use rand::RngExt;

const WORDS: usize = 3_000;
const TEXTS: usize = 512;
const ONSETS: [&str; 16] = ["b", "br", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v"];
const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ea"];
const CODAS: [&str; 6] = ["", "", "n", "r", "s", "l"];

/// Texts of one length, made beforehand.
pub(crate) struct Contents(Vec<String>);

impl Contents {
    /// Texts of `size` bytes (ASCII) each. Words that come earlier in the vocabulary are likelier, as in languages.
    pub(crate) fn new(size: usize) -> Self {
        let mut rng = rand::rng();
        let words: Vec<String> = (0..WORDS)
            .map(|_| {
                let syllables = rng.random_range(1..4);
                (0..syllables)
                    .map(|_| {
                        let onset = ONSETS[rng.random_range(0..ONSETS.len())];
                        let vowel = VOWELS[rng.random_range(0..VOWELS.len())];
                        let coda = CODAS[rng.random_range(0..CODAS.len())];
                        format!("{onset}{vowel}{coda}")
                    })
                    .collect()
            })
            .collect();
        let texts = (0..TEXTS).map(|_| {
            let mut text = String::with_capacity(size + 16);
            while text.len() < size {
                let rank: f64 = rng.random::<f64>().powi(3);
                // In range: below 1 times the number of words.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let word = &words[(rank * WORDS as f64) as usize];
                text.push_str(word);
                text.push(' ');
            }
            text.truncate(size);
            // A server may cut blanks at the end.
            if text.ends_with(' ') {
                text.pop();
                text.push('.');
            }
            text
        });
        Self(texts.collect())
    }

    pub(crate) fn any(&self) -> &str {
        &self.0[rand::random_range(0..self.0.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_length_asked_for_and_differ() {
        let contents = Contents::new(200);
        assert!(contents.0.iter().all(|text| text.len() == 200 && text.is_ascii() && text.trim() == text));
        let distinct: std::collections::HashSet<_> = contents.0.iter().collect();
        assert!(distinct.len() > TEXTS / 2);
    }
}
