//! What a message says, for trending topics (`cafe.md`, Key Features 7): words of the letters a to z, long enough, and
//! none that every sentence has.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

/// English words that tell nothing of a topic. Of fewer letters than the least a word may have none need to be here;
/// those of three and four are for settings below the default.
const STOP_WORDS: &str = "\
    about above across actually after afterwards again against ahead almost along already also although always among \
    another anybody anyone anything anyway anywhere apart around asked aside away back became because become been before \
    behind being below beside besides between beyond both came cannot come could dear despite does doing done down \
    during each either else enough even ever every everybody everyone everything everywhere except fine first from \
    getting give given goes going gone gonna good great guys have having hello hence here hers herself himself however \
    indeed inside instead into itself just keep kind knew know known last later least less like likely little long look \
    looking looks made make makes making many maybe mean means might mine more most mostly much must myself near nearly \
    need needs neither never next nobody none nothing often okay once only onto other others otherwise ought ourselves \
    outside over perhaps please pretty probably quite rather really right said same says seem seemed seems seen several \
    shall should since some somebody someone something sometimes somewhere soon still stuff such sure take taken tell \
    than thank thanks that their theirs them themselves then there these they thing things think this those though \
    thought through thus till today together told tomorrow tonight took toward towards under unless unlike until upon \
    used uses using usually very wanna want wants well went were what whatever when whenever where wherever whether which \
    while whoever whole whom whose will with within without wont would yeah yesterday your yours yourself yourselves \
    all and any are but can did for get got had has her him his how its let may nor not now off one our out own per she \
    the too two use was way who why yes yet you";

static STOPS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| STOP_WORDS.split_whitespace().collect());

/// The words of a text, each once with how often it stands there: lower case, split at white space, of at least
/// `shortest` letters. A word with anything but the letters a to z is left out whole.
pub(crate) fn words(text: &str, shortest: usize) -> Vec<(String, u32)> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for word in text.to_lowercase().split_whitespace() {
        let counts_as_word = word.len() >= shortest && word.bytes().all(|byte| byte.is_ascii_lowercase());
        if counts_as_word && !STOPS.contains(word) {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, u32)> {
        words(text, 4)
    }

    #[test]
    fn words_are_lower_case_long_enough_and_wholly_of_letters() {
        let counted =
            |words: &[(&str, u32)]| words.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(of("Coffee coffee\tCOFFEE\nmusic"), counted(&[("coffee", 3), ("music", 1)]));
        assert_eq!(of("tea jazz! jazz2 ja-zz café jazz"), counted(&[("jazz", 1)]));
        assert_eq!(words("tea", 3), counted(&[("tea", 1)]));
        assert!(of("").is_empty());
    }

    #[test]
    fn words_of_every_sentence_are_left_out() {
        assert!(of("I would have thought that THESE are those which were about").is_empty());
    }

    #[test]
    fn the_list_has_each_word_once_and_only_words_that_could_count() {
        let all: Vec<&str> = STOP_WORDS.split_whitespace().collect();
        assert_eq!(all.len(), STOPS.len());
        assert!(all.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }
}
