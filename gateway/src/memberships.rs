//! Who may do what where, without asking the store each time.
//!
//! A cached membership is good while its version is the room's in the fan-out (raised by the apply script, read in the
//! send's own round trip). With the fan-out away, or silent about the room, it is read again from the store every 5 s;
//! with the store away too it serves 60 s, then the answer is `busy`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::ChatError;
use parlor_core::event::{Role, Room, RoomKind};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::store::Membership;
use parlor_core::time::Timestamp;

use crate::Ports;

const READ_AGAIN: Duration = Duration::from_secs(5);
const SERVE: Duration = Duration::from_secs(60);
const CAPACITY: usize = 200_000;

/// A user's standing in a room, as last read.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) room: Arc<Room>,
    /// `None`: never a member.
    pub(crate) membership: Option<Membership>,
    read: Instant,
    /// From a session's snapshot: enough to judge by while the store is away, but not what the room is like.
    recalled: bool,
}

impl Standing {
    /// The role of a current member.
    pub(crate) fn role(&self) -> Option<Role> {
        self.membership.map(|membership| membership.role).filter(|role| *role != Role::Left)
    }

    /// False for an ex-member of whom the store cannot say yet how far they may read: it is asked again.
    fn is_settled(&self) -> bool {
        self.membership.is_none_or(|membership| membership.role != Role::Left || membership.reads_through.is_some())
    }
}

pub(crate) struct Memberships {
    ports: Ports,
    cached: Mutex<HashMap<(RoomId, UserId), Standing>>,
}

impl Memberships {
    pub(crate) fn new(ports: Ports) -> Self {
        Self { ports, cached: Mutex::default() }
    }

    /// Takes note of what was just read or decided.
    pub(crate) fn learn(&self, room: Room, user: &UserId, membership: Option<Membership>) -> Standing {
        let standing = Standing { room: Arc::new(room), membership, read: Instant::now(), recalled: false };
        self.keep(user, standing.clone());
        standing
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
        self.keep(user, Standing { room: Arc::new(room), membership, read: Instant::now(), recalled: true });
    }

    fn keep(&self, user: &UserId, standing: Standing) {
        let mut cached = self.cached.lock();
        if cached.len() >= CAPACITY {
            cached.retain(|_, standing| standing.read.elapsed() < READ_AGAIN);
        }
        cached.insert((standing.room.id.clone(), user.clone()), standing);
    }

    /// Forgets what is known of a user in a room: it changed.
    pub(crate) fn forget(&self, room: &RoomId, user: &UserId) {
        self.cached.lock().remove(&(room.clone(), user.clone()));
    }

    /// What was last read, however old.
    pub(crate) fn peek(&self, room: &RoomId, user: &UserId) -> Option<Standing> {
        self.cached.lock().get(&(room.clone(), user.clone())).cloned()
    }

    /// How many members a room had when `user`'s standing there was last read.
    pub(crate) fn size(&self, room: &RoomId, user: &UserId) -> Option<u32> {
        self.peek(room, user).map(|standing| standing.room.member_count)
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
        let read = match self.ports.store.membership(room, user).await {
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
        let Some((room, membership)) = read else {
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
        Ok(Some(self.learn(room, user, membership)))
    }
}
