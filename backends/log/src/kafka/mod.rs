//! The log on Kafka: one topic per generation, keyed by room, stamped by the broker.
//!
//! `producer` appends, `consumer`, `membership` and `rebalance` are a group's member, `reader` reads ranges
//! and offsets, `topic` makes and checks the topic, `breaker` knows when Kafka is away.

mod breaker;
mod client;
mod config;
mod consumer;
mod membership;
mod producer;
mod reader;
mod rebalance;
mod topic;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parlor_core::event::Event;
use parlor_core::ids::{Generation, Offset, Partition, RoomId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{AppendError, Consumer, Ends, Log, Pending, Range, Record};
use parlor_core::time::Timestamp;

pub use config::Config;
pub use topic::{Migrated, TopicError, migrate};

use client::unavailable;
use producer::Producer;
use reader::Readers;

/// An answer of [`Log::check`] is good for this long, however many ask.
const CHECK_FRESH: Duration = Duration::from_secs(1);
/// How long Kafka may take to answer a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module.
pub struct KafkaLog {
    config: Config,
    producer: Producer,
    readers: Readers,
    checked: Mutex<Option<(Instant, Result<(), Unavailable>)>>,
}

impl KafkaLog {
    /// Connects, and checks that the topic is what the configuration says: its partitions, and that it stamps records
    /// with its own time.
    ///
    /// Call [`Log::flush`] before the last reference is dropped: dropping purges what is still queued.
    ///
    /// # Errors
    /// Kafka is away, or the topic is missing or not as it must be; the reason says what to do.
    pub async fn connect(config: Config) -> Result<Arc<Self>, Unavailable> {
        topic::check(&config, topic::Leaders::Any).await.map_err(unavailable)?;
        Ok(Arc::new(Self {
            producer: Producer::new(&config)?,
            readers: Readers::new(&config)?,
            checked: Mutex::default(),
            config,
        }))
    }

    /// The name of the topic.
    pub fn topic(&self) -> String {
        self.config.topic()
    }
}

#[async_trait]
impl Log for KafkaLog {
    fn partitions(&self) -> u32 {
        self.config.partitions
    }

    fn generation(&self) -> Generation {
        self.config.generation()
    }

    fn append(&self, event: &Event) -> Result<Pending, AppendError> {
        let room: &RoomId = &event.room;
        self.producer.append(self.partition_of(room), room.as_str(), &parlor_proto::encode(event))
    }

    async fn read_range(
        &self,
        partition: Partition,
        after: Offset,
        through: Offset,
        max_bytes: usize,
    ) -> Result<Range, Unavailable> {
        self.readers.read_range(partition, after, through, max_bytes).await
    }

    async fn ends(&self, partition: Partition) -> Result<Ends, Unavailable> {
        self.readers.ends(partition).await
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, Unavailable> {
        self.readers.offset_at(partition, time).await
    }

    async fn set_aside(&self, record: &Record, reason: &str) -> Result<(), Unavailable> {
        self.producer.set_aside(record, reason).await
    }

    async fn consume(&self, group: &str, instance: &str, gather: Duration) -> Result<Box<dyn Consumer>, Unavailable> {
        Ok(Box::new(membership::join(&self.config, group, instance, gather).await?))
    }

    async fn committed(&self, group: &str) -> Result<Vec<Option<Offset>>, Unavailable> {
        self.readers.committed(group).await
    }

    async fn flush(&self, within: Duration) {
        self.producer.flush(within).await;
    }

    async fn check(&self) -> Result<(), Unavailable> {
        let known = self.checked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, answer)) = known
            && at.elapsed() < CHECK_FRESH
        {
            return answer;
        }
        let answer = self.readers.check(CHECK_TIMEOUT).await;
        self.producer.breaker().set_down(answer.is_err());
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answer.clone()));
        answer
    }
}
