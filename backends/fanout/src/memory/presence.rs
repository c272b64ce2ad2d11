//! [`Presence`] in memory.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::{Ghosts, Hold, Live, Moved, Presence, Seen};
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
    /// Gateways' own leases.
    gateways: HashMap<String, Instant>,
    /// Gateways that were buried and have not been told.
    buried: HashSet<String>,
    /// Whose turn it is at what, and until when.
    turns: HashMap<String, Instant>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct User {
    leases: HashMap<String, Lease>,
    ended: Option<Lease>,
    /// Leases that ran out by themselves.
    lapsed: HashMap<String, Lease>,
}

/// When it ends, by the clock that leases are measured with and by the one that people read.
#[derive(Clone, Copy)]
struct Lease {
    until: Instant,
    seen: Timestamp,
    status: Status,
    /// Since when the status is offline.
    hidden: Option<Timestamp>,
    /// Its user has no socket there any more.
    lingers: bool,
}

impl Lease {
    fn of(length: Duration) -> Self {
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let (until, seen) = (Instant::now() + length, Timestamp::now().plus_millis(millis));
        Self { until, seen, status: Status::Online, hidden: None, lingers: false }
    }

    /// The same lease, over by now, and last seen at `seen`; one that was hidden was last seen when it was.
    fn ended(self, seen: Timestamp) -> Self {
        let over = Self::of(Duration::ZERO);
        let (until, seen) = (over.until.min(self.until), over.seen.min(self.seen).min(seen));
        Self { until, seen: self.hidden.unwrap_or(seen), ..over }
    }
}

fn strength(status: Status) -> u8 {
    match status {
        Status::Offline => 0,
        Status::Away => 1,
        Status::Online => 2,
        Status::Busy => 3,
    }
}

impl User {
    /// Moves leases that have ended to `ended`.
    fn prune(&mut self, now: Instant) {
        let (ended, lapsed) = (&mut self.ended, &mut self.lapsed);
        self.leases.retain(|gateway, lease| {
            let lives = lease.until > now;
            if !lives {
                if ended.is_none_or(|ended| ended.until < lease.until) {
                    *ended = Some(*lease);
                }
                lapsed.insert(gateway.clone(), *lease);
            }
            lives
        });
    }

    /// The lease on a gateway that ran out by itself.
    fn ended_on(&self, gateway: &str) -> Option<Lease> {
        self.lapsed.get(gateway).copied()
    }
}

impl User {
    /// What others see: the strongest of the live leases.
    fn status(&self) -> Status {
        let shown = self.leases.values().map(|lease| lease.status).max_by_key(|status| strength(*status));
        shown.unwrap_or(Status::Offline)
    }

    fn last_seen(&self) -> Option<Timestamp> {
        let hidden = || self.leases.values().filter_map(|lease| lease.hidden).max();
        let hidden = if self.status() == Status::Offline { hidden() } else { None };
        self.ended.map(|ended| ended.seen).max(hidden)
    }

    /// Ends the leases that linger on other gateways: the user is at this one.
    fn settle(&mut self, gateway: &str) {
        let elsewhere = |(other, lease): (&String, &Lease)| (lease.lingers && other != gateway).then(|| other.clone());
        let lingering: Vec<String> = self.leases.iter().filter_map(elsewhere).collect();
        for other in lingering {
            self.end(&other, Timestamp::now());
        }
    }

