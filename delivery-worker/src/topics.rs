//! Trending topics: a sink that counts the words of channels' messages, and tells a channel when its first ten change.
//!
//! It consumes in a group of its own and has positions of its own, so that counting never delays a live event. Words and
//! position move in one script: a message is counted once however often its record is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use parlor_core::consume::{self, Fatal, Health, Outcome, Sink, SinkError};
use parlor_core::event::{Ephemeral, Kind, MessageType};
use parlor_core::ids::{Offset, Partition, RoomId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::{Applied, Fanout};
use parlor_core::ports::log::{Log, Position, Record};
use parlor_core::ports::topics::{Keep, Topics, Words};
use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::words::words;

/// The role's name in metrics and logs.
pub const TOPICS_ROLE: &str = "topics";

/// Words of one script, at most: it runs alone in Redis while it runs. A message has no more than half of that.
const SCRIPT_WORDS: usize = 1_000;
/// Words told of a channel.
const TOLD: usize = 10;
/// A channel is told at most this often.
const PACE: Duration = Duration::from_secs(5);
/// Channels whose words have changed and that wait to be told; more are told with their next message.
const WAITING: usize = 10_000;
/// Channels of which it is remembered what they were told last.
const REMEMBERED: usize = 10_000;

/// How topics are counted (`cafe.md`, Configuration).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    /// The consumer group of all workers' counting.
    pub group: String,
    /// This process's name in the group.
    pub instance: String,
    /// Letters that a word must have.
    pub shortest: usize,
    /// What is kept of a channel.
    pub keep: Keep,
}

impl TopicsConfig {
    /// The documents' values: 4 letters, 50 words, an hour.
    pub fn new(instance: &str) -> Self {
        Self {
            group: "parlor-topics".to_owned(),
            instance: instance.to_owned(),
            shortest: 4,
            keep: Keep { words: 50, lives: Duration::from_secs(3600) },
        }
    }
}

/// What counting works with.
#[derive(Clone)]
pub struct TopicsPorts {
    /// Where messages come from.
    pub log: Arc<dyn Log>,
    /// Where words are counted.
    pub topics: Arc<dyn Topics>,
    /// How channels are told.
    pub fanout: Arc<dyn Fanout>,
}

