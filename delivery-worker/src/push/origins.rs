//! How much goes to one host at once, so that a bad one holds up no other.
//!
//! A browser's endpoint is a URL that a client names: many lie at one host, and some at hosts that never answer. So a host
//! of the web gets a few requests at once ([`OWN`]); hosts that have not answered yet share a few more ([`NEWCOMERS`]), so
//! that silent ones, however many, leave slots to those that answer; and after [`SILENT`] tries in a row that came to
//! nothing after a long wait a host is asked nothing for a minute ([`REST`]), but for one try after each: what is for it
//! meanwhile is given up at once. FCM and APNs are hosts that the operator names: each has slots of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parlor_core::device::Address;
use reqwest::Url;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Requests to one host of the web at once.
const OWN: usize = 16;
/// Requests at once to all hosts of the web that have not answered yet, or not since they were silent.
const NEWCOMERS: usize = 16;
/// A try that fails after so long is silence; one that fails sooner holds up nobody.
pub(super) const LONG: Duration = Duration::from_secs(4);
/// So much silence in a row, and a host is left alone.
const SILENT: u32 = 3;
/// For so long.
const REST: Duration = Duration::from_secs(60);
/// Hosts that are remembered; beyond, those to which nothing is under way are forgotten.
const MAX_ORIGINS: usize = 10_000;

/// The services, and the hosts of the web.
pub(super) struct Origins {
    concurrency: usize,
    services: Mutex<HashMap<&'static str, Arc<Semaphore>>>,
    newcomers: Arc<Semaphore>,
    known: Mutex<HashMap<String, Arc<Origin>>>,
}

struct Origin {
    slots: Arc<Semaphore>,
    /// The client names it.
    of_the_web: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Its last try came to something.
    answered: bool,
    silent: u32,
    rests_until: Option<Instant>,
    /// The one try after a rest is under way.
    tried: bool,
}

/// Leave to make one request, with its slots.
pub(super) struct Pass {
    origin: Arc<Origin>,
    _slots: [Option<OwnedSemaphorePermit>; 3],
    /// It is the one try after a rest.
    first: bool,
}

impl Origins {
    /// With so many requests at once to each service.
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            concurrency: concurrency.max(1),
            services: Mutex::default(),
            newcomers: Arc::new(Semaphore::new(NEWCOMERS)),
            known: Mutex::default(),
        }
    }

    /// Waits for a turn. `None`: the host does not answer these days, and is not asked.
    pub(super) async fn pass(&self, to: &Address) -> Option<Pass> {
        let origin = self.origin(to);
        if origin.rests() {
            return None;
        }
        let own = turn(&origin.slots).await;
        let newcomer = if origin.is_new() { turn(&self.newcomers).await } else { None };
        let service = turn(&self.service(to)).await;
        // It may have fallen silent while this waited.
        let first = origin.admit(Instant::now())?;
        Some(Pass { origin, _slots: [own, newcomer, service], first })
    }

    fn service(&self, to: &Address) -> Arc<Semaphore> {
        let mut services = self.services.lock();
        services.entry(to.kind()).or_insert_with(|| Arc::new(Semaphore::new(self.concurrency))).clone()
    }

    fn origin(&self, to: &Address) -> Arc<Origin> {
        let name = match to {
            // What is no URL is refused before anything is sent.
            Address::Web { endpoint, .. } => {
                Url::parse(endpoint).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
            }
            Address::Fcm { .. } | Address::Apns { .. } => to.kind().to_owned(),
        };
        let mut known = self.known.lock();
        if known.len() >= MAX_ORIGINS && !known.contains_key(&name) {
            known.retain(|_, origin| Arc::strong_count(origin) > 1);
        }
        let of_the_web = matches!(to, Address::Web { .. });
        let make = || {
            let slots = Arc::new(Semaphore::new(if of_the_web { OWN } else { self.concurrency }));
            Arc::new(Origin { slots, of_the_web, state: Mutex::default() })
        };
        known.entry(name).or_insert_with(make).clone()
    }
}

