//! The thread that polls for one member of a group: rebalances ([`super::rebalance`]), fetches, seeks and commits
//! happen on it and nowhere else, so that none of them can overtake another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::ids::{Generation, Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Record;
use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset as At;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::client::unavailable;
use super::config::Config;
use super::consumer::{Member, Orders, Report, Start};
use super::reader::{is_passing, record_of};
use super::rebalance::{Context, Run, locked};
use crate::{BATCH_BYTES, BATCH_RECORDS};

/// How long one poll waits, and so how late an order of the owner's may be seen.
const POLL: Duration = Duration::from_millis(10);
/// How many batches wait for the owner in the channel.
const BATCHES: usize = 4;
/// An owner that takes nothing for this long has its partitions paused, so that polling can go on for the group's sake.
const PATIENCE: Duration = Duration::from_millis(500);
/// Commits are gathered for this long, so that a busy consumer does not spend its time on them.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// A seek that fails for this long is given up and told.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// Joins the group and starts polling.
pub(super) async fn join(
    config: &Config,
    group: &str,
    instance: &str,
    gather: Duration,
) -> Result<Member, Unavailable> {
    let (reports, received) = mpsc::channel(BATCHES);
    let (joined, has_joined) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let orders = Arc::new(Orders::default());
    let (settings, topic, generation) = (config.member(group, instance, gather), config.topic(), config.generation());
    let (given, runtime) = (orders.clone(), Handle::current());
    std::thread::Builder::new()
        .name(format!("log-{group}"))
        .spawn(move || {
            let context = Context::new(&topic, given.clone());
            let subscribed = BaseConsumer::from_config_and_context(&settings, context)
                .and_then(|consumer| consumer.subscribe(&[&topic]).map(|()| consumer));
            match subscribed {
                Ok(consumer) => {
                    let _ = joined.send(Ok(()));
                    let polling = Polling {
                        consumer: Arc::new(consumer),
                        topic,
                        generation,
                        orders: given,
                        reports,
                        runtime,
                        backlog: VecDeque::new(),
                        full_since: None,
                        throttled: false,
                        failing: HashMap::new(),
                        committed_at: Instant::now(),
                    };
                    polling.run();
                }
                Err(error) => {
                    let _ = joined.send(Err(unavailable(error)));
                }
            }
            let _ = done.send(());
        })
        .map_err(unavailable)?;
    has_joined.await.unwrap_or_else(|_| Err(unavailable("the consumer's thread has ended")))?;
    Ok(Member::new(received, orders, is_done))
}

/// The thread's own state.
struct Polling {
    consumer: Arc<BaseConsumer<Context>>,
    topic: String,
    generation: Generation,
    orders: Arc<Orders>,
    reports: mpsc::Sender<Report>,
    runtime: Handle,
    /// What the channel had no room for. While there is any, no record is polled, so it stays short.
    backlog: VecDeque<Report>,
    full_since: Option<Instant>,
    /// Every partition is paused because the owner takes nothing.
    throttled: bool,
    /// Since when the seek of a partition has failed.
    failing: HashMap<Partition, Instant>,
    committed_at: Instant,
}

impl Polling {
    fn run(mut self) {
        loop {
            let close = self.orders.with(|wishes| wishes.close);
            if close || self.reports.is_closed() {
                break;
            }
            self.obey();
            if self.committed_at.elapsed() >= COMMIT_EVERY {
                self.consumer.context().commit(&self.consumer);
                self.committed_at = Instant::now();
            }
            self.deliver();
            if self.backlog.is_empty() || self.throttled {
                if let Err(reason) = self.collect() {
                    self.backlog.push_back(Report::Ended(reason));
                    self.deliver();
                    break;
                }
                self.deliver();
            }
        }
        if let Some(report @ Report::Ended(_)) = self.backlog.pop_back() {
            // The owner may be gone as well.
            let told = async { tokio::time::timeout(PATIENCE, self.reports.send(report)).await.is_ok() };
            self.runtime.block_on(told);
        }
        self.consumer.context().commit(&self.consumer);
        // Closes the consumer, which may take seconds: on this thread it holds up no one.
        drop(self.consumer);
    }

