//! Reads on a replica, as long as it keeps up.
//!
//! Only reads that say how far they see are asked of it, for what is newer is laid over them from cache and log
//! whoever answered: pages of history, changes, replies, pins, counts, and searches by words. What decides something
//! (memberships, accounts, positions, a message by its id) is always the primary's.
//!
//! A process never goes back: an answer that sees less of a partition than an earlier one did is not taken, whoever
//! gave that. And no answer is older than about twice [`Config::replica_lag_ms`]: a probe finds out, and while the
//! replica is later than that, silent or broken, the primary is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parlor_core::ids::{Offset, Partition, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::search::CountedMessages;
use parlor_core::ports::store::Page;
use sqlx::query_as;
use tokio::time::{Instant, sleep, timeout};

use super::pool::Pool;
use super::{Config, REPLICA};
use crate::calls::timed;

/// A replica that has not answered by then is not waited for any longer. Longer than a search may take there.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// A search that took this long has had what it may cost, and is not asked of the primary again.
const DEAR: Duration = Duration::from_millis(1_900);
/// The pauses in which a replica may catch up with what was answered before.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];
/// After a replica was found unfit it is probed again this much later, and after a read was waited for in vain another of
/// that partition is waited for this much later.
const AGAIN: Duration = Duration::from_secs(1);

/// A second server that follows the primary.
pub(super) struct Replica {
    pool: Pool,
    primary: Arc<Pool>,
    lag: Duration,
    /// The last probe found that it keeps up, and no read has failed since.
    fit: AtomicBool,
    probing: AtomicBool,
    /// The most that any answer has seen, by partition.
    seen: Mutex<HashMap<u32, i64>>,
    /// When a read of a partition last waited in vain. Few: one a partition.
    vain: Mutex<HashMap<u32, Instant>>,
}

impl Replica {
    /// `None` where none is configured.
    ///
    /// # Errors
    /// The URL is none.
    pub(super) fn new(config: &Config, primary: &Arc<Pool>) -> Result<Option<Arc<Self>>, Unavailable> {
        let Some(own) = config.of_replica() else { return Ok(None) };
        Ok(Some(Arc::new(Self {
            pool: Pool::new(&own, REPLICA)?,
            primary: Arc::clone(primary),
            lag: config.replica_lag(),
            fit: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            seen: Mutex::default(),
            vain: Mutex::default(),
        })))
    }

    /// Its connections.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What it answers to a read of `partition` (`None`: a search, of all). `None`: ask the primary.
    pub(super) async fn answer<T: Sees, F>(
        self: &Arc<Self>,
        call: &'static str,
        partition: Option<Partition>,
        ask: impl Fn() -> F,
    ) -> Option<Result<T, Unavailable>>
    where
        F: Future<Output = Result<T, Unavailable>>,
    {
        self.probe_soon();
        if !self.fit.load(Ordering::Acquire) {
            return fallen(call);
        }
        let started = Instant::now();
        let pauses =
            if partition.is_some_and(|partition| self.waits_in_vain(partition)) { &PAUSES[..1] } else { &PAUSES };
        for &pause in pauses {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            match timeout(PATIENCE, timed(REPLICA, call, ask())).await {
                Ok(Ok(answer)) if partition.is_none_or(|partition| self.has_seen(partition, &answer)) => {
                    return Some(Ok(answer));
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) if partition.is_none() => {
                    return if started.elapsed() >= DEAR { Some(Err(error)) } else { fallen(call) };
                }
                Ok(Err(error)) => {
                    self.unfit(&error.reason);
                    return fallen(call);
                }
                Err(_) => {
                    self.unfit("it does not answer");
                    return fallen(call);
                }
            }
        }
        // Behind in this partition, and perhaps by a few milliseconds: whether it keeps up is the probe's to say.
        if let Some(partition) = partition
            && pauses.len() > 1
        {
            self.vain.lock().unwrap_or_else(PoisonError::into_inner).insert(partition.0, Instant::now());
        }
        fallen(call)
    }

    /// Whether a read of a partition was waited for lately, and still saw too little: the next ones are not.
    fn waits_in_vain(&self, partition: Partition) -> bool {
        let vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        vain.get(&partition.0).is_some_and(|last| last.elapsed() < AGAIN)
    }

