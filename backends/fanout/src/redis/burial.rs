//! Gateways that have fallen silent: their leases of users and channels are ended, a part at a time, so that no script
//! holds up the others for long. What is begun is written down first, so that whoever comes next ends it.

use fred::prelude::*;
use futures_util::future::try_join_all;
use parlor_core::event::Status;
use parlor_core::ids::{RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::presence::Ghosts;

use super::Redis;
use super::commands::{Script, ScriptCall};
use super::keys::USER_TAGS;
use super::presence::actor;

static DEAD: Script = Script::new(include_str!("lua/dead.lua"));
static USERS: Script = Script::new(concat!(include_str!("lua/standing.lua"), include_str!("lua/bury.lua")));
static CHANNELS: Script = Script::new(include_str!("lua/bury_channels.lua"));

/// Leases ended in one script.
const AT_ONCE: i64 = 256;

pub(super) async fn bury(redis: &Redis) -> Result<Ghosts, Unavailable> {
    let burying = redis.keys.gateways("burying");
    let keys = vec![redis.keys.gateways("held"), burying.clone()];
    let call = ScriptCall::new(keys, vec![redis.keys.gateways("buried:").into()]);
    let dead: Vec<String> = redis.commands.script("dead", &DEAD, call).await?;
    let mut ghosts = Ghosts::default();
    for gateway in dead {
        let users = try_join_all((0..USER_TAGS).map(|tag| users(redis, &gateway, tag))).await?;
        ghosts.users.extend(users.into_iter().flatten());
        let exits = try_join_all(redis.keys.partitions().map(|partition| {
            let base = redis.keys.partition(partition);
            exits(redis, &gateway, base)
        }));
        ghosts.exits.extend(exits.await?.into_iter().flatten());
        let burying = burying.clone();
        redis.commands.run("bury", async |client| client.srem::<(), _, _>(burying, gateway).await).await?;
    }
    Ok(ghosts)
}

/// The users of one tag whom others see differently now.
async fn users(redis: &Redis, gateway: &str, tag: u32) -> Result<Vec<(UserId, Status)>, Unavailable> {
    let mut changed = Vec::new();
    let base = redis.keys.users(tag);
    for told in rounds(redis, &USERS, gateway, &base, "pg").await? {
        changed.extend(told.chunks_exact(2).filter_map(|told| {
            let [user, status] = told else { return None };
            Some((UserId::trusted(user.as_str()), Status::parse(status)?))
        }));
    }
    Ok(changed)
}

/// Those who are in channels of one partition no more.
async fn exits(
    redis: &Redis,
    gateway: &str,
    base: String,
) -> Result<Vec<(RoomId, parlor_core::event::Actor, u32)>, Unavailable> {
    let mut gone = Vec::new();
    for told in rounds(redis, &CHANNELS, gateway, &base, "lx").await? {
        gone.extend(told.chunks_exact(3).filter_map(|told| {
            let [room, profile, count] = told else { return None };
            Some((RoomId::trusted(room.as_str()), actor(profile)?, count.parse().ok()?))
        }));
    }
    Ok(gone)
}

/// Runs a script until it finds nothing more; what it told each time.
async fn rounds(
    redis: &Redis,
    script: &'static Script,
    gateway: &str,
    base: &str,
    kind: &str,
) -> Result<Vec<Vec<String>>, Unavailable> {
    let mut rounds = Vec::new();
    loop {
        let keys = vec![format!("{base}{kind}:{gateway}")];
        let args: Vec<Value> = vec![gateway.into(), base.into(), AT_ONCE.into()];
        let mut told: Vec<String> = redis.commands.script("bury", script, ScriptCall::new(keys, args)).await?;
        if told.is_empty() || told.remove(0) == "0" {
            return Ok(rounds);
        }
        rounds.push(told);
    }
}
