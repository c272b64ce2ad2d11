//! The log's section of the configuration.

use std::time::Duration;

use parlor_core::ids::{EventId, Generation};
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

/// How to reach Kafka, and what the topic is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port`, several with commas between them.
    pub brokers: String,
    /// What the topic's name begins with; `.v{generation}` follows.
    pub topic_prefix: String,
    /// Which log this is, 1 to 255: more partitions means a new generation, so a new topic.
    pub generation: u8,
    /// How many partitions the topic has, at least 1. Fixed for a generation.
    pub partitions: u32,
    /// How many brokers hold each record. Acknowledged records are on at least two of them where there are two.
    pub replication: u16,
    /// How long records are kept, in hours. Consumers that are away for longer cannot come back.
    pub retention_hours: u32,
    /// What this process is called in Kafka's logs and metrics.
    pub client: String,
    /// How long the producer waits for more records before it sends, in milliseconds. 0 is the quickest; 1 saves about
    /// a third of the client's CPU at 10,000 records a second.
    pub linger_ms: u32,
    /// After this long without an answer an append is `Unknown`, in milliseconds.
    pub delivery_timeout_ms: u32,
    /// A group's member that is silent for this long loses its partitions, in milliseconds. The broker's
    /// `group.min.session.timeout.ms` is the floor (6,000 unless changed).
    pub session_timeout_ms: u32,
    /// A member whose process does not even poll for this long loses its partitions, in milliseconds.
    pub max_poll_interval_ms: u32,
    /// The most that a consumer fetches ahead of its owner, in KiB.
    pub prefetch_kib: u32,
    /// How long a read, an offset query or a metadata request may take, in milliseconds.
    pub request_timeout_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            topic_prefix: "parlor.events".into(),
            generation: 1,
            partitions: 10,
            replication: 3,
            retention_hours: 7 * 24,
            client: "parlor".into(),
            linger_ms: 0,
            delivery_timeout_ms: 10_000,
            session_timeout_ms: 6_000,
            max_poll_interval_ms: 120_000,
            prefetch_kib: 8 * 1024,
            request_timeout_ms: 5_000,
        }
    }
}

/// The topic's `max.message.bytes`, and so the producer's largest batch.
pub(super) const MAX_MESSAGE_BYTES: u32 = 128 * 1024;

impl Config {
    /// One broker (`PARLOR_TEST_KAFKA`), 4 partitions, and a topic that no other test has.
    pub fn for_testing() -> Self {
        Self {
            brokers: std::env::var("PARLOR_TEST_KAFKA").unwrap_or_default(),
            topic_prefix: format!("test.{}", EventId::now()),
            partitions: 4,
            replication: 1,
            client: "parlor-test".into(),
            ..Self::default()
        }
    }

    /// The topic's name: `parlor.events.v1`.
    pub fn topic(&self) -> String {
        format!("{}.v{}", self.topic_prefix, self.generation)
    }

    /// Where records go that can never be applied: `parlor.events.v1.dead`.
    pub fn dead_letter_topic(&self) -> String {
        format!("{}.dead", self.topic())
    }

    /// The log's generation.
    pub fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// The name of a group in the cluster: `parlor.events.v1.delivery-worker`. Kafka's groups belong to no topic; the
    /// members of one group on two topics (another generation, another deployment) would share out both.
    pub fn group(&self, group: &str) -> String {
        format!("{}.{group}", self.topic())
    }

    /// How long a read, an offset query or a metadata request may take.
    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms.into())
    }

    /// What every client of the cluster is set to.
    pub(super) fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("{}-{role}", self.client))
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            // Defaults of 60, 30 and 10 s: too slow for a cluster that has just come back.
            .set("socket.timeout.ms", "10000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("allow.auto.create.topics", "false")
            // A broker that closes an idle connection is no news.
            .set("log.connection.close", "false");
        config
    }

    /// The producer's promises (RELIABILITY.md §4).
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client("producer");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("max.in.flight.requests.per.connection", "5")
            .set("delivery.timeout.ms", self.delivery_timeout_ms.to_string())
            .set("linger.ms", self.linger_ms.to_string())
            .set("queue.buffering.max.messages", "20000")
            .set("queue.buffering.max.kbytes", "65536")
            // librdkafka brings its own lz4: no feature and no system library is needed.
            .set("compression.type", "lz4")
            .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
            // Below the topic's limit, because a batch over it would cost all of its records; a single larger record
            // still goes, in a batch of its own.
            .set("batch.size", "98304");
        config
    }

    /// What every consumer is set to: it commits nothing and resets nothing by itself.
    fn consumer(&self, role: &str, group: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.message.max.bytes", "262144")
            .set("fetch.max.bytes", "4194304")
            // Waiting a second (the default) after a full queue would be a second of lag.
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "100");
        config
    }

    /// A member of a group (RELIABILITY.md §4).
    pub(super) fn member(&self, group: &str, instance: &str, gather: Duration) -> ClientConfig {
        let mut config = self.consumer("consumer", &self.group(group));
        config
            .set("group.instance.id", instance)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 6).max(1).to_string())
            .set("max.poll.interval.ms", self.max_poll_interval_ms.to_string())
            // A partition that is started joins the next fetch, so it waits for one that is out: not half a second (the
            // default), at the price of ten empty fetches a second and broker when nothing happens.
            .set("fetch.wait.max.ms", if gather.is_zero() { "100".into() } else { gather.as_millis().to_string() })
            // Who gathers spares the broker a fetch for each record: a fetch is answered when so much is there.
            .set("fetch.min.bytes", if gather.is_zero() { "1" } else { "262144" })
            .set("queued.max.messages.kbytes", self.prefetch_kib.to_string())
            .set("queued.min.messages", "5000");
        config
    }

    /// A reader of ranges: never a member of anything, and fetching no further than it is asked to.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.consumer("reader", &self.group("reader"));
        config
            .set("enable.partition.eof", "true")
            .set("queued.min.messages", "1")
            .set("fetch.queue.backoff.ms", "0")
            .set("fetch.wait.max.ms", "50");
        config
    }

    /// Asks for offsets that `group` committed, without joining it.
    pub(super) fn observer(&self, group: &str) -> ClientConfig {
        self.consumer("observer", &self.group(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_named_after_its_generation() {
        let config = Config { generation: 2, ..Config::default() };
        assert_eq!(config.topic(), "parlor.events.v2");
        assert_eq!(config.dead_letter_topic(), "parlor.events.v2.dead");
    }

    #[test]
    fn this_build_of_librdkafka_takes_every_setting() {
        let config = Config::default();
        for client in
            [config.producer(), config.member("g", "i", Duration::ZERO), config.reader(), config.observer("g")]
        {
            client.create_native_config().expect("every setting is known");
        }
    }
}