    /// Takes note of what the primary has answered.
    pub(super) fn note<T: Sees>(&self, partition: Option<Partition>, answer: &T) {
        if let Some(partition) = partition {
            self.has_seen(partition, answer);
        }
    }

    /// Whether an answer sees at least what earlier ones saw; then it counts as one of them.
    fn has_seen<T: Sees>(&self, partition: Partition, answer: &T) -> bool {
        let Some(Offset(applied)) = answer.applied() else { return true };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let most = seen.entry(partition.0).or_insert(applied);
        let enough = applied >= *most;
        *most = applied.max(*most);
        enough
    }

    fn unfit(&self, reason: &str) {
        if self.fit.swap(false, Ordering::AcqRel) {
            tracing::warn!(reason, "the replica is not read from for now; the primary is asked");
            metrics::gauge!("parlor_store_replica_fit").set(0.0);
        }
    }

    /// Probes again, unless that is under way.
    fn probe_soon(self: &Arc<Self>) {
        if self.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let replica = Arc::clone(self);
        tokio::spawn(async move {
            match replica.probe().await {
                Ok(()) => {
                    if !replica.fit.swap(true, Ordering::AcqRel) {
                        tracing::info!("the replica keeps up, and is read from");
                        metrics::gauge!("parlor_store_replica_fit").set(1.0);
                    }
                }
                Err(reason) => {
                    replica.unfit(&reason);
                    sleep(AGAIN).await;
                }
            }
            replica.probing.store(false, Ordering::Release);
        });
    }

