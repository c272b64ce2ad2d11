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
use parlor_core::ports::presence::{Live, Presence, Seen};
use parlor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Redis;
use super::commands::{Script, ScriptCall};
use super::keys::Keys;

static ARRIVE: Script = Script::new(include_str!("lua/arrive.lua"));
static DEPART: Script = Script::new(include_str!("lua/depart.lua"));
static LOOK: Script = Script::new(include_str!("lua/look.lua"));
static ENTER: Script = Script::new(include_str!("lua/enter.lua"));
static EXIT: Script = Script::new(include_str!("lua/exit.lua"));
static LIVE: Script = Script::new(include_str!("lua/live.lua"));
static TYPING: Script = Script::new(include_str!("lua/typing.lua"));

/// Users in one script: a script holds up all others.
const USERS_AT_ONCE: usize = 256;
/// People shown as typing at most.
const TYPISTS: i64 = 100;
/// When somebody was last seen is remembered so long.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

#[async_trait]
impl Presence for Redis {
    async fn arrive(&self, gateway: &str, users: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        let args: Vec<Value> = vec![gateway.into(), millis(self.lease).into(), millis(REMEMBERED).into()];
        let scripts = by_slot(users).into_iter().map(|places| {
            let (keys, args) = (self.presence_keys(users, &places), args.clone());
            async move {
                let fresh: Vec<usize> = self.commands.script("arrive", &ARRIVE, ScriptCall::new(keys, args)).await?;
                Ok(fresh.into_iter().filter_map(move |index| places.get(index.checked_sub(1)?).copied()))
            }
        });
        let mut fresh: Vec<usize> = try_join_all(scripts).await?.into_iter().flatten().collect();
        fresh.sort_unstable();
        Ok(fresh.into_iter().filter_map(|place| users.get(place).cloned()).collect())
    }

    async fn depart(&self, gateway: &str, user: &UserId) -> Result<bool, Unavailable> {
        let keys = vec![self.keys.user("p", user, user.as_str())];
        let gone: i64 = self
            .commands
            .script("depart", &DEPART, ScriptCall::new(keys, vec![gateway.into(), millis(REMEMBERED).into()]))
            .await?;
        Ok(gone == 1)
    }

    async fn look(&self, users: &[UserId]) -> Result<Vec<Seen>, Unavailable> {
        let scripts = by_slot(users).into_iter().map(|places| {
            let keys = self.presence_keys(users, &places);
            async move {
                let seen: Vec<Option<i64>> =
                    self.commands.script("look", &LOOK, ScriptCall::new(keys, Vec::new())).await?;
                Ok((places, seen))
            }
        });
        let mut all = vec![Seen { status: Status::Offline, last_seen: None }; users.len()];
        for (places, seen) in try_join_all(scripts).await? {
            for (place, seen) in places.into_iter().zip(seen.chunks(2)) {
                let [online, ended] = seen else { continue };
                let status = if *online == Some(1) { Status::Online } else { Status::Offline };
                all[place] = Seen { status, last_seen: ended.map(Timestamp) };
            }
        }
        Ok(all)
    }

    async fn enter(&self, room: &RoomId, user: &Actor, gateway: &str) -> Result<Live, Unavailable> {
        let args = vec![user.id.as_str().into(), gateway.into(), profile(user)?.into(), millis(self.lease).into()];
        let (count, changed): (u32, i64) =
            self.commands.script("enter", &ENTER, ScriptCall::new(self.channel_keys(room, &user.id), args)).await?;
        Ok(Live { count, changed: changed == 1 })
    }

    async fn exit(&self, room: &RoomId, user: &UserId, gateway: &str) -> Result<Live, Unavailable> {
        let args = vec![user.as_str().into(), gateway.into()];
        let (count, changed): (u32, i64) =
            self.commands.script("exit", &EXIT, ScriptCall::new(self.channel_keys(room, user), args)).await?;
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
    fn presence_keys(&self, users: &[UserId], places: &[usize]) -> Vec<String> {
        let users = places.iter().filter_map(|place| users.get(*place));
        users.map(|user| self.keys.user("p", user, user.as_str())).collect()
    }

    fn channel_keys(&self, room: &RoomId, user: &UserId) -> Vec<String> {
        vec![self.keys.room("l", room), self.keys.room("ln", room), self.keys.room_leases(room, user)]
    }
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

fn actor(profile: &str) -> Option<Actor> {
    let Profile { id, name, avatar } = serde_json::from_str(profile).ok()?;
    Some(Actor { id, name, avatar })
}