/// Counts until `shutdown`, then finishes what is in flight, commits and leaves the group.
///
/// # Errors
/// [`Fatal`]: the process must say so and exit.
pub async fn run_topics(
    config: TopicsConfig,
    ports: TopicsPorts,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Fatal> {
    let changed: Changed = Arc::default();
    let consuming = consume::Config {
        batch_records: 200,
        linger: Duration::from_millis(100),
        prefetch_records: 5_000,
        prefetch_bytes: 8 << 20,
        ..consume::Config::new(TOPICS_ROLE, &config.group, &config.instance)
    };
    let sink = TopicsSink { topics: ports.topics.clone(), log: ports.log.clone(), config, changed: changed.clone() };
    let telling = tokio::spawn(tell(ports.topics, ports.fanout, changed, shutdown.clone()));
    let done = consume::run(ports.log, Arc::new(sink), consuming, health, shutdown).await;
    telling.abort();
    done
}

/// Channels whose words have changed since they were last looked at.
type Changed = Arc<Mutex<HashSet<RoomId>>>;

struct TopicsSink {
    topics: Arc<dyn Topics>,
    log: Arc<dyn Log>,
    config: TopicsConfig,
    changed: Changed,
}

impl TopicsSink {
    /// What a message adds; nothing unless it is a channel's, readable and a user's.
    fn said(&self, record: &Record) -> Option<Words> {
        let event = record.event.as_ref().ok()?;
        let Kind::MessageSent(message) = &event.kind else { return None };
        if message.encrypted || message.kind == MessageType::System || !event.room.is_of_channel() {
            return None;
        }
        let mut words = words(&message.content, self.config.shortest);
        words.truncate(SCRIPT_WORDS / 2);
        let (id, seq, room) = (event.id, record.seq, event.room.clone());
        (!words.is_empty()).then_some(Words { id, seq, room, words })
    }

    fn note(&self, said: &[Words]) {
        let mut changed = self.changed.lock();
        for message in said {
            if changed.len() < WAITING {
                changed.insert(message.room.clone());
            }
        }
    }
}

#[async_trait]
impl Sink for TopicsSink {
    /// Where the memory has forgotten the partition it has forgotten the words too: what was said while they would
    /// still live is counted anew.
    async fn position(&self, partition: Partition, _: Option<Position>) -> Result<Position, SinkError> {
        if let Some(position) = self.topics.counted(partition).await? {
            return Ok(position);
        }
        let ends = self.log.ends(partition).await?;
        let lives = i64::try_from(self.config.keep.lives.as_millis()).unwrap_or(i64::MAX);
        let since = self.log.offset_at(partition, Timestamp::now().plus_millis(-lives)).await?;
        let next = since.max(ends.first).min(ends.next);
        let at = Position { offset: Offset(next.0 - 1), digest: 0 };
        Ok(self.topics.claim_counted(partition, at).await?)
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Outcome, SinkError> {
        let mut moved: Option<(Position, usize)> = None;
        let mut rest = records;
        while !rest.is_empty() {
            let (count, said) = self.script(rest);
            let (chunk, behind) = rest.split_at(count);
            rest = behind;
            let from = moved.map_or(previous, |(position, _)| position);
            let at = chunk.last().map_or(from, Record::position);
            let stopped = match self.topics.count(partition, from, at, &said, self.config.keep).await {
                Ok(Applied::Done { position, duplicates }) => {
                    self.note(&said);
                    moved = Some((position, moved.map_or(0, |(_, before)| before) + duplicates));
                    continue;
                }
                Ok(Applied::Elsewhere(stands)) => Ok(Outcome::Elsewhere(stands)),
                Err(away) => Err(SinkError::Unavailable(away)),
            };
            if moved.is_none() {
                return stopped;
            }
            break;
        }
        let (position, duplicates) = moved.unwrap_or((previous, 0));
        Ok(Outcome::Applied { position, duplicates })
    }

    fn remedy(&self) -> &'static str {
        "Topics are not counted. If this log is the right one, remove the partitions' counting positions from Redis (keys \
         that end in `tpos`): the last hour is then counted anew"
    }
}

impl TopicsSink {
    /// How many of these records one script takes, and what they say.
    fn script(&self, records: &[Record]) -> (usize, Vec<Words>) {
        let (mut count, mut total, mut said) = (0, 0, Vec::new());
        for record in records {
            if let Some(message) = self.said(record) {
                if total > 0 && total + message.words.len() > SCRIPT_WORDS {
                    break;
                }
                total += message.words.len();
                said.push(message);
            }
            count += 1;
        }
        (count, said)
    }
}

/// Tells channels whose first words have changed, until it is stopped. What cannot be told is told with the next change.
async fn tell(topics: Arc<dyn Topics>, fanout: Arc<dyn Fanout>, changed: Changed, stop: CancellationToken) {
    let mut told: HashMap<RoomId, Vec<String>> = HashMap::new();
    let mut tick = tokio::time::interval(PACE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let rooms = std::mem::take(&mut *changed.lock());
        for room in rooms {
            if let Err(error) = tell_one(&*topics, &*fanout, &mut told, room).await {
                tracing::debug!(%error, "topics could not be told");
            }
        }
    }
}

async fn tell_one(
    topics: &dyn Topics,
    fanout: &dyn Fanout,
    told: &mut HashMap<RoomId, Vec<String>>,
    room: RoomId,
) -> Result<(), Unavailable> {
    let top = topics.top(&room, TOLD).await?;
    if told.get(&room) == Some(&top) {
        return Ok(());
    }
    fanout.publish(&room, &Ephemeral::Topics { topics: top.clone() }).await?;
    if told.len() >= REMEMBERED {
        // Forgotten ones are told once more than they need be.
        told.clear();
    }
    told.insert(room, top);
    Ok(())
}
