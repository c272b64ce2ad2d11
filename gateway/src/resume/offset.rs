//! What a client carries: `<session>.<k>.<changes>.<seal>`.
//!
//! `session` and `k` name a snapshot (DESIGN.md §4); the changes say what has moved since it was taken:
//!
//! | change | says |
//! |---|---|
//! | `3:41` | the snapshot's room 3 has moved on by 41 |
//! | `3:-` | the client has left it |
//! | `+<room>:<seq>` | the client has entered a room that the snapshot does not have, and stands there; `*` for a channel |
//!
//! A room's name is in base64url. The seal is a SipHash-2-4 of all before it, keyed by the snapshot, which no client
//! sees: so an offset is what some gateway said of this very session, and needs no second look at who is a member of
//! what.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlor_core::ids::{MAX_ID_CHARS, RoomId, Seq};
use siphasher::sip::SipHasher24;

/// The longest offset that is looked at, in bytes.
const MAX_BYTES: usize = 32 * 1024;
/// The most changes that are looked at: each room of a socket once as it was and once anew.
const MAX_CHANGES: usize = 4_096;
/// The longest name of a session, in bytes.
const MAX_SESSION: usize = 32;
/// 64 bits in base64url.
const SEAL: usize = 11;

/// Seals the offsets that are counted from one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) [u8; 16]);

impl Key {
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }

    fn seal(self, text: &str) -> [u8; SEAL] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(text.as_bytes());
        let mut seal = [0; SEAL];
        let written = URL_SAFE_NO_PAD.encode_slice(hasher.finish().to_be_bytes(), &mut seal);
        debug_assert_eq!(written, Ok(SEAL));
        seal
    }
}

/// An offset that a client presents, not yet known to be one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    /// What was sealed.
    sealed: String,
    seal: String,
    /// The key of the snapshot: `<session>.<k>`.
    pub(crate) snapshot: String,
    pub(crate) changes: Vec<Change>,
}

/// What has happened to a room since the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The snapshot's room of that index has moved on by so much.
    Moved(usize, u64),
    /// The client has left it.
    Left(usize),
    /// The client has entered a room since.
    Entered { room: RoomId, channel: bool, seq: Seq },
}

impl Offset {
    /// Reads an offset. `None`: it cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (sealed, seal) = text.rsplit_once('.')?;
        let (snapshot, list) = sealed.rsplit_once('.')?;
        let (session, k) = snapshot.split_once('.')?;
        let named = (1..=MAX_SESSION).contains(&session.len())
            && session.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !named || number(k)? > u64::from(u32::MAX) || seal.len() != SEAL {
            return None;
        }
        let mut changes = Vec::new();
        for change in list.split(',').filter(|_| !list.is_empty()) {
            if changes.len() == MAX_CHANGES {
                return None;
            }
            changes.push(Change::parse(change)?);
        }
        Some(Self { sealed: sealed.to_owned(), seal: seal.to_owned(), snapshot: snapshot.to_owned(), changes })
    }

    /// Whether it was sealed with the snapshot's key.
    pub(crate) fn is_sealed_by(&self, key: Key) -> bool {
        // A timing that tells how much of a guess was right is of no use to whoever has 2⁶⁴ to make.
        self.seal.as_bytes() == key.seal(&self.sealed)
    }
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let (what, place) = text.rsplit_once(':')?;
        let entered =
            what.strip_prefix('+').map(|room| (room, false)).or(what.strip_prefix('*').map(|room| (room, true)));
        if let Some((room, channel)) = entered {
            if room.len() > MAX_ID_CHARS * 6 {
                return None;
            }
            let room = String::from_utf8(URL_SAFE_NO_PAD.decode(room).ok()?).ok()?;
            let seq = Seq(number(place)?);
            return Some(Self::Entered { room: RoomId::parse(&room)?, channel, seq }).filter(|_| seq <= Seq::MAX);
        }
        let index = usize::try_from(number(what)?).ok()?;
        if place == "-" { Some(Self::Left(index)) } else { Some(Self::Moved(index, number(place)?)) }
    }
}

/// Digits alone: what the standard library takes beyond them is not ours.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Writes an offset to the end of a text, without allocating once the text has room.
pub(crate) struct Writer<'a> {
    out: &'a mut String,
    begin: usize,
    empty: bool,
}

impl<'a> Writer<'a> {
    /// Begins one that is counted from the snapshot `<session>.<k>`.
    pub(crate) fn new(out: &'a mut String, snapshot: &str) -> Self {
        let begin = out.len();
        out.push_str(snapshot);
        out.push('.');
        Self { out, begin, empty: true }
    }

    pub(crate) fn moved(&mut self, index: u32, by: u64) {
        self.next();
        push(self.out, index.into());
        self.out.push(':');
        push(self.out, by);
    }

    pub(crate) fn left(&mut self, index: u32) {
        self.next();
        push(self.out, index.into());
        self.out.push_str(":-");
    }

