//! [`Receipts`] on Redis: a hash for each room, of its users' pointers.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use fred::prelude::*;
use futures_util::future::try_join_all;
use parlor_core::ids::{Partition, RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::receipts::Receipts;
use parlor_core::receipts::{Pointer, Pointers};
use parlor_core::time::Timestamp;

use super::Redis;
use super::commands::{Script, ScriptCall};

static ADVANCE: Script = Script::new(include_str!("lua/advance.lua"));
static POINTERS_IN: Script = Script::new(include_str!("lua/pointers_in.lua"));

/// A room's pointers are kept for so long after the last of them moved.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Rooms in one script: a script holds up all others.
const ROOMS_AT_ONCE: usize = 500;

#[async_trait]
impl Receipts for Redis {
    async fn advance(&self, room: &RoomId, to: &[(UserId, Pointers)]) -> Result<Vec<Pointers>, Unavailable> {
        if to.is_empty() {
            return Ok(Vec::new());
        }
        let mut args: Vec<Value> = Vec::with_capacity(1 + 5 * to.len());
        args.push(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX).into());
        for (user, Pointers { delivered, read }) in to {
            args.push(user.as_str().into());
            for pointer in [delivered, read] {
                args.push(pointer.seq.to_string().into());
                args.push(pointer.at.0.max(0).to_string().into());
            }
        }
        let call = ScriptCall::new(vec![self.keys.room("rc", room)], args);
        let before: Vec<Option<String>> = self.commands.script("advance", &ADVANCE, call).await?;
        before.iter().map(|before| parse(before.as_deref())).collect()
    }

    async fn pointers(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Pointers>, Unavailable> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.keys.room("rc", room);
        let users: Vec<String> = users.iter().map(|user| user.as_str().to_owned()).collect();
        let known: Vec<Option<String>> =
            self.commands.run("pointers", async |client| client.hmget(key, users).await).await?;
        known.iter().map(|known| parse(known.as_deref())).collect()
    }

    async fn pointers_in(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Pointers>, Unavailable> {
        let mut partitions: HashMap<Partition, Vec<usize>> = HashMap::new();
        for (place, room) in rooms.iter().enumerate() {
            partitions.entry(self.keys.partition_of(room)).or_default().push(place);
        }
        let places = partitions
            .into_values()
            .flat_map(|places| places.chunks(ROOMS_AT_ONCE).map(<[_]>::to_vec).collect::<Vec<_>>());
        let scripts = places.map(|places| {
            let keys = places.iter().filter_map(|place| rooms.get(*place)).map(|room| self.keys.room("rc", room));
            let call = ScriptCall::new(keys.collect(), vec![user.as_str().into()]);
            async move {
                let known: Vec<Option<String>> = self.commands.script("pointers_in", &POINTERS_IN, call).await?;
                Ok::<_, Unavailable>((places, known))
            }
        });
        let mut all = vec![Pointers::default(); rooms.len()];
        for (places, known) in try_join_all(scripts).await? {
            for (place, known) in places.into_iter().zip(known) {
                all[place] = parse(known.as_deref())?;
            }
        }
        Ok(all)
    }
}

/// Reads pointers as `lua/advance.lua` keeps them.
fn parse(text: Option<&str>) -> Result<Pointers, Unavailable> {
    let Some(text) = text else { return Ok(Pointers::default()) };
    let mut parts = text.split(':').map(str::parse::<u64>);
    let mut pointer = || {
        let (seq, at) = (parts.next()?.ok()?, parts.next()?.ok()?);
        Some(Pointer::new(Seq(seq), Timestamp(i64::try_from(at).ok()?)))
    };
    let both = pointer().and_then(|delivered| Some(Pointers { delivered, read: pointer()? }));
    both.ok_or_else(|| Unavailable::new("redis", format!("{text:?} are no pointers")))
}
