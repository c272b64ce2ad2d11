//! What every connection to Kafka has in common: its log lines go to `tracing`, its errors become [`Unavailable`].

use parlor_core::ports::Unavailable;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

/// The dependency's name in errors.
pub(super) const KAFKA: &str = "kafka";

pub(super) fn unavailable(reason: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(KAFKA, reason)
}

/// A client with nothing to add.
pub(super) struct Plain;

impl ClientContext for Plain {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Plain {}

/// Passes on a line of librdkafka's. It shouts at every lost connection, of which there are many while a broker
/// restarts; what matters about those is told by metrics and readiness.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "{line}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if !matches!(facility, "FAIL" | "ERROR") => {
            tracing::warn!(facility, "{line}");
        }
        _ => tracing::debug!(facility, "{line}"),
    }
}

/// Runs what may block on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Unavailable> + Send + 'static,
) -> Result<T, Unavailable> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(unavailable(error)))
}
