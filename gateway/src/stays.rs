//! Which rooms a client is in, and by which version of each room's membership.
//!
//! A room's own word of a change and the word of its members' inboxes come in either order, and one of them late where a
//! delivery worker has just changed. So a leaving counts only against who is in by an older version, and an entering
//! only where no removal at or above its version was told.

use std::collections::{HashMap, HashSet};

use parlor_core::ids::RoomId;

/// The membership version of rooms that have none to compare: channels and inboxes.
pub(crate) const ALWAYS: u64 = u64::MAX;

/// The rooms of one client.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    /// Each with the membership version by which the client is in it.
    rooms: HashMap<RoomId, u64>,
    /// Rooms that its inbox has told of and that are being entered.
    entering: HashSet<RoomId>,
    /// Rooms that its inbox said the user is out of, with the membership version of that.
    removed: HashMap<RoomId, u64>,
    /// The socket is gone: it enters nothing any more.
    closed: bool,
}

/// What a leaving did to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It was in the room, and is not any more.
    Out,
    /// It was out of it before.
    WasOut,
    /// It has come in again by a later version, and stays.
    Back,
}

/// A room that a client was in when it closed, or was about to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WasIn {
    pub(crate) room: RoomId,
    /// It is a channel: its user had a lease there.
    pub(crate) channel: bool,
}

impl Stays {
    /// It is in a room by that version from now on, or by a later one by which it is already. False: it was in it, the
    /// socket is gone, or a removal was told that ends it.
    pub(crate) fn enter(&mut self, room: &RoomId, version: u64) -> bool {
        let out = self.removed.get(room).is_some_and(|removed| *removed >= version);
        if self.closed || out {
            return false;
        }
        !self.raise(room, version) && self.rooms.insert(room.clone(), version).is_none()
    }

    /// If it is in a room, then by that version, or by a later one by which it is already. False: it is not in it.
    pub(crate) fn raise(&mut self, room: &RoomId, version: u64) -> bool {
        let by = self.rooms.get_mut(room);
        by.map(|by| *by = version.max(*by)).is_some()
    }

    /// It is about to enter a room.
    pub(crate) fn expect(&mut self, room: &RoomId) {
        if !self.closed {
            self.entering.insert(room.clone());
        }
    }

    /// It is in the room, or will not be.
    pub(crate) fn expect_no_more(&mut self, room: &RoomId) {
        self.entering.remove(room);
    }

    /// Its inbox told that the user is out of a room since this version. False: it has come in again by a later one.
    pub(crate) fn remove(&mut self, room: &RoomId, version: u64) -> bool {
        let known = self.removed.entry(room.clone()).or_insert(version);
        *known = version.max(*known);
        if self.rooms.get(room).is_some_and(|by| *by >= version) {
            return false;
        }
        self.rooms.remove(room);
        self.entering.remove(room);
        true
    }

    /// A leaving made this version of the room's membership; [`ALWAYS`] ends whatever it is in by. A channel has no
    /// versions to compare.
    pub(crate) fn leave(&mut self, room: &RoomId, version: u64) -> Leaving {
        match self.rooms.get(room) {
            None => Leaving::WasOut,
            Some(by) if *by != ALWAYS && *by >= version => Leaving::Back,
            Some(_) => {
                self.rooms.remove(room);
                Leaving::Out
            }
        }
    }

    /// The version by which it is in a room. `None`: it is not.
    pub(crate) fn by(&self, room: &RoomId) -> Option<u64> {
        self.rooms.get(room).copied()
    }

    /// How many rooms it is in.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// The rooms it is in, its inbox included, and those it is about to enter.
    pub(crate) fn all(&self) -> Vec<RoomId> {
        let entering = self.entering.iter().filter(|room| !self.rooms.contains_key(*room));
        self.rooms.keys().chain(entering).cloned().collect()
    }

