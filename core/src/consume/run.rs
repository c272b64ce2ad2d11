use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::config::backoff;
use super::lag::{self, Ask, Gauges, Look};
use super::lane::{Bounds, Lane, Todo, Want};
use super::meters::Meters;
use super::step::{self, Done};
use super::verify::Mismatch;
use super::{Config, Health, Sink};
use crate::ids::{Offset, Partition};
use crate::ports::log::{Consumer, Log, Polled};

/// After this many failed polls in a row (some 15 s) the group is joined anew: a consumer may have ended for good.
const POLLS_BEFORE_JOINING: u32 = 12;

/// A started partition whose next record is in the log but does not come is started again after this many looks at the
/// log's end (30 s by default), and after as many more the group is joined anew.
const STARVED_LOOKS: u32 = 20;

/// A member that has lost all its partitions for so long joins the group anew; twice as long each time that does not
/// help, for it may have become a standby. A librdkafka consumer whose broker had stopped for longer than its session was seen to wait for
/// its coordinator for ever.
const BARE: Duration = Duration::from_secs(12);
const BARE_AT_MOST: Duration = Duration::from_secs(300);

/// Why a role has ended by itself. The process must say so and exit: it cannot get better by waiting.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The log does not carry on from where the sink stands. Going on would lose or repeat records unseen.
    #[error("the {role} refuses to run: partition {partition}: {found}. {remedy}")]
    Refused {
        /// The role.
        role: &'static str,
        /// The first partition where it was found.
        partition: Partition,
        /// What was found.
        found: Mismatch,
        /// What to do, from [`Sink::remedy`].
        remedy: &'static str,
    },
    /// A task of the loop has panicked: a fault of ours. What it held is replayed after a restart.
    #[error("the {role} has failed: {reason}")]
    Died {
        /// The role.
        role: &'static str,
        /// What the runtime says.
        reason: String,
    },
}

/// Consumes the log into `sink` until `shutdown`, then finishes the batches in flight, commits and leaves the group,
/// all within [`Config::drain`].
///
/// * A partition is paused from its assignment until the sink has said where it stands and the log was found to carry
///   on from there.
/// * Partitions share nothing but the consumer: a slow or failing one holds up no other.
/// * A sink that is away pauses its partitions (50 ms, doubling, 2 s at most) and costs no record. A record that fails
///   alone [five times](super::SinkError::Poison) with a data error, and one that cannot be decoded, is set aside in
///   the log's dead letters before its place is passed.
/// * Only the prefix that the sink has applied is committed, and nothing after a partition was lost.
///
/// # Errors
/// [`Fatal`]; the group is left in order also then.
pub async fn run(
    log: Arc<dyn Log>,
    sink: Arc<dyn Sink>,
    config: Config,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Fatal> {
    super::meters::describe();
    let (mut lost, mut patience) = (false, BARE);
    while let Some(consumer) = join(&*log, &config, &health, &shutdown).await {
        let mut consuming = Consuming {
            log: Arc::clone(&log),
            sink: Arc::clone(&sink),
            health: health.clone(),
            consumer,
            owned: BTreeMap::new(),
            steps: JoinSet::new(),
            epochs: 0,
            meters: Meters::new(config.role),
            config: config.clone(),
            bare_since: lost.then(Instant::now),
            was_assigned: false,
            patience,
        };
        let end = consuming.work(&shutdown).await;
        if let Err(fatal) = &end {
            tracing::error!(role = config.role, "{fatal}");
            health.ended(fatal.to_string());
        }
        patience = if consuming.was_assigned { BARE } else { (patience * 2).min(BARE_AT_MOST) };
        lost = consuming.bare_since.is_some();
        if let Ok(End::JoinAnew) = end {
            // What it still does is fenced, and a consumer that is stuck takes its time to close: not waited for.
            tokio::spawn(consuming.drain());
        } else {
            consuming.drain().await;
        }
        if let End::ShutDown = end? {
            break;
        }
        tracing::warn!(role = config.role, "joining group {} anew", config.group);
    }
    health.ended("shut down".to_owned());
    Ok(())
}

/// Why consuming ended in order.
enum End {
    ShutDown,
    /// This membership brings nothing any more; a new one may.
    JoinAnew,
}

/// Joins the group, however long the log is away. `None`: shut down before.
async fn join(
    log: &dyn Log,
    config: &Config,
    health: &Health,
    shutdown: &CancellationToken,
) -> Option<Box<dyn Consumer>> {
    let mut failures = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return None,
            joined = log.consume(&config.group, &config.instance, config.linger) => match joined {
                Ok(consumer) => {
                    health.joined();
                    return Some(consumer);
                }
                Err(away) => {
                    tracing::warn!(role = config.role, "cannot join group {}: {away}", config.group);
                    health.log(Some(away.to_string()));
                }
            },
        }
        failures += 1;
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = sleep(backoff(failures)) => {}
        }
    }
}

