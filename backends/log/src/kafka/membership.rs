//! The thread that polls for one member of a group: rebalances, fetches, seeks and commits happen here and nowhere
//! else, so that none of them can overtake another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use parlor_core::ids::{Generation, Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Record;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset as At;
use rdkafka::types::RDKafkaRespErr;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::client::{self, unavailable};
use super::config::Config;
use super::consumer::{Member, Orders, Report, Start};
use super::reader::{is_passing, record_of};
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
pub(super) async fn join(config: &Config, group: &str, instance: &str) -> Result<Member, Unavailable> {
    let (reports, received) = mpsc::channel(BATCHES);
    let (joined, has_joined) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let orders = Arc::new(Orders::default());
    let (settings, topic, generation) = (config.member(group, instance), config.topic(), config.generation());
    let (given, runtime) = (orders.clone(), Handle::current());
    std::thread::Builder::new()
        .name(format!("log-{group}"))
        .spawn(move || {
            let context = Context { topic: topic.clone(), orders: given.clone(), ..Context::default() };
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

/// What the rebalance callback and the polling loop share. Both run on the same thread; the locks are never contended.
#[derive(Default)]
struct Context {
    topic: String,
    orders: Arc<Orders>,
    owned: Mutex<HashMap<Partition, Owned>>,
    assignments: Mutex<u64>,
    news: Mutex<Vec<Report>>,
    /// librdkafka's words for the error it is about to return.
    reason: Mutex<String>,
}

struct Owned {
    assignment: u64,
    run: Option<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    start: Start,
    /// The offset after the last record that was handed over.
    next: Offset,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    fn list(&self, partitions: impl IntoIterator<Item = Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition.0.cast_signed());
        }
        list
    }

    /// Sends what the owner wants committed, of partitions that are still the same assignment.
    fn commit(&self, consumer: &BaseConsumer<Self>) {
        let wanted = self.orders.with(|wishes| std::mem::take(&mut wishes.commits));
        let mut list = TopicPartitionList::new();
        {
            let owned = locked(&self.owned);
            for (partition, (assignment, next)) in wanted {
                if owned.get(&partition).is_some_and(|owned| owned.assignment == assignment)
                    && let Err(error) =
                        list.add_partition_offset(&self.topic, partition.0.cast_signed(), At::Offset(next.0))
                {
                    tracing::warn!(%partition, %next, %error, "an offset cannot be committed");
                }
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "a commit was not sent; the next repeats it");
        }
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        // Begin at the end, paused: an end is never out of range, and the owner says where to start. The default, the
        // committed offset, would be fetched before the owner was asked, and is an error where there is none.
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            if let Err(error) = list.add_partition_offset(&self.topic, partition.0.cast_signed(), At::End) {
                tracing::error!(%partition, %error, "a partition cannot be assigned");
            }
        }
        let done = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
            _ => consumer.assign(&list),
        };
        if let Err(error) = done.and_then(|()| consumer.pause(&list)) {
            tracing::error!(%error, "partitions were not assigned");
        }
        let mut owned = locked(&self.owned);
        let mut number = locked(&self.assignments);
        let mut told = Vec::with_capacity(partitions.len());
        for partition in partitions {
            *number += 1;
            owned.insert(*partition, Owned { assignment: *number, run: None });
            told.push((*partition, *number));
        }
        if !told.is_empty() {
            locked(&self.news).push(Report::Assigned(told));
        }
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, partitions: &[Partition]) {
        if consumer.assignment_lost() {
            // Someone else has them already: a commit would be a zombie's.
            self.orders.with(|wishes| wishes.commits.retain(|partition, _| !partitions.contains(partition)));
        } else {
            self.commit(consumer);
        }
        {
            let mut owned = locked(&self.owned);
            for partition in partitions {
                owned.remove(partition);
            }
        }
        let done = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            _ => consumer.unassign(),
        };
        if let Err(error) = done {
            tracing::error!(%error, "partitions were not given back");
        }
        if !partitions.is_empty() {
            locked(&self.news).push(Report::Revoked(partitions.to_vec()));
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        reason.clone_into(&mut locked(&self.reason));
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<_> =
            list.elements().iter().map(|found| Partition(found.partition().cast_unsigned())).collect();
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assigned(consumer, &partitions);
        } else {
            self.revoked(consumer, list, &partitions);
        }
        metrics::counter!("parlor_log_rebalances_total").increment(1);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "a commit was lost; the next repeats it");
        }
    }
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
        let ended = self.backlog.pop_back();
        if let Some(report @ Report::Ended(_)) = ended {
            let _ = self.runtime.block_on(tokio::time::timeout(PATIENCE, self.reports.send(report)));
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
                    self.consumer.pause(&self.consumer.context().list([partition]))
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
                        // Assigned a moment ago, or between brokers: again at the next turn, unless there is a newer wish.
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
        let number = partition.0.cast_signed();
        self.consumer.seek(&self.topic, number, At::Offset(from.0), Duration::from_secs(1))?;
        if self.throttled { Ok(()) } else { self.consumer.resume(&self.consumer.context().list([partition])) }
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
                    let room = tokio::time::timeout(POLL, self.reports.reserve());
                    // Only waits: the room is taken by the next try.
                    let _ = self.runtime.block_on(room).map(drop);
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
