//! Names of keys and channels.
//!
//! What belongs to rooms begins with `<prefix>{g1.p17}:`, the hash tag of the room's partition, so that one script may
//! touch it in a Cluster:
//!
//! | key | holds | lives |
//! |---|---|---|
//! | `pos` | `offset:digest` of the last record applied | for good |
//! | `from` | the offset at which this memory began | for good |
//! | `heads` | sorted set: room → seq of its last event | trimmed at a day |
//! | `trim`, `marks` | what tells how far `heads` was trimmed | for good |
//! | `i:<id>` | the seq under which an event's id (16 bytes) was seen | 1 h |
//! | `c:<room>` | recent cache, a sorted set by seq | 24 h |
//! | `tpos` | as `pos`, of the words counted | for good |
//! | `k:<room>` | words and how often each was said, a sorted set | as configured, since the last word |
//! | `v:<room>` | membership version | 48 h after the room's last event |
//! | `l:`, `ln:`, `lg:` | a channel's live users, their profiles, one user's leases | a lease |
//! | `lx:<gateway>` | leases on channels that a gateway holds | a day |
//! | `rc:<room>` | users' pointers: how far each has got | a day after the room's last receipt |
//! | `t:`, `tn:<room>` | who types, their profiles | while they type |
//! | `r:<room>` | (a channel) what the room's subscribers hear | |
//!
//! What belongs to a user begins with `<prefix>{u5}:`, one of 64 tags, so that leases are renewed many at a time:
//! `p:<user>` presence (30 d), `ps:<user>` what a user's leases are other than online (a day), `pg:<gateway>` the users whom
//! a gateway holds (a day), `w:<tier>:<user>` a limit's window, `m:<key>` a remembered id (1 h), `x:<user>\n<key>` what was
//! said last (while it is compared with). Sessions are
//! `<prefix>s:<session>`. Gateways hold leases of their own under `<prefix>{gateways}:`: `held`, `burying` and
//! `buried:<gateway>` (1 h). Whose turn it is at something is `<prefix>turn:<what>`.

use std::sync::Arc;

use fred::types::Key;
use parlor_core::ids::{EventId, Generation, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Position;

use super::Config;

/// Users are spread over so many hash tags.
pub(super) const USER_TAGS: u32 = 64;

/// Makes the names.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: Arc<str>,
    generation: Generation,
    partitions: u32,
}

impl Keys {
    pub(super) fn new(config: &Config) -> Result<Self, Unavailable> {
        if config.prefix.contains(['{', '}']) {
            return Err(Unavailable::new("redis", "the key prefix may not contain braces"));
        }
        if config.partitions == 0 || config.generation == 0 {
            return Err(Unavailable::new("redis", "partitions and generation begin at 1"));
        }
        let generation = Generation(config.generation);
        Ok(Self { prefix: config.prefix.as_str().into(), generation, partitions: config.partitions })
    }

    /// What every key of a partition begins with.
    pub(super) fn partition(&self, partition: Partition) -> String {
        format!("{}{{g{}.p{partition}}}:", self.prefix, self.generation.0)
    }

    /// The log's generation.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// A key of a room: `kind` is one of the table's.
    pub(super) fn room(&self, kind: &str, room: &RoomId) -> String {
        let partition = parlor_core::partition::of(room, self.partitions);
        format!("{}{{g{}.p{partition}}}:{kind}:{room}", self.prefix, self.generation.0)
    }

    /// The place under which an event of a room was seen.
    pub(super) fn event(&self, room: &RoomId, id: EventId) -> Key {
        let mut key = format!("{}i:", self.partition(self.partition_of(room))).into_bytes();
        key.extend_from_slice(id.0.as_bytes());
        Key::from(key.as_slice())
    }

    /// One user's leases on one channel.
    pub(super) fn room_leases(&self, room: &RoomId, user: &UserId) -> String {
        // Ids hold no control characters, so that the two cannot run into each other.
        format!("{}\n{user}", self.room("lg", room))
    }

    /// The leases on channels of the room's partition that one gateway holds.
    pub(super) fn room_holder(&self, room: &RoomId, gateway: &str) -> String {
        format!("{}lx:{gateway}", self.partition(self.partition_of(room)))
    }

    /// The partition of a room.
    pub(super) fn partition_of(&self, room: &RoomId) -> Partition {
        parlor_core::partition::of(room, self.partitions)
    }

    /// Every partition.
    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.partitions).map(Partition)
    }

    /// What every key of the users with one tag begins with.
    pub(super) fn users(&self, tag: u32) -> String {
        format!("{}{{u{tag}}}:", self.prefix)
    }

    /// A key of the gateways' own leases.
    pub(super) fn gateways(&self, kind: &str) -> String {
        format!("{}{{gateways}}:{kind}", self.prefix)
    }

    /// Whose turn it is at something.
    pub(super) fn turn(&self, what: &str) -> String {
        format!("{}turn:{what}", self.prefix)
    }

    /// The room of a channel.
    pub(super) fn room_of(&self, channel: &str) -> Option<RoomId> {
        let (_, room) = channel.strip_prefix(&*self.prefix)?.split_once("}:r:")?;
        Some(RoomId::trusted(room))
    }

    /// Which of the [`USER_TAGS`] a user has.
    pub(super) fn user_tag(user: &UserId) -> u32 {
        parlor_core::partition::of(&RoomId::trusted(user.as_str()), USER_TAGS).0
    }

    /// A key of a user: `p`, `ps`, `w:<tier>` or, with a gateway's name in place of the user's id, `pg`; or, with the text to remember under in place of the user's id, `m`.
    pub(super) fn user(&self, kind: &str, user: &UserId, name: &str) -> String {
        format!("{}{{u{}}}:{kind}:{name}", self.prefix, Self::user_tag(user))
    }

    /// A session.
    pub(super) fn session(&self, session: &str) -> String {
        format!("{}s:{session}", self.prefix)
    }
}

/// A position as it is kept.
pub(super) fn position_text(position: Position) -> String {
    format!("{}:{}", position.offset, position.digest)
}

/// Reads what [`position_text`] wrote.
pub(super) fn parse_position(text: &str) -> Result<Position, Unavailable> {
    text.split_once(':')
        .and_then(|(offset, digest)| {
            Some(Position { offset: Offset(offset.parse().ok()?), digest: digest.parse().ok()? })
        })
        .ok_or_else(|| Unavailable::new("redis", format!("{text:?} is no position")))
}

/// Reads a seq that a script gave back.
pub(super) fn parse_seq(text: &str) -> Result<Seq, Unavailable> {
    Seq::parse(text).ok_or_else(|| Unavailable::new("redis", format!("{text:?} is no seq")))
}
