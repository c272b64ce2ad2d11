//! One run of load, watched from all sides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::checker::Verdict;
use crate::content::Contents;
use crate::crowd::Crowd;
use crate::histogram::Percentiles;
use crate::load::{self, Plan, Window};
use crate::timer::Timer;
use crate::watch::{Consumers, Cost, Lag, MESSAGES_STORED, Processes, Sampler};

/// How often the store's progress is asked for, after the last message was sent.
const LOOK: Duration = Duration::from_millis(50);

/// Who is watched.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) processes: Processes,
    pub(crate) consumers: Consumers,
}

/// What came of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Messages per second that were to be sent.
    pub(crate) rate: u32,
    /// Seconds measured.
    pub(crate) seconds: f64,
    /// False: so much was unanswered that the rest was not sent.
    pub(crate) finished: bool,
    /// Messages per second that were sent.
    pub(crate) sent_per_second: f64,
    pub(crate) acks_per_second: f64,
    pub(crate) deliveries_per_second: f64,
    /// Milliseconds from the moment a message was due.
    pub(crate) send_to_ack: Percentiles,
    pub(crate) send_to_device: Percentiles,
    /// Only devices on another gateway than the sender's.
    pub(crate) send_to_other_gateway: Percentiles,
    /// How late the swarm sent: part of the latencies above.
    pub(crate) generator_late: Percentiles,
    /// Of everything, warm-up included.
    pub(crate) verdict: Verdict,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Sockets that ended, by why.
    pub(crate) ended: BTreeMap<String, u64>,
    /// Milliseconds from the last send to the last ack and delivery; none: some never came.
    pub(crate) settled_ms: Option<f64>,
    /// Messages that the persisters have written since the run began; none: they cannot be asked.
    pub(crate) stored: Option<u64>,
    /// Milliseconds from the last send until everything acked was stored; none: that did not happen.
    pub(crate) stored_ms: Option<f64>,
    /// By role, in the measured part.
    pub(crate) lag: BTreeMap<String, Lag>,
    /// In the measured part.
    pub(crate) costs: Vec<Cost>,
}

impl Measured {
    /// Microseconds of all servers' processor time for each message.
    pub(crate) fn server_micros_per_message(&self) -> f64 {
        Cost::of_servers(&self.costs) * 1e6 / (self.acks_per_second * self.seconds)
    }

    /// Everything was taken, delivered and, if that can be told, stored.
    pub(crate) fn is_complete(&self) -> bool {
        let stored = self.stored.is_none() || self.stored_ms.is_some();
        self.finished && stored && self.verdict.is_clean() && self.verdict.all_taken() && self.settled_ms.is_some()
    }
}

/// What the observer brings home.
type Observed = (Vec<Cost>, BTreeMap<String, Lag>);

/// Runs `plan`, then waits `patience` at most for what is under way, and as long again for the store.
///
/// # Errors
/// A socket that should have sent has ended.
pub(crate) async fn measure(
    watched: &Watched,
    crowd: &Crowd,
    contents: &Contents,
    plan: Plan,
    patience: Duration,
) -> Result<Measured> {
    let before = stored(watched).await;
    let timer = Timer::new().context("a timer")?;
    let (tell, told) = oneshot::channel();
    let observer = tokio::spawn(observe(watched.clone(), told));
    // The observer listens until it is told.
    let tell = |window| _ = tell.send(window);
    let finished = load::send(crowd, contents, plan, &timer, tell).await;
    let last_send = Instant::now();
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            observer.abort();
            return Err(crowd.explain(error));
        }
    };
    let (costs, lag) = if finished {
        observer.await.context("the observer")?
    } else {
        observer.abort();
        Observed::default()
    };
    let settled = crowd.settle(patience).await;
    let tally = crowd.finish().context("the run's books were closed early")?;
    let verdict = tally.checker.verdict();
    let settled_ms = tally.last.filter(|_| settled).map(|last| since(last_send, last));
    let (stored, stored_ms) = match before {
        Some(before) => catch_up(watched, before, tally.checker.acked_count(), last_send, patience).await,
        None => (None, None),
    };
    let seconds = plan.duration.as_secs_f64();
    let per_second = |count: u64| count as f64 / seconds;
    Ok(Measured {
        rate: plan.rate,
        seconds,
        finished,
        sent_per_second: per_second(tally.sent),
        acks_per_second: per_second(tally.acks),
        deliveries_per_second: per_second(tally.deliveries),
        send_to_ack: tally.to_ack.percentiles(),
        send_to_device: tally.to_device.percentiles(),
        send_to_other_gateway: tally.to_other_gateway.percentiles(),
        generator_late: tally.late.percentiles(),
        verdict,
        errors: tally.errors,
        ended: crowd.ledger.ended.borrow().clone(),
        settled_ms,
        stored,
        stored_ms,
        lag,
        costs,
    })
}

fn since(begin: Instant, end: Instant) -> f64 {
    end.saturating_duration_since(begin).as_secs_f64() * 1000.0
}

/// Off the thread that holds the sockets: looking at /proc and at `/metrics` takes milliseconds.
async fn observe(watched: Watched, window: oneshot::Receiver<Window>) -> Observed {
    let Ok(window) = window.await else { return Observed::default() };
    tokio::time::sleep_until(window.begin.into()).await;
    let processes = watched.processes.clone();
    let Ok((begin, before)) = tokio::task::spawn_blocking(move || (Instant::now(), processes.spent())).await else {
        return Observed::default();
    };
    let sampler = Sampler::start(watched.consumers);
    tokio::time::sleep_until(window.end.into()).await;
    let processes = watched.processes;
    let costs = tokio::task::spawn_blocking(move || processes.costs(&before, begin.elapsed()));
    let costs = costs.await.unwrap_or_default();
    let lag = tokio::task::spawn_blocking(move || sampler.finish()).await.unwrap_or_default();
    (costs, lag)
}

async fn stored(watched: &Watched) -> Option<u64> {
    let consumers = watched.consumers.clone();
    tokio::task::spawn_blocking(move || consumers.look().counter(MESSAGES_STORED)).await.ok().flatten()
}

/// Waits until as many messages have been stored as were acked.
async fn catch_up(
    watched: &Watched,
    before: u64,
    acked: u64,
    last_send: Instant,
    patience: Duration,
) -> (Option<u64>, Option<f64>) {
    let begin = Instant::now();
    loop {
        let count = stored(watched).await.map(|now| now.saturating_sub(before));
        if count.is_some_and(|count| count >= acked) {
            return (count, Some(since(last_send, Instant::now())));
        }
        if begin.elapsed() > patience {
            return (count, None);
        }
        tokio::time::sleep(LOOK).await;
    }
}
