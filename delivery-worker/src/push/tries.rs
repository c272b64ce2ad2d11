//! Trying a service again, and giving up: 3 tries, never at once (`conversations.md`, queueService; DESIGN.md §8).

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use metrics::counter;
use parking_lot::Mutex;
use parlor_core::ports::devices::Subscription;
use parlor_core::ports::push::{Notification, PushError, PushProvider};
use tokio::time::{Instant, sleep};

use super::origins::{LONG, Origins};

/// Tries in all.
const TRIES: u32 = 3;
/// Subscriptions that are remembered as failing.
const MAX_FAILING: usize = 10_000;

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The service has it.
    Taken,
    /// The subscription is over: remove it.
    Gone,
    /// The service will never take it, did not in time, or does not answer these days.
    GivenUp,
    /// Its user has come back or has read the message.
    Needless,
}

/// Sends, with bounds on how much is sent at once and how often.
pub(super) struct Tries {
    origins: Origins,
    pause: Duration,
    /// Endpoints and tokens at which the last push failed however often it was tried. They get one try a message until
    /// one succeeds: an endpoint that never answers would otherwise hold up its partition for half a minute each time.
    failing: Mutex<HashSet<String>>,
}

impl Tries {
    pub(super) fn new(concurrency: usize, pause: Duration) -> Self {
        Self { origins: Origins::new(concurrency), pause, failing: Mutex::default() }
    }

    /// Tries until the service has said something final. Before it tries again it asks whether that is `still` needed.
    pub(super) async fn send<'a>(
        &self,
        provider: &dyn PushProvider,
        to: &Subscription,
        notification: &Notification,
        still: &(dyn Fn() -> BoxFuture<'a, bool> + Sync),
    ) -> Outcome {
        let most = if self.failing.lock().contains(to.address.name()) { 1 } else { TRIES };
        let mut pause = self.pause;
        for n in 1..=most {
            let Some(pass) = self.origins.pass(&to.address).await else {
                counter!("parlor_push_skipped_total", "service" => to.address.kind()).increment(1);
                return Outcome::GivenUp;
            };
            let began = Instant::now();
            let sent = provider.send(to, notification).await;
            pass.end(matches!(sent, Err(PushError::Retry { .. })) && began.elapsed() >= LONG);
            let (after, reason) = match sent {
                Ok(()) => {
                    self.failing.lock().remove(to.address.name());
                    return Outcome::Taken;
                }
                Err(PushError::Gone) => return Outcome::Gone,
                Err(PushError::Rejected(reason)) => {
                    tracing::warn!(?to, reason, "a push was refused");
                    return Outcome::GivenUp;
                }
                Err(PushError::Retry { after, reason }) => (after, reason),
            };
            tracing::debug!(?to, reason, n, "a push was not taken");
            if n == most {
                break;
            }
            counter!("parlor_push_retries_total", "service" => to.address.kind()).increment(1);
            // The service may ask for more patience, never for less.
            sleep(after.unwrap_or_default().max(pause)).await;
            pause *= 2;
            if !still().await {
                return Outcome::Needless;
            }
        }
        let mut failing = self.failing.lock();
        if failing.len() >= MAX_FAILING {
            failing.clear();
        }
        failing.insert(to.address.name().to_owned());
        Outcome::GivenUp
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use parlor_core::device::Address;
    use parlor_core::ids::{MessageId, RoomId, UserId};
    use parlor_core::time::Timestamp;

    use super::*;

    /// Fails so often.
    struct Failing {
        left: AtomicU32,
        asked: Mutex<Vec<Instant>>,
        after: Option<Duration>,
    }

    impl Failing {
        fn times(times: u32) -> Self {
            Self { left: AtomicU32::new(times), asked: Mutex::default(), after: None }
        }

        /// Seconds between what was asked.
        fn pauses(&self) -> Vec<u64> {
            self.asked.lock().windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
        }
    }

    #[async_trait]
    impl PushProvider for Failing {
        async fn send(&self, _: &Subscription, _: &Notification) -> Result<(), PushError> {
            self.asked.lock().push(Instant::now());
            if self.left.load(Ordering::Relaxed) == 0 {
                return Ok(());
            }
            self.left.fetch_sub(1, Ordering::Relaxed);
            Err(PushError::Retry { after: self.after, reason: "for a test".into() })
        }
    }

    fn to() -> Subscription {
        Subscription {
            user: UserId::trusted("ann"),
            address: Address::Fcm { token: "a phone".into() },
            registered_at: Timestamp(0),
            reached_at: None,
        }
    }

    fn notification() -> Notification {
        Notification {
            message: MessageId::now(),
            room: RoomId::trusted("r"),
            sender: UserId::trusted("bob"),
            title: "Bob".into(),
            body: None,
            time: Timestamp(0),
            ttl: Duration::from_secs(60),
        }
    }

    async fn send(tries: &Tries, provider: &Failing) -> Outcome {
        tries.send(provider, &to(), &notification(), &|| Box::pin(async { true })).await
    }

    fn tries() -> Tries {
        Tries::new(4, Duration::from_secs(2))
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_is_tried_three_times_two_and_four_seconds_apart() {
        let provider = Failing::times(9);
        assert_eq!(send(&tries(), &provider).await, Outcome::GivenUp);
        assert_eq!(provider.pauses(), [2, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_that_is_taken_is_not_tried_again() {
        let provider = Failing::times(1);
        assert_eq!(send(&tries(), &provider).await, Outcome::Taken);
        assert_eq!(provider.pauses(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_may_ask_for_more_patience() {
        let provider = Failing { after: Some(Duration::from_secs(3)), ..Failing::times(2) };
        assert_eq!(send(&tries(), &provider).await, Outcome::Taken);
        assert_eq!(provider.pauses(), [3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_meanwhile_is_not_tried_again() {
        let provider = Failing::times(9);
        let outcome = tries().send(&provider, &to(), &notification(), &|| Box::pin(async { false })).await;
        assert_eq!((outcome, provider.pauses().len()), (Outcome::Needless, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscription_that_keeps_failing_gets_one_try_until_one_succeeds() {
        let (tries, provider) = (tries(), Failing::times(4));
        assert_eq!(send(&tries, &provider).await, Outcome::GivenUp);
        assert_eq!(send(&tries, &provider).await, Outcome::GivenUp);
        assert_eq!(provider.asked.lock().len(), 4);
        assert_eq!(send(&tries, &provider).await, Outcome::Taken);
        provider.left.store(1, Ordering::Relaxed);
        assert_eq!(send(&tries, &provider).await, Outcome::Taken);
        assert_eq!(provider.asked.lock().len(), 7);
    }
}
