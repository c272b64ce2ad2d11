//! Whether this process can do its work. Dependencies are asked in the background, so that a probe never waits and a
//! crowd of probes asks nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parlor_core::ports::Unavailable;
use parlor_core::time::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// A dependency that has not answered by then has not answered.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many questions in a row without an answer make a dependency count as down.
const FAILURES: u8 = 2;

/// Something this process needs.
pub(crate) struct Dependency {
    name: &'static str,
    needed: bool,
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), Unavailable>> + Send + Sync>,
    state: AtomicU8,
}

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

impl Dependency {
    /// A dependency without which this process is not ready.
    pub(crate) fn needed<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Unavailable>> + Send + 'static,
    {
        Self { name, needed: true, ask: Box::new(move || Box::pin(ask())), state: AtomicU8::new(UNKNOWN) }
    }

    /// A dependency without which this process does less, but is ready.
    pub(crate) fn helpful<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Unavailable>> + Send + 'static,
    {
        Self { needed: false, ..Self::needed(name, ask) }
    }

    fn is_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == UP
    }

    async fn watch(&self) {
        let mut failures = 0;
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let answer = match tokio::time::timeout(PATIENCE, (self.ask)()).await {
                Ok(answer) => answer.map_err(|error| error.reason),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            match answer {
                Ok(()) => {
                    failures = 0;
                    if self.state.swap(UP, Ordering::AcqRel) != UP {
                        tracing::info!(dependency = self.name, "up");
                    }
                }
                Err(reason) => {
                    failures = (failures + 1).min(FAILURES);
                    if failures == FAILURES && self.state.swap(DOWN, Ordering::AcqRel) != DOWN {
                        tracing::warn!(dependency = self.name, reason, "down");
                    }
                }
            }
            metrics::gauge!("parlor_dependency_up", "dependency" => self.name).set(f64::from(u8::from(self.is_up())));
        }
    }
}

/// The state of a process, for load balancers and people.
pub(crate) struct Health {
    role: &'static str,
    name: String,
    dependencies: Vec<Dependency>,
    draining: AtomicBool,
}

impl Health {
    /// Nothing is known yet, so it is not ready.
    pub(crate) fn new(role: &'static str, name: String, dependencies: Vec<Dependency>) -> Arc<Self> {
        Arc::new(Self { role, name, dependencies, draining: AtomicBool::new(false) })
    }

    /// Asks the dependencies until `end`.
    pub(crate) fn watch(self: &Arc<Self>, end: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        for place in 0..self.dependencies.len() {
            let (health, end) = (self.clone(), end.clone());
            tasks.spawn(async move { end.run_until_cancelled(health.dependencies[place].watch()).await });
        }
        tasks.close();
        tasks
    }

    /// Not ready any more, for good: newcomers are to go elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether it should be sent work.
    pub(crate) fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && self.dependencies.iter().all(|one| one.is_up() || !one.needed)
    }

    /// Whether a dependency answers.
    pub(crate) fn is_up(&self, name: &str) -> bool {
        self.dependencies.iter().any(|one| one.name == name && one.is_up())
    }

    /// The whole state. Why a dependency is down stands in the log alone: drivers' words are not for strangers.
    pub(crate) fn report(&self) -> Value {
        let draining = self.draining.load(Ordering::Acquire);
        let status = match self.is_ready() {
            _ if draining => "draining",
            false => "unready",
            true if self.dependencies.iter().all(Dependency::is_up) => "ready",
            true => "degraded",
        };
        let dependencies = self.dependencies.iter().map(|one| {
            let state = match one.state.load(Ordering::Acquire) {
                UP => "up",
                DOWN => "down",
                _ => "unknown",
            };
            (one.name.to_owned(), json!({ "state": state, "needed": one.needed }))
        });
        json!({
            "status": status,
            "role": self.role,
            "name": self.name,
            "dependencies": dependencies.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// What `/health/chat` answers; `fanout` is the name of the dependency that stands for Redis.
    pub(crate) fn chat(&self, fanout: &str, connections: usize) -> Value {
        let up = self.is_up(fanout);
        json!({
            "status": if up { "healthy" } else { "degraded" },
            "redis": if up { "up" } else { "down" },
            "connections": connections,
            "timestamp": Timestamp::now().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(up: &Arc<AtomicBool>, needed: bool) -> Dependency {
        let up = up.clone();
        let ask = move || {
            let up = up.load(Ordering::Relaxed);
            async move { if up { Ok(()) } else { Err(Unavailable::new("redis", "gone")) } }
        };
        if needed { Dependency::needed("redis", ask) } else { Dependency::helpful("redis", ask) }
    }

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_is_unready_until_what_it_needs_answers_and_soon_after_it_stops() {
        let up = Arc::new(AtomicBool::new(true));
        let health = Health::new("gateway", "g1".into(), vec![dependency(&up, true)]);
        assert!(!health.is_ready());
        assert_eq!(health.report()["dependencies"]["redis"]["state"], "unknown");
        let end = CancellationToken::new();
        let tasks = health.watch(&end);
        pass(1).await;
        assert!(health.is_ready());
        up.store(false, Ordering::Relaxed);
        pass(5).await;
        assert!(!health.is_ready());
        assert_eq!(health.report()["dependencies"]["redis"]["state"], "down");
        up.store(true, Ordering::Relaxed);
        pass(2).await;
        assert_eq!(health.report()["status"], "ready");
        health.drain();
        assert_eq!((health.is_ready(), health.report()["status"].as_str()), (false, Some("draining")));
        end.cancel();
        tasks.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_merely_helps_degrades() {
        let up = Arc::new(AtomicBool::new(false));
        let health = Health::new("gateway", "g1".into(), vec![dependency(&up, false)]);
        let _tasks = health.watch(&CancellationToken::new());
        pass(1).await;
        assert!(health.is_ready());
        assert_eq!(health.report()["status"], "degraded");
    }

    #[tokio::test(start_paused = true)]
    async fn chat_is_healthy_while_redis_answers_and_degraded_while_it_does_not() {
        let up = Arc::new(AtomicBool::new(true));
        let health = Health::new("gateway", "g1".into(), vec![dependency(&up, false)]);
        let _tasks = health.watch(&CancellationToken::new());
        let told = || {
            let told = health.chat("redis", 7);
            (told["status"].as_str().unwrap_or("").to_owned(), told["redis"].as_str().unwrap_or("").to_owned())
        };
        pass(1).await;
        assert_eq!(told(), ("healthy".into(), "up".into()));
        up.store(false, Ordering::Relaxed);
        pass(5).await;
        assert_eq!(told(), ("degraded".into(), "down".into()));
        assert_eq!(health.chat("redis", 7)["connections"], 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_hangs_is_down() {
        let hangs = Dependency::needed("kafka", std::future::pending);
        let health = Health::new("persister", "p1".into(), vec![hangs]);
        let _tasks = health.watch(&CancellationToken::new());
        pass(7).await;
        assert_eq!(health.report()["dependencies"]["kafka"]["state"], "down");
    }
}
