//! Server keys: with one of them the team's own back end acts over REST. Several hold at once, for the time in which one
//! takes another's place.

use sha2::Digest;
use subtle::{Choice, ConstantTimeEq};

/// The configured keys, by their hashes.
pub(crate) struct ServerKeys(Vec<[u8; 32]>);

impl ServerKeys {
    pub(crate) fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|key| sha2::Sha256::digest(key.as_bytes()).into()).collect())
    }

    /// Whether it is one of the keys. Takes the same time whichever it is, and whatever it has in common with one.
    pub(crate) fn knows(&self, key: &str) -> bool {
        let hash: [u8; 32] = sha2::Sha256::digest(key.as_bytes()).into();
        self.0.iter().fold(Choice::from(0), |known, own| known | own.ct_eq(&hash)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configured_key_is_known_and_no_other() {
        let keys = ServerKeys::new(&["the old key".into(), "the new key".into()]);
        assert!(keys.knows("the old key") && keys.knows("the new key"));
        assert!(!keys.knows("the old ke") && !keys.knows(""));
        assert!(!ServerKeys::new(&[]).knows(""));
    }
}
