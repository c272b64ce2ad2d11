//! The name that the server goes by, which users do not take for themselves: what it says would not be told from what
//! they say. Names that an issuer's tokens or the team's own back end give are theirs to answer for.

use parlor_core::blank::is_invisible;

/// The id under which the team's own back end acts: nobody's, and no token is good for it.
pub(crate) const SERVER: &str = "server";

/// The name that users see where it acts.
pub(crate) const SERVER_NAME: &str = "Server";

/// Whether a name reads as the server's: in any case, whatever space is around it and what nobody sees is in it.
pub(crate) fn poses_as_server(name: &str) -> bool {
    let seen: String = name.chars().filter(|char| !is_invisible(*char)).collect();
    seen.trim().to_lowercase() == SERVER_NAME.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_servers_however_it_is_written() {
        for posing in ["Server", "server", " SERVER\u{a0}", "Ser\u{200b}ver", "\u{202e}server"] {
            assert!(poses_as_server(posing), "{posing:?}");
        }
        for own in ["Serverin", "Server 2", "Ann", "", "S e r v e r"] {
            assert!(!poses_as_server(own), "{own:?}");
        }
    }
}