    /// Ends the lease on a gateway, if there is one.
    fn end(&mut self, gateway: &str, seen: Timestamp) {
        let lease = self.leases.remove(gateway).unwrap_or_else(|| Lease::of(Duration::ZERO));
        let over = lease.ended(seen);
        if self.ended.is_none_or(|ended| ended.seen <= over.seen) {
            self.ended = Some(over);
        }
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

    /// Ends what a dead gateway holds. Of a lease that ran out by itself nobody was told.
    fn bury(&mut self, gateway: &str, now: Instant, ghosts: &mut Ghosts) {
        for (id, user) in &mut self.users {
            let Some(lease) = user.leases.get(gateway).copied().or(user.ended_on(gateway)) else { continue };
            user.prune(now);
            let before = user.status();
            if user.leases.contains_key(gateway) {
                user.end(gateway, Timestamp::now());
            }
            user.lapsed.remove(gateway);
            let after = user.status();
            let ran_out = lease.until <= now && lease.hidden.is_none() && after == Status::Offline;
            if before != after || ran_out {
                ghosts.users.push((id.clone(), after));
            }
        }
        let rooms: Vec<RoomId> = self.channels.keys().cloned().collect();
        for room in rooms {
            let Some(channel) = self.channels.get_mut(&room) else { continue };
            let mut gone = Vec::new();
            channel.retain(|_, occupant| {
                let held = occupant.leases.remove(gateway).is_some();
                occupant.leases.retain(|_, until| *until > now);
                let over = held && occupant.leases.is_empty();
                if over {
                    gone.push(occupant.user.clone());
                }
                !over
            });
            for user in gone {
                let count = self.count(&room);
                ghosts.exits.push((room.clone(), user, count));
            }
        }
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
    async fn arrive(&self, gateway: &str, users: &[UserId]) -> Result<Vec<(UserId, Status)>, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        state.sweep(now);
        let mut changed = Vec::new();
        for id in users {
            let user = state.users.entry(id.clone()).or_default();
            user.prune(now);
            let before = user.status();
            let lease = Lease::of(self.shared.lease);
            user.lapsed.remove(gateway);
            let renewed = user.leases.get(gateway).is_some_and(|held| !held.lingers);
            let held = user.leases.entry(gateway.to_owned()).or_insert(lease);
            (held.until, held.seen, held.lingers) = (lease.until, lease.seen, false);
            if !renewed {
                user.settle(gateway);
            }
            let after = user.status();
            if before != after {
                changed.push((id.clone(), after));
            }
        }
        Ok(changed)
    }

    async fn linger(&self, gateway: &str, user: &UserId) -> Result<(), Unavailable> {
        self.reach().await?;
        let mut state = self.shared.presence.lock();
        if let Some(lease) = state.users.get_mut(user).and_then(|user| user.leases.get_mut(gateway)) {
            lease.lingers = true;
        }
        Ok(())
    }

    async fn set_status(&self, gateway: &str, user: &UserId, status: Status) -> Result<Moved, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let offline = Moved { before: Status::Offline, after: Status::Offline };
        let Some(user) = state.users.get_mut(user) else { return Ok(offline) };
        user.prune(now);
        let before = user.status();
        if let Some(lease) = user.leases.get_mut(gateway) {
            let hidden = lease.hidden.or(Some(Timestamp::now()));
            lease.hidden = hidden.filter(|_| status == Status::Offline);
            lease.status = status;
            user.settle(gateway);
        }
        Ok(Moved { before, after: user.status() })
    }

    async fn depart(&self, gateway: &str, user: &UserId, seen: Timestamp) -> Result<Moved, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let user = state.users.entry(user.clone()).or_default();
        user.prune(now);
        let before = user.status();
        user.end(gateway, seen);
        Ok(Moved { before, after: user.status() })
    }

    async fn hold(&self, gateway: &str, lease: Duration) -> Result<Hold, Unavailable> {
        self.reach().await?;
        let mut state = self.shared.presence.lock();
        if state.gateways.insert(gateway.to_owned(), Instant::now() + lease).is_some() {
            return Ok(Hold::Kept);
        }
        Ok(if state.buried.remove(gateway) { Hold::Buried } else { Hold::New })
    }

    async fn bury(&self) -> Result<Ghosts, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let dead: Vec<String> =
            state.gateways.iter().filter(|(_, until)| **until <= now).map(|(gateway, _)| gateway.clone()).collect();
        let mut ghosts = Ghosts::default();
        for gateway in dead {
            state.gateways.remove(&gateway);
            state.bury(&gateway, now, &mut ghosts);
            state.buried.insert(gateway);
        }
        Ok(ghosts)
    }

    async fn release(&self, gateway: &str) -> Result<(), Unavailable> {
        self.reach().await?;
        self.shared.presence.lock().gateways.remove(gateway);
        Ok(())
    }

    async fn turn(&self, what: &str, length: Duration) -> Result<bool, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        state.turns.retain(|_, until| *until > now);
        let free = !state.turns.contains_key(what);
        if free {
            state.turns.insert(what.to_owned(), now + length);
        }
        Ok(free)
    }

    async fn look(&self, users: &[UserId]) -> Result<Vec<Seen>, Unavailable> {
        self.reach().await?;
        let (mut state, now) = (self.shared.presence.lock(), Instant::now());
        let look = |id: &UserId| match state.users.get_mut(id) {
            None => Seen { status: Status::Offline, last_seen: None },
            Some(user) => {
                user.prune(now);
                Seen { status: user.status(), last_seen: user.last_seen() }
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
