//! [`Presence`] in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::{Live, Presence, Seen};
use parlor_core::time::Timestamp;
use tokio::time::Instant;

use super::Memory;

/// When somebody was last seen is remembered so long.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often users who are remembered no more are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub(super) struct State {
    users: HashMap<UserId, User>,
    channels: HashMap<RoomId, HashMap<UserId, Occupant>>,
    typing: HashMap<RoomId, HashMap<UserId, (Actor, Instant)>>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct User {
    leases: HashMap<String, Lease>,
    ended: Option<Lease>,
}

/// When it ends, by the clock that leases are measured with and by the one that people read.
#[derive(Clone, Copy)]
struct Lease {
    until: Instant,
    seen: Timestamp,
}

impl Lease {
    fn of(length: Duration) -> Self {
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        Self { until: Instant::now() + length, seen: Timestamp::now().plus_millis(millis) }
    }
}

impl User {
    /// Moves leases that have ended to `ended`.
    fn prune(&mut self, now: Instant) {
        let ended = &mut self.ended;
        self.leases.retain(|_, lease| {
            let lives = lease.until > now;
            if !lives && ended.is_none_or(|ended| ended.until < lease.until) {
                *ended = Some(*lease);
            }
            lives
        });
    }
}

struct Occupant {
    user: Actor,
    leases: HashMap<String, Instant>,
}

impl State {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now - swept < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        self.users.retain(|_, user| {
            user.prune(now);
            !user.leases.is_empty() || user.ended.is_some_and(|ended| now - ended.until < REMEMBERED)
        });
    }

    /// A channel without the leases that have ended.
    fn channel(&mut self, room: &RoomId, now: Instant) -> &mut HashMap<UserId, Occupant> {
        let channel = self.channels.entry(room.clone()).or_default();
        channel.retain(|_, occupant| {
            occupant.leases.retain(|_, until| *until > now);
            !occupant.leases.is_empty()
        });
        channel
    }

    /// Counts a channel, and drops it if it is empty.
    fn count(&mut self, room: &RoomId) -> u32 {
        let count = self.channels.get(room).map_or(0, HashMap::len);
        if count == 0 {
            self.channels.remove(room);
        }
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

#[async_trait]
impl Presence for Memory {
    async fn arrive(&self, gateway: &str, users: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        state.sweep(now);
        let mut fresh = Vec::new();
        for id in users {
            let user = state.users.entry(id.clone()).or_default();
            user.prune(now);
            if user.leases.is_empty() {
                fresh.push(id.clone());
            }
            user.leases.insert(gateway.to_owned(), Lease::of(self.shared.lease));
        }
        Ok(fresh)
    }

    async fn depart(&self, gateway: &str, user: &UserId) -> Result<bool, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let user = state.users.entry(user.clone()).or_default();
        user.prune(now);
        user.leases.remove(gateway);
        user.ended = Some(Lease::of(Duration::ZERO));
        Ok(user.leases.is_empty())
    }

    async fn look(&self, users: &[UserId]) -> Result<Vec<Seen>, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let look = |id: &UserId| match state.users.get_mut(id) {
            None => Seen { status: Status::Offline, last_seen: None },
            Some(user) => {
                user.prune(now);
                let status = if user.leases.is_empty() { Status::Offline } else { Status::Online };
                Seen { status, last_seen: user.ended.map(|ended| ended.seen) }
            }
        };
        Ok(users.iter().map(look).collect())
    }

    async fn enter(&self, room: &RoomId, user: &Actor, gateway: &str) -> Result<Live, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let channel = state.channel(room, now);
        let changed = !channel.contains_key(&user.id);
        let occupant =
            channel.entry(user.id.clone()).or_insert_with(|| Occupant { user: user.clone(), leases: HashMap::new() });
        occupant.user = user.clone();
        occupant.leases.insert(gateway.to_owned(), now + self.shared.lease);
        Ok(Live { count: state.count(room), changed })
    }

    async fn exit(&self, room: &RoomId, user: &UserId, gateway: &str) -> Result<Live, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let channel = state.channel(room, now);
        let mut changed = false;
        if let Some(occupant) = channel.get_mut(user) {
            occupant.leases.remove(gateway);
            changed = occupant.leases.is_empty();
            if changed {
                channel.remove(user);
            }
        }
        Ok(Live { count: state.count(room), changed })
    }

    async fn live(&self, room: &RoomId, limit: usize) -> Result<(u32, Vec<Actor>), Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let some = state.channel(room, now).values().take(limit).map(|occupant| occupant.user.clone()).collect();
        Ok((state.count(room), some))
    }

    async fn typing(&self, room: &RoomId, user: &Actor, ttl: Option<Duration>) -> Result<(), Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let typing = state.typing.entry(room.clone()).or_default();
        typing.retain(|_, (_, until)| *until > now);
        match ttl {
            Some(ttl) => typing.insert(user.id.clone(), (user.clone(), now + ttl)),
            None => typing.remove(&user.id),
        };
        if typing.is_empty() {
            state.typing.remove(room);
        }
        Ok(())
    }

    async fn typists(&self, room: &RoomId) -> Result<Vec<Actor>, Unavailable> {
        self.reach().await?;
        let (state, now) = (self.shared.presence.lock(), Instant::now());
        let typing = state.typing.get(room).into_iter().flat_map(HashMap::values);
        Ok(typing.filter(|(_, until)| *until > now).map(|(user, _)| user.clone()).collect())
    }
}
