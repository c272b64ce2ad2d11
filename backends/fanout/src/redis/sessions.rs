//! [`Sessions`] on Redis: a hash for each session.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::prelude::*;
use parlor_core::ports::Unavailable;
use parlor_core::ports::sessions::Sessions;

use super::Redis;
use super::commands::{Script, ScriptCall};

static SAVE: Script = Script::new(include_str!("lua/save.lua"));

#[async_trait]
impl Sessions for Redis {
    async fn save(&self, session: &str, key: &str, snapshot: Bytes, ttl: Duration) -> Result<(), Unavailable> {
        let args = vec![key.into(), snapshot.into(), millis(ttl).into()];
        self.commands.script("session_save", &SAVE, ScriptCall::new(vec![self.keys.session(session)], args)).await
    }

    async fn load(&self, session: &str, key: &str) -> Result<Option<Bytes>, Unavailable> {
        let session = self.keys.session(session);
        self.commands.run("session_load", async |client| client.hget(session, key).await).await
    }

    async fn touch(&self, session: &str, ttl: Duration) -> Result<bool, Unavailable> {
        let session = self.keys.session(session);
        self.commands.run("session_touch", async |client| client.pexpire(session, millis(ttl), None).await).await
    }

    async fn end(&self, session: &str) -> Result<(), Unavailable> {
        let session = self.keys.session(session);
        self.commands.run("session_end", async |client| client.del::<(), _>(session).await).await
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
