//! [`Sessions`] on Redis: a hash for each session.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::prelude::*;
use futures_util::future::try_join_all;
use parlor_core::ports::Unavailable;
use parlor_core::ports::sessions::{Loaded, Sessions};

use super::Redis;
use super::commands::{Script, ScriptCall};

static SAVE: Script = Script::new(include_str!("lua/save.lua"));
static LOAD: Script = Script::new(include_str!("lua/load.lua"));

#[async_trait]
impl Sessions for Redis {
    async fn save(&self, session: &str, key: &str, snapshot: Bytes, ttl: Duration) -> Result<(), Unavailable> {
        let args = vec![key.into(), snapshot.into(), millis(ttl).into()];
        self.commands.script("session_save", &SAVE, ScriptCall::new(vec![self.keys.session(session)], args)).await
    }

    async fn load(&self, session: &str, key: &str, ttl: Duration) -> Result<Option<Loaded>, Unavailable> {
        let call = ScriptCall::new(vec![self.keys.session(session)], vec![key.into(), millis(ttl).into()]);
        let answer: Option<(Bytes, Vec<String>)> = self.commands.script("session_load", &LOAD, call).await?;
        Ok(answer.map(|(snapshot, mut others)| {
            others.retain(|other| other != key);
            Loaded { snapshot, others }
        }))
    }

    async fn touch(&self, sessions: &[&str], ttl: Duration) -> Result<Vec<bool>, Unavailable> {
        // Each lies in a slot of its own; the driver sends what is asked at once in one write.
        try_join_all(sessions.iter().map(|session| {
            let session = self.keys.session(session);
            self.commands.run("session_touch", async move |client| client.pexpire(session, millis(ttl), None).await)
        }))
        .await
    }

    async fn forget(&self, session: &str, keys: &[String]) -> Result<(), Unavailable> {
        if keys.is_empty() {
            return Ok(());
        }
        let (session, keys) = (self.keys.session(session), keys.to_vec());
        self.commands.run("session_forget", async |client| client.hdel::<(), _, _>(session, keys).await).await
    }

    async fn end(&self, session: &str) -> Result<(), Unavailable> {
        let session = self.keys.session(session);
        self.commands.run("session_end", async |client| client.del::<(), _>(session).await).await
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
