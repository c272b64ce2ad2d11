//! What somebody may have meant.

/// The one of `known` (at least one) that is most like `word`, by edits; a name without its section counts too.
pub(crate) fn of<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let score = |candidate: &str| {
        let last = candidate.rsplit('.').next().unwrap_or(candidate);
        let whole = strsim::normalized_damerau_levenshtein(word, candidate);
        // `auth_secret` and `secret` for auth.secret.
        let joined = strsim::normalized_damerau_levenshtein(word, &candidate.replace('.', "_")) * 0.98;
        let part = strsim::normalized_damerau_levenshtein(word, last) * 0.95;
        whole.max(joined).max(part)
    };
    known.max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or("")
}
