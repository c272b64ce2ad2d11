//! [`Presence`] on Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::prelude::*;
use futures_util::future::try_join_all;
use parlor_core::event::{Actor, Status};
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::{Ghosts, Hold, Live, Moved, Presence, Seen};
use parlor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Redis;
use super::commands::{Script, ScriptCall};
use super::keys::Keys;

/// A script, behind what it calls.
macro_rules! script {
    ($($file:literal)+) => {
        Script::new(concat!($(include_str!($file)),+))
    };
}

static ARRIVE: Script = script!("lua/standing.lua" "lua/settle.lua" "lua/arrive.lua");
static DEPART: Script = script!("lua/standing.lua" "lua/depart.lua");
static LINGER: Script = script!("lua/linger.lua");
static STATUS: Script = script!("lua/standing.lua" "lua/settle.lua" "lua/status.lua");
static LOOK: Script = script!("lua/standing.lua" "lua/look.lua");
static HOLD: Script = script!("lua/hold.lua");
static ENTER: Script = script!("lua/enter.lua");
static EXIT: Script = script!("lua/exit.lua");
static LIVE: Script = script!("lua/live.lua");
static TYPING: Script = script!("lua/typing.lua");

/// Users in one script: a script holds up all others.
const USERS_AT_ONCE: usize = 256;
/// People shown as typing at most.
const TYPISTS: i64 = 100;
/// When somebody was last seen is remembered so long.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

#[async_trait]
impl Presence for Redis {
    async fn arrive(&self, gateway: &str, users: &[UserId]) -> Result<Vec<(UserId, Status)>, Unavailable> {
        let scripts = by_slot(users).into_iter().map(|places| {
            let keys: Vec<String> = self.presence_keys("p", users, &places).collect();
            let base =
                places.first().and_then(|place| users.get(*place)).map(|user| self.keys.users(Keys::user_tag(user)));
            let (lease, remembered) = (millis(self.lease).into(), millis(REMEMBERED).into());
            let args: Vec<Value> = vec![gateway.into(), lease, remembered, base.unwrap_or_default().into()];
            async move {
                let told: Vec<String> = self.commands.script("arrive", &ARRIVE, ScriptCall::new(keys, args)).await?;
                let changed = told.chunks_exact(2).filter_map(|told| {
                    let [index, status] = told else { return None };
                    let place = places.get(index.parse::<usize>().ok()?.checked_sub(1)?)?;
                    Some((*place, Status::parse(status)?))
                });
                Ok(changed.collect::<Vec<_>>())
            }
        });
        let mut changed: Vec<(usize, Status)> = try_join_all(scripts).await?.into_iter().flatten().collect();
        changed.sort_unstable_by_key(|(place, _)| *place);
        Ok(changed.into_iter().filter_map(|(place, status)| Some((users.get(place)?.clone(), status))).collect())
    }

    async fn linger(&self, gateway: &str, user: &UserId) -> Result<(), Unavailable> {
        let keys = vec![self.keys.user("p", user, user.as_str()), self.keys.user("ps", user, user.as_str())];
        self.commands.script("linger", &LINGER, ScriptCall::new(keys, vec![gateway.into()])).await
    }

    async fn set_status(&self, gateway: &str, user: &UserId, status: Status) -> Result<Moved, Unavailable> {
        let keys = vec![self.keys.user("p", user, user.as_str()), self.keys.user("ps", user, user.as_str())];
        let args = vec![gateway.into(), status.as_str().into()];
        moved(self.commands.script("status", &STATUS, ScriptCall::new(keys, args)).await?)
    }

    async fn depart(&self, gateway: &str, user: &UserId, seen: Timestamp) -> Result<Moved, Unavailable> {
        let own = |kind| self.keys.user(kind, user, user.as_str());
        let keys = vec![own("p"), own("ps"), self.keys.user("pg", user, gateway)];
        let args = vec![gateway.into(), millis(REMEMBERED).into(), user.as_str().into(), seen.0.into()];
        moved(self.commands.script("depart", &DEPART, ScriptCall::new(keys, args)).await?)
    }

    async fn hold(&self, gateway: &str, lease: Duration) -> Result<Hold, Unavailable> {
        let keys = vec![self.keys.gateways("held"), self.keys.gateways(&format!("buried:{gateway}"))];
        let args = vec![gateway.into(), millis(lease).into()];
        let held: String = self.commands.script("hold", &HOLD, ScriptCall::new(keys, args)).await?;
        Ok(match held.as_str() {
            "kept" => Hold::Kept,
            "buried" => Hold::Buried,
            _ => Hold::New,
        })
    }

    async fn bury(&self) -> Result<Ghosts, Unavailable> {
        super::burial::bury(self).await
    }

    async fn release(&self, gateway: &str) -> Result<(), Unavailable> {
        let key = self.keys.gateways("held");
        let gateway = gateway.to_owned();
        self.commands.run("release", async |client| client.zrem::<(), _, _>(key, gateway).await).await
    }

    async fn turn(&self, what: &str, length: Duration) -> Result<bool, Unavailable> {
        let (key, length) = (self.keys.turn(what), Expiration::PX(millis(length)));
        let taken: Option<String> = self
            .commands
            .run("turn", async |client| client.set(key, "1", Some(length), Some(SetOptions::NX), false).await)
            .await?;
        Ok(taken.is_some())
    }

