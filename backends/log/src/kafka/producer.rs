//! Appending: enqueue at once in the caller's order, answer when Kafka has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parlor_core::ids::{Generation, Offset, Partition, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{AppendError, Appended, Pending, Record, ReportError};
use parlor_core::time::Timestamp;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use tokio::sync::oneshot;

use super::breaker::Breaker;
use super::client::{self, blocking, unavailable};
use super::config::Config;
use crate::{MAX_RECORD_BYTES, trace};

/// The most characters of a reason that a dead letter keeps.
const MAX_REASON_CHARS: usize = 500;

/// How long one wait for delivery reports lasts, and so how long a producer that was dropped outlives that. The library
/// spins through the last millisecond of every wait: its own thread waits 100 ms, and takes 1 % of a core for nothing.
const REPORTS_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Producer {
    kafka: Arc<BaseProducer<Reports>>,
    dropped: Arc<AtomicBool>,
    breaker: Arc<Breaker>,
    topic: String,
    dead_letters: String,
    request_timeout: Duration,
}

impl Producer {
    pub(super) fn new(config: &Config) -> Result<Self, Unavailable> {
        let breaker = Arc::new(Breaker::new(config.partitions));
        let reports = Reports { generation: config.generation(), breaker: breaker.clone() };
        let kafka = BaseProducer::from_config_and_context(&config.producer(), reports).map_err(unavailable)?;
        let (kafka, dropped) = (Arc::new(kafka), Arc::new(AtomicBool::new(false)));
        let (serving, over) = (kafka.clone(), dropped.clone());
        std::thread::Builder::new()
            .name("log-reports".into())
            .spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    serving.poll(REPORTS_WAIT);
                }
            })
            .map_err(unavailable)?;
        Ok(Self {
            kafka,
            dropped,
            breaker,
            topic: config.topic(),
            dead_letters: config.dead_letter_topic(),
            request_timeout: Duration::from_millis(config.delivery_timeout_ms.into()) + config.request_timeout(),
        })
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Enqueues one record. The partition is named here: the library's own partitioner differs from Java's.
    pub(super) fn append(&self, partition: Partition, key: &str, encoded: &[u8]) -> Result<Pending, AppendError> {
        if key.len() + encoded.len() > MAX_RECORD_BYTES {
            return Err(AppendError::TooLarge);
        }
        if !self.breaker.admit(partition) {
            metrics::counter!("parlor_log_refused_total", "reason" => "away").increment(1);
            return Err(AppendError::Full);
        }
        let (report, reported) = oneshot::channel();
        let answer = Box::new(Answer { report, partition: Some(partition), enqueued: Instant::now() });
        let mut record = BaseRecord::with_opaque_to(&self.topic, answer)
            .partition(partition.0.cast_signed())
            .key(key)
            .payload(encoded);
        if let Some(traceparent) = trace::current() {
            let header = Header { key: trace::HEADER, value: Some(traceparent.as_str()) };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        if let Err((error, _)) = self.kafka.send(record) {
            self.breaker.released(partition);
            return Err(self.refused(&error));
        }
        // An answer that never comes means that the producer was dropped with the record in its queue.
        Ok(reported.map(|answer| answer.unwrap_or(Err(ReportError::Unknown))).boxed())
    }

    fn refused(&self, error: &KafkaError) -> AppendError {
        match error.rdkafka_error_code() {
            Some(Code::QueueFull) => {
                metrics::counter!("parlor_log_refused_total", "reason" => "full").increment(1);
                AppendError::Full
            }
            Some(Code::MessageSizeTooLarge) => AppendError::TooLarge,
            code => match self.kafka.client().fatal_error() {
                Some((code, words)) => AppendError::Fatal(format!("{code}: {words}")),
                // The topic is gone, or forbidden: not enqueued, and it may be mended.
                None => {
                    metrics::counter!("parlor_log_refused_total", "reason" => "topic").increment(1);
                    tracing::error!(?code, %error, topic = self.topic, "the topic takes no records");
                    AppendError::Full
                }
            },
        }
    }

    /// Writes a record to the dead-letter topic, with where it came from and why, and waits for it.
    pub(super) async fn set_aside(&self, record: &Record, reason: &str) -> Result<(), Unavailable> {
        let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
        let fields = [
            ("reason", reason),
            ("partition", record.partition.to_string()),
            ("offset", record.offset().to_string()),
            ("generation", record.seq.generation().0.to_string()),
            ("time", record.time.to_string()),
        ];
        let mut headers = OwnedHeaders::new_with_capacity(fields.len() + 1);
        for (key, value) in &fields {
            headers = headers.insert(Header { key, value: Some(value.as_str()) });
        }
        if let Some(traceparent) = &record.trace {
            headers = headers.insert(Header { key: trace::HEADER, value: Some(traceparent.as_str()) });
        }
        let key = record.event.as_ref().map(|event| event.room.clone()).ok();
        let (report, reported) = oneshot::channel();
        let answer = Box::new(Answer { report, partition: None, enqueued: Instant::now() });
        let mut letter = BaseRecord::with_opaque_to(&self.dead_letters, answer)
            .partition(0)
            .payload(record.encoded.as_ref())
            .headers(headers);
        if let Some(room) = &key {
            letter = letter.key(room.as_str());
        }
        self.kafka.send(letter).map_err(|(error, _)| unavailable(error))?;
        match tokio::time::timeout(self.request_timeout, reported).await {
            Ok(Ok(answer)) => answer.map(drop).map_err(unavailable),
            Ok(Err(_)) | Err(_) => Err(unavailable(ReportError::Unknown)),
        }
    }

    /// Waits until everything enqueued was answered.
    pub(super) async fn flush(&self, within: Duration) {
        let kafka = self.kafka.clone();
        let flushed = blocking(move || kafka.flush(within).map_err(unavailable)).await;
        if let Err(error) = flushed {
            tracing::warn!(%error, left = self.kafka.in_flight_count(), "records were left without an answer");
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

/// What a delivery report finds its way by.
pub(super) struct Answer {
    report: oneshot::Sender<Result<Appended, ReportError>>,
    /// `None`: a dead letter, which is no business of the breaker's.
    partition: Option<Partition>,
    enqueued: Instant,
}

/// Takes the delivery reports, on the producer's own thread.
pub(super) struct Reports {
    generation: Generation,
    breaker: Arc<Breaker>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.breaker.set_down(true);
            tracing::warn!(reason, "kafka: no broker can be reached");
        } else {
            tracing::debug!(%error, reason, "kafka producer");
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Answer>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, answer: Box<Answer>) {
        let result = match delivered {
            Ok(message) => Ok(Appended {
                // The broker's time (LogAppendTime). Where a retry was answered as a duplicate that the broker no
                // longer knows, it is the time of the enqueueing: the only one there is, and off by milliseconds.
                time: Timestamp(message.timestamp().to_millis().unwrap_or_else(|| Timestamp::now().0)),
                seq: (message.offset() >= 0).then(|| Seq::new(self.generation, Offset(message.offset()))),
            }),
            Err((error, _)) => Err(report_error(error)),
        };
        if let Some(partition) = answer.partition {
            match &result {
                Ok(_) => self.breaker.answered(partition, true),
                Err(ReportError::Unknown) => self.breaker.answered(partition, false),
                Err(ReportError::Refused(_)) => self.breaker.released(partition),
            }
        }
        let outcome = match &result {
            Ok(_) => "appended",
            Err(ReportError::Unknown) => "unknown",
            Err(ReportError::Refused(_)) => "refused",
        };
        metrics::counter!("parlor_log_appends_total", "outcome" => outcome).increment(1);
        metrics::histogram!("parlor_log_append_seconds").record(answer.enqueued.elapsed().as_secs_f64());
        // Nobody waits any more: the record is where it is.
        let _ = answer.report.send(result);
    }
}

/// Refused only where the record is certainly not in the log; anything else may still turn up there.
fn report_error(error: &KafkaError) -> ReportError {
    match error.rdkafka_error_code() {
        Some(
            code @ (Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::InvalidRequiredAcks
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedCompressionType
            | Code::PolicyViolation
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::InvalidTopic),
        ) => ReportError::Refused(code.to_string()),
        _ => ReportError::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    #[test]
    fn only_what_is_certainly_not_in_the_log_is_called_refused() {
        let of = |code| report_error(&KafkaError::MessageProduction(code));
        for code in [
            Code::MessageTimedOut,
            Code::RequestTimedOut,
            Code::BrokerTransportFailure,
            Code::NotEnoughReplicasAfterAppend,
            Code::PurgeInflight,
            Code::PurgeQueue,
            Code::Fatal,
        ] {
            assert_eq!(of(code), ReportError::Unknown, "{code}");
        }
        assert!(matches!(of(Code::TopicAuthorizationFailed), ReportError::Refused(_)));
        assert!(matches!(of(Code::MessageSizeTooLarge), ReportError::Refused(_)));
    }

    /// A Kafka that can be switched off. It keeps no log time; everything else about producing is as in a real one.
    fn mock() -> (MockCluster<'static, DefaultProducerContext>, Config) {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        let config = Config {
            brokers: cluster.bootstrap_servers(),
            partitions: 2,
            delivery_timeout_ms: 2_000,
            ..Config::default()
        };
        cluster.create_topic(&config.topic(), 2, 1).expect("a topic");
        (cluster, config)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn while_kafka_is_away_appends_are_refused_at_once_and_what_was_in_flight_is_unknown() {
        let (cluster, config) = mock();
        let producer = Producer::new(&config).expect("a producer");
        let append = || producer.append(Partition(0), "room", b"event");
        append().expect("enqueued").await.expect("appended");

        cluster.broker_down(1).expect("down");
        let began = Instant::now();
        let mut in_flight = Vec::new();
        while let Ok(pending) = append() {
            in_flight.push(pending);
            assert!(began.elapsed() < Duration::from_secs(10), "never refused");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(append().err(), Some(AppendError::Full));
        for pending in in_flight {
            assert_eq!(pending.await, Err(ReportError::Unknown));
        }
        // One probe a second goes through, and waits in vain.
        assert!((0..100).filter_map(|_| append().ok()).count() <= 1);

        cluster.broker_up(1).expect("up");
        let began = Instant::now();
        loop {
            if let Ok(pending) = append()
                && pending.await.is_ok()
            {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "never accepted again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..100 {
            append().expect("closed again").await.expect("appended");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_queue_refuses_at_once() {
        let (cluster, config) = mock();
        let producer = Producer::new(&Config { delivery_timeout_ms: 10_000, ..config }).expect("a producer");
        producer.append(Partition(0), "room", b"event").expect("enqueued").await.expect("appended");
        cluster.broker_down(1).expect("down");
        let refused = (0..30_000).find_map(|_| producer.append(Partition(0), "room", b"event").err());
        assert_eq!(refused, Some(AppendError::Full));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_topic_refuses_is_refused_and_does_not_open_the_breaker() {
        let (cluster, config) = mock();
        let producer = Producer::new(&config).expect("a producer");
        let append = || producer.append(Partition(0), "room", b"event");
        append().expect("enqueued").await.expect("appended");
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
        let report = append().expect("enqueued").await;
        assert!(matches!(report, Err(ReportError::Refused(_))), "{report:?}");
        // The client remembers the refusal for a moment and refuses by itself, never for good.
        let began = Instant::now();
        let pending = loop {
            match append() {
                Ok(pending) => break pending,
                Err(error) => assert_eq!(error, AppendError::Full),
            }
            assert!(began.elapsed() < Duration::from_secs(20), "never accepted again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        pending.await.expect("appended");
    }
}