struct Consuming {
    log: Arc<dyn Log>,
    sink: Arc<dyn Sink>,
    health: Health,
    consumer: Box<dyn Consumer>,
    owned: BTreeMap<Partition, Owned>,
    /// At most one step for each assignment of a partition. A panic in one ends the role ([`Fatal::Died`]).
    steps: JoinSet<(Partition, u64, Done)>,
    epochs: u64,
    meters: Meters,
    config: Config,
    /// Since when we have lost every partition.
    bare_since: Option<Instant>,
    /// Some partition was ours under this membership.
    was_assigned: bool,
    /// How long to go without.
    patience: Duration,
}

struct Owned {
    lane: Lane,
    gauges: Gauges,
    /// Where the sink stood at the last look at the log's end.
    looked_at: Option<Offset>,
    /// Looks in a row that found a next record which does not come.
    starved: u32,
}

impl Consuming {
    async fn work(&mut self, shutdown: &CancellationToken) -> Result<End, Fatal> {
        let mut commits = ticks(self.config.commit_every);
        let mut looks = ticks(self.config.look_every);
        // One look at a time; a panic in it ends the role like one in a step.
        let mut looking: JoinSet<Vec<Look>> = JoinSet::new();
        let mut failed_polls = 0;
        let mut poll_after = Instant::now();
        loop {
            let wake = self.dispatch();
            // In this order: what ends, what frees memory, what is timed, and only then more.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(End::ShutDown),
                Some(finished) = self.steps.join_next() => self.finish(finished)?,
                Some(looked) = looking.join_next() => {
                    self.looked(looked)?;
                    if self.owned.values().any(|owned| owned.starved >= 2 * STARVED_LOOKS) {
                        return Ok(End::JoinAnew);
                    }
                }
                _ = commits.tick() => {
                    self.commit();
                    if self.bare_since.is_some_and(|since| since.elapsed() >= self.patience) {
                        return Ok(End::JoinAnew);
                    }
                }
                _ = looks.tick(), if looking.is_empty() && !self.owned.is_empty() => {
                    let (log, group) = (Arc::clone(&self.log), self.config.group.clone());
                    looking.spawn(lag::look(log, group, self.asks()));
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                polled = async {
                    sleep_until(poll_after).await;
                    self.consumer.next().await
                } => match polled {
                    Ok(polled) => {
                        if failed_polls > 0 {
                            failed_polls = 0;
                            self.health.log(None);
                        }
                        self.polled(polled);
                    }
                    Err(away) => {
                        failed_polls += 1;
                        poll_after = Instant::now() + backoff(failed_polls);
                        tracing::warn!(role = self.config.role, "the log cannot be consumed: {away}");
                        self.health.log(Some(away.to_string()));
                        if failed_polls >= POLLS_BEFORE_JOINING {
                            return Ok(End::JoinAnew);
                        }
                        // The log may have been cut off, or a start may have failed: both are found out like this.
                        self.look_again_everywhere();
                    }
                },
            }
        }
    }

