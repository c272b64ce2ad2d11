use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use metrics::counter;
use parking_lot::Mutex;
use parlor_core::consume::{self, Sink, SinkError};
use parlor_core::ids::{Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::announce::Announcement;
use super::audience::{Audience, chunks};
use super::tries::{Outcome, Tries};
use super::unfinished::Unfinished;
use super::{Config, Ports};

/// Where nothing was ever committed, pushing begins so far back.
const BEGINNING_MS: i64 = 60_000;

/// How long a batch waits for its pushes before the next one begins beside it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Push as a sink: at least once. The group's committed offset moves past a message when all its pushes are done or given
/// up, which is after 36 s at most (three tries of 10 s, 2 and 4 s apart) unless the service asks for more patience. A
/// message that is pushed again because it had not moved carries the same collapse key, and a device shows it once.
///
/// A batch is given a second for its pushes; those that take longer go on while the next batches begin
/// ([`Sink::unfinished`]), so a slow service holds up only what is for it. What is under way is bounded for each partition
/// (512 pushes), and what is for a host that never answers is given up soon (`origins`). When the process stops, what is
/// under way ends with it and is pushed again by whoever goes on.
pub struct PushSink {
    pusher: Arc<Pusher>,
    config: Config,
    unfinished: Arc<Unfinished>,
    /// Ended with the sink.
    at_work: Mutex<JoinSet<()>>,
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
        let pusher = Arc::new(Pusher { ports, ttl: config.ttl, audience, tries });
        Self { pusher, config, unfinished: Arc::default(), at_work: Mutex::default() }
    }

    async fn beginning(&self, partition: Partition, applied: Option<Position>) -> Result<Position, Unavailable> {
        let log = &self.pusher.ports.log;
        let ends = log.ends(partition).await?;
        let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let committed = log.committed(&self.config.group).await?.get(index).copied().flatten();
        if let Some(committed) = committed {
            self.unfinished.forget_before(partition, committed);
        }
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

    async fn push(&self, partition: Partition, messages: &[Announcement]) -> Result<(), Unavailable> {
        let listeners = self.pusher.audience.unread(messages).await?;
        // Closed when the last push of the batch has ended.
        let (under_way, mut ended) = mpsc::channel::<Infallible>(1);
        // Devices are read as pushes end, so that what is held is bounded. On an error all of it comes again.
        for chunk in chunks(listeners) {
            for (message, to) in self.pusher.audience.devices(&chunk).await? {
                let Some(message) = messages.get(message).cloned() else { continue };
                let push = self.unfinished.begin(partition, message.seq.offset()).await;
                let (pusher, under_way) = (Arc::clone(&self.pusher), under_way.clone());
                self.at_work.lock().spawn(async move {
                    pusher.tell(&message, &to).await;
                    drop((push, under_way));
                });
                self.reap();
            }
        }
        drop(under_way);
        let _ = timeout(PATIENCE, ended.recv()).await;
        self.reap();
        Ok(())
    }

    /// Forgets pushes that have ended. A panic is passed on, as it ends the role.
    fn reap(&self) {
        while let Some(done) = self.at_work.lock().try_join_next() {
            if let Err(Ok(panic)) = done.map_err(JoinError::try_into_panic) {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Pusher {
    async fn tell(&self, message: &Announcement, to: &Subscription) {
        let Some(provider) = self.ports.providers.of(&to.address) else { return };
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
        let noted = match outcome {
            Outcome::Taken => self.ports.devices.reached(to, Timestamp::now()).await,
            Outcome::Gone => {
                tracing::info!(?to, "a subscription is gone and is removed");
                self.ports.devices.gone(to).await
            }
            Outcome::GivenUp | Outcome::Needless => Ok(()),
        };
        if let Err(error) = noted {
            // The next push to it says so again.
            tracing::debug!(%error, "what became of a push could not be noted");
        }
    }
}

#[async_trait]
impl Sink for PushSink {
    async fn position(&self, partition: Partition, applied: Option<Position>) -> Result<Position, SinkError> {
        Ok(self.beginning(partition, applied).await?)
    }

    async fn apply(
        &self,
        partition: Partition,
        previous: Position,
        records: &[Record],
    ) -> Result<consume::Outcome, SinkError> {
        let messages = self.announcements(records);
        if !messages.is_empty() {
            self.wait(&messages).await;
            self.push(partition, &messages).await?;
        }
        let position = records.last().map_or(previous, Record::position);
        Ok(consume::Outcome::Applied { position, duplicates: 0 })
    }

    fn unfinished(&self, partition: Partition) -> Option<Offset> {
        self.unfinished.first(partition)
    }

    fn remedy(&self) -> &'static str {
        "Nothing was pushed. Remove the group's offsets to begin a minute back"
    }
}