async fn turn(slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // Never closed.
    slots.clone().acquire_owned().await.ok()
}

impl Origin {
    fn is_new(&self) -> bool {
        self.of_the_web && !self.state.lock().answered
    }

    fn rests(&self) -> bool {
        let state = self.state.lock();
        state.rests_until.is_some_and(|until| state.tried || Instant::now() < until)
    }

    /// Whether it may be asked now; `Some(true)`: as the one try after a rest.
    fn admit(&self, now: Instant) -> Option<bool> {
        let mut state = self.state.lock();
        match state.rests_until {
            None => Some(false),
            Some(until) if state.tried || now < until => None,
            Some(_) => {
                state.tried = true;
                Some(true)
            }
        }
    }
}

impl Pass {
    /// What became of the request: whether the host was silent for long.
    pub(super) fn end(self, silent: bool) {
        let mut state = self.origin.state.lock();
        if !silent {
            *state = State { answered: true, ..State::default() };
            return;
        }
        state.silent += 1;
        if state.silent >= SILENT {
            if state.rests_until.is_none() {
                metrics::counter!("parlor_push_silent_hosts_total").increment(1);
                tracing::info!("a push host does not answer, and is asked again in a minute");
            }
            (state.answered, state.rests_until) = (false, Some(Instant::now() + REST));
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.first {
            self.origin.state.lock().tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> Address {
        Address::Web { endpoint: format!("https://{host}/push/1"), p256dh: String::new(), auth: String::new() }
    }

    /// Whether there is a turn at once.
    async fn now(origins: &Origins, host: &str) -> Option<Pass> {
        tokio::time::timeout(Duration::from_millis(1), origins.pass(&at(host))).await.ok().flatten()
    }

    #[tokio::test(start_paused = true)]
    async fn silent_hosts_however_many_leave_slots_to_those_that_answer() {
        let origins = Origins::new(64);
        now(&origins, "good").await.expect("a turn").end(false);
        let mut silent = Vec::new();
        for n in 0..100 {
            silent.extend(now(&origins, &format!("silent{n}")).await);
        }
        assert_eq!(silent.len(), NEWCOMERS);
        let mut good = Vec::new();
        for _ in 0..100 {
            good.extend(now(&origins, "good").await);
        }
        assert_eq!(good.len(), OWN, "and no host has more than a few");
        let phone = Address::Fcm { token: "a phone".into() };
        assert!(tokio::time::timeout(Duration::from_millis(1), origins.pass(&phone)).await.expect("at once").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_is_left_alone_for_a_minute_and_then_tried_once() {
        let origins = Origins::new(64);
        for _ in 0..SILENT {
            now(&origins, "silent").await.expect("a turn").end(true);
        }
        assert!(origins.pass(&at("silent")).await.is_none());
        tokio::time::advance(REST).await;
        let first = origins.pass(&at("silent")).await.expect("one try");
        assert!(origins.pass(&at("silent")).await.is_none(), "one at a time");
        first.end(true);
        assert!(origins.pass(&at("silent")).await.is_none());
        tokio::time::advance(REST).await;
        drop(origins.pass(&at("silent")).await.expect("one try, which is broken off"));
        origins.pass(&at("silent")).await.expect("another").end(false);
        let _two =
            [origins.pass(&at("silent")).await.expect("it answers"), origins.pass(&at("silent")).await.expect("it")];
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_are_remembered_are_bounded() {
        let origins = Origins::new(64);
        let held = now(&origins, "held").await.expect("a turn");
        for n in 0..MAX_ORIGINS + 5 {
            now(&origins, &format!("h{n}")).await.expect("a turn").end(false);
        }
        assert!(origins.known.lock().len() <= MAX_ORIGINS);
        assert!(origins.known.lock().contains_key("https://held"), "what is under way is counted still");
        held.end(false);
    }
}