    /// Starts what can be started. Returns when there is more to do by the clock alone.
    fn dispatch(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let bounds = self.bounds();
        let mut wake: Option<Instant> = None;
        for (&partition, owned) in &mut self.owned {
            match owned.lane.next(now, &bounds) {
                Want::Run(step) => {
                    let (log, sink, epoch) = (Arc::clone(&self.log), Arc::clone(&self.sink), owned.lane.epoch);
                    self.steps
                        .spawn(async move { (partition, epoch, step::perform(log, sink, partition, step).await) });
                }
                Want::Wake(at) => wake = Some(wake.map_or(at, |earliest| earliest.min(at))),
                Want::Nothing => {}
            }
        }
        wake
    }

    /// Each partition's share of what may be held ahead.
    fn bounds(&self) -> Bounds {
        let (config, share) = (&self.config, self.owned.len().max(1));
        Bounds {
            batch_records: config.batch_records.max(1),
            batch_bytes: config.batch_bytes.max(1),
            linger: config.linger,
            ahead_records: (config.prefetch_records / share).max(config.batch_records).max(1),
            ahead_bytes: (config.prefetch_bytes / share).max(config.batch_bytes).max(1),
        }
    }

    fn polled(&mut self, polled: Polled) {
        match polled {
            Polled::Assigned(partitions) => {
                tracing::info!(role = self.config.role, ?partitions, "assigned");
                for partition in partitions {
                    self.epochs += 1;
                    let (lane, gauges) = (Lane::new(self.epochs), Gauges::new(self.config.role, partition));
                    self.health.partition(partition, lane.trouble());
                    self.owned.insert(partition, Owned { lane, gauges, looked_at: None, starved: 0 });
                    self.bare_since = None;
                    self.was_assigned = true;
                }
            }
            Polled::Revoked(partitions) => {
                tracing::info!(role = self.config.role, ?partitions, "revoked");
                // The consumer ignores it where the partition is lost already.
                self.commit();
                for partition in partitions {
                    // A step under way ends by itself and is not listened to: the sink's fence makes it harmless.
                    self.owned.remove(&partition);
                    self.health.lost(partition);
                }
                if self.owned.is_empty() {
                    self.bare_since = Some(Instant::now());
                }
            }
            Polled::Records(partition, records) => {
                let bounds = self.bounds();
                let Some(owned) = self.owned.get_mut(&partition) else { return };
                let todo = owned.lane.receive(records, Instant::now(), &bounds);
                // Receiving never refuses.
                self.tell_consumer(partition, &todo);
            }
        }
    }

