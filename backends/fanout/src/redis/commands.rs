//! Commands: over the pool, once, with a time limit, and not at all while Redis is known to be away.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fred::clients::WithOptions;
use fred::error::{Error, ErrorKind};
use fred::prelude::*;
use fred::types::FromValue;
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand};
use parlor_core::ports::Unavailable;

use super::{COMMAND_TIMEOUT, away};

/// A script, known to the server by its SHA-1 once it was loaded.
#[derive(Debug)]
pub(super) struct Script {
    lua: &'static str,
    sha: OnceLock<String>,
}

impl Script {
    pub(super) const fn new(lua: &'static str) -> Self {
        Self { lua, sha: OnceLock::new() }
    }

    /// Runs it, for one round trip where the server knows it.
    async fn run<R: FromValue, C: ClientLike>(&self, client: &C, call: ScriptCall) -> Result<R, Error> {
        match call.clone().by_hash(client, self.sha(client).await?).await {
            Err(error) if lacks_script(&error) => call.by_text(client, self.lua).await,
            answer => answer,
        }
    }

    /// The hash, which the server tells.
    pub(super) async fn sha<C: ClientLike>(&self, client: &C) -> Result<&str, Error> {
        match self.sha.get() {
            Some(sha) => Ok(sha),
            None => {
                let load = CustomCommand::new_static("SCRIPT", ClusterHash::Random, false);
                let sha = client.custom(load, vec!["LOAD", self.lua]).await?;
                Ok(self.sha.get_or_init(|| sha))
            }
        }
    }

    pub(super) fn lua(&self) -> &'static str {
        self.lua
    }
}

/// What a script is given. Its keys lie in one slot; there is at least one.
#[derive(Clone)]
pub(super) struct ScriptCall {
    keys: Vec<String>,
    args: Vec<Value>,
}

impl ScriptCall {
    pub(super) fn new(keys: Vec<String>, args: Vec<Value>) -> Self {
        Self { keys, args }
    }

    pub(super) async fn by_hash<R: FromValue, C: ClientLike>(self, client: &C, sha: &str) -> Result<R, Error> {
        self.send(client, "EVALSHA", sha).await
    }

    pub(super) async fn by_text<R: FromValue, C: ClientLike>(self, client: &C, lua: &str) -> Result<R, Error> {
        self.send(client, "EVAL", lua).await
    }

    async fn send<R: FromValue, C: ClientLike>(
        self,
        client: &C,
        command: &'static str,
        script: &str,
    ) -> Result<R, Error> {
        let mut words: Vec<Value> = Vec::with_capacity(2 + self.keys.len() + self.args.len());
        words.push(script.into());
        words.push(i64::try_from(self.keys.len()).unwrap_or(i64::MAX).into());
        words.extend(self.keys.into_iter().map(Value::from));
        words.extend(self.args);
        // Third comes the first key: where it lies, the script runs.
        client.custom(CustomCommand::new_static(command, ClusterHash::Offset(2), false), words).await
    }
}

/// The server has lost its scripts (a restart, another node): send the text.
pub(super) fn lacks_script(error: &Error) -> bool {
    error.details().starts_with("NOSCRIPT")
}

/// The pool and its breaker.
#[derive(Debug)]
pub(super) struct Commands {
    pool: Pool,
    options: Options,
    breaker: Breaker,
}

impl Commands {
    pub(super) fn new(pool: Pool) -> Self {
        // fail_fast: a client without a connection refuses at once rather than keeping commands for later.
        let options =
            Options { fail_fast: true, max_attempts: Some(1), timeout: Some(COMMAND_TIMEOUT), ..Options::default() };
        Self { pool, options, breaker: Breaker::default() }
    }

    /// The options that every command is sent with.
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Runs a script that lies in one slot.
    pub(super) async fn script<R: FromValue>(
        &self,
        operation: &'static str,
        script: &Script,
        call: ScriptCall,
    ) -> Result<R, Unavailable> {
        self.run(operation, async |client| script.run(&client, call).await).await
    }

