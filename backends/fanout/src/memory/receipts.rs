//! [`Receipts`] in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::receipts::Receipts;
use parlor_core::receipts::Pointers;
use tokio::time::Instant;

use super::Memory;

/// A room's pointers are kept for so long after the last of them moved.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How often rooms whose pointers are kept no more are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub(super) struct State {
    rooms: HashMap<RoomId, Room>,
    swept: Option<Instant>,
}

struct Room {
    moved: Instant,
    users: HashMap<UserId, Pointers>,
}

impl State {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now - swept >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.rooms.retain(|_, room| now - room.moved < KEPT);
        }
    }

    fn of(&self, room: &RoomId, user: &UserId) -> Pointers {
        self.rooms.get(room).and_then(|room| room.users.get(user)).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Receipts for Memory {
    async fn advance(&self, room: &RoomId, to: &[(UserId, Pointers)]) -> Result<Vec<Pointers>, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.receipts.lock(), Instant::now());
        state.sweep(now);
        if to.is_empty() {
            return Ok(Vec::new());
        }
        let room = state.rooms.entry(room.clone()).or_insert_with(|| Room { moved: now, users: HashMap::new() });
        room.moved = now;
        let advance = |(user, to): &(UserId, Pointers)| {
            let pointers = room.users.entry(user.clone()).or_default();
            let before = *pointers;
            pointers.raise(to);
            before
        };
        Ok(to.iter().map(advance).collect())
    }

    async fn pointers(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Pointers>, Unavailable> {
        self.reach().await?;
        let state = self.shared.receipts.lock();
        Ok(users.iter().map(|user| state.of(room, user)).collect())
    }

    async fn pointers_in(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Pointers>, Unavailable> {
        self.reach().await?;
        let state = self.shared.receipts.lock();
        Ok(rooms.iter().map(|room| state.of(room, user)).collect())
    }
}
