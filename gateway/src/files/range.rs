//! The part of a file that a request asks for (RFC 9110 §14).

/// What to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything: nothing was asked for, or what may be ignored (several ranges, another unit, §14.2).
    Whole,
    /// From the first up to the second, exclusive; never empty.
    Range(u64, u64),
    /// The range begins beyond the end.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes.
pub(crate) fn part(header: Option<&str>, size: u64) -> Part {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Part::Whole };
    let digits = |text: &str| text.is_empty() || text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Part::Whole;
    }
    // A number with more digits than any size is beyond every end.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (from, to) = match (first.is_empty(), last.is_empty()) {
        (true, true) => return Part::Whole,
        // The last so many bytes.
        (true, false) => match number(last) {
            0 => return Part::Unsatisfiable,
            count => (size.saturating_sub(count), size),
        },
        (false, true) => (number(first), size),
        (false, false) if number(last) < number(first) => return Part::Whole,
        (false, false) => (number(first), number(last).saturating_add(1).min(size)),
    };
    if from < to { Part::Range(from, to) } else { Part::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_the_whole_or_beyond_the_end() {
        for (header, expected) in [
            (None, Part::Whole),
            (Some("bytes=0-4"), Part::Range(0, 5)),
            (Some("bytes=5-"), Part::Range(5, 10)),
            (Some("bytes=-3"), Part::Range(7, 10)),
            (Some("bytes=-30"), Part::Range(0, 10)),
            (Some("bytes=9-9"), Part::Range(9, 10)),
            (Some("bytes=4-1000"), Part::Range(4, 10)),
            (Some("bytes=10-"), Part::Unsatisfiable),
            (Some("bytes=10-12"), Part::Unsatisfiable),
            (Some("bytes=-0"), Part::Unsatisfiable),
            (Some("bytes=99999999999999999999999-"), Part::Unsatisfiable),
            (Some("bytes=5-4"), Part::Whole),
            (Some("bytes=0-1,3-4"), Part::Whole),
            (Some("bytes=-"), Part::Whole),
            (Some("bytes=a-b"), Part::Whole),
            (Some("items=0-4"), Part::Whole),
            (Some("bytes"), Part::Whole),
        ] {
            assert_eq!(part(header, 10), expected, "{header:?}");
        }
    }
}
