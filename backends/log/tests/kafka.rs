//! The log's contract on a real Kafka, and what is this back end's own. Each test has a topic to itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parlor_core::ids::{EventId, Offset, Partition};
use parlor_core::ports::log::Log;
use parlor_core::ports::log_contract::Harness;
use parlor_log::kafka::{Config, KafkaLog, migrate};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, TopicPartitionList};

struct Topic {
    config: Config,
    log: Option<Arc<KafkaLog>>,
}

fn config() -> Config {
    let config = Config::for_testing();
    assert!(
        !config.brokers.is_empty(),
        "PARLOR_TEST_KAFKA is not set: run `make test`, or start the servers with `infra/local/servers up` and load \
         .parlor/test/env"
    );
    config
}

async fn fresh() -> Topic {
    let config = config();
    migrate(&config).await.unwrap_or_else(|error| {
        panic!("no Kafka at {}: run `make test` or `infra/local/servers up` ({error})", config.brokers)
    });
    let log = KafkaLog::connect(config.clone()).await.expect("connected");
    Topic { config, log: Some(log) }
}

impl Topic {
    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.config.brokers);
        client
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("an admin client")
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);

fn send(producer: &BaseProducer, topic: &str, partition: Partition, encoded: &[u8]) {
    let record = BaseRecord::<(), [u8]>::to(topic).partition(partition.0.cast_signed()).payload(encoded);
    producer.send(record).map_err(|(error, _)| error).expect("enqueued");
}

#[async_trait]
impl Harness for Topic {
    fn log(&self) -> Arc<dyn Log> {
        self.log.clone().expect("connected")
    }

    async fn reopen(&mut self) -> Arc<dyn Log> {
        self.log = None;
        self.log = Some(KafkaLog::connect(self.config.clone()).await.expect("connected again"));
        self.log()
    }

    async fn append_raw(&self, partition: Partition, encoded: Bytes) {
        let (producer, topic): (BaseProducer, _) = (self.client().create().expect("a producer"), self.config.topic());
        tokio::task::spawn_blocking(move || {
            send(&producer, &topic, partition, &encoded);
            producer.flush(TIMEOUT).expect("flushed");
        })
        .await
        .expect("appended");
    }

    /// The marker that ends a transaction takes an offset and is no record.
    async fn append_before_a_gap(&self, partition: Partition, encoded: Bytes) {
        let log = self.log();
        let before = log.ends(partition).await.expect("ends").next;
        let topic = self.config.topic();
        let producer: BaseProducer =
            self.client().set("transactional.id", EventId::now().to_string()).create().expect("a producer");
        tokio::task::spawn_blocking(move || {
            producer.init_transactions(TIMEOUT).expect("ready");
            producer.begin_transaction().expect("begun");
            send(&producer, &topic, partition, &encoded);
            producer.commit_transaction(TIMEOUT).expect("committed");
        })
        .await
        .expect("appended");
        // The broker writes the marker that makes the gap, and with it shows the record, after it has answered.
        let shown = async {
            while log.ends(partition).await.expect("ends").next.0 < before.0 + 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, shown).await.expect("the transaction is complete");
    }

    async fn expire(&self, partition: Partition, below: Offset) {
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(&self.config.topic(), partition.0.cast_signed(), rdkafka::Offset::Offset(below.0))
            .expect("an offset");
        self.admin().delete_records(&offsets, &AdminOptions::new()).await.expect("deleted");
    }

    async fn dead_letters(&self) -> Vec<(Bytes, String)> {
        let topic = self.config.dead_letter_topic();
        let consumer: BaseConsumer =
            self.client().set("group.id", "test").set("enable.partition.eof", "true").create().expect("a consumer");
        tokio::task::spawn_blocking(move || {
            let mut from = TopicPartitionList::new();
            from.add_partition_offset(&topic, 0, rdkafka::Offset::Beginning).expect("an offset");
            consumer.assign(&from).expect("assigned");
            let mut letters = Vec::new();
            while let Some(Ok(message)) = consumer.poll(TIMEOUT) {
                let reason = message.headers().expect("headers").iter().find(|header| header.key == "reason");
                let reason = String::from_utf8_lossy(reason.and_then(|header| header.value).expect("a reason"));
                letters.push((Bytes::copy_from_slice(message.payload().expect("bytes")), reason.into_owned()));
            }
            letters
        })
        .await
        .expect("read")
    }

    async fn destroy(self: Box<Self>) {
        let (topic, dead_letters) = (self.config.topic(), self.config.dead_letter_topic());
        self.admin().delete_topics(&[&topic, &dead_letters], &AdminOptions::new()).await.expect("deleted");
    }
}

parlor_core::log_contract!(fresh);

mod of_its_own {
    use super::*;
    use parlor_core::event::{Event, Kind};
    use parlor_core::ids::{RoomId, UserId};
    use rdkafka::admin::{NewTopic, TopicReplication};

    fn event() -> Event {
        let kind = Kind::Other { kind: 50_000, body: Bytes::from_static(b"x") };
        let actor = parlor_core::membership::nameless(&UserId::trusted("u1"));
        Event { id: EventId::now(), room: RoomId::trusted("r"), actor, kind }
    }

    #[tokio::test]
    async fn migrating_again_changes_nothing() {
        let topic = fresh().await;
        assert!(migrate(&topic.config).await.expect("there").created.is_empty());
        Box::new(topic).destroy().await;
    }

    #[tokio::test]
    async fn a_missing_topic_is_told_with_the_command_that_makes_it() {
        let refused = KafkaLog::connect(config()).await.err().expect("refused");
        assert!(refused.reason.contains("run `parlor migrate`"), "{refused}");
    }

    #[tokio::test]
    async fn another_number_of_partitions_is_refused_with_what_to_do() {
        let topic = fresh().await;
        let wrong = Config { partitions: 7, ..topic.config.clone() };
        let refused = KafkaLog::connect(wrong).await.err().expect("refused");
        assert!(refused.reason.contains("set partitions = 4"), "{refused}");
        Box::new(topic).destroy().await;
    }

    #[tokio::test]
    async fn a_topic_that_keeps_the_producers_time_is_refused_with_what_to_do() {
        let topic = Topic { config: config(), log: None };
        let name = topic.config.topic();
        let plain = NewTopic::new(&name, 4, TopicReplication::Fixed(1));
        topic.admin().create_topics(&[plain], &AdminOptions::new()).await.expect("made");
        let refused = migrate(&topic.config).await.expect_err("refused").to_string();
        assert!(refused.contains("message.timestamp.type=CreateTime"), "{refused}");
        assert!(refused.contains("kafka-configs.sh"), "{refused}");
        Box::new(topic).destroy().await;
    }

    #[tokio::test]
    async fn the_tasks_trace_travels_with_the_record() {
        let topic = fresh().await;
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let log = topic.log();
        let pending = parlor_log::trace::TRACEPARENT.sync_scope(trace.into(), || log.append(&event()));
        pending.expect("enqueued").await.expect("appended");
        let partition = log.partition_of(&event().room);
        let range = log.read_range(partition, Offset::NONE, Offset(0), 1).await.expect("read");
        assert_eq!(range.records[0].trace.as_deref(), Some(trace));
        drop(log);
        Box::new(topic).destroy().await;
    }
}
