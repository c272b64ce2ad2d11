//! [`Limits`] on Redis.

use std::time::Duration;

use async_trait::async_trait;
use fred::error::Error;
use fred::prelude::*;
use fred::types::Key;
use parlor_core::ids::MessageId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::limits::{Admission, Ask, Limits};

use super::Redis;
use super::commands::{Script, ScriptCall, lacks_script};
use super::keys::parse_seq;

static ADMIT: Script = Script::new(include_str!("lua/admit.lua"));

#[async_trait]
impl Limits for Redis {
    async fn admit(&self, ask: Ask<'_>) -> Result<Admission, Unavailable> {
        let reads = ask.room.map(|room| {
            let version = Key::from(self.keys.room("v", room));
            [Some(version), ask.first.map(|id| self.keys.event(room, id))].into_iter().flatten().collect::<Vec<_>>()
        });
        let script = (ask.limit.is_some() || ask.remember.is_some() || ask.said.is_some()).then(|| {
            let last = ask.said.map_or("", |said| said.key);
            let mut keys = vec![
                self.keys.user(&format!("w:{}", ask.tier), ask.user, ask.user.as_str()),
                self.keys.user("x", ask.user, &format!("{}\n{last}", ask.user)),
            ];
            keys.extend(ask.remember.as_ref().map(|remember| self.keys.user("m", ask.user, remember.key)));
            let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            let args: Vec<Value> = vec![
                ask.limit.map_or(-1, |limit| i64::from(limit.limit)).into(),
                ask.limit.map_or(0, |limit| millis(limit.window)).into(),
                ask.remember.as_ref().map(|remember| remember.id.to_string()).unwrap_or_default().into(),
                ask.said.map(|said| format!("{}:{}", said.digest, said.token)).unwrap_or_default().into(),
                ask.said.map_or(0, |said| millis(said.window)).into(),
            ];
            ScriptCall::new(keys, args)
        });
        let (admitted, read): (_, Values) = match (script, reads) {
            (None, None) => (None, Vec::new()),
            (None, Some(reads)) => {
                (None, self.commands.run("admit", async |client| client.mget(reads.clone()).await).await?)
            }
            (Some(call), None) => (Some(self.commands.script::<Answer>("admit", &ADMIT, call).await?), Vec::new()),
            (Some(call), Some(reads)) => {
                let (admitted, read) = self.both(call, reads).await?;
                (Some(admitted), read)
            }
        };
        let mut read = read.into_iter();
        let version = read.next().flatten().and_then(|version| version.parse().ok());
        let first = read.next().flatten().map(|seq| parse_seq(&seq)).transpose()?;
        let (wait, id) = admitted.unwrap_or_default();
        let id = id.map(|id| MessageId::parse(&id).ok_or_else(|| Unavailable::new("redis", "a remembered id is none")));
        let repeated = wait < 0;
        let window = ask.limit.map_or(Duration::ZERO, |limit| limit.window);
        let wait = u64::try_from(wait).ok().filter(|wait| *wait > 0).map(Duration::from_millis);
        // At least a second, but never beyond the window.
        let retry_after = wait.map(|wait| wait.max(Duration::from_secs(1)).min(window));
        Ok(Admission { retry_after, version, id: id.transpose()?, first, repeated })
    }
}

/// Milliseconds until another try (0: admitted; -1: said before), and the id that holds.
type Answer = (i64, Option<String>);

/// The values of keys that are read beside.
type Values = Vec<Option<String>>;

impl Redis {
    /// The script and the reads, written together: one round trip.
    async fn both(&self, call: ScriptCall, reads: Vec<Key>) -> Result<(Answer, Values), Unavailable> {
        self.commands
            .run("admit", async |client| {
                let sha = ADMIT.sha(&client).await?;
                let pipeline = || client.pipeline().with_options(self.commands.options());
                let first = pipeline();
                call.clone().by_hash::<(), _>(&first, sha).await?;
                first.mget::<(), _>(reads.clone()).await?;
                let answer: Result<(Answer, Values), Error> = first.all().await;
                match answer {
                    Err(error) if lacks_script(&error) => {
                        let second = pipeline();
                        call.by_text::<(), _>(&second, ADMIT.lua()).await?;
                        second.mget::<(), _>(reads).await?;
                        second.all().await
                    }
                    answer => answer,
                }
            })
            .await
    }
}
