//! Guests, and the private id that every session has.
//!
//! A private id is `<lineage>.<random>`. The lineage is inherited from any id that the client presents on CONNECT, so
//! that a resend after a reconnect, and a guest's identity, survive the connection; a page that was loaded anew
//! presents none. The whole id is new each time but for a session that is gone on with: presenting it back unchanged
//! tells a stock client that its session was recovered.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::time::Timestamp;
use sha2::Digest;

use super::{Identity, poses_as_server};

const RANDOM_CHARS: usize = 22;
const NAME_CHARS: usize = 64;

/// The lineage of a presented private id, or a new one.
pub(crate) fn lineage(presented: Option<&str>) -> Box<str> {
    let inherited = presented.and_then(|id| id.split('.').next()).filter(|lineage| is_random(lineage));
    inherited.map_or_else(|| random().into(), Box::from)
}

/// Whether a presented text has the form of a private id.
pub(crate) fn is_private_id(presented: &str) -> bool {
    presented.split_once('.').is_some_and(|(lineage, rest)| is_random(lineage) && is_random(rest))
}

fn is_random(part: &str) -> bool {
    part.len() == RANDOM_CHARS && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// A new private id of a lineage.
pub(crate) fn private_id(lineage: &str) -> String {
    format!("{lineage}.{}", random())
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// What ids of guests begin with.
const PREFIX: &str = "guest-";

/// Whether an id is a guest's: asked where an identity is made, and where a user is; everybody else asks the identity.
/// Accounts' ids are UUIDs, the back end may make no user of such an id, and an issuer's subject that begins like a
/// guest's is treated as one.
pub(crate) fn is_guests(user: &UserId) -> bool {
    user.as_str().starts_with(PREFIX)
}

/// The guest of a lineage, by a name of their own where it is nobody else's to have. The id is a hash of it, for the lineage is the guest's credential and is told to no one.
pub(crate) fn guest(lineage: &str, name: Option<&str>) -> Identity {
    let hash = sha2::Sha256::digest(lineage.as_bytes());
    let id = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&hash[..9]).replace('_', "."));
    let given: Option<String> = name.map(|name| {
        let clean = name.trim().chars().filter(|char| !char.is_control());
        clean.take(NAME_CHARS).collect()
    });
    let name = given
        .filter(|name| !name.is_empty() && !poses_as_server(name))
        .unwrap_or_else(|| format!("Guest {}", &id[PREFIX.len()..PREFIX.len() + 4]));
    let user = Actor { id: UserId::trusted(id), name: Arc::from(name), avatar: None };
    Identity { user, guest: true, expires: None, session: None, issued: Timestamp::now() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_inherited_and_the_id_is_new_each_time() {
        let first = lineage(None);
        let id = private_id(&first);
        assert_eq!(lineage(Some(&id)), first);
        assert_ne!(private_id(&first), id);
        assert!(is_private_id(&id) && !is_private_id(&first) && !is_private_id(&format!("{id}.x")));
        assert_ne!(&*lineage(Some("forged")), "forged");
        assert_ne!(lineage(None), first);
    }

    #[test]
    fn a_guest_who_reconnects_is_the_same_and_does_not_give_the_lineage_away() {
        let lineage = lineage(None);
        let guest_1 = guest(&lineage, Some(" Ann\u{7} "));
        assert_eq!(&*guest_1.user.name, "Ann");
        assert!(guest(&lineage, Some("SERVER")).user.name.starts_with("Guest "), "nor is a guest the server");
        assert_eq!(guest_1.user.id, guest(&lineage, None).user.id);
        assert!(!guest_1.user.id.as_str().contains(&*lineage));
    }
}
