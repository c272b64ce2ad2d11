//! Ids and places. Each is a type of its own, so that one cannot be handed over for another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// The longest id of a user or room, in characters (`dotted-architecture.md` §7).
pub const MAX_ID_CHARS: usize = 255;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes an id that is known to be well formed: from the store, the log or a verified token.
            pub fn trusted(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Takes an id from a client: 1 to 255 characters, no control characters. `None` otherwise.
            pub fn parse(text: &str) -> Option<Self> {
                let chars = text.chars().count();
                let fits = (1..=MAX_ID_CHARS).contains(&chars) && !text.chars().any(char::is_control);
                fits.then(|| Self(text.into()))
            }

            /// The id as it goes over the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// A user: the `sub` of a verified token, or a guest's made-up id.
    UserId
}
text_id! {
    /// A room, or a user's inbox (a room of one, [`RoomId::inbox`]). The key of every record of that room in the log.
    RoomId
}

const INBOX: &str = "user:";

impl RoomId {
    /// The room of one that carries what concerns a user alone: membership changes, logouts, bans.
    pub fn inbox(user: &UserId) -> Self {
        Self(format!("{INBOX}{user}").into())
    }

    /// The user whose inbox this is. Clients may not name such rooms.
    pub fn inbox_owner(&self) -> Option<UserId> {
        self.0.strip_prefix(INBOX).map(UserId::trusted)
    }

    /// Whether a room of this id is a channel, if there is one: direct rooms, groups and inboxes have prefixes of their
    /// own, which no channel may take.
    pub fn is_of_channel(&self) -> bool {
        !["direct_", "group_", INBOX].iter().any(|prefix| self.0.starts_with(prefix))
    }

    /// A new group's id: `group_` and a version 4 UUID.
    pub fn new_group() -> Self {
        Self(format!("group_{}", Uuid::new_v4()).into())
    }

    /// The direct room of two users: `direct_{a}_{b}`, the ids sorted as JavaScript sorts strings (by UTF-16 code
    /// units), characters outside `[A-Za-z0-9.-]` percent-encoded so that the separator stays unambiguous.
    ///
    /// A client that does not encode still finds the room: ids of `[A-Za-z0-9.-]` are unchanged by it.
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (first, second) =
            if one.as_str().encode_utf16().le(other.as_str().encode_utf16()) { (one, other) } else { (other, one) };
        Self(format!("direct_{}_{}", encoded(first.as_str()), encoded(second.as_str())).into())
    }

    /// Whether this names a direct room in another way than [`RoomId::direct`] does: with users' ids as they are, as
    /// the documents' formula has them, or in another order. Such an id is that of no room; whose room it means,
    /// [`RoomId::direct_partners`] tells.
    pub fn is_loose_direct(&self) -> bool {
        let pair = self.0.strip_prefix("direct_").and_then(|pair| pair.split_once('_'));
        pair.is_some_and(|(one, other)| {
            Self::direct(&UserId::trusted(decoded(one)), &UserId::trusted(decoded(other))) != *self
        })
    }

    /// Who the other user may be, if this is the id of a direct room of `user`: their id is cut from either end, and
    /// what is left (decoded) is a candidate that must be an existing user. With whom the documents' formula gives
    /// just this id comes first.
    pub fn direct_partners(&self, user: &UserId) -> Vec<UserId> {
        let Some(pair) = self.0.strip_prefix("direct_") else { return Vec::new() };
        let mut candidates = Vec::new();
        for own in [encoded(user.as_str()), user.as_str().to_owned()] {
            let rests = [
                pair.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix('_')),
                pair.strip_suffix(own.as_str()).and_then(|rest| rest.strip_suffix('_')),
            ];
            for rest in rests.into_iter().flatten() {
                for candidate in [rest.to_owned(), decoded(rest)] {
                    if let Some(id) = UserId::parse(&candidate)
                        && !candidates.contains(&id)
                    {
                        candidates.push(id);
                    }
                }
            }
        }
        let formula = |partner: &UserId| {
            let [one, other] = [user.as_str(), partner.as_str()];
            let (first, second) = if one.encode_utf16().le(other.encode_utf16()) { (one, other) } else { (other, one) };
            pair.strip_prefix(first).and_then(|rest| rest.strip_prefix('_')) == Some(second)
        };
        candidates.sort_by_key(|partner| !formula(partner) && Self::direct(user, partner) != *self);
        candidates
    }
}

