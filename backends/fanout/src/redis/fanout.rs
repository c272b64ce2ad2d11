//! [`Fanout`] on Redis.

use async_trait::async_trait;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use parlor_core::event::{Delivery, Ephemeral};
use parlor_core::ids::{Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::{Applied, Fanout, Heads, Signal};
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;
use tokio::sync::mpsc;

use super::commands::{Script, ScriptCall};
use super::keys::{parse_position, parse_seq, position_text};
use super::{Redis, frame};

static APPLY: Script = Script::new(include_str!("lua/apply.lua"));
static CLAIM: Script = Script::new(include_str!("lua/claim.lua"));
static HEADS: Script = Script::new(include_str!("lua/heads.lua"));
static WARM: Script = Script::new(include_str!("lua/warm.lua"));

/// Rooms in one look at heads: a script holds up all others.
const ROOMS_AT_ONCE: usize = 1_000;
/// How long a membership version lives after the room's last event, in seconds; `lua/apply.lua` has it too.
const VERSION_LIVES: i64 = 172_800;

#[async_trait]
impl Fanout for Redis {
    async fn position(&self, partition: Partition) -> Result<Option<Position>, Unavailable> {
        let key = format!("{}pos", self.keys.partition(partition));
        let held: Option<String> = self.commands.run("position", async |client| client.get(key).await).await?;
        held.as_deref().map(parse_position).transpose()
    }

    async fn claim(&self, partition: Partition, at: Position) -> Result<Position, Unavailable> {
        let base = self.keys.partition(partition);
        let keys = vec![format!("{base}pos"), format!("{base}from")];
        let args = vec![position_text(at).into(), at.offset.to_string().into()];
        let held: String = self.commands.script("claim", &CLAIM, ScriptCall::new(keys, args)).await?;
        parse_position(&held)
    }

    async fn apply(
        &self,
        partition: Partition,
        previous: Position,
        records: &[Record],
    ) -> Result<Applied, Unavailable> {
        let base = self.keys.partition(partition);
        let last = records.last();
        let position = last.map_or(previous, Record::position);
        let mut args: Vec<Value> = Vec::with_capacity(7 + 5 * records.len());
        args.push(base.as_str().into());
        args.push(position_text(previous).into());
        args.push(position.offset.to_string().into());
        args.push(position_text(position).into());
        args.push(last.map_or(Seq::ZERO, |record| record.seq).to_string().into());
        args.push(records.iter().map(|record| record.time.0).max().unwrap_or(0).into());
        args.push(i64::try_from(self.recent).unwrap_or(i64::MAX).into());
        for record in records {
            // Poison: it has no event to publish; the position passes over it.
            let Ok(event) = &record.event else { continue };
            args.push(event.id.0.as_bytes().as_slice().into());
            args.push(record.seq.to_string().into());
            args.push(event.room.as_str().into());
            args.push(event.kind.version().map(|version| version.to_string()).unwrap_or_default().into());
            args.push(frame::of_record(record).into());
        }
        let keys = vec![format!("{base}pos")];
        let (done, held, duplicates): (i64, Option<String>, usize) =
            self.commands.script("apply", &APPLY, ScriptCall::new(keys, args)).await?;
        match (done, held.as_deref().map(parse_position).transpose()?) {
            (1, Some(position)) => Ok(Applied::Done { position, duplicates }),
            (_, held) => Ok(Applied::Elsewhere(held)),
        }
    }

    async fn heads(&self, partition: Partition, rooms: &[RoomId]) -> Result<Heads, Unavailable> {
        let base = self.keys.partition(partition);
        let mut all: Option<Heads> = None;
        // An empty list still asks for the rest.
        let chunks = rooms.chunks(ROOMS_AT_ONCE).chain(rooms.is_empty().then_some(rooms));
        for chunk in chunks {
            let keys = ["pos", "from", "heads", "trim"].map(|name| format!("{base}{name}")).to_vec();
            let args = chunk.iter().map(|room| room.as_str().into()).collect();
            let answer: Vec<Option<String>> =
                self.commands.script("heads", &HEADS, ScriptCall::new(keys, args)).await?;
            let part = read_heads(&answer, chunk.len())?;
            all = Some(match all {
                None => part,
                // Two moments: what holds at both.
                Some(mut all) => {
                    let earlier = |a: Position, b: Position| if a.offset <= b.offset { a } else { b };
                    all.position = all.position.zip(part.position).map(|(a, b)| earlier(a, b));
                    all.from = all.from.max(part.from);
                    all.trimmed = all.trimmed.max(part.trimmed);
                    all.heads.extend(part.heads);
                    all
                }
            });
        }
        all.ok_or_else(|| Unavailable::new("redis", "no answer"))
    }

    async fn recent(
        &self,
        room: &RoomId,
        after: Seq,
        through: Seq,
        limit: usize,
    ) -> Result<Vec<Delivery>, Unavailable> {
        let key = self.keys.room("c", room);
        // Not fred's own call: it takes scores as floats, and seqs stay strings.
        let range = [key, through.to_string(), format!("({after}"), "LIMIT".into(), "0".into(), limit.to_string()];
        let command = CustomCommand::new_static("ZREVRANGEBYSCORE", ClusterHash::FirstKey, false);
        let frames: Vec<bytes::Bytes> =
            self.commands.run("recent", async |client| client.custom(command, range.to_vec()).await).await?;
        Ok(frames.iter().rev().filter_map(|cached| frame::delivery(cached)).collect())
    }

    async fn cool(&self, room: &RoomId) -> Result<(), Unavailable> {
        let key = self.keys.room("c", room);
        self.commands.run("cool", async |client| client.del::<(), _>(key.clone()).await).await
    }

    fn remembers(&self) -> usize {
        self.recent
    }

    async fn warm(
        &self,
        partition: Partition,
        room: &RoomId,
        applied: Offset,
        events: &[Delivery],
    ) -> Result<bool, Unavailable> {
        let base = self.keys.partition(partition);
        let mut keys = ["pos", "from", "heads"].map(|name| format!("{base}{name}")).to_vec();
        keys.push(self.keys.room("c", room));
        let mut args: Vec<Value> = vec![
            room.as_str().into(),
            applied.to_string().into(),
            Seq::new(self.keys.generation(), Offset(0)).to_string().into(),
            i64::try_from(self.recent).unwrap_or(i64::MAX).into(),
        ];
        // More would only be trimmed again.
        for delivery in &events[events.len().saturating_sub(self.recent)..] {
            args.push(delivery.seq.to_string().into());
            args.push(frame::of_delivery(delivery).into());
        }
        let filled: i64 = self.commands.script("warm", &WARM, ScriptCall::new(keys, args)).await?;
        Ok(filled == 1)
    }

    async fn subscribe(&self, room: &RoomId) -> Result<(), Unavailable> {
        self.bus.wish(room, true).await
    }

    async fn unsubscribe(&self, room: &RoomId) -> Result<(), Unavailable> {
        self.bus.wish(room, false).await
    }

    fn listen(&self) -> mpsc::Receiver<Signal> {
        self.bus.listen()
    }

    async fn publish(&self, room: &RoomId, news: &Ephemeral) -> Result<(), Unavailable> {
        let (channel, published) = (self.keys.room("r", room), frame::of_ephemeral(news));
        self.commands.run("publish", async |client| client.publish::<(), _, _>(channel, published).await).await
    }

    async fn version(&self, room: &RoomId) -> Result<Option<u64>, Unavailable> {
        let key = self.keys.room("v", room);
        self.commands.run("version", async |client| client.get(key).await).await
    }

    async fn recall_version(&self, room: &RoomId, version: u64) -> Result<(), Unavailable> {
        let key = self.keys.room("v", room);
        let (expires, missing) = (Some(Expiration::EX(VERSION_LIVES)), Some(SetOptions::NX));
        let text = version.to_string();
        self.commands
            .run("recall_version", async |client| client.set::<(), _, _>(key, text, expires, missing, false).await)
            .await
    }

    async fn check(&self) -> Result<(), Unavailable> {
        self.commands.run("ping", async |client| client.ping::<()>(None).await).await?;
        self.bus.check()
    }
}

fn read_heads(answer: &[Option<String>], rooms: usize) -> Result<Heads, Unavailable> {
    let [position, from, trimmed, heads @ ..] = answer else {
        return Err(Unavailable::new("redis", "an answer that is no heads"));
    };
    let number = |text: &Option<String>, missing: i64| match text {
        None => Ok(missing),
        Some(text) => text.parse().map_err(|_| Unavailable::new("redis", format!("{text:?} is no number"))),
    };
    let mut heads =
        heads.iter().map(|head| head.as_deref().map(parse_seq).transpose()).collect::<Result<Vec<_>, _>>()?;
    heads.resize(rooms, None);
    Ok(Heads {
        position: position.as_deref().map(parse_position).transpose()?,
        from: Offset(number(from, Offset::NONE.0)?),
        trimmed: Timestamp(number(trimmed, 0)?),
        heads,
    })
}