    fn finish(&mut self, finished: Result<(Partition, u64, Done), JoinError>) -> Result<(), Fatal> {
        let role = self.config.role;
        let (partition, epoch, done) = finished.map_err(|died| Fatal::Died { role, reason: died.to_string() })?;
        let bounds = self.bounds();
        let now = Instant::now();
        let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.lane.epoch == epoch) else {
            return Ok(());
        };
        let lane = &mut owned.lane;
        let before = lane.trouble().map(ToOwned::to_owned);
        let todo = match done {
            Done::Located(answer) => lane.located(answer, now),
            Done::Applied { records, result, took } => {
                let settled = lane.settled(records, result, now, &bounds);
                self.meters.batch(settled.applied, settled.duplicates, took);
                settled.todo
            }
            Done::Aside { record, reason, result } => {
                if result.is_ok() {
                    tracing::error!(role, %partition, offset = record.offset().0, "set aside: {reason}");
                    self.meters.dead_letters.increment(1);
                }
                lane.put_aside(&record, reason, result, now);
                Todo::Nothing
            }
        };
        let trouble = lane.trouble();
        if let Some(trouble) = trouble.filter(|trouble| before.as_deref() != Some(trouble)) {
            tracing::warn!(role, %partition, "waiting: {trouble}");
        } else if before.is_some() && trouble.is_none() {
            tracing::info!(role, %partition, position = ?lane.position().map(|p| p.offset.0), "going on");
        }
        self.health.partition(partition, trouble);
        if let Todo::Refuse(found) = todo {
            return Err(Fatal::Refused { role, partition, found, remedy: self.sink.remedy() });
        }
        self.tell_consumer(partition, &todo);
        Ok(())
    }

    fn tell_consumer(&mut self, partition: Partition, todo: &Todo) {
        let told = match todo {
            Todo::Start(from) => self.consumer.start(partition, *from),
            // Records that come although they should not are dropped, and come again with the next start.
            Todo::Pause => self.consumer.pause(partition),
            Todo::Nothing | Todo::Refuse(_) => Ok(()),
        };
        if let (Err(away), Todo::Start(_), Some(owned)) = (told, todo, self.owned.get_mut(&partition)) {
            owned.lane.not_started(&away, Instant::now());
        }
    }

    fn commit(&mut self) {
        for (&partition, owned) in &mut self.owned {
            let unfinished = self.sink.unfinished(partition);
            if let Some(next) = owned.lane.committable(unfinished) {
                match self.consumer.commit(partition, next) {
                    Ok(()) => owned.lane.set_committed(next),
                    // The next tick repeats it; until then a restart replays a little more, which sinks recognise.
                    Err(away) => tracing::debug!(role = self.config.role, %partition, "not committed: {away}"),
                }
            }
        }
    }

    fn look_again_everywhere(&mut self) {
        let now = Instant::now();
        let partitions: Vec<_> = self.owned.keys().copied().collect();
        for partition in partitions {
            self.look_again(partition, now);
        }
    }

    fn look_again(&mut self, partition: Partition, now: Instant) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        if owned.lane.position().is_some() {
            let todo = owned.lane.look_again(now);
            self.tell_consumer(partition, &todo);
        }
    }

    fn asks(&mut self) -> Vec<Ask> {
        let ask = |(&partition, owned): (&Partition, &mut Owned)| {
            let position = owned.lane.position().map(|position| position.offset);
            let stands_still = owned.looked_at == position;
            owned.looked_at = position;
            Ask { partition, epoch: owned.lane.epoch, position, read: stands_still && owned.lane.oldest().is_none() }
        };
        self.owned.iter_mut().map(ask).collect()
    }

    fn looked(&mut self, looked: Result<Vec<Look>, JoinError>) -> Result<(), Fatal> {
        let looks = looked.map_err(|died| Fatal::Died { role: self.config.role, reason: died.to_string() })?;
        for look in looks {
            let partition = look.ask.partition;
            let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.lane.epoch == look.ask.epoch) else {
                continue;
            };
            let lane = &owned.lane;
            let position = lane.position().map(|position| position.offset).max(look.ask.position);
            let behind = look.ends.next.0 - 1 - position.unwrap_or(Offset::NONE).0;
            // Where nothing is at hand and the position moves, what is next is younger than what was last.
            owned.gauges.set(behind, lane.oldest().or(look.oldest).or(lane.applied_time()));
            let starves = look.ask.read && look.oldest.is_some() && lane.oldest().is_none() && lane.is_started();
            owned.starved = if starves { owned.starved + 1 } else { 0 };
            if look.cut_off() || owned.starved == STARVED_LOOKS {
                self.look_again(partition, Instant::now());
            }
        }
        Ok(())
    }

    /// Lets the batches in flight end, commits what they applied and leaves the group. What is not done in time is
    /// replayed by whoever owns the partition next.
    async fn drain(mut self) {
        let deadline = Instant::now() + self.config.drain;
        while let Ok(Some(finished)) = timeout_at(deadline, self.steps.join_next()).await {
            if let Err(fatal) = self.finish(finished) {
                tracing::warn!(role = self.config.role, "while draining: {fatal}");
            }
        }
        self.commit();
        if timeout_at(deadline, self.consumer.close()).await.is_err() {
            tracing::warn!(role = self.config.role, "left the group without a goodbye: its deadline passed");
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