fn encoded(id: &str) -> String {
    use std::fmt::Write;
    id.bytes().fold(String::with_capacity(id.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id in the order of time (UUIDv7, RFC 9562 §5.7).
            pub fn now() -> Self {
                Self(Uuid::now_v7())
            }

            /// Reads the hyphenated form. `None` where it is not a UUID.
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }
    };
}

uuid_id! {
    /// A message. The event that sent it has the same id.
    MessageId
}
uuid_id! {
    /// An event in the log. A second record with the same id is a copy and changes nothing.
    EventId
}

uuid_id! {
    /// A file, and the upload that brought it.
    FileId
}
uuid_id! {
    /// The bytes of a file as they were verified. Each attempt to complete an upload has its own; one of them holds.
    BlobId
}

impl From<MessageId> for EventId {
    fn from(id: MessageId) -> Self {
        Self(id.0)
    }
}

impl MessageId {
    /// The id of the message that `sender` sent to `room` under `temp_id`, a UUID that the client made: a UUIDv8
    /// (RFC 9562 §5.8) of SHA-256(sender, room, temp_id), so that a resend is the same message on any gateway. Where
    /// `temp_id` is a UUIDv7 its own 48 bits of time come first, so that neighbours stay neighbours in an index.
    pub fn of_resend(sender: &UserId, room: &RoomId, temp_id: Uuid) -> Self {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for part in [sender.as_str().as_bytes(), room.as_str().as_bytes(), temp_id.as_bytes()] {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        if temp_id.get_version_num() == 7 {
            bytes[..6].copy_from_slice(&temp_id.as_bytes()[..6]);
        }
        Self(Uuid::new_v8(bytes))
    }
}

/// A partition of the log, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A place in a partition of the log. −1 is "before the first record".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl Offset {
    /// Before the first record.
    pub const NONE: Self = Self(-1);

    /// The place right after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which log an offset belongs to: a topic that was made anew (more partitions) is a new generation. 1 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u8);

/// The place of an event in its room's order: the log's generation (8 bits) above the offset of its record (45 bits).
/// It fits a JavaScript number. It rises within a room but is not dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

const OFFSET_BITS: u32 = 45;

impl Seq {
    /// Below every event.
    pub const ZERO: Self = Self(0);
    /// Above every event: 2⁵³ − 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The place of the record at `offset` (0 to 2⁴⁵ − 1) of a log of this generation. An offset of −1 gives the
    /// place before the generation's first record, which no event has.
    pub fn new(generation: Generation, offset: Offset) -> Self {
        let base = u64::from(generation.0) << OFFSET_BITS;
        match u64::try_from(offset.0) {
            Ok(offset) => Self(base | (offset & ((1 << OFFSET_BITS) - 1))),
            Err(_) => Self(base.saturating_sub(1)),
        }
    }

    /// The offset of its record.
    pub fn offset(self) -> Offset {
        Offset(i64::try_from(self.0 & ((1 << OFFSET_BITS) - 1)).unwrap_or(i64::MAX))
    }

    /// The generation of its log.
    pub fn generation(self) -> Generation {
        Generation(u8::try_from((self.0 >> OFFSET_BITS) & 0xff).unwrap_or(u8::MAX))
    }

    /// Reads a decimal number of at most 2⁵³ − 1. `None` where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self).filter(|seq| *seq <= Self::MAX)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::trusted(id)
    }

