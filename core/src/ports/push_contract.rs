//! The contract of [`super::push`]: runs unchanged on every provider, each against a local server that speaks its
//! service's protocol, checks credentials, and decrypts where there is something to decrypt.
//!
//! A provider's tests say `parlor_core::push_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::devices::Subscription;
use super::push::{MAX_BODY_BYTES, MAX_TITLE_BYTES, Notification, PushError, PushProvider};
use crate::ids::{MAX_ID_CHARS, MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! push_contract {
    ($make:expr) => {
        $crate::push_contract!(@ $make;
            a_notification_arrives_as_it_was_given
            the_message_is_the_collapse_key
            without_text_none_is_told
            the_longest_notification_fits
            a_subscription_that_is_over_is_gone
            a_busy_service_is_tried_again_and_says_when
            a_failing_service_is_tried_again
            a_refused_notification_is_not_tried_again
            a_service_that_is_away_is_tried_again
            credentials_are_made_once_for_many_pushes
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::push_contract::$promise($make.await).await;
            }
        )*
    };
}

/// A provider under test with a service of its own, which takes what comes.
pub trait Subject: Send + Sync {
    /// What is tried.
    fn provider(&self) -> Arc<dyn PushProvider>;
    /// A subscription that the service knows.
    fn subscription(&self) -> Subscription;
    /// What the service answers from now on, in its own words.
    fn answer(&self, mood: Mood);
    /// What the service took so far, as the device reads it.
    fn taken(&self) -> Vec<Taken>;
    /// Closes the service.
    fn away(self);
}

/// What a service answers to a request whose credentials are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// The subscription is over.
    Gone,
    /// Too many requests; try again after so many seconds.
    Busy(u64),
    /// A fault of its own.
    Fails,
    /// Nothing that could ever be taken.
    Refuses,
}

/// A notification that a service took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What a later notification replaces this one by.
    pub collapse: String,
    /// The message.
    pub message: String,
    /// Its room.
    pub room: String,
    /// Who sent it.
    pub sender: String,
    /// The line above.
    pub title: String,
    /// The text.
    pub body: Option<String>,
    /// For how long the service keeps it, in seconds.
    pub ttl: u64,
    /// What the request was let in by.
    pub credential: String,
}

fn notification() -> Notification {
    Notification {
        message: MessageId::now(),
        room: RoomId::trusted("group_1"),
        sender: UserId::trusted("bob"),
        title: "Bob ☎".into(),
        body: Some("\"hi\" <there> é".into()),
        time: Timestamp::now(),
        ttl: Duration::from_secs(3600),
    }
}

async fn send(subject: &impl Subject, notification: &Notification) -> Result<(), PushError> {
    subject.provider().send(&subject.subscription(), notification).await
}

async fn answered(subject: &impl Subject, mood: Mood) -> PushError {
    subject.answer(mood);
    let error = send(subject, &notification()).await.expect_err("not taken");
    assert!(subject.taken().is_empty());
    error
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn a_notification_arrives_as_it_was_given<S: Subject>(subject: S) {
        let given = notification();
        send(&subject, &given).await.expect("taken");
        let taken = subject.taken().pop().expect("one");
        let wanted = Taken {
            message: given.message.to_string(),
            room: given.room.to_string(),
            sender: given.sender.to_string(),
            title: given.title,
            body: given.body,
            ttl: 3600,
            ..taken.clone()
        };
        assert_eq!(taken, wanted);
    }

    pub async fn the_message_is_the_collapse_key<S: Subject>(subject: S) {
        let (one, other) = (notification(), notification());
        for notification in [&one, &one, &other] {
            send(&subject, notification).await.expect("taken");
        }
        let keys: Vec<String> = subject.taken().into_iter().map(|taken| taken.collapse).collect();
        assert_eq!(keys[0], keys[1]);
        assert_ne!(keys[1], keys[2]);
    }

    pub async fn without_text_none_is_told<S: Subject>(subject: S) {
        send(&subject, &Notification { body: None, ..notification() }).await.expect("taken");
        assert_eq!(subject.taken()[0].body, None);
    }

    pub async fn the_longest_notification_fits<S: Subject>(subject: S) {
        let id = "☎".repeat(MAX_ID_CHARS);
        let longest = Notification {
            room: RoomId::trusted(id.clone()),
            sender: UserId::trusted(id),
            title: "\"".repeat(MAX_TITLE_BYTES),
            body: Some("\\".repeat(MAX_BODY_BYTES)),
            ..notification()
        };
        send(&subject, &longest).await.expect("taken");
        assert_eq!(subject.taken()[0].body, longest.body);
    }

    pub async fn a_subscription_that_is_over_is_gone<S: Subject>(subject: S) {
        assert_eq!(answered(&subject, Mood::Gone).await, PushError::Gone);
    }

    pub async fn a_busy_service_is_tried_again_and_says_when<S: Subject>(subject: S) {
        let PushError::Retry { after, .. } = answered(&subject, Mood::Busy(7)).await else { panic!("not retried") };
        assert_eq!(after, Some(Duration::from_secs(7)));
        let PushError::Retry { after, .. } = answered(&subject, Mood::Busy(1_000_000)).await else {
            panic!("not retried")
        };
        assert!(after.is_some_and(|after| after <= Duration::from_secs(60)), "an hour is nobody's to ask: {after:?}");
        subject.answer(Mood::Takes);
        send(&subject, &notification()).await.expect("taken");
    }

    pub async fn a_failing_service_is_tried_again<S: Subject>(subject: S) {
        assert!(matches!(answered(&subject, Mood::Fails).await, PushError::Retry { after: None, .. }));
    }

    pub async fn a_refused_notification_is_not_tried_again<S: Subject>(subject: S) {
        assert!(matches!(answered(&subject, Mood::Refuses).await, PushError::Rejected(_)));
    }

    pub async fn a_service_that_is_away_is_tried_again<S: Subject>(subject: S) {
        let (provider, to) = (subject.provider(), subject.subscription());
        subject.away();
        let sent = provider.send(&to, &notification()).await;
        let Err(PushError::Retry { reason, .. }) = sent else { panic!("{sent:?}") };
        assert!(!reason.contains(to.address.name()), "an address is a capability, and is not logged: {reason}");
    }

    pub async fn credentials_are_made_once_for_many_pushes<S: Subject>(subject: S) {
        let (provider, to) = (subject.provider(), subject.subscription());
        let sends: Vec<_> = (0..20)
            .map(|_| {
                let (provider, to) = (provider.clone(), to.clone());
                tokio::spawn(async move { provider.send(&to, &notification()).await.expect("taken") })
            })
            .collect();
        for sent in sends {
            sent.await.expect("no panic");
        }
        let taken = subject.taken();
        assert_eq!(taken.len(), 20);
        assert_eq!(taken.into_iter().map(|taken| taken.credential).collect::<HashSet<_>>().len(), 1);
    }
}

pub use promises::*;
