//! The kinds of fields that several vocabularies take: emoji, addresses, times, counts, lists of messages.

use parlor_core::blank::is_blank;
use parlor_core::error::ChatError;
use parlor_core::event::{Role, Status};
use parlor_core::ids::{MessageId, UserId};
use parlor_core::time::Timestamp;
use serde_json::value::RawValue;

use super::payload::{MAX_SAFE, Payload, string, wrong_type};
use super::rules::Rules;

impl Payload<'_> {
    /// The message that a command is about.
    pub(super) fn named_message(&self, field: &'static str) -> Result<MessageId, ChatError> {
        self.required(field, self.message(field)?)
    }

    /// Messages, as many as a receipt may name. Absent: none.
    pub(super) fn messages(&self, field: &'static str, rules: &Rules) -> Result<Vec<MessageId>, ChatError> {
        let Some(raw) = self.raw(field) else { return Ok(Vec::new()) };
        let wrong = || ChatError::field(field, format!("`{field}` must be an array of message ids"));
        if !raw.starts_with('[') {
            return Err(wrong_type(field, "an array of message ids", raw));
        }
        let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| wrong())?;
        let max = rules.max_named_messages;
        if items.len() > max {
            return Err(ChatError::field(field, format!("`{field}` names more than {max} messages")));
        }
        items.into_iter().map(|item| MessageId::parse(&string(field, item.get())?).ok_or_else(wrong)).collect()
    }

    /// One user.
    pub(super) fn user(&self, field: &'static str) -> Result<UserId, ChatError> {
        self.required(field, self.optional_user(field)?)
    }

    pub(super) fn optional_user(&self, field: &'static str) -> Result<Option<UserId>, ChatError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let rule = "must be a user's id: 1 to 255 characters without control characters";
        UserId::parse(&text).map(Some).ok_or_else(|| ChatError::field(field, format!("`{field}` {rule}")))
    }

    /// An emoji, or whatever short text stands for one; kept as sent.
    pub(super) fn emoji(&self, field: &'static str, rules: &Rules) -> Result<String, ChatError> {
        let emoji = self.required(field, self.text(field)?)?;
        let max = rules.max_emoji_bytes;
        if emoji.len() > max || emoji.trim().is_empty() || emoji.chars().any(char::is_control) {
            let rule = format!("must have 1 to {max} bytes, no control characters, and not be blank");
            return Err(ChatError::field(field, format!("`{field}` {rule}")));
        }
        Ok(emoji)
    }

    /// An address that pages may show: http or https and nothing else, so that none of them runs as a script. Empty
    /// stays empty.
    pub(super) fn url(&self, field: &'static str, max: usize) -> Result<Option<String>, ChatError> {
        let Some(url) = self.short_text(field, max)? else { return Ok(None) };
        if url.is_empty() || is_web_address(&url) {
            return Ok(Some(url));
        }
        Err(ChatError::field(field, format!("`{field}` must be an http or https URL")))
    }

    /// A text with at least one character that can be seen.
    pub(super) fn said(&self, field: &'static str, max: usize) -> Result<Option<String>, ChatError> {
        match self.short_text(field, max)? {
            Some(text) if is_blank(&text) => Err(ChatError::field(field, format!("`{field}` is empty"))),
            text => Ok(text),
        }
    }

    /// An ISO 8601 time.
    pub(super) fn time(&self, field: &'static str) -> Result<Option<Timestamp>, ChatError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let time = Timestamp::parse(&text);
        time.map(Some).ok_or_else(|| ChatError::field(field, format!("`{field}` must be an ISO 8601 time")))
    }

    /// How many rows are left out; 0 where it is absent.
    pub(super) fn offset(&self) -> Result<u64, ChatError> {
        let Some(raw) = self.raw("offset") else { return Ok(0) };
        let number = serde_json::from_str::<f64>(raw).ok().filter(|n| n.fract() == 0.0 && (0.0..=MAX_SAFE).contains(n));
        // Whole, not negative and exact: it fits.
        number
            .map(|number| number as u64)
            .ok_or_else(|| ChatError::field("offset", "`offset` must be a whole number, 0 or more"))
    }

    /// A role that can be given.
    pub(super) fn role(&self, field: &'static str) -> Result<Role, ChatError> {
        let given = |text: &str| Role::parse(text).filter(|role| *role != Role::Left);
        self.required(field, self.word(field, "admin, moderator, member", given)?)
    }

    /// A status that one may set.
    pub(super) fn status(&self, field: &'static str) -> Result<Status, ChatError> {
        self.required(field, self.word(field, "online, offline, away, busy", Status::parse)?)
    }
}

fn is_web_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let hosted = rest.chars().next().is_some_and(|first| !matches!(first, '/' | '?' | '#' | '\\'));
    web && hosted && !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::is_web_address;

    #[test]
    fn only_addresses_of_the_web_are_taken_for_pictures() {
        for good in ["https://example.org/a.png", "HTTP://example.org", "https://пример.рф/ä?x=1#y"] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "javascript://example.org/%0aalert(1)",
            "data:text/html,x",
            "https://",
            "https:///x",
            "https://a b",
            "https://a\"onerror=x",
            " https://example.org",
            "//example.org",
            "/x.png",
            "x",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}