    /// Runs `call` on a connected client.
    pub(super) async fn run<R, F>(
        &self,
        operation: &'static str,
        call: impl FnOnce(WithOptions<Client>) -> F,
    ) -> Result<R, Unavailable>
    where
        F: Future<Output = Result<R, Error>>,
    {
        let pass = self.breaker.pass().ok_or_else(|| Unavailable::new("redis", "it did not answer lately"))?;
        let client = self.pool.next_connected().clone();
        let began = Instant::now();
        let answer = tokio::time::timeout(pass.limit(), call(client.with_options(&self.options))).await;
        metrics::histogram!("parlor_redis_command_seconds", "operation" => operation).record(began.elapsed());
        let answer = answer.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "Request timed out.")));
        match &answer {
            Ok(_) => self.breaker.answered(),
            Err(error) => {
                self.breaker.failed(error);
                if pass == Pass::Probe && *error.kind() == ErrorKind::Timeout {
                    // The driver's own check starts anew with every write, so that a connection which is used but
                    // never answers would stay for as long as TCP retries.
                    self.pool.clients().iter().filter(|client| client.is_connected()).for_each(reconnect);
                } else if error.details().starts_with("READONLY") {
                    // This server is a replica now: find the new primary.
                    reconnect(&client);
                }
            }
        }
        answer.map_err(away)
    }
}

/// Gives up the client's connection for a new one, in the background.
pub(super) fn reconnect(client: &Client) {
    let client = client.clone();
    // Ends once connected; a failure is the connection's own, which goes on trying.
    tokio::spawn(async move {
        let _ = client.force_reconnection().await;
    });
}

/// Closed while Redis answers. After a failure one caller at a time finds out whether it is back, twice a second and
/// with little patience; the others are refused at once, so that a send never waits for a Redis that is known to be
/// dead.
#[derive(Debug)]
struct Breaker {
    open: AtomicBool,
    /// When the next caller may try, in ms since `since`.
    probe_at: AtomicU64,
    since: Instant,
}

/// How a caller gets through the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Free,
    Probe,
}

impl Pass {
    fn limit(self) -> Duration {
        match self {
            Self::Free => COMMAND_TIMEOUT,
            Self::Probe => Breaker::PROBE_EVERY,
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self { open: AtomicBool::new(false), probe_at: AtomicU64::new(0), since: Instant::now() }
    }
}

impl Breaker {
    const PROBE_EVERY: Duration = Duration::from_millis(500);

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_probe(&self) -> u64 {
        self.now().saturating_add(u64::try_from(Self::PROBE_EVERY.as_millis()).unwrap_or(u64::MAX))
    }

    fn pass(&self) -> Option<Pass> {
        if !self.open.load(Ordering::Acquire) {
            return Some(Pass::Free);
        }
        let due = self.probe_at.load(Ordering::Acquire);
        let first = || self.probe_at.compare_exchange(due, self.next_probe(), Ordering::AcqRel, Ordering::Acquire);
        (due <= self.now() && first().is_ok()).then_some(Pass::Probe)
    }

    fn answered(&self) {
        if self.open.load(Ordering::Relaxed) {
            self.open.store(false, Ordering::Release);
        }
    }

    fn failed(&self, error: &Error) {
        let next = match error.kind() {
            ErrorKind::Timeout | ErrorKind::Backpressure => self.next_probe(),
            // One connection dropped; another may be whole. The next caller finds out.
            ErrorKind::Canceled | ErrorKind::IO => self.now(),
            // Redis answered, be it with an error.
            _ => return self.answered(),
        };
        if !self.open.load(Ordering::Acquire) {
            self.probe_at.store(next, Ordering::Release);
            self.open.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_time_out_one_caller_at_a_time_finds_out_whether_redis_is_back() {
        let breaker = Breaker::default();
        assert_eq!((breaker.pass(), breaker.pass()), (Some(Pass::Free), Some(Pass::Free)));
        breaker.failed(&Error::new(ErrorKind::Timeout, ""));
        assert_eq!(breaker.pass(), None, "refused at once");
        breaker.probe_at.store(0, Ordering::Release);
        assert_eq!(breaker.pass(), Some(Pass::Probe), "one finds out");
        assert_eq!(breaker.pass(), None, "the others are refused meanwhile");
        breaker.failed(&Error::new(ErrorKind::IO, ""));
        assert_eq!(breaker.pass(), None, "and after it, until the next is due");
        breaker.answered();
        assert_eq!((breaker.pass(), breaker.pass()), (Some(Pass::Free), Some(Pass::Free)));
    }

    #[test]
    fn after_a_dropped_connection_the_next_caller_finds_out_at_once() {
        let breaker = Breaker::default();
        breaker.failed(&Error::new(ErrorKind::IO, ""));
        assert_eq!((breaker.pass(), breaker.pass()), (Some(Pass::Probe), None));
        breaker.failed(&Error::new(ErrorKind::Unknown, "OOM command not allowed"));
        assert_eq!(breaker.pass(), Some(Pass::Free), "an error is an answer");
    }
}