    pub(crate) fn entered(&mut self, room: &RoomId, channel: bool, seq: Seq) {
        self.next();
        self.out.push(if channel { '*' } else { '+' });
        URL_SAFE_NO_PAD.encode_string(room.as_str(), self.out);
        self.out.push(':');
        push(self.out, seq.0);
    }

    pub(crate) fn seal(self, key: Key) {
        let seal = key.seal(&self.out[self.begin..]);
        self.out.push('.');
        self.out.push_str(std::str::from_utf8(&seal).unwrap_or_default());
    }

    fn next(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(',');
        }
    }
}

/// Writes a number. `write!` would do, at several times the price, for every flush of every socket.
fn push(out: &mut String, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(snapshot: &str, changes: &[Change], key: Key) -> String {
        let mut out = String::new();
        let mut writer = Writer::new(&mut out, snapshot);
        for change in changes {
            match change {
                Change::Moved(index, by) => writer.moved(u32::try_from(*index).unwrap(), *by),
                Change::Left(index) => writer.left(u32::try_from(*index).unwrap()),
                Change::Entered { room, channel, seq } => writer.entered(room, *channel, *seq),
            }
        }
        writer.seal(key);
        out
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..u32::MAX, any::<u64>()).prop_map(|(index, by)| Change::Moved(usize::try_from(index).unwrap(), by)),
            (0..u32::MAX).prop_map(|index| Change::Left(usize::try_from(index).unwrap())),
            ("[^\\p{Cc}]{1,40}", any::<bool>(), 0..=Seq::MAX.0).prop_map(|(room, channel, seq)| Change::Entered {
                room: RoomId::trusted(room),
                channel,
                seq: Seq(seq)
            }),
        ]
    }

    #[test]
    fn an_offset_reads_as_the_documentation_says() {
        let room = RoomId::trusted("a \"room\"");
        let changes = [Change::Moved(3, 41), Change::Left(4), Change::Entered { room, channel: true, seq: Seq(7) }];
        let text = write("abcdefgh.2", &changes, Key([1; 16]));
        let (sealed, _) = text.rsplit_once('.').unwrap();
        assert_eq!(sealed, "abcdefgh.2.3:41,4:-,*YSAicm9vbSI:7");
        assert_eq!(Offset::parse(&write("a.1", &[], Key([1; 16]))).unwrap().changes, []);
    }

    #[test]
    fn what_is_no_offset_of_ours_is_none() {
        let good = write("abcdefgh.2", &[Change::Moved(0, 1)], Key([1; 16]));
        assert!(Offset::parse(&good).is_some());
        for bad in ["", ".", "...", "a.1..", "a.1.0:1", "an offset that some other server made", "a.+1..aaaaaaaaaaa"] {
            assert_eq!(Offset::parse(bad), None, "{bad}");
        }
        let (sealed, seal) = good.rsplit_once('.').unwrap();
        for list in
            [",", "0:1,", "0", "0:", ":1", "x:1", "0:+1", "-1:0", "+:1", "+!:1", "+YQ:-", "0:99999999999999999999"]
        {
            assert_eq!(Offset::parse(&format!("abcdefgh.2.{list}.{seal}")), None, "{list}");
        }
        let many = vec!["0:1"; MAX_CHANGES + 1].join(",");
        assert_eq!(Offset::parse(&format!("a.1.{many}.{seal}")), None);
        assert_eq!(Offset::parse(&format!("{sealed}{}.{seal}", "0".repeat(MAX_BYTES))), None);
    }

    proptest! {
        #[test]
        fn an_offset_survives_its_journey(changes in proptest::collection::vec(change(), 0..20), key: [u8; 16]) {
            let text = write("abc-_123.77", &changes, Key(key));
            prop_assert!(!text.contains(['"', '\\']) && !text.chars().any(char::is_control));
            let offset = Offset::parse(&text).unwrap();
            prop_assert_eq!(&offset.snapshot, "abc-_123.77");
            prop_assert_eq!(&offset.changes, &changes);
            prop_assert!(offset.is_sealed_by(Key(key)));
        }

        #[test]
        fn an_offset_that_was_changed_by_anyone_else_is_not_sealed(at in 0_usize..40, to in "[0-9a-z:,.+*-]", key: [u8; 16]) {
            let mut text = write("abcdefgh.2", &[Change::Moved(3, 41), Change::Left(4)], Key(key));
            let at = at % text.len();
            prop_assume!(text[at..=at] != to);
            text.replace_range(at..=at, &to);
            prop_assert!(Offset::parse(&text).is_none_or(|offset| !offset.is_sealed_by(Key(key))));
            let mut other = key;
            other[0] ^= 1;
            prop_assert!(!Offset::parse(&write("a.1", &[], Key(key))).unwrap().is_sealed_by(Key(other)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*", list in "[0-9:,.+*=_-]{0,60}") {
            let _ = Offset::parse(&text);
            let _ = Offset::parse(&format!("abcdefgh.1.{list}.aaaaaaaaaaa"));
        }
    }
}
