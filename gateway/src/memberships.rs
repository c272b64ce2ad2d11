//! Who may do what where, without asking the store each time.
//!
//! A cached membership is good while its version is the room's in the fan-out (raised by the apply script, read in the
//! send's own round trip). With the fan-out away, or silent about the room, it is read again from the store every 5 s;
//! with the store away too it serves 60 s, then the answer is `busy`. Of a channel, whose members are no rows, and of a
//! group that the user is not in, it says whether they are banned from it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::ChatError;
use parlor_core::event::{Role, Room, RoomKind};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Membership;
use parlor_core::time::Timestamp;

use crate::Ports;
use crate::caller::Caller;
use crate::kept::Kept;

const READ_AGAIN: Duration = Duration::from_secs(5);
const SERVE: Duration = Duration::from_secs(60);
const CAPACITY: usize = 200_000;

/// A user's standing in a room, as last read.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) room: Arc<Room>,
    /// `None`: never a member.
    pub(crate) membership: Option<Membership>,
    /// Until when they are banned from it, if it is a channel, or a group that they are not in; the end of time: until
    /// that is lifted.
    banned: Option<Timestamp>,
    read: Instant,
    /// From a session's snapshot: enough to judge by while the store is away, but not what the room is like.
    recalled: bool,
}

impl Standing {
    /// The role of a current member.
    pub(crate) fn role(&self) -> Option<Role> {
        self.membership.map(|membership| membership.role).filter(|role| *role != Role::Left)
    }

    /// Whether the user may act in the channel that this is of: not banned, and in it ([`Caller::is_in`]).
    ///
    /// # Errors
    /// `banned`, or the answer of a room that is not there.
    pub(crate) fn admits(&self, caller: &Caller) -> Result<(), ChatError> {
        self.bars()?;
        if caller.is_in(&self.room.id) { Ok(()) } else { Err(ChatError::not_found("room")) }
    }

    /// The answer to a user who may not do here what others may: who is banned hears that, and to all others it is not
    /// there.
    pub(crate) fn refusal(&self) -> ChatError {
        self.bars().err().unwrap_or_else(|| ChatError::not_found("room"))
    }

    /// Whether the user is banned from the room that this is of.
    ///
    /// # Errors
    /// `banned`.
    pub(crate) fn bars(&self) -> Result<(), ChatError> {
        match self.banned {
            Some(until) if until > Timestamp::now() => Err(ChatError::banned()),
            _ => Ok(()),
        }
    }

    /// False for an ex-member of whom the store cannot say yet how far they may read: it is asked again.
    fn is_settled(&self) -> bool {
        self.membership.is_none_or(|membership| membership.role != Role::Left || membership.reads_through.is_some())
    }
}

/// A room, the user's membership, and until when they are banned.
type Read = (Room, Option<Membership>, Option<Timestamp>);

pub(crate) struct Memberships {
    ports: Ports,
    cached: Mutex<Kept<(RoomId, UserId), Standing>>,
    /// How many members each room has, with the version of which that is: of a room whose member has done nothing here
    /// yet, no standing is known.
    sizes: Mutex<HashMap<RoomId, (u64, u32)>>,
}

impl Memberships {
    pub(crate) fn new(ports: Ports) -> Self {
        let cached = Mutex::new(Kept::new(CAPACITY, |standing: &Standing| standing.read));
        Self { ports, cached, sizes: Mutex::default() }
    }

    /// Takes note of what was just read or decided.
    pub(crate) fn learn(&self, room: Room, user: &UserId, membership: Option<Membership>) -> Standing {
        self.learn_with(room, user, membership, None)
    }

    fn learn_with(
        &self,
        room: Room,
        user: &UserId,
        membership: Option<Membership>,
        banned: Option<Timestamp>,
    ) -> Standing {
        let room = Arc::new(room);
        let standing = Standing { room, membership, banned, read: Instant::now(), recalled: false };
        self.keep(user, standing.clone());
        standing
    }

    /// A room's settings have changed, and nothing else since the version before: what is known of these users there
    /// stays good. What is older is read again when it is needed.
    pub(crate) fn learn_room(&self, room: &Room, users: impl Iterator<Item = UserId>) {
        self.learn_size(room);
        let shared = Arc::new(room.clone());
        let mut cached = self.cached.lock();
        for user in users {
            if let Some(standing) = cached.get_mut(&(room.id.clone(), user))
                && standing.room.version + 1 == room.version
            {
                standing.room = shared.clone();
            }
        }
    }

