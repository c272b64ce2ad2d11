//! [`Topics`] on Redis.

use async_trait::async_trait;
use fred::prelude::*;
use parlor_core::ids::{Partition, RoomId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Applied;
use parlor_core::ports::log::Position;
use parlor_core::ports::topics::{Keep, Topics, Words};

use super::Redis;
use super::commands::{Script, ScriptCall};
use super::keys::{parse_position, position_text};

static COUNT: Script = Script::new(include_str!("lua/count.lua"));

#[async_trait]
impl Topics for Redis {
    async fn counted(&self, partition: Partition) -> Result<Option<Position>, Unavailable> {
        let key = format!("{}tpos", self.keys.partition(partition));
        let held: Option<String> = self.commands.run("counted", async |client| client.get(key).await).await?;
        held.as_deref().map(parse_position).transpose()
    }

    async fn claim_counted(&self, partition: Partition, at: Position) -> Result<Position, Unavailable> {
        let key = format!("{}tpos", self.keys.partition(partition));
        let (text, missing) = (position_text(at), Some(SetOptions::NX));
        self.commands
            .run("claim_counted", async |client| {
                client.set::<(), _, _>(key.as_str(), text, None, missing, false).await?;
                let held: Option<String> = client.get(key).await?;
                Ok(held)
            })
            .await?
            .as_deref()
            .map(parse_position)
            .transpose()?
            .ok_or_else(|| Unavailable::new("redis", "it forgot a position at once"))
    }

    async fn count(
        &self,
        partition: Partition,
        previous: Position,
        at: Position,
        said: &[Words],
        keep: Keep,
    ) -> Result<Applied, Unavailable> {
        let base = self.keys.partition(partition);
        let mut args: Vec<Value> = vec![
            base.as_str().into(),
            position_text(previous).into(),
            at.offset.to_string().into(),
            position_text(at).into(),
            i64::try_from(keep.words).unwrap_or(i64::MAX).into(),
            i64::try_from(keep.lives.as_millis()).unwrap_or(i64::MAX).into(),
        ];
        for message in said {
            args.push(message.id.0.as_bytes().as_slice().into());
            args.push(message.seq.to_string().into());
            args.push(message.room.as_str().into());
            args.push(i64::try_from(message.words.len()).unwrap_or(i64::MAX).into());
            for (word, count) in &message.words {
                args.push(word.as_str().into());
                args.push(i64::from(*count).into());
            }
        }
        let keys = vec![format!("{base}tpos")];
        let (done, held, duplicates): (i64, Option<String>, usize) =
            self.commands.script("count", &COUNT, ScriptCall::new(keys, args)).await?;
        match (done, held.as_deref().map(parse_position).transpose()?) {
            (1, Some(position)) => Ok(Applied::Done { position, duplicates }),
            (_, held) => Ok(Applied::Elsewhere(held)),
        }
    }

    async fn top(&self, room: &RoomId, limit: usize) -> Result<Vec<String>, Unavailable> {
        let key = self.keys.room("k", room);
        let mut scores: Vec<(String, f64)> =
            self.commands.run("top", async |client| client.zrange(key, 0, -1, None, false, None, true).await).await?;
        scores.sort_by(|(one, a), (other, b)| b.total_cmp(a).then_with(|| one.cmp(other)));
        scores.truncate(limit);
        Ok(scores.into_iter().map(|(word, _)| word).collect())
    }
}