    #[test]
    fn a_direct_room_has_one_id_whoever_begins() {
        assert_eq!(RoomId::direct(&user("user2"), &user("user1")).as_str(), "direct_user1_user2");
        assert_eq!(RoomId::direct(&user("user1"), &user("user2")).as_str(), "direct_user1_user2");
        assert_eq!(RoomId::direct(&user("b"), &user("B")).as_str(), "direct_B_b");
        assert_eq!(RoomId::direct(&user("a_b"), &user("c")).as_str(), "direct_a%5Fb_c");
    }

    #[test]
    fn the_other_user_of_a_direct_room_is_what_is_left_beside_ones_own_id() {
        assert_eq!(RoomId::trusted("direct_user1_user2").direct_partners(&user("user1")), [user("user2")]);
        assert_eq!(RoomId::trusted("direct_user1_user2").direct_partners(&user("user2")), [user("user1")]);
        assert_eq!(RoomId::trusted("direct_a%5Fb_c").direct_partners(&user("c")), [user("a%5Fb"), user("a_b")]);
        assert_eq!(RoomId::trusted("direct_a%5Fb_c").direct_partners(&user("a_b")), [user("c")]);
        assert!(RoomId::trusted("direct_user1_user2").direct_partners(&user("user3")).is_empty());
        assert!(RoomId::trusted("group_1").direct_partners(&user("user3")).is_empty());
        // Both rests are left beside it; only one of them has this id by the formula.
        assert_eq!(RoomId::trusted("direct_a_a_b_a").direct_partners(&user("a")), [user("a_b_a"), user("a_a_b")]);
    }

    #[test]
    fn an_id_of_users_as_they_are_or_in_another_order_is_told_from_the_rooms_own() {
        for own in ["direct_user1_user2", "direct_a%5Fb_c", "direct_B_b", "group_a_b_c", "a_b_c", "direct_a"] {
            assert!(!RoomId::trusted(own).is_loose_direct(), "{own}");
        }
        for loose in ["direct_ann_x_ben-y", "direct_user2_user1", "direct_a~_b", "direct_a%5fb_c"] {
            assert!(RoomId::trusted(loose).is_loose_direct(), "{loose}");
        }
        assert_eq!(RoomId::trusted("direct_ann_x_ben-y").direct_partners(&user("ann_x")), [user("ben-y")]);
        assert_eq!(RoomId::trusted("direct_ann_x_ben-y").direct_partners(&user("ben-y")), [user("ann_x")]);
    }

    #[test]
    fn a_seq_holds_generation_and_offset_and_fits_a_javascript_number() {
        let seq = Seq::new(Generation(255), Offset((1 << 45) - 1));
        assert_eq!(seq, Seq::MAX);
        let seq = Seq::new(Generation(3), Offset(17));
        assert_eq!((seq.generation(), seq.offset()), (Generation(3), Offset(17)));
        assert!(Seq::new(Generation(3), Offset::NONE) < Seq::new(Generation(3), Offset(0)));
        assert!(Seq::new(Generation(2), Offset(1 << 40)) < Seq::new(Generation(3), Offset(0)));
    }

    #[test]
    fn a_resend_with_the_same_uuid_is_the_same_message() {
        let (room, temp) = (RoomId::trusted("r"), Uuid::new_v4());
        let id = MessageId::of_resend(&user("a"), &room, temp);
        assert_eq!(id, MessageId::of_resend(&user("a"), &room, temp));
        assert_ne!(id, MessageId::of_resend(&user("b"), &room, temp));
        assert_ne!(id, MessageId::of_resend(&user("a"), &RoomId::trusted("s"), temp));
        assert_eq!(id.0.get_version_num(), 8);
        let temp = Uuid::now_v7();
        assert_eq!(MessageId::of_resend(&user("a"), &room, temp).0.as_bytes()[..6], temp.as_bytes()[..6]);
    }

    #[test]
    fn ids_from_clients_are_bounded_and_have_no_control_characters() {
        assert!(UserId::parse("").is_none());
        assert!(UserId::parse("a\u{0}b").is_none());
        assert!(RoomId::parse(&"x".repeat(255)).is_some());
        assert!(RoomId::parse(&"x".repeat(256)).is_none());
    }
}
