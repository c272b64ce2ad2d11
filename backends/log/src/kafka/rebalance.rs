//! What is ours and what is not any more: the group's side of a member. Everything here runs on the polling thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use parlor_core::ids::{Offset, Partition};
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::Offset as At;
use rdkafka::types::RDKafkaRespErr;

use super::client;
use super::consumer::{Orders, Report, Start};

/// What the rebalance callback and the polling loop share. Both run on the same thread; the locks are never contended.
#[derive(Default)]
pub(super) struct Context {
    topic: String,
    orders: Arc<Orders>,
    pub(super) owned: Mutex<HashMap<Partition, Owned>>,
    assignments: Mutex<u64>,
    pub(super) news: Mutex<Vec<Report>>,
    /// librdkafka's words for the error it is about to return.
    pub(super) reason: Mutex<String>,
}

pub(super) struct Owned {
    pub(super) assignment: u64,
    /// It was started once, and librdkafka has it.
    pub(super) fetching: bool,
    pub(super) run: Option<Run>,
}

#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) start: Start,
    /// The offset after the last record that was handed over.
    pub(super) next: Offset,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    pub(super) fn new(topic: &str, orders: Arc<Orders>) -> Self {
        Self { topic: topic.to_owned(), orders, ..Self::default() }
    }

    pub(super) fn list(&self, partitions: impl IntoIterator<Item = Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition.0.cast_signed());
        }
        list
    }

    /// Sends what the owner wants committed, of partitions that are still the same assignment.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>) {
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

    /// Takes note of what is ours now, and assigns nothing yet.
    ///
    /// librdkafka is given a partition at its first start, with the offset that the owner names. Given it any earlier,
    /// it looks up an offset of its own (the committed one, or an end), and an answer that comes after our seek makes
    /// it ask again and move there: records would be passed over in silence.
    fn assigned(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        // Tells the group that the assignment was taken note of.
        if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
            tracing::error!(%error, "partitions were not assigned");
        }
        let mut owned = locked(&self.owned);
        let mut number = locked(&self.assignments);
        let mut told = Vec::with_capacity(partitions.len());
        for partition in partitions {
            *number += 1;
            owned.insert(*partition, Owned { assignment: *number, fetching: false, run: None });
            told.push((*partition, *number));
        }
        if !told.is_empty() {
            locked(&self.news).push(Report::Assigned(told));
        }
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        if consumer.assignment_lost() {
            // Someone else has them already: a commit would be a zombie's.
            self.orders.with(|wishes| wishes.commits.retain(|partition, _| !partitions.contains(partition)));
        } else {
            self.commit(consumer);
        }
        let fetching: Vec<_> = {
            let mut owned = locked(&self.owned);
            let fetched = |partition: &&Partition| owned.remove(partition).is_some_and(|owned| owned.fetching);
            partitions.iter().filter(fetched).copied().collect()
        };
        let done = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(&self.list(fetching)),
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
            self.revoked(consumer, &partitions);
        }
        metrics::counter!("parlor_log_rebalances_total").increment(1);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "a commit was lost; the next repeats it");
        }
    }
}
