//! The swarm's tempIds: UUIDs as any client's, that carry the number of their message, so that a delivery finds it
//! without a look-up by text.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// What kind of UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Version {
    /// Random, as `crypto.randomUUID()` makes them: message ids lie scattered in the store's index.
    V4,
    /// Beginning with the time: message ids lie side by side.
    V7,
}

/// The tempIds of one run: eight bytes of the version's own, four of the run, four of the message's number.
#[derive(Debug)]
pub(crate) struct TempIds {
    version: Version,
    run: [u8; 4],
}

impl TempIds {
    pub(crate) fn new(version: Version) -> Self {
        let mut run: [u8; 4] = rand::random();
        // The variant (RFC 9562 §4.1).
        run[0] = 0x80 | (run[0] & 0x3f);
        Self { version, run }
    }

    pub(crate) fn of(&self, number: u32) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&rand::random::<[u8; 8]>());
        bytes[6] &= 0x0f;
        match self.version {
            Version::V4 => bytes[6] |= 0x40,
            Version::V7 => {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                bytes[..6].copy_from_slice(&time.to_be_bytes()[10..]);
                bytes[6] |= 0x70;
            }
        }
        bytes[8..12].copy_from_slice(&self.run);
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        Uuid::from_bytes(bytes)
    }

    /// The number of the message; none: it is of another run.
    pub(crate) fn number(&self, id: Uuid) -> Option<u32> {
        let [.., a, b, c, d, w, x, y, z] = *id.as_bytes();
        ([a, b, c, d] == self.run).then_some(u32::from_be_bytes([w, x, y, z]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temp_id_is_a_proper_uuid_and_carries_its_number() {
        for (version, number) in [(Version::V4, 4), (Version::V7, 7)] {
            let ids = TempIds::new(version);
            for index in [0, 1, u32::MAX] {
                let id = ids.of(index);
                assert_eq!(id.get_version_num(), number);
                assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
                assert_eq!(ids.number(id), Some(index));
            }
            assert_ne!(ids.of(1), ids.of(1));
        }
    }

    #[test]
    fn another_runs_messages_are_not_ours() {
        let one = TempIds { version: Version::V4, run: [0x81, 0, 0, 1] };
        let other = TempIds { version: Version::V4, run: [0x81, 0, 0, 2] };
        assert_eq!(one.number(other.of(3)), None);
    }
}
