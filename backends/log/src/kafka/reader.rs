//! Reading without being a member of a group: ranges, ends, times, and what a group has committed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parlor_core::ids::{Generation, Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Ends, Range, Record};
use parlor_core::time::Timestamp;
use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::Offset as At;
use tokio::sync::Semaphore;

use super::client::{Plain, blocking, unavailable};
use super::config::Config;
use crate::trace;

/// How many ranges are read at once; more wait their turn. Each holds a connection and at most one fetch.
const READERS: usize = 4;

/// How long one range may take; the caller asks again from where it is.
const RANGE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Readers {
    config: Config,
    topic: String,
    generation: Generation,
    /// Asks for offsets and metadata; never assigned anything.
    queries: Arc<BaseConsumer<Plain>>,
    idle: Arc<Mutex<Vec<BaseConsumer<Plain>>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(config: &Config) -> Result<Self, Unavailable> {
        Ok(Self {
            topic: config.topic(),
            generation: config.generation(),
            queries: Arc::new(
                BaseConsumer::from_config_and_context(&config.client("queries"), Plain).map_err(unavailable)?,
            ),
            idle: Arc::default(),
            turns: Arc::new(Semaphore::new(READERS)),
            config: config.clone(),
        })
    }

    /// Asks for the topic's metadata: whether Kafka answers.
    pub(super) async fn check(&self, within: Duration) -> Result<(), Unavailable> {
        let (queries, topic) = (self.queries.clone(), self.topic.clone());
        blocking(move || {
            let metadata = queries.fetch_metadata(Some(&topic), within).map_err(unavailable)?;
            let led = metadata.topics().iter().flat_map(|found| found.partitions()).any(|found| found.leader() >= 0);
            if led { Ok(()) } else { Err(unavailable(format!("no partition of {topic} has a leader"))) }
        })
        .await
    }

    pub(super) async fn ends(&self, partition: Partition) -> Result<Ends, Unavailable> {
        let (queries, topic, within) = (self.queries.clone(), self.topic.clone(), self.config.request_timeout());
        blocking(move || ends(&queries, &topic, partition, within)).await
    }

    pub(super) async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, Unavailable> {
        let (queries, topic, within) = (self.queries.clone(), self.topic.clone(), self.config.request_timeout());
        blocking(move || {
            let mut asked = TopicPartitionList::new();
            asked
                .add_partition_offset(&topic, partition.0.cast_signed(), At::Offset(time.0.max(0)))
                .map_err(unavailable)?;
            let answered = queries.offsets_for_times(asked, within).map_err(unavailable)?;
            match answered.elements().first() {
                Some(found) => {
                    found.error().map_err(unavailable)?;
                    match found.offset() {
                        At::Offset(offset) => Ok(Offset(offset)),
                        // Kafka's way of saying that there is none.
                        _ => Ok(ends(&queries, &topic, partition, within)?.next),
                    }
                }
                None => Err(unavailable("no offset was answered")),
            }
        })
        .await
    }

    pub(super) async fn committed(&self, group: &str) -> Result<Vec<Option<Offset>>, Unavailable> {
        let config = self.config.observer(group);
        let (topic, partitions, within) = (self.topic.clone(), self.config.partitions, self.config.request_timeout());
        blocking(move || {
            let observer = BaseConsumer::from_config_and_context(&config, Plain).map_err(unavailable)?;
            let mut asked = TopicPartitionList::new();
            asked.add_partition_range(&topic, 0, partitions.cast_signed() - 1);
            let answered = observer.committed_offsets(asked, within).map_err(unavailable)?;
            (0..partitions)
                .map(|partition| {
                    let found = answered
                        .find_partition(&topic, partition.cast_signed())
                        .ok_or_else(|| unavailable("a partition is missing from the answer"))?;
                    found.error().map_err(unavailable)?;
                    Ok(match found.offset() {
                        At::Offset(offset) => Some(Offset(offset)),
                        _ => None,
                    })
                })
                .collect()
        })
        .await
    }

    pub(super) async fn read_range(
        &self,
        partition: Partition,
        after: Offset,
        through: Offset,
        max_bytes: usize,
    ) -> Result<Range, Unavailable> {
        let turn = self.turns.clone().acquire_owned().await.map_err(unavailable)?;
        let (queries, idle, config) = (self.queries.clone(), self.idle.clone(), self.config.clone());
        let (topic, generation) = (self.topic.clone(), self.generation);
        blocking(move || {
            // Held by the work itself: a caller that goes away does not let more in than there are turns.
            let _turn = turn;
            let ends = ends(&queries, &topic, partition, config.request_timeout())?;
            if after.next() < ends.first {
                return Err(unavailable(format!(
                    "expired: partition {partition} begins at {}, above {}",
                    ends.first,
                    after.next()
                )));
            }
            let complete_through = through.min(Offset(ends.next.0 - 1));
            if complete_through <= after {
                return Ok(Range { records: Vec::new(), complete_through });
            }
            let spare = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let consumer = match spare {
                Some(consumer) => consumer,
                None => BaseConsumer::from_config_and_context(&config.reader(), Plain).map_err(unavailable)?,
            };
            let piece = Piece { topic: &topic, generation, partition, after, through: complete_through, max_bytes };
            // One that failed is dropped with whatever state it is in.
            let range = piece.read(&consumer)?;
            consumer.unassign().map_err(unavailable)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(consumer);
            Ok(range)
        })
        .await
    }
}