    /// What the primary has now the replica has within the lag that is allowed. While the primary is away, a replica
    /// that answers is all there is.
    async fn probe(&self) -> Result<(), String> {
        let primary = positions(&self.primary).await;
        sleep(self.lag).await;
        let replica = timeout(PATIENCE, positions(&self.pool)).await;
        let replica = replica.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.reason)?;
        let has = |(partition, offset): &(i32, i64)| replica.get(partition).is_some_and(|known| known >= offset);
        match primary {
            Ok(primary) if !primary.iter().all(|(partition, offset)| has(&(*partition, *offset))) => {
                Err(format!("it is more than {} ms behind", self.lag.as_millis()))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is read from.
    pub(super) fn is_fit(self: &Arc<Self>) -> bool {
        self.probe_soon();
        self.fit.load(Ordering::Acquire)
    }
}

/// Says that the primary is asked.
fn fallen<T>(call: &'static str) -> Option<T> {
    metrics::counter!("parlor_store_replica_passed_over_total", "call" => call).increment(1);
    None
}

async fn positions(pool: &Pool) -> Result<HashMap<i32, i64>, Unavailable> {
    let mut connection = pool.get().await?;
    let rows: Vec<(i32, i64)> =
        query_as("SELECT partition, off FROM applied").fetch_all(&mut *connection).await.map_err(Pool::error)?;
    Ok(rows.into_iter().collect())
}

/// An answer that may say how far it sees.
pub(super) trait Sees {
    /// How far the store had applied the partition that was read.
    fn applied(&self) -> Option<Offset>;
}

impl<T> Sees for Page<T> {
    fn applied(&self) -> Option<Offset> {
        Some(self.applied)
    }
}

impl Sees for CountedMessages {
    fn applied(&self) -> Option<Offset> {
        Some(self.applied)
    }
}

impl Sees for (Option<Seq>, Offset) {
    fn applied(&self) -> Option<Offset> {
        Some(self.1)
    }
}

/// Rows of all partitions.
impl<T> Sees for Vec<T> {
    fn applied(&self) -> Option<Offset> {
        None
    }
}

/// Runs a read on the replica, if one keeps up, else on the primary. `$work` is written once, for either's `$pool`.
macro_rules! anywhere {
    ($store:expr, $call:literal, $partition:expr, |$pool:ident| $work:expr) => {{
        let (store, partition): (&$crate::postgres::Postgres, Option<parlor_core::ids::Partition>) =
            ($store, $partition);
        let answer = match &store.replica {
            Some(replica) => {
                let $pool = replica.pool();
                replica.answer($call, partition, || $work).await
            }
            None => None,
        };
        match answer {
            Some(answer) => answer,
            None => {
                let $pool = &*store.pool;
                let answer = $crate::calls::timed($crate::postgres::NAME, $call, $work).await?;
                if let Some(replica) = &store.replica {
                    replica.note(partition, &answer);
                }
                Ok(answer)
            }
        }
    }};
}
pub(super) use anywhere;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    /// One that is taken for fit, and that nobody probes.
    fn fit() -> Arc<Replica> {
        let url = "postgres://parlor@127.0.0.1:1/parlor".to_owned();
        let config = Config { read_url: url.clone(), url, ..Config::default() };
        let primary = Arc::new(Pool::new(&config, crate::postgres::NAME).expect("a pool"));
        let replica = Replica::new(&config, &primary).expect("a replica").expect("one");
        replica.fit.store(true, Ordering::Release);
        replica.probing.store(true, Ordering::Release);
        replica
    }

    fn page(applied: i64) -> Result<Page<()>, Unavailable> {
        Ok(Page { rows: Vec::new(), applied: Offset(applied) })
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_never_sees_less_than_an_earlier_one_whoever_gave_that() {
        let (replica, partition) = (fit(), Some(Partition(3)));
        let sees = async |applied| replica.answer("messages", partition, || async move { page(applied) }).await;
        assert!(sees(5).await.is_some());
        replica.note(partition, &page(7).expect("the primary's"));
        // It catches up while it is waited for.
        let next = AtomicI64::new(5);
        let catching_up = || async { page(next.fetch_add(1, Ordering::Relaxed)) };
        let caught_up = replica.answer("messages", partition, catching_up).await.expect("an answer").expect("a page");
        assert_eq!(caught_up.applied, Offset(7));
        // Of another partition it need not have seen so much.
        assert!(replica.answer("messages", Some(Partition(4)), || async { page(1) }).await.is_some());
        assert!(sees(6).await.is_none(), "the primary is asked");
        assert!(sees(9).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_is_a_little_behind_goes_on_being_read() {
        let (replica, busy) = (fit(), Some(Partition(3)));
        let sees = async |partition, applied| {
            let started = Instant::now();
            let answer = replica.answer("messages", partition, || async move { page(applied) }).await;
            (answer.is_some(), started.elapsed())
        };
        replica.note(busy, &page(7).expect("the primary's"));
        let longest = PAUSES.iter().sum();
        assert_eq!(sees(busy, 6).await, (false, longest), "the primary is asked");
        assert_eq!(sees(Some(Partition(4)), 1).await, (true, Duration::ZERO), "another partition");
        replica.note(busy, &page(8).expect("the primary's"));
        assert_eq!(sees(busy, 7).await, (false, Duration::ZERO), "nobody waits for it again at once");
        assert_eq!(sees(busy, 8).await, (true, Duration::ZERO), "it has caught up");
        sleep(AGAIN).await;
        assert_eq!(sees(busy, 7).await, (false, longest));
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_fails_or_hangs_is_passed_over() {
        for hangs in [false, true] {
            let replica = fit();
            let asked = AtomicI64::new(0);
            let ask = || async {
                asked.fetch_add(1, Ordering::Relaxed);
                if hangs {
                    std::future::pending::<()>().await;
                }
                Err::<Page<()>, _>(Unavailable::new(REPLICA, "gone"))
            };
            assert!(replica.answer("messages", Some(Partition(0)), ask).await.is_none());
            assert!(replica.answer("messages", Some(Partition(0)), ask).await.is_none());
            assert_eq!(asked.load(Ordering::Relaxed), 1, "it is left alone");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_was_dear_is_not_asked_of_the_primary_too() {
        let replica = fit();
        let ask = |takes| {
            move || async move {
                sleep(takes).await;
                Err::<Vec<()>, _>(Unavailable::new(REPLICA, "statement timeout"))
            }
        };
        assert!(replica.answer("search", None, ask(Duration::from_millis(10))).await.is_none());
        let dear = replica.answer("search", None, ask(Duration::from_secs(2))).await;
        assert!(dear.expect("an answer").is_err());
    }
}
