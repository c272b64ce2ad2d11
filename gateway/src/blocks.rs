//! Whether a user's direct messages are taken, without asking the store for each.
//!
//! An answer is good for 5 s; on the gateways of who blocks it is forgotten at once when their inbox tells of it. With
//! the store away the last answer holds, and where there is none the message goes through, as all sends do then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::safety::Safety;

use crate::kept::Kept;

const GOOD: Duration = Duration::from_secs(5);
const CAPACITY: usize = 100_000;

pub(crate) struct Blocks {
    safety: Arc<dyn Safety>,
    /// By direct room and sender.
    cached: Mutex<Kept<(RoomId, UserId), Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    blocked: bool,
    read: Instant,
}

impl Blocks {
    pub(crate) fn new(safety: Arc<dyn Safety>) -> Self {
        Self { safety, cached: Mutex::new(Kept::new(CAPACITY, |known: &Known| known.read)) }
    }

    /// Whether `sender` may write in the direct room.
    ///
    /// # Errors
    /// `forbidden`: the other user blocks them. It says no more than that.
    pub(crate) async fn pass(&self, room: &RoomId, sender: &UserId) -> Result<(), ChatError> {
        let key = (room.clone(), sender.clone());
        let known = self.cached.lock().get(&key).copied();
        let blocked = match known {
            Some(known) if known.read.elapsed() < GOOD => known.blocked,
            _ => match self.safety.is_blocked(room, sender).await {
                Ok(blocked) => {
                    self.keep(key, blocked);
                    blocked
                }
                Err(error) => {
                    tracing::debug!(%error, "blocks cannot be read");
                    known.is_some_and(|known| known.blocked)
                }
            },
        };
        if blocked { Err(ChatError::new(Code::Forbidden, "this message cannot be sent")) } else { Ok(()) }
    }

    fn keep(&self, key: (RoomId, UserId), blocked: bool) {
        let read = Instant::now();
        self.cached.lock().insert(key, Known { blocked, read }, read);
    }

    /// `owner` has begun or ceased to block `user`.
    pub(crate) fn forget(&self, owner: &UserId, user: &UserId) {
        self.cached.lock().remove(&(RoomId::direct(owner, user), user.clone()));
    }
}