fn ends(
    consumer: &BaseConsumer<Plain>,
    topic: &str,
    partition: Partition,
    within: Duration,
) -> Result<Ends, Unavailable> {
    let (first, next) = consumer.fetch_watermarks(topic, partition.0.cast_signed(), within).map_err(unavailable)?;
    Ok(Ends { first: Offset(first), next: Offset(next) })
}

/// What of a partition is asked for. `through` is within the log.
struct Piece<'a> {
    topic: &'a str,
    generation: Generation,
    partition: Partition,
    after: Offset,
    through: Offset,
    max_bytes: usize,
}

impl Piece<'_> {
    fn read(&self, consumer: &BaseConsumer<Plain>) -> Result<Range, Unavailable> {
        let number = self.partition.0.cast_signed();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(self.topic, number, At::Offset(self.after.next().0)).map_err(unavailable)?;
        consumer.assign(&from).map_err(unavailable)?;
        let deadline = Instant::now() + RANGE_TIMEOUT;
        let mut records = Vec::new();
        let mut bytes = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(unavailable(format!("partition {} was not read within {RANGE_TIMEOUT:?}", self.partition)));
            }
            let message = match consumer.poll(left) {
                None => continue,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    return Ok(Range { records, complete_through: self.through });
                }
                Some(Err(error)) if is_passing(&error) => continue,
                Some(Err(error)) => return Err(unavailable(error)),
                Some(Ok(message)) if message.partition() != number => continue,
                Some(Ok(message)) => message,
            };
            let offset = Offset(message.offset());
            if offset > self.through {
                return Ok(Range { records, complete_through: self.through });
            }
            bytes += message.payload_len();
            if bytes > self.max_bytes && !records.is_empty() {
                // Offsets may have gaps: nothing is missing up to right before this one.
                return Ok(Range { records, complete_through: Offset(offset.0 - 1) });
            }
            records.push(record_of(self.generation, &message));
            if offset == self.through {
                return Ok(Range { records, complete_through: self.through });
            }
        }
    }
}

/// Errors that the client reports while it mends itself: lost connections, moved leaders, coordinators on their way.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::WaitingForCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::RebalanceInProgress
                | Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::PollExceeded
                | Code::NodeUpdate
                | Code::DestroyBroker
        )
    )
}

/// A record as it came from Kafka.
pub(super) fn record_of(generation: Generation, message: &BorrowedMessage<'_>) -> Record {
    let trace = message.headers().and_then(|headers| {
        headers
            .iter()
            .find(|header| header.key == trace::HEADER)
            .and_then(|header| Some(std::str::from_utf8(header.value?).ok()?.to_owned()))
    });
    crate::record(
        generation,
        Partition(message.partition().cast_unsigned()),
        Offset(message.offset()),
        Timestamp(message.timestamp().to_millis().unwrap_or_default()),
        Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        trace,
    )
}
