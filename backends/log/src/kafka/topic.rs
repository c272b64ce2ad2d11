//! The topic: made once by `parlor migrate`, checked by everyone who connects.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;

use super::client::Plain;
use super::config::{Config, MAX_MESSAGE_BYTES};

/// Why the topic cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// There is none.
    #[error("topic {0} does not exist: run `parlor migrate`")]
    Missing(String),
    /// It has another number of partitions than the configuration says. Rooms would change their partition.
    #[error(
        "topic {topic} has {actual} partitions, the configuration says {configured}: set partitions = {actual}; more \
         partitions need a new generation, never more partitions of the same topic"
    )]
    Partitions {
        /// Which topic.
        topic: String,
        /// How many it has.
        actual: usize,
        /// How many the configuration says.
        configured: u32,
    },
    /// It keeps the producer's time instead of the log's.
    #[error(
        "topic {topic} has message.timestamp.type={actual}; Parlor needs the log's own time: run \
         `kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config \
         message.timestamp.type=LogAppendTime`, before any record is in it"
    )]
    Timestamps {
        /// Which topic.
        topic: String,
        /// What it is set to.
        actual: String,
    },
    /// The account may not read the topic's settings.
    #[error("the account may not describe the settings of topic {0}: grant it DESCRIBE_CONFIGS on the topic")]
    Forbidden(String),
    /// A number in the configuration cannot be.
    #[error("{0}")]
    Config(String),
    /// Kafka did not answer, or refused.
    #[error("{0}")]
    Kafka(String),
}

impl From<KafkaError> for TopicError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error.to_string())
    }
}

/// What [`migrate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The topics that were made; those that were there are not named.
    pub created: Vec<String>,
}

/// Makes the topic and its dead-letter topic where they are missing, and checks what is there. May be run again at any
/// time, by several at once.
///
/// # Errors
/// [`TopicError`]: an existing topic is not as it must be, or Kafka did not answer.
pub async fn migrate(config: &Config) -> Result<Migrated, TopicError> {
    validate(config)?;
    let admin = admin(config)?;
    let (topic, dead_letters) = (config.topic(), config.dead_letter_topic());
    let replicas = i32::from(config.replication);
    let min_in_sync = config.replication.min(2).to_string();
    let retention = (u64::from(config.retention_hours) * 3_600_000).to_string();
    let max_bytes = MAX_MESSAGE_BYTES.to_string();
    let partitions = i32::try_from(config.partitions).map_err(|error| TopicError::Config(error.to_string()))?;
    let common = |name, partitions| {
        NewTopic::new(name, partitions, TopicReplication::Fixed(replicas))
            .set("min.insync.replicas", &min_in_sync)
            .set("unclean.leader.election.enable", "false")
            .set("message.timestamp.type", "LogAppendTime")
            .set("max.message.bytes", &max_bytes)
            .set("cleanup.policy", "delete")
    };
    let wanted = [
        common(topic.as_str(), partitions).set("retention.ms", &retention),
        // Someone has to look at these: they do not expire.
        common(dead_letters.as_str(), 1).set("retention.ms", "-1"),
    ];
    let mut created = Vec::new();
    for result in admin.create_topics(&wanted, &options(config)).await? {
        match result {
            Ok(name) => created.push(name),
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(TopicError::Kafka(format!("topic {name} could not be made: {code}")));
            }
        }
    }
    // A new topic takes a moment until every broker knows it.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match check(config, Leaders::All).await {
            Err(TopicError::Missing(_) | TopicError::Kafka(_)) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            checked => return checked.map(|()| Migrated { created }),
        }
    }
}

/// Whether a partition without a leader is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaders {
    /// It is: the topic was just made.
    All,
    /// It is not: a broker may be restarting, and the other partitions can be served.
    Any,
}

/// Checks that the topic is there, with as many partitions as the configuration says, and that it stamps records with
/// its own time.
pub(super) async fn check(config: &Config, leaders: Leaders) -> Result<(), TopicError> {
    validate(config)?;
    let admin = std::sync::Arc::new(admin(config)?);
    let topic = config.topic();
    let (asked, name, timeout) = (admin.clone(), topic.clone(), config.request_timeout());
    let (partitions, led) = tokio::task::spawn_blocking(move || -> Result<_, TopicError> {
        let metadata = asked.inner().fetch_metadata(Some(&name), timeout)?;
        let found = metadata.topics().iter().find(|found| found.name() == name);
        match found {
            None => Err(TopicError::Missing(name)),
            Some(found) => match found.error() {
                Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Err(TopicError::Missing(name)),
                Some(error) => Err(TopicError::Kafka(format!("topic {name}: {error:?}"))),
                None => {
                    let led = found.partitions().iter().filter(|partition| partition.leader() >= 0).count();
                    Ok((found.partitions().len(), led))
                }
            },
        }
    })
    .await
    .map_err(|error| TopicError::Kafka(error.to_string()))??;
    if u32::try_from(partitions) != Ok(config.partitions) {
        return Err(TopicError::Partitions { topic, actual: partitions, configured: config.partitions });
    }
    if leaders == Leaders::All && led < partitions {
        return Err(TopicError::Kafka(format!("{} of {partitions} partitions have no leader", partitions - led)));
    }
    let described = admin.describe_configs(&[ResourceSpecifier::Topic(&topic)], &options(config)).await?;
    match described.into_iter().next() {
        Some(Ok(resource)) => match resource.get("message.timestamp.type").and_then(|entry| entry.value.as_deref()) {
            Some("LogAppendTime") => Ok(()),
            actual => Err(TopicError::Timestamps { topic, actual: actual.unwrap_or("unset").to_owned() }),
        },
        Some(Err(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)) => {
            Err(TopicError::Forbidden(topic))
        }
        Some(Err(Code::UnknownTopicOrPartition)) => Err(TopicError::Missing(topic)),
        Some(Err(code)) => Err(TopicError::Kafka(code.to_string())),
        None => Err(TopicError::Kafka("the topic's settings were not described".into())),
    }
}

fn validate(config: &Config) -> Result<(), TopicError> {
    let wrong = if config.generation == 0 {
        "generation must be 1 to 255"
    } else if config.partitions == 0 {
        "partitions must be at least 1"
    } else if config.replication == 0 {
        "replication must be at least 1"
    } else {
        return Ok(());
    };
    Err(TopicError::Config(wrong.into()))
}

fn admin(config: &Config) -> Result<AdminClient<Plain>, KafkaError> {
    AdminClient::from_config_and_context(&config.client("admin"), Plain)
}

fn options(config: &Config) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(config.request_timeout()))
        .operation_timeout(Some(config.request_timeout()))
}
