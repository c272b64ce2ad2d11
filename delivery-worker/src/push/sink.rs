use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use metrics::counter;
use parlor_core::consume::{self, Sink, SinkError};
use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use super::announce::Announcement;
use super::audience::{Audience, chunks};
use super::tries::{Outcome, Tries};
use super::{Config, Ports};

/// Where nothing was ever committed, pushing begins so far back.
const BEGINNING_MS: i64 = 60_000;

/// Pushes of one batch under way at once, those that wait for their next try included.
const AT_WORK: usize = 512;

/// Push as a sink: at least once. The place reached is the group's committed offset, which moves past a message when
/// all its pushes are done or given up. A message that is pushed again because it had not moved carries the same
/// collapse key, and a device shows it once.
///
/// A batch of a partition is worked on at once, and ends with its slowest push (some 36 s if a service never answers);
/// other partitions go on meanwhile.
pub struct PushSink {
    pusher: Arc<Pusher>,
    config: Config,
}

/// What each push needs.
struct Pusher {
    ports: Ports,
    ttl: Duration,
    audience: Audience,
    tries: Tries,
}

impl PushSink {
    /// Over these ports.
    pub fn new(ports: Ports, config: Config) -> Self {
        let audience =
            Audience { devices: ports.devices.clone(), presence: ports.presence.clone(), big_room: config.big_room };
        let tries = Tries::new(config.concurrency, config.pause);
        Self { pusher: Arc::new(Pusher { ports, ttl: config.ttl, audience, tries }), config }
    }

    async fn beginning(&self, partition: Partition, applied: Option<Position>) -> Result<Position, Unavailable> {
        let log = &self.pusher.ports.log;
        let ends = log.ends(partition).await?;
        let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let committed = log.committed(&self.config.group).await?.get(index).copied().flatten();
        let next = match committed.max(applied.map(|position| position.offset.next())) {
            Some(next) => next,
            None => log.offset_at(partition, Timestamp::now().plus_millis(-BEGINNING_MS)).await?,
        };
        // What has expired, or belonged to a log before this one, is pushed to nobody any more.
        let next = next.min(ends.next).max(ends.first);
        Ok(Position { offset: Offset(next.0 - 1), digest: 0 })
    }

    /// The messages among the records that are still worth a push.
    fn announcements(&self, records: &[Record]) -> Vec<Announcement> {
        let ttl = i64::try_from(self.config.ttl.as_millis()).unwrap_or(i64::MAX);
        let oldest = Timestamp::now().plus_millis(-ttl);
        records.iter().filter_map(Announcement::of).filter(|message| message.time >= oldest).collect()
    }

    /// Waits until the newest message has waited long enough; the log's clock may be ahead of ours, so never longer.
    async fn wait(&self, messages: &[Announcement]) {
        let newest = messages.iter().map(|message| message.time.0).max().unwrap_or(0);
        let age = Duration::from_millis(u64::try_from(Timestamp::now().0 - newest).unwrap_or(0));
        sleep(self.config.delay.saturating_sub(age)).await;
    }

    async fn push(&self, messages: &[Announcement]) -> Result<(), Unavailable> {
        let listeners = self.pusher.audience.unread(messages).await?;
        // Dropped on an error, which ends what is under way: all of it comes again.
        let mut at_work = JoinSet::new();
        // Devices are read as pushes end, so that what is held is bounded.
        for chunk in chunks(listeners) {
            for (message, to) in self.pusher.audience.devices(&chunk).await? {
                let Some(message) = messages.get(message).cloned() else { continue };
                if at_work.len() >= AT_WORK
                    && let Some(done) = at_work.join_next().await
                {
                    finished(done)?;
                }
                let pusher = Arc::clone(&self.pusher);
                at_work.spawn(async move { pusher.tell(&message, &to).await });
            }
        }
        while let Some(done) = at_work.join_next().await {
            finished(done)?;
        }
        Ok(())
    }
}

/// A panic is passed on, as it ends the role.
fn finished(done: Result<Result<(), Unavailable>, JoinError>) -> Result<(), Unavailable> {
    match done.map_err(JoinError::try_into_panic) {
        Ok(outcome) => outcome,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(cancelled)) => Err(Unavailable::new("push", cancelled)),
    }
}

impl Pusher {
    async fn tell(&self, message: &Announcement, to: &Subscription) -> Result<(), Unavailable> {
        let Some(provider) = self.ports.providers.of(&to.address) else { return Ok(()) };
        let notification = message.notification(self.ttl);
        // Who cannot be asked is told: once too often is better than not at all.
        let still = || -> BoxFuture<'_, bool> {
            Box::pin(async { self.audience.still(message, &to.user).await.unwrap_or(true) })
        };
        let outcome = self.tries.send(&**provider, to, &notification, &still).await;
        let word = match outcome {
            Outcome::Taken => "taken",
            Outcome::Gone => "gone",
            Outcome::GivenUp => "given_up",
            Outcome::Needless => "needless",
        };
        counter!("parlor_push_total", "service" => to.address.kind(), "outcome" => word).increment(1);
        match outcome {
            Outcome::Taken => self.ports.devices.reached(to, Timestamp::now()).await,
            Outcome::Gone => {
                tracing::info!(?to, "a subscription is gone and is removed");
                self.ports.devices.gone(to).await
            }
            Outcome::GivenUp | Outcome::Needless => Ok(()),
        }
    }
}

#[async_trait]
impl Sink for PushSink {
    async fn position(&self, partition: Partition, applied: Option<Position>) -> Result<Position, SinkError> {
        Ok(self.beginning(partition, applied).await?)
    }

    async fn apply(&self, _: Partition, previous: Position, records: &[Record]) -> Result<consume::Outcome, SinkError> {
        let messages = self.announcements(records);
        if !messages.is_empty() {
            self.wait(&messages).await;
            self.push(&messages).await?;
        }
        let position = records.last().map_or(previous, Record::position);
        Ok(consume::Outcome::Applied { position, duplicates: 0 })
    }

    fn remedy(&self) -> &'static str {
        "Nothing was pushed. Remove the group's offsets to begin a minute back"
    }
}
