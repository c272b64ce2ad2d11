//! The contract of [`super::limits`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::limits_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::limits::{Admission, Ask, Limits, Remember, Said};
use crate::error::Limit;
use crate::ids::{EventId, MessageId, RoomId, Seq, UserId};

/// One promise a test.
#[macro_export]
macro_rules! limits_contract {
    ($make:expr) => {
        $crate::limits_contract!(@ $make;
            exactly_the_limit_is_admitted_in_a_window
            refusals_are_not_counted_and_after_retry_after_the_action_is_admitted
            the_window_slides
            tiers_and_users_have_windows_of_their_own
            a_limit_is_shared_by_all_clients
            concurrent_actions_never_pass_the_limit
            a_limit_of_zero_refuses_and_none_admits
            the_first_id_remembered_holds_for_everyone
            a_refused_action_remembers_nothing
            nothing_asked_is_nothing_answered
            the_version_of_a_room_is_read_in_the_same_trip
            the_first_place_of_an_event_is_read_in_the_same_trip
            the_same_said_again_within_the_window_is_a_repetition_and_a_resend_is_none
            a_repetition_is_counted_and_remembers_nothing
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::limits_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// An implementation under test, with a memory of its own.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A client of it, always the same.
    fn client(&self) -> Arc<dyn Limits>;
    /// Another client of the same memory, as another process has it.
    async fn another(&self) -> Arc<dyn Limits>;
    /// Makes this the membership version of a room, as an event applied to the fan-out would.
    async fn raise_version(&self, room: &RoomId, version: u64);
    /// Applies an event of this id to the fan-out, which knows nothing of the room's partition. Returns its place.
    async fn deliver(&self, room: &RoomId, id: EventId) -> Seq;
}

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

fn per(limit: u32, window: Duration) -> Option<Limit> {
    Some(Limit { limit, window })
}

const MINUTE: Duration = Duration::from_secs(60);

async fn act(client: &dyn Limits, user: &UserId, tier: &str, limit: Option<Limit>) -> Option<Duration> {
    let ask = Ask { user, tier, limit, room: None, first: None, remember: None, said: None };
    let Admission { retry_after, version, id, .. } = client.admit(ask).await.expect("an answer");
    assert_eq!((version, id), (None, None));
    retry_after
}

async fn remember(client: &dyn Limits, limit: Option<Limit>, key: &str, id: MessageId) -> Admission {
    let user = user("ann");
    let remember = Some(Remember { key, id });
    client
        .admit(Ask { user: &user, tier: "message", limit, room: None, first: None, remember, said: None })
        .await
        .expect("an answer")
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn exactly_the_limit_is_admitted_in_a_window<S: Subject>(subject: &S) {
        let client = subject.client();
        for n in 0..5 {
            assert_eq!(act(&*client, &user("ann"), "message", per(5, MINUTE)).await, None, "action {n}");
        }
        let wait = act(&*client, &user("ann"), "message", per(5, MINUTE)).await.expect("refused");
        assert!(Duration::from_secs(50) < wait && wait <= MINUTE, "{wait:?}");
    }

    pub async fn refusals_are_not_counted_and_after_retry_after_the_action_is_admitted<S: Subject>(subject: &S) {
        let client = subject.client();
        let limit = per(2, Duration::from_millis(1_200));
        for _ in 0..2 {
            assert_eq!(act(&*client, &user("ann"), "message", limit).await, None);
        }
        let wait = act(&*client, &user("ann"), "message", limit).await.expect("refused");
        assert!(Duration::from_secs(1) <= wait && wait <= Duration::from_millis(1_200), "{wait:?}");
        for _ in 0..5 {
            assert!(act(&*client, &user("ann"), "message", limit).await.is_some());
        }
        tokio::time::sleep(wait + Duration::from_millis(5)).await;
        assert_eq!(act(&*client, &user("ann"), "message", limit).await, None);
    }

    pub async fn the_window_slides<S: Subject>(subject: &S) {
        let client = subject.client();
        let limit = per(2, Duration::from_millis(1_000));
        assert_eq!(act(&*client, &user("ann"), "message", limit).await, None);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(act(&*client, &user("ann"), "message", limit).await, None);
        tokio::time::sleep(Duration::from_millis(450)).await;
        // The first has left the window, the second has not: no two windows' worth around a boundary.
        assert_eq!(act(&*client, &user("ann"), "message", limit).await, None);
        assert!(act(&*client, &user("ann"), "message", limit).await.is_some());
    }

    pub async fn tiers_and_users_have_windows_of_their_own<S: Subject>(subject: &S) {
        let client = subject.client();
        for (name, tier) in [("ann", "message"), ("ann", "file"), ("bob", "message")] {
            assert_eq!(act(&*client, &user(name), tier, per(1, MINUTE)).await, None);
            assert!(act(&*client, &user(name), tier, per(1, MINUTE)).await.is_some());
        }
    }

    pub async fn a_limit_is_shared_by_all_clients<S: Subject>(subject: &S) {
        let (one, other) = (subject.client(), subject.another().await);
        for client in [&one, &other, &one] {
            assert_eq!(act(&**client, &user("ann"), "message", per(3, MINUTE)).await, None);
        }
        for client in [one, other] {
            assert!(act(&*client, &user("ann"), "message", per(3, MINUTE)).await.is_some());
        }
    }

    pub async fn concurrent_actions_never_pass_the_limit<S: Subject>(subject: &S) {
        let clients = [subject.client(), subject.another().await];
        let actions = (0..40).map(|n: usize| {
            let client = Arc::clone(&clients[n % 2]);
            async move { act(&*client, &user("ann"), "message", per(7, MINUTE)).await.is_none() }
        });
        let admitted = futures_util::future::join_all(actions).await.into_iter().filter(|admitted| *admitted).count();
        assert_eq!(admitted, 7);
    }

    pub async fn a_limit_of_zero_refuses_and_none_admits<S: Subject>(subject: &S) {
        let client = subject.client();
        assert_eq!(act(&*client, &user("ann"), "message", per(0, MINUTE)).await, Some(MINUTE));
        for _ in 0..100 {
            assert_eq!(act(&*client, &user("ann"), "message", None).await, None);
        }
    }

    pub async fn the_first_id_remembered_holds_for_everyone<S: Subject>(subject: &S) {
        let (one, other) = (subject.client(), subject.another().await);
        let [first, second] = [MessageId::now(), MessageId::now()];
        assert_eq!(remember(&*one, per(10, MINUTE), "digest", first).await.id, Some(first));
        assert_eq!(remember(&*other, per(10, MINUTE), "digest", second).await.id, Some(first));
        assert_eq!(remember(&*one, None, "digest", second).await.id, Some(first));
        assert_eq!(remember(&*one, None, "another", second).await.id, Some(second));
    }

    pub async fn a_refused_action_remembers_nothing<S: Subject>(subject: &S) {
        let client = subject.client();
        let [first, second, third] = [MessageId::now(), MessageId::now(), MessageId::now()];
        assert_eq!(remember(&*client, per(1, MINUTE), "one", first).await.id, Some(first));
        let refused = remember(&*client, per(1, MINUTE), "two", second).await;
        assert!(refused.retry_after.is_some());
        assert_eq!(refused.id, None);
        assert_eq!(remember(&*client, None, "two", third).await.id, Some(third));
    }

    pub async fn nothing_asked_is_nothing_answered<S: Subject>(subject: &S) {
        let ask = Ask {
            user: &user("ann"),
            tier: "message",
            limit: None,
            room: None,
            first: None,
            remember: None,
            said: None,
        };
        let nothing = Admission::default();
        assert_eq!(subject.client().admit(ask).await.expect("an answer"), nothing);
    }

    pub async fn the_version_of_a_room_is_read_in_the_same_trip<S: Subject>(subject: &S) {
        let (client, ann, room) = (subject.client(), user("ann"), RoomId::trusted("general"));
        let id = MessageId::now();
        let ask = || Ask {
            user: &ann,
            tier: "message",
            limit: per(2, MINUTE),
            room: Some(&room),
            first: None,
            remember: Some(Remember { key: "digest", id }),
            said: None,
        };
        let unknown = Admission { id: Some(id), ..Admission::default() };
        assert_eq!(client.admit(ask()).await.expect("an answer"), unknown);
        subject.raise_version(&room, 12).await;
        let known = Admission { version: Some(12), ..unknown };
        assert_eq!(client.admit(ask()).await.expect("an answer"), known);
        let refused = client.admit(ask()).await.expect("an answer");
        assert!(refused.retry_after.is_some());
        assert_eq!(refused.version, Some(12), "a refusal reads it too");
        let alone = client.admit(Ask { limit: None, remember: None, ..ask() }).await.expect("an answer");
        assert_eq!(alone, Admission { version: Some(12), ..Admission::default() });
    }

    pub async fn the_first_place_of_an_event_is_read_in_the_same_trip<S: Subject>(subject: &S) {
        let (client, ann, room) = (subject.client(), user("ann"), RoomId::trusted("general"));
        let (id, other) = (EventId::now(), EventId::now());
        let ask = |first, limit| Ask {
            user: &ann,
            tier: "message",
            limit,
            room: Some(&room),
            first: Some(first),
            remember: None,
            said: None,
        };
        assert_eq!(client.admit(ask(id, per(2, MINUTE))).await.expect("an answer"), Admission::default());
        let seq = subject.deliver(&room, id).await;
        let known = client.admit(ask(id, per(2, MINUTE))).await.expect("an answer");
        assert_eq!((known.first, known.retry_after), (Some(seq), None));
        for client in [client, subject.another().await] {
            assert_eq!(client.admit(ask(id, None)).await.expect("an answer").first, Some(seq), "asked alone");
            assert_eq!(client.admit(ask(other, None)).await.expect("an answer").first, None, "another event");
        }
    }

    pub async fn the_same_said_again_within_the_window_is_a_repetition_and_a_resend_is_none<S: Subject>(subject: &S) {
        let clients = [subject.client(), subject.another().await];
        let say = async |at: usize, who: &str, key: &str, digest: &str, token: &str| {
            let (user, window) = (user(who), Duration::from_millis(1_000));
            let said = Some(Said { key, digest, token, window });
            let ask = Ask { user: &user, tier: "message", limit: None, room: None, first: None, remember: None, said };
            clients[at % 2].admit(ask).await.expect("an answer").repeated
        };
        assert!(!say(0, "ann", "k", "hi", "t1").await);
        assert!(say(1, "ann", "k", "hi", "t2").await, "through another gateway too");
        assert!(say(0, "ann", "k", "hi", "").await);
        assert!(!say(1, "ann", "k", "hi", "t1").await, "a resend");
        assert!(!say(0, "bob", "k", "hi", "t2").await && !say(0, "ann", "other", "hi", "t2").await);
        assert!(!say(0, "ann", "k", "ho", "").await);
        assert!(say(0, "ann", "k", "ho", "").await, "without a token nothing is a resend");
        assert!(!say(0, "ann", "k", "hi", "t2").await, "compared with the last alone");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(say(1, "ann", "k", "hi", "t3").await);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!say(1, "ann", "k", "hi", "t4").await, "refusals do not prolong it");
    }

    pub async fn a_repetition_is_counted_and_remembers_nothing<S: Subject>(subject: &S) {
        let (client, ann) = (subject.client(), user("ann"));
        let [first, second] = [MessageId::now(), MessageId::now()];
        let ask = |key, id, token| Ask {
            user: &ann,
            tier: "message",
            limit: per(2, MINUTE),
            room: None,
            first: None,
            remember: Some(Remember { key, id }),
            said: Some(Said { key: "k", digest: "hi", token, window: MINUTE }),
        };
        let admitted = client.admit(ask("one", first, "t1")).await.expect("an answer");
        assert_eq!(admitted, Admission { id: Some(first), ..Admission::default() });
        let repeated = client.admit(ask("two", first, "t2")).await.expect("an answer");
        assert_eq!(repeated, Admission { repeated: true, ..Admission::default() });
        let refused = client.admit(ask("two", first, "t1")).await.expect("an answer");
        assert!(refused.retry_after.is_some() && !refused.repeated, "the limit comes first");
        assert_eq!(remember(&*client, None, "two", second).await.id, Some(second));
    }
}

pub use promises::*;
