//! Time as the log tells it.

use std::fmt;

/// Milliseconds since the Unix epoch, UTC. For events this is the log's own time, the same in the ack, live and in
/// history; it may step back when a partition's leader changes, so nothing is ever ordered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This machine's clock. For leases and limits; never for ordering events.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Reads an ISO 8601 instant such as `2025-11-19T10:30:00Z`. `None` where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }

    /// This instant moved by `millis`, which may be negative.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// ISO 8601 in UTC with milliseconds, as every vocabulary shows times: `2025-11-19T10:30:00.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_shows_as_iso_8601_with_milliseconds_and_reads_back() {
        let at = Timestamp(1_763_548_200_123);
        assert_eq!(at.to_string(), "2025-11-19T10:30:00.123Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        assert_eq!(Timestamp::parse("2025-11-19T10:30:00Z"), Some(Timestamp(1_763_548_200_000)));
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
