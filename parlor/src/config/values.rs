//! The forms in which settings are written: spans of time, limits, secrets and addresses that hold one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use parlor_core::error::Limit;
use serde::{Deserialize, Serialize};

/// What the process is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Real users: nothing is let in that was not configured.
    #[default]
    Production,
    /// For trying out: guests, rooms made by joining them, a secret that everybody knows.
    Development,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "production" => Ok(Self::Production),
            "development" => Ok(Self::Development),
            _ => Err(r#"it is "production" or "development""#.into()),
        }
    }
}

/// Which set of limits holds where no single one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preset {
    /// What Parlor ships with.
    #[default]
    Shipped,
    /// The requirements documents' own values: messages 10/60s.
    Documents,
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shipped" => Ok(Self::Shipped),
            "documents" => Ok(Self::Documents),
            _ => Err(r#"it is "shipped" or "documents""#.into()),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A span of time, written as a whole number and a unit: `250ms`, `25s`, `10m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

/// Units with their length in milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    /// So many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// So many days.
    pub(crate) const fn days(days: u64) -> Self {
        Self::seconds(days * 86_400)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("'{text}' is no span of time; write a whole number and a unit, such as 250ms, 25s, 10m, 1h or 7d")
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // The longest unit that divides it; one hour stays "1h", ninety seconds "90s".
        let (unit, length) =
            UNITS.into_iter().find(|(_, length)| millis > 0 && millis.is_multiple_of(*length)).unwrap_or(("s", 1000));
        write!(f, "{}{unit}", millis / length)
    }
}

/// At most so many in a sliding window (`60/60s`), or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RateLimit(pub(crate) Option<Limit>);

impl RateLimit {
    /// `limit` in `seconds`.
    pub(crate) const fn per(limit: u32, seconds: u64) -> Self {
        Self(Some(Limit { limit, window: Duration::from_secs(seconds) }))
    }
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let wrong = || format!("'{text}' is no limit; write how many in which time, such as 60/60s or 3/1h, or off");
        let (limit, window) = text.split_once('/').ok_or_else(wrong)?;
        let limit = limit.trim().parse().ok().filter(|limit| *limit > 0).ok_or_else(wrong)?;
        let Span(window) = window.trim().parse().map_err(|_| wrong())?;
        // A refusal tells the window in whole seconds.
        if window.is_zero() || window.subsec_nanos() != 0 {
            return Err(format!("'{text}': the time of a limit is in whole seconds"));
        }
        Ok(Self(Some(Limit { limit, window })))
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Limit { limit, window }) => write!(f, "{limit}/{}s", window.as_secs()),
            None => f.write_str("off"),
        }
    }
}

macro_rules! text_form {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}
text_form!(Span);
text_form!(RateLimit);

/// What must never be shown: it is hidden in debug output and when it is written out. Empty is "not set".
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes a secret.
    #[cfg(test)]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the secret away: for its use alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "(hidden)" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The URL of a server, whose password (`scheme://user:password@host`) is hidden wherever it is shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct ServerUrl(String);

impl ServerUrl {
    /// Takes a URL.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the URL with its password: for connecting alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.split_once("://").and_then(|(scheme, rest)| {
            // A password may hold '@' and ':' where somebody did not encode it: the last '@' of the authority counts.
            let authority = rest.find(['/', '?']).map_or(rest, |end| &rest[..end]);
            let at = authority.rfind('@').or_else(|| rest.rfind('@'))?;
            let user = rest[..at].split_once(':').map_or(&rest[..at], |(user, _)| user);
            let hidden = if rest[..at].contains(':') { ":(hidden)" } else { "" };
            Some(format!("{scheme}://{user}{hidden}{}", &rest[at..]))
        });
        let shown = shown.as_deref().unwrap_or(&self.0);
        // `?password=…` is the other place where drivers look for one.
        match shown.find("password=") {
            Some(at) => write!(f, "{}password=(hidden)", &shown[..at]),
            None => f.write_str(shown),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_and_shows_in_its_longest_unit() {
        for (text, millis, shown) in
            [("250ms", 250, "250ms"), ("90s", 90_000, "90s"), ("60m", 3_600_000, "1h"), ("7d", 604_800_000, "7d")]
        {
            let span: Span = text.parse().expect(text);
            assert_eq!(span.0, Duration::from_millis(millis));
            assert_eq!(span.to_string(), shown);
        }
        for text in ["", "7", "d", "1.5h", "-1s", "1w", "99999999999999999999s", "18446744073709551615d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_count_in_a_window_or_off() {
        assert_eq!("60/60s".parse(), Ok(RateLimit::per(60, 60)));
        assert_eq!("3/1h".parse(), Ok(RateLimit::per(3, 3600)));
        assert_eq!("off".parse(), Ok(RateLimit(None)));
        for text in ["", "60", "0/60s", "60/0s", "60/500ms", "x/60s", "60/60", "Off"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_and_passwords_are_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "\"(hidden)\"");
        for (url, shown) in [
            ("postgres://parlor:hunter2@db:5432/parlor", "postgres://parlor:(hidden)@db:5432/parlor"),
            ("redis://:hunter2@cache:6379/0", "redis://:(hidden)@cache:6379/0"),
            ("redis://:hunter2/@x@cache:6379", "redis://:(hidden)@cache:6379"),
            ("postgres://parlor@db/parlor", "postgres://parlor@db/parlor"),
            ("postgres://db/parlor?user=a&password=hunter2", "postgres://db/parlor?user=a&password=(hidden)"),
            ("redis://cache:6379/0", "redis://cache:6379/0"),
        ] {
            assert_eq!(ServerUrl::new(url).to_string(), shown);
            assert!(!format!("{:?}", ServerUrl::new(url)).contains("hunter2"));
        }
    }
}