    /// The channels it is in.
    pub(crate) fn channels(&self) -> Vec<RoomId> {
        self.rooms.iter().filter(|(room, by)| is_channel(room, **by)).map(|(room, _)| room.clone()).collect()
    }

    /// It enters no room any more. Returns those it was in, or about to enter.
    pub(crate) fn close(&mut self) -> Vec<WasIn> {
        self.closed = true;
        let mut rooms: HashMap<RoomId, u64> = self.entering.drain().map(|room| (room, 0)).collect();
        rooms.extend(self.rooms.drain());
        rooms.into_iter().map(|(room, by)| WasIn { channel: is_channel(&room, by), room }).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Whether a room that a client is in by that version is a channel: channels have no version to compare, nor have
/// inboxes.
pub(crate) fn is_channel(room: &RoomId, version: u64) -> bool {
    version == ALWAYS && room.inbox_owner().is_none()
}

#[cfg(test)]
mod tests {
    use parlor_core::ids::UserId;

    use super::*;

    fn room() -> RoomId {
        RoomId::trusted("group_1")
    }

    fn within(version: u64) -> Stays {
        let mut stays = Stays::default();
        assert!(stays.enter(&room(), version));
        stays
    }

    #[test]
    fn who_came_in_again_by_a_later_version_stays_whatever_tells_of_the_removal_late() {
        let mut stays = within(6);
        assert_eq!(stays.leave(&room(), 5), Leaving::Back);
        assert!(!stays.remove(&room(), 5));
        assert_eq!(stays.by(&room()), Some(6));
        // In by an older version when the adding came: that counts from now on.
        let mut stays = within(4);
        assert!(!stays.enter(&room(), 6), "in already");
        assert_eq!(stays.leave(&room(), 5), Leaving::Back);
        // Or when the store said so.
        let mut stays = within(0);
        assert!(stays.raise(&room(), 6) && !stays.raise(&RoomId::trusted("group_2"), 6));
        assert_eq!(stays.leave(&room(), 5), Leaving::Back);
    }

    #[test]
    fn a_removal_above_the_version_one_is_in_by_ends_it_whichever_word_of_it_is_first() {
        let mut stays = within(4);
        assert_eq!(stays.leave(&room(), 5), Leaving::Out);
        assert!(stays.remove(&room(), 5), "the inbox is second");
        let mut stays = within(4);
        assert!(stays.remove(&room(), 5));
        assert_eq!(stays.leave(&room(), 5), Leaving::WasOut, "the room is second");
        assert!(!stays.enter(&room(), 4) && !stays.enter(&room(), 5), "what began before it comes to nothing");
        assert!(stays.enter(&room(), 6));
    }

    #[test]
    fn a_channel_is_left_by_any_version_and_no_removal_keeps_one_out_of_it() {
        let channel = RoomId::trusted("news");
        let mut stays = Stays::default();
        assert!(stays.enter(&channel, ALWAYS) && stays.enter(&room(), 3));
        assert!(stays.enter(&RoomId::inbox(&UserId::trusted("ann")), ALWAYS));
        assert_eq!(stays.channels(), std::slice::from_ref(&channel));
        assert_eq!(stays.leave(&channel, 2), Leaving::Out);
        assert_eq!(stays.leave(&room(), ALWAYS), Leaving::Out, "a room that is deleted has none in it");
    }

    #[test]
    fn who_is_closed_was_in_what_they_were_about_to_enter_and_enters_nothing() {
        let (channel, expected) = (RoomId::trusted("news"), RoomId::trusted("group_2"));
        let mut stays = within(3);
        stays.enter(&channel, ALWAYS);
        stays.expect(&room());
        stays.expect(&expected);
        let mut was = stays.close();
        was.sort_by(|a, b| a.room.cmp(&b.room));
        let was: Vec<_> = was.iter().map(|was| (was.room.as_str(), was.channel)).collect();
        assert_eq!(was, [("group_1", false), ("group_2", false), ("news", true)]);
        assert!(!stays.enter(&expected, 9) && stays.all().is_empty());
    }
}
