//! Durations as people write them.

use std::str::FromStr;
use std::time::Duration;

/// `500ms`, `20s` or `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = || format!("'{text}' is not a duration such as 500ms, 20s or 2m");
        let unit = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(hint)?;
        let (number, unit) = text.split_at(unit);
        let number: u64 = number.parse().map_err(|_| hint())?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return Err(hint()),
        };
        Ok(Self(Duration::from_millis(number.checked_mul(milliseconds).ok_or_else(hint)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_a_unit() {
        for (text, milliseconds) in [("500ms", 500), ("20s", 20_000), ("2m", 120_000), ("0s", 0)] {
            assert_eq!(text.parse::<Span>(), Ok(Span(Duration::from_millis(milliseconds))));
        }
        for bad in ["20", "s", "-1s", "1h", "1.5s", ""] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