    /// Starts, seeks and pauses what the owner wants.
    fn obey(&mut self) {
        let wanted = self.orders.with(|wishes| std::mem::take(&mut wishes.runs));
        for (partition, (start, from)) in wanted {
            let current = locked(&self.consumer.context().owned).get(&partition).map(|owned| owned.assignment);
            if current != Some(start.assignment) {
                continue;
            }
            self.backlog.retain(|report| !matches!(report, Report::Records(of, ..) if *of == partition));
            let done = match from {
                None => {
                    self.set_run(partition, None);
                    let context = self.consumer.context();
                    let fetching = locked(&context.owned).get(&partition).is_some_and(|owned| owned.fetching);
                    if fetching { self.consumer.pause(&context.list([partition])) } else { Ok(()) }
                }
                Some(from) => self.seek(partition, from),
            };
            match (done, from) {
                (Ok(()), from) => {
                    self.failing.remove(&partition);
                    self.set_run(partition, from.map(|next| Run { start, next }));
                }
                (Err(error), from) => {
                    let since = *self.failing.entry(partition).or_insert_with(Instant::now);
                    if since.elapsed() > SEEK_TIMEOUT {
                        self.failing.remove(&partition);
                        let reason = format!("partition {partition} cannot be started: {error}; join the group anew");
                        self.backlog.push_back(Report::Failed(unavailable(reason)));
                    } else {
                        // Between brokers, perhaps: again at the next turn, unless there is a newer wish.
                        self.orders.with(|wishes| wishes.runs.entry(partition).or_insert((start, from)).1);
                    }
                }
            }
        }
    }

    fn set_run(&self, partition: Partition, run: Option<Run>) {
        if let Some(owned) = locked(&self.consumer.context().owned).get_mut(&partition) {
            owned.run = run;
        }
    }