    /// Takes note of what a session's snapshot knew, if nothing better is known.
    pub(crate) fn recall(
        &self,
        room: &RoomId,
        kind: RoomKind,
        version: u64,
        member_count: u32,
        user: &UserId,
        membership: Option<Membership>,
    ) {
        if self.peek(room, user).is_some_and(|known| known.room.version >= version) {
            return;
        }
        let room = Room {
            id: room.clone(),
            kind,
            name: None,
            description: None,
            avatar: None,
            private: true,
            created_by: user.clone(),
            created_at: Timestamp(0),
            version,
            member_count,
        };
        let room = Arc::new(room);
        self.keep(user, Standing { room, membership, banned: None, read: Instant::now(), recalled: true });
    }

    /// Takes note of how many members a room has.
    pub(crate) fn learn_size(&self, room: &Room) {
        self.learn_members(&room.id, room.version, room.member_count);
    }

    /// Takes note of how many members a room has by a version of its memberships.
    pub(crate) fn learn_members(&self, room: &RoomId, version: u64, members: u32) {
        let mut sizes = self.sizes.lock();
        if sizes.len() >= CAPACITY && !sizes.contains_key(room) {
            // They are learned again as their rooms are used.
            sizes.clear();
        }
        let known = sizes.entry(room.clone()).or_default();
        if version >= known.0 {
            *known = (version, members);
        }
    }

    fn keep(&self, user: &UserId, standing: Standing) {
        self.learn_size(&standing.room);
        let (key, now) = ((standing.room.id.clone(), user.clone()), Instant::now());
        self.cached.lock().insert(key, standing, now);
    }

    /// Forgets what is known of a user in a room: it changed.
    pub(crate) fn forget(&self, room: &RoomId, user: &UserId) {
        self.cached.lock().remove(&(room.clone(), user.clone()));
    }

    /// What was last read, however old.
    pub(crate) fn peek(&self, room: &RoomId, user: &UserId) -> Option<Standing> {
        self.cached.lock().get(&(room.clone(), user.clone())).cloned()
    }

    /// How many members a room had when that was last heard of; `None`: it never was.
    pub(crate) fn size(&self, room: &RoomId, user: &UserId) -> Option<u32> {
        let known = self.sizes.lock().get(room).map(|(_, members)| *members);
        known.or_else(|| self.peek(room, user).map(|standing| standing.room.member_count))
    }

    /// The standing of `user` in `room`; `None`: no such room. `version` is what the fan-out says of the room, if it
    /// answered and knew.
    pub(crate) async fn standing(
        &self,
        room: &RoomId,
        user: &UserId,
        version: Option<u64>,
    ) -> Result<Option<Standing>, ChatError> {
        let cached = self.peek(room, user);
        if let Some(standing) = &cached {
            let good = match version {
                Some(version) => standing.room.version >= version,
                None => standing.read.elapsed() < READ_AGAIN,
            };
            if good && standing.is_settled() && !standing.recalled {
                return Ok(cached);
            }
        }
        let read = match self.read(room, user).await {
            Ok(read) => read,
            Err(error) => {
                let serves = |standing: &Standing| match version {
                    // Only what was recalled is asked of the store although it is current.
                    Some(version) => standing.recalled && standing.room.version >= version,
                    None => standing.read.elapsed() < SERVE,
                };
                return match cached.filter(serves) {
                    Some(standing) => Ok(Some(standing)),
                    None => {
                        tracing::debug!(%error, "membership cannot be read");
                        Err(ChatError::busy("the room's members cannot be read right now"))
                    }
                };
            }
        };
        let Some((room, membership, banned)) = read else {
            self.forget(room, user);
            return Ok(None);
        };
        if version.is_some_and(|version| room.version < version) {
            return Err(ChatError::busy("the room has just changed"));
        }
        if version.is_none() {
            // Forgotten there: filled in, the next send need not ask the store. Best effort.
            let _ = self.ports.fanout.recall_version(&room.id, room.version).await;
        }
        Ok(Some(self.learn_with(room, user, membership, banned)))
    }

    /// The ban is read after the room's version: it is never older than that.
    async fn read(&self, room: &RoomId, user: &UserId) -> Result<Option<Read>, Unavailable> {
        let Some((room, membership)) = self.ports.store.membership(room, user).await? else { return Ok(None) };
        let inside = membership.is_some_and(|membership| membership.role != Role::Left);
        let banned = match room.kind {
            RoomKind::Channel => self.ports.safety.banned(&room.id, user).await?,
            RoomKind::Group if !inside => self.ports.safety.banned(&room.id, user).await?,
            RoomKind::Direct | RoomKind::Group => None,
        };
        let until = banned.map(|ban| ban.until.unwrap_or(Timestamp(i64::MAX)));
        Ok(Some((room, membership, until)))
    }
}