    async fn look(&self, users: &[UserId]) -> Result<Vec<Seen>, Unavailable> {
        let scripts = by_slot(users).into_iter().map(|places| {
            let (leases, statuses) =
                (self.presence_keys("p", users, &places), self.presence_keys("ps", users, &places));
            let keys: Vec<String> = leases.zip(statuses).flat_map(|(leases, status)| [leases, status]).collect();
            async move {
                let seen: Vec<Option<String>> =
                    self.commands.script("look", &LOOK, ScriptCall::new(keys, Vec::new())).await?;
                Ok((places, seen))
            }
        });
        let mut all = vec![Seen { status: Status::Offline, last_seen: None }; users.len()];
        for (places, seen) in try_join_all(scripts).await? {
            for (place, seen) in places.into_iter().zip(seen.chunks(2)) {
                let [status, ended] = seen else { continue };
                let status = status.as_deref().and_then(Status::parse).unwrap_or(Status::Offline);
                let ended = ended.as_deref().and_then(|ended| ended.parse().ok());
                all[place] = Seen { status, last_seen: ended.map(Timestamp) };
            }
        }
        Ok(all)
    }

    async fn enter(&self, room: &RoomId, user: &Actor, gateway: &str) -> Result<Live, Unavailable> {
        let lease = millis(self.lease).into();
        let args = vec![user.id.as_str().into(), gateway.into(), profile(user)?.into(), lease, room.as_str().into()];
        let keys = self.channel_keys(room, &user.id, gateway);
        let (count, changed): (u32, i64) = self.commands.script("enter", &ENTER, ScriptCall::new(keys, args)).await?;
        Ok(Live { count, changed: changed == 1 })
    }

    async fn exit(&self, room: &RoomId, user: &UserId, gateway: &str) -> Result<Live, Unavailable> {
        let args = vec![user.as_str().into(), gateway.into(), room.as_str().into()];
        let keys = self.channel_keys(room, user, gateway);
        let (count, changed): (u32, i64) = self.commands.script("exit", &EXIT, ScriptCall::new(keys, args)).await?;
        Ok(Live { count, changed: changed == 1 })
    }

    async fn live(&self, room: &RoomId, limit: usize) -> Result<(u32, Vec<Actor>), Unavailable> {
        let keys = vec![self.keys.room("l", room), self.keys.room("ln", room)];
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (count, profiles): (u32, Vec<String>) =
            self.commands.script("live", &LIVE, ScriptCall::new(keys, vec![limit.into()])).await?;
        Ok((count, profiles.iter().filter_map(|profile| actor(profile)).collect()))
    }

    async fn typing(&self, room: &RoomId, user: &Actor, ttl: Option<Duration>) -> Result<(), Unavailable> {
        let keys = vec![self.keys.room("t", room), self.keys.room("tn", room)];
        let args = vec![user.id.as_str().into(), profile(user)?.into(), ttl.map_or(0, millis).into()];
        self.commands.script("typing", &TYPING, ScriptCall::new(keys, args)).await
    }

    async fn typists(&self, room: &RoomId) -> Result<Vec<Actor>, Unavailable> {
        let keys = vec![self.keys.room("t", room), self.keys.room("tn", room)];
        let (_, profiles): (u32, Vec<String>) =
            self.commands.script("typists", &LIVE, ScriptCall::new(keys, vec![TYPISTS.into()])).await?;
        Ok(profiles.iter().filter_map(|profile| actor(profile)).collect())
    }
}

impl Redis {
    fn presence_keys(&self, kind: &str, users: &[UserId], places: &[usize]) -> impl Iterator<Item = String> {
        let users = places.iter().filter_map(|place| users.get(*place));
        users.map(|user| self.keys.user(kind, user, user.as_str())).collect::<Vec<_>>().into_iter()
    }

    fn channel_keys(&self, room: &RoomId, user: &UserId, gateway: &str) -> Vec<String> {
        let (live, names) = (self.keys.room("l", room), self.keys.room("ln", room));
        vec![live, names, self.keys.room_leases(room, user), self.keys.room_holder(room, gateway)]
    }
}

/// What a script tells of a user around a change.
fn moved((before, after): (String, String)) -> Result<Moved, Unavailable> {
    let read = |status: &str| {
        Status::parse(status).ok_or_else(|| Unavailable::new("redis", format!("{status:?} is no status")))
    };
    Ok(Moved { before: read(&before)?, after: read(&after)? })
}

/// The places of users in the list, those of one slot together, so that a script may take them at once.
fn by_slot(users: &[UserId]) -> Vec<Vec<usize>> {
    let mut slots: HashMap<u32, Vec<usize>> = HashMap::new();
    for (place, user) in users.iter().enumerate() {
        slots.entry(Keys::user_tag(user)).or_default().push(place);
    }
    slots.into_values().flat_map(|places| places.chunks(USERS_AT_ONCE).map(<[_]>::to_vec).collect::<Vec<_>>()).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An actor as it is kept beside a lease.
#[derive(Serialize, Deserialize)]
struct Profile {
    id: UserId,
    name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<Arc<str>>,
}

fn profile(actor: &Actor) -> Result<String, Unavailable> {
    let profile = Profile { id: actor.id.clone(), name: Arc::clone(&actor.name), avatar: actor.avatar.clone() };
    serde_json::to_string(&profile).map_err(|error| Unavailable::new("redis", error))
}

pub(super) fn actor(profile: &str) -> Option<Actor> {
    let Profile { id, name, avatar } = serde_json::from_str(profile).ok()?;
    Some(Actor { id, name, avatar })
}
