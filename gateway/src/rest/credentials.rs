//! What a username, an address, a password and a profile may be.

use parlor_core::error::ChatError;

use crate::auth::{SERVER_NAME, poses_as_server};

/// A username, as it is to be shown: 3 to 32 of `A–Z a–z 0–9 . _ -`, the first a letter or digit.
pub(crate) fn username(text: &str) -> Result<String, ChatError> {
    let fits = (3..=32).contains(&text.len())
        && text.starts_with(|char: char| char.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let message =
        "`username` must be 3 to 32 letters (a to z), digits, `.`, `_` or `-`, and begin with a letter or digit";
    if fits { Ok(text.to_owned()) } else { Err(ChatError::field("username", message)) }
}

/// An email address, in lower case: one `@` with something on both sides, 254 characters at most. Whether it is its
/// owner's is not checked.
pub(crate) fn email(text: &str) -> Result<String, ChatError> {
    let odd = |char: char| char.is_whitespace() || char.is_control();
    let parts = text.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    let fits = text.chars().count() <= 254 && parts.is_some() && !text.contains(odd);
    if fits { Ok(text.to_lowercase()) } else { Err(ChatError::field("email", "`email` must be an email address")) }
}

/// A password: 8 to 256 characters, and nothing else is asked of it.
pub(crate) fn password(field: &'static str, text: String) -> Result<String, ChatError> {
    let message = || format!("`{field}` must have 8 to 256 characters");
    if (8..=256).contains(&text.chars().count()) { Ok(text) } else { Err(ChatError::field(field, message())) }
}

/// A display name: 1 to 64 characters, none of them a control character, without space around.
pub(crate) fn display_name(text: &str) -> Result<String, ChatError> {
    let text = text.trim();
    let fits = (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control);
    let message = "`displayName` must have 1 to 64 characters";
    if fits { Ok(text.to_owned()) } else { Err(ChatError::field("displayName", message)) }
}

/// A display name that users give themselves: not the server's.
pub(crate) fn own_name(text: &str) -> Result<String, ChatError> {
    not_the_servers("displayName", display_name(text)?)
}

/// A name that users will be seen by, unless it is the server's.
pub(crate) fn not_the_servers(field: &'static str, name: String) -> Result<String, ChatError> {
    let message = || format!("`{field}` may not be \"{SERVER_NAME}\": the server goes by that name");
    if poses_as_server(&name) { Err(ChatError::field(field, message())) } else { Ok(name) }
}

/// A picture's address: `https` or `http`, 2,048 characters at most. It is never fetched.
pub(crate) fn avatar(text: &str) -> Result<String, ChatError> {
    let web = ["https://", "http://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    let fits = web && text.chars().count() <= 2_048 && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    let message = "`avatar` must be an http or https URL of at most 2048 characters";
    if fits { Ok(text.to_owned()) } else { Err(ChatError::field("avatar", message)) }
}

#[cfg(test)]
mod tests {
    use parlor_core::error::Code;

    use super::*;

    #[test]
    fn usernames_are_short_plain_and_begin_with_a_letter_or_digit() {
        for good in ["ann", "Ann.B-2_x", "4ever", &"x".repeat(32)] {
            assert_eq!(username(good).as_deref(), Ok(good));
        }
        for bad in ["", "an", &"x".repeat(33), ".ann", "a b", "änn", "ann\u{0}", "ann@example.com"] {
            assert!(username(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_kept_in_lower_case() {
        assert_eq!(email("Ann@Example.COM").as_deref(), Ok("ann@example.com"));
        for bad in ["ann", "@example.com", "ann@", "a@b@c", "a nn@example.com", &format!("{}@b.c", "x".repeat(254))] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_long_enough_and_no_longer_than_it_may_be() {
        assert!(password("password", "1234567".into()).is_err());
        assert!(password("password", "12345678".into()).is_ok());
        assert!(password("password", "é".repeat(256)).is_ok());
        assert!(password("password", "é".repeat(257)).is_err());
    }

    #[test]
    fn a_name_of_ones_own_is_not_the_servers() {
        assert_eq!(own_name(" Ann ").as_deref(), Ok("Ann"));
        let refused = own_name(" sErVeR ").expect_err("refused");
        assert_eq!((refused.code, refused.field), (Code::BadRequest, Some("displayName")));
        assert_eq!(display_name("Server").as_deref(), Ok("Server"), "the team's own back end names whom it likes");
    }

    #[test]
    fn profiles_are_bounded_and_pictures_are_on_the_web() {
        assert_eq!(display_name("  Ann \u{1f600} ").as_deref(), Ok("Ann \u{1f600}"));
        assert!(
            display_name(" ").is_err() && display_name("a\u{7}b").is_err() && display_name(&"x".repeat(65)).is_err()
        );
        assert!(avatar("https://example.com/a.png").is_ok());
        for bad in ["javascript:alert(1)", "https://", "data:image/png;base64,AA", "https://a b", "//example.com"] {
            assert!(avatar(bad).is_err(), "{bad}");
        }
    }
}
