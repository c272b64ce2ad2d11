//! Why this gateway closes a socket by itself. Each reason has a number of its own, the compiler sees to it, and a row in
//! `docs/clients.md`, "When the server closes".

use parlor_socketio::CloseReason;

/// A reason of the gateway's; all of them say that the client may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Closing {
    /// More happened in a room than can be replayed.
    GapTooLong = 4100,
    /// Its rooms could not be entered.
    RoomsNotReady = 4101,
    /// More was sent in a guessed vocabulary than is kept.
    VocabularyLate = 4102,
    /// It floods the gateway with events.
    TooManyEvents = 4103,
    /// The token it connects with may be good: the issuer's keys cannot be had. A refusal would keep a stock client from
    /// trying again.
    TokensUnchecked = 4104,
}

impl Closing {
    fn text(self) -> &'static str {
        match self {
            Self::GapTooLong => "gap too long",
            Self::RoomsNotReady => "rooms not ready",
            Self::VocabularyLate => "vocabulary decided late",
            Self::TooManyEvents => "too many events",
            Self::TokensUnchecked => "tokens cannot be checked",
        }
    }
}

impl From<Closing> for CloseReason {
    fn from(closing: Closing) -> Self {
        Self::Application { code: closing as u16, text: closing.text() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Closing; 5] = [
        Closing::GapTooLong,
        Closing::RoomsNotReady,
        Closing::VocabularyLate,
        Closing::TooManyEvents,
        Closing::TokensUnchecked,
    ];

    /// Code, code of the frame and text of each row that tells of an application's code.
    fn told() -> Vec<(u16, String, String)> {
        let table = include_str!("../../docs/clients.md").lines();
        let cells = table.map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>());
        let rows = cells.filter_map(|cells| match cells.as_slice() {
            ["", code, frame, text, _, ""] => Some((code.parse().ok()?, (*frame).to_owned(), (*text).to_owned())),
            _ => None,
        });
        rows.filter(|(code, ..)| (4100..4500).contains(code)).collect()
    }

    #[test]
    fn each_close_code_has_one_meaning_and_clients_are_told_of_it() {
        let reasons = ALL.map(CloseReason::from);
        assert!(reasons.iter().all(|reason| reason.retry()));
        let expected = reasons.map(|reason| (reason.code(), reason.websocket_code().to_string(), reason.text().into()));
        assert_eq!(told(), expected);
    }

    /// So that no number is given away past the enum.
    #[test]
    fn nothing_else_here_makes_a_close_code() {
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut makers = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path).expect("text").contains("::Application {") {
                    makers.push(path.file_name().expect("a name").to_owned());
                }
            }
        }
        assert_eq!(makers, ["closing.rs"]);
    }
}