    /// Moves to `from` and lets the records come, unless throttled.
    fn seek(&self, partition: Partition, from: Offset) -> KafkaResult<()> {
        let (context, number) = (self.consumer.context(), partition.0.cast_signed());
        let fetching = locked(&context.owned).get(&partition).is_some_and(|owned| owned.fetching);
        if fetching {
            self.consumer.seek(&self.topic, number, At::Offset(from.0), Duration::from_secs(1))?;
        } else {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.topic, number, At::Offset(from.0))?;
            self.consumer.incremental_assign(&list)?;
            if let Some(owned) = locked(&context.owned).get_mut(&partition) {
                owned.fetching = true;
            }
        }
        // A pause outlives the assignment under which it was made: resumed in any case. This begins again at the offset
        // that was set above; what comes twice by that is below `Run::next` and dropped.
        let list = context.list([partition]);
        if self.throttled { self.consumer.pause(&list) } else { self.consumer.resume(&list) }
    }

    /// Hands the backlog to the owner, waiting a moment where there is no room.
    fn deliver(&mut self) {
        let mut waited = false;
        while let Some(report) = self.backlog.pop_front() {
            match self.reports.try_send(report) {
                Ok(()) => self.full_since = None,
                Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(report)) => {
                    self.backlog.push_front(report);
                    let since = *self.full_since.get_or_insert_with(Instant::now);
                    if !self.throttled && since.elapsed() > PATIENCE {
                        self.throttle();
                    }
                    if self.throttled || waited {
                        return;
                    }
                    waited = true;
                    // Only waits: the room is taken by the next try.
                    let room = async { tokio::time::timeout(POLL, self.reports.reserve()).await.is_ok() };
                    self.runtime.block_on(room);
                }
            }
        }
        if self.throttled {
            self.unthrottle();
        }
    }

    fn running(&self) -> Vec<(Partition, Run)> {
        let owned = locked(&self.consumer.context().owned);
        owned.iter().filter_map(|(partition, owned)| Some((*partition, owned.run?))).collect()
    }

    /// Pauses what runs. What librdkafka had fetched is dropped and fetched again later.
    fn throttle(&mut self) {
        self.throttled = true;
        let running = self.running();
        let list = self.consumer.context().list(running.iter().map(|(partition, _)| *partition));
        if let Err(error) = self.consumer.pause(&list) {
            tracing::warn!(%error, "partitions were not paused");
        }
    }

    /// Goes on from the last record handed over.
    fn unthrottle(&mut self) {
        self.throttled = false;
        for (partition, run) in self.running() {
            if self.seek(partition, run.next).is_err() {
                self.orders.with(|wishes| {
                    wishes.runs.entry(partition).or_insert((run.start, Some(run.next)));
                });
            }
        }
    }

    /// Polls once, and takes what else is there at once, until a batch is full.
    fn collect(&mut self) -> Result<(), Unavailable> {
        let mut batch: Option<Batch> = None;
        let mut wait = POLL;
        let mut records = 0;
        let consumer = self.consumer.clone();
        while records < BATCH_RECORDS {
            let polled = consumer.poll(wait);
            let news = std::mem::take(&mut *locked(&consumer.context().news));
            if !news.is_empty() {
                self.backlog.extend(batch.take().map(Batch::report));
                for report in news {
                    self.tell(report);
                }
            }
            let message = match polled {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.backlog.extend(batch.take().map(Batch::report));
                    return self.failed(&error);
                }
            };
            wait = Duration::ZERO;
            let partition = Partition(message.partition().cast_unsigned());
            let offset = Offset(message.offset());
            let run = {
                let mut owned = locked(&consumer.context().owned);
                let run = owned.get_mut(&partition).and_then(|owned| owned.run.as_mut());
                // Fetched before the start, or before a seek.
                let Some(run) = run.filter(|run| run.next <= offset) else { continue };
                run.next = offset.next();
                run.start
            };
            if batch.as_ref().is_some_and(|batch| !batch.takes(partition, run, message.payload_len())) {
                self.backlog.extend(batch.take().map(Batch::report));
            }
            let batch = batch.get_or_insert_with(|| Batch::new(partition, run));
            batch.bytes += message.payload_len();
            batch.records.push(record_of(self.generation, &message));
            records += 1;
        }
        self.backlog.extend(batch.map(Batch::report));
        Ok(())
    }

    /// Queues news of a rebalance. Records of what was revoked are not worth handing over any more.
    fn tell(&mut self, report: Report) {
        if let Report::Revoked(partitions) = &report {
            let gone: HashSet<_> = partitions.iter().copied().collect();
            self.failing.retain(|partition, _| !gone.contains(partition));
            self.backlog.retain(|report| !matches!(report, Report::Records(of, ..) if gone.contains(of)));
        }
        self.backlog.push_back(report);
    }

    /// Tells the owner what it must know. `Err`: polling is over.
    fn failed(&mut self, error: &KafkaError) -> Result<(), Unavailable> {
        let reason = locked(&self.consumer.context().reason).clone();
        match error {
            KafkaError::MessageConsumptionFatal(code) => {
                return Err(unavailable(format!("{code}: {reason}; join the group anew")));
            }
            error if is_passing(error) => tracing::debug!(%error, reason, "kafka consumer"),
            error if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
                let reason = format!("the log does not have the offset that was asked for: {reason}");
                self.backlog.push_back(Report::Failed(unavailable(reason)));
            }
            error => self.backlog.push_back(Report::Failed(unavailable(format!("{error}: {reason}")))),
        }
        Ok(())
    }
}

/// Records of one partition on their way to the owner.
struct Batch {
    partition: Partition,
    start: Start,
    bytes: usize,
    records: Vec<Record>,
}

impl Batch {
    fn new(partition: Partition, start: Start) -> Self {
        Self { partition, start, bytes: 0, records: Vec::new() }
    }

    fn takes(&self, partition: Partition, start: Start, bytes: usize) -> bool {
        self.partition == partition && self.start == start && self.bytes + bytes <= BATCH_BYTES
    }

    fn report(self) -> Report {
        Report::Records(self.partition, self.start, self.records)
    }
}
