//! The contract of [`super::devices`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::devices_contract!(make())`, where `make` gives a [`Subject`] that is empty.

use std::sync::Arc;

use async_trait::async_trait;

use super::devices::{Announced, Devices, Listener, MAX_SUBSCRIPTIONS, REACHED_EVERY_MS, Subscription};
use super::store::Store;
use crate::device::Address;
use crate::event::{Room, RoomKind};
use crate::ids::{RoomId, Seq, UserId};
use crate::membership::{Change, nameless};
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! devices_contract {
    ($make:expr) => {
        $crate::devices_contract!(@ $make;
            a_subscription_is_kept_as_it_was_given
            the_same_address_again_is_the_same_subscription
            an_address_belongs_to_who_registered_it_last
            with_one_too_many_the_oldest_goes
            only_the_owner_unsubscribes
            a_subscription_that_is_gone_is_removed_unless_it_came_back
            success_is_noted_at_most_once_an_hour
            members_with_a_device_are_the_audience_and_the_sender_is_not
            who_left_or_is_muted_is_no_audience
            who_blocks_the_sender_is_no_audience
            of_a_big_room_only_who_is_mentioned_is_the_audience
            channels_and_unknown_rooms_have_no_audience
            the_audience_is_told_by_message_with_what_it_has_read
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let subject = $make.await;
                $crate::ports::devices_contract::$promise(&subject).await;
                $crate::ports::devices_contract::Subject::close(subject).await;
            }
        )*
    };
}

/// An implementation under test, empty.
#[async_trait]
pub trait Subject: Send + Sync {
    /// What is tried.
    fn devices(&self) -> Arc<dyn Devices>;
    /// The store over the same rows, for rooms and members.
    fn store(&self) -> Arc<dyn Store>;
    /// Sets a member's `notifications_enabled` to false.
    async fn mute(&self, room: &RoomId, user: &UserId);
    /// Makes a user block another.
    async fn block(&self, user: &UserId, whom: &UserId);
    /// Sets how far a member has read.
    async fn read(&self, room: &RoomId, user: &UserId, through: Seq);
    /// Removes what was made for the test.
    async fn close(self);
}

const NOON: Timestamp = Timestamp(1_763_553_600_000);
const BIG: u32 = 500;

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

fn to(owner: &str, address: Address) -> Subscription {
    Subscription { user: user(owner), address, registered_at: NOON, reached_at: None }
}

fn web(owner: &str, path: &str) -> Subscription {
    let endpoint = format!("https://push.example.net/{path}");
    to(owner, Address::Web { endpoint, p256dh: "BCVx".into(), auth: "qg".into() })
}

fn fcm(owner: &str, token: &str) -> Subscription {
    to(owner, Address::Fcm { token: token.into() })
}

fn at(subscription: Subscription, seconds: i64) -> Subscription {
    Subscription { registered_at: NOON.plus_millis(seconds * 1000), ..subscription }
}

async fn subscribe(subject: &impl Subject, subscription: &Subscription) {
    subject.devices().subscribe(subscription).await.expect("subscribed");
}

async fn of(subject: &impl Subject, owner: &str) -> Vec<Subscription> {
    subject.devices().subscriptions(&[user(owner)]).await.expect("subscriptions")
}

async fn room(subject: &impl Subject, id: &str, kind: RoomKind, members: &[&str]) -> RoomId {
    let (store, id) = (subject.store(), RoomId::trusted(id));
    for member in members {
        store.see_user(&nameless(&user(member))).await.expect("seen");
    }
    let room = Room {
        id: id.clone(),
        kind,
        name: (kind != RoomKind::Direct).then(|| "a room".to_owned()),
        description: None,
        avatar: None,
        private: false,
        created_by: user(members[0]),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    let creator = nameless(&user(members[0]));
    let members = members[1..].iter().map(|id| user(id)).collect();
    store.change(&id, &Change::Create { room, creator, members, limit: 100 }).await.expect("made");
    id
}

async fn audience(subject: &impl Subject, room: &RoomId, sender: &str, mentions: &[&str], big: u32) -> Vec<String> {
    let mentions: Vec<UserId> = mentions.iter().map(|id| user(id)).collect();
    let message = Announced { room, sender: &user(sender), mentions: &mentions };
    let found = subject.devices().audience(&[message], big).await.expect("an audience");
    found.into_iter().map(|listener| listener.user.to_string()).collect()
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn a_subscription_is_kept_as_it_was_given<S: Subject>(subject: &S) {
        let given = [web("ann", "a"), fcm("ann", "a token"), web("bob", "b")];
        for subscription in &given {
            subscribe(subject, subscription).await;
        }
        let mut kept = subject.devices().subscriptions(&[user("bob"), user("ann"), user("eve")]).await.expect("read");
        let by = |kept: &Subscription| (kept.user.clone(), kept.address.name().to_owned());
        kept.sort_by_key(by);
        let mut wanted = given.to_vec();
        wanted.sort_by_key(by);
        assert!(kept == wanted);
        assert!(subject.devices().subscriptions(&[]).await.expect("read").is_empty());
    }

    pub async fn the_same_address_again_is_the_same_subscription<S: Subject>(subject: &S) {
        subscribe(subject, &web("ann", "a")).await;
        let endpoint = web("ann", "a").address.name().to_owned();
        let again = at(to("ann", Address::Web { endpoint, p256dh: "new".into(), auth: "newer".into() }), 60);
        subscribe(subject, &again).await;
        assert!(of(subject, "ann").await == [again]);
    }

    pub async fn an_address_belongs_to_who_registered_it_last<S: Subject>(subject: &S) {
        subscribe(subject, &fcm("ann", "a phone")).await;
        subscribe(subject, &at(fcm("bob", "a phone"), 1)).await;
        assert!(of(subject, "ann").await.is_empty());
        assert_eq!(of(subject, "bob").await.len(), 1);
        // The same text for another service is another address.
        let other = to("ann", Address::Apns { token: "a phone".into() });
        subscribe(subject, &other).await;
        assert_eq!((of(subject, "ann").await.len(), of(subject, "bob").await.len()), (1, 1));
    }

    pub async fn with_one_too_many_the_oldest_goes<S: Subject>(subject: &S) {
        subscribe(subject, &fcm("bob", "another's")).await;
        let count = i64::try_from(MAX_SUBSCRIPTIONS).expect("few");
        for n in 0..count {
            subscribe(subject, &at(fcm("ann", &format!("phone {n}")), n)).await;
        }
        // Registered anew, so not the oldest any more.
        subscribe(subject, &at(fcm("ann", "phone 0"), count)).await;
        subscribe(subject, &at(fcm("ann", "the newest"), count + 1)).await;
        let kept: Vec<String> =
            of(subject, "ann").await.into_iter().map(|kept| kept.address.name().to_owned()).collect();
        assert_eq!(kept.len(), MAX_SUBSCRIPTIONS);
        assert_eq!((kept[0].as_str(), kept[1].as_str()), ("the newest", "phone 0"));
        assert!(!kept.contains(&"phone 1".to_owned()) && kept.contains(&"phone 2".to_owned()));
        assert_eq!(of(subject, "bob").await.len(), 1);
    }

    pub async fn only_the_owner_unsubscribes<S: Subject>(subject: &S) {
        let devices = subject.devices();
        let mine = web("ann", "a");
        subscribe(subject, &mine).await;
        assert!(!devices.unsubscribe(&user("eve"), mine.address.name()).await.expect("an answer"));
        assert!(devices.unsubscribe(&user("ann"), mine.address.name()).await.expect("an answer"));
        assert!(!devices.unsubscribe(&user("ann"), mine.address.name()).await.expect("an answer"));
        assert!(of(subject, "ann").await.is_empty());
    }

    pub async fn a_subscription_that_is_gone_is_removed_unless_it_came_back<S: Subject>(subject: &S) {
        let devices = subject.devices();
        let (old, new) = (web("ann", "a"), at(web("ann", "a"), 5));
        subscribe(subject, &new).await;
        devices.gone(&old).await.expect("done");
        assert_eq!(of(subject, "ann").await.len(), 1, "it was registered again since");
        devices.gone(&new).await.expect("done");
        assert!(of(subject, "ann").await.is_empty());
        devices.gone(&new).await.expect("nothing to do");
    }

    pub async fn success_is_noted_at_most_once_an_hour<S: Subject>(subject: &S) {
        let (devices, mine) = (subject.devices(), web("ann", "a"));
        subscribe(subject, &mine).await;
        devices.reached(&mine, NOON).await.expect("noted");
        assert_eq!(of(subject, "ann").await[0].reached_at, Some(NOON));
        devices.reached(&mine, NOON.plus_millis(REACHED_EVERY_MS - 1)).await.expect("too soon");
        assert_eq!(of(subject, "ann").await[0].reached_at, Some(NOON));
        devices.reached(&mine, NOON.plus_millis(REACHED_EVERY_MS)).await.expect("noted");
        assert_eq!(of(subject, "ann").await[0].reached_at, Some(NOON.plus_millis(REACHED_EVERY_MS)));
    }

    pub async fn members_with_a_device_are_the_audience_and_the_sender_is_not<S: Subject>(subject: &S) {
        let group = room(subject, "group_1", RoomKind::Group, &["ann", "bob", "cid", "dee"]).await;
        let direct = room(subject, "direct_ann_bob", RoomKind::Direct, &["ann", "bob"]).await;
        for owner in ["ann", "bob", "cid", "stranger"] {
            subscribe(subject, &fcm(owner, &format!("{owner}'s phone"))).await;
            subscribe(subject, &web(owner, owner)).await;
        }
        assert_eq!(audience(subject, &group, "ann", &[], BIG).await, ["bob", "cid"]);
        assert_eq!(audience(subject, &group, "stranger", &["stranger"], BIG).await, ["ann", "bob", "cid"]);
        assert_eq!(audience(subject, &direct, "bob", &[], BIG).await, ["ann"]);
    }

    pub async fn who_left_or_is_muted_is_no_audience<S: Subject>(subject: &S) {
        let group = room(subject, "group_1", RoomKind::Group, &["ann", "bob", "cid", "dee"]).await;
        for owner in ["ann", "bob", "cid", "dee"] {
            subscribe(subject, &fcm(owner, &format!("{owner}'s phone"))).await;
        }
        subject.mute(&group, &user("bob")).await;
        let leave = Change::Leave { user: nameless(&user("cid")) };
        subject.store().change(&group, &leave).await.expect("left");
        assert_eq!(audience(subject, &group, "ann", &[], BIG).await, ["dee"]);
    }

    pub async fn who_blocks_the_sender_is_no_audience<S: Subject>(subject: &S) {
        let group = room(subject, "group_1", RoomKind::Group, &["ann", "bob", "cid"]).await;
        for owner in ["ann", "bob", "cid"] {
            subscribe(subject, &fcm(owner, &format!("{owner}'s phone"))).await;
        }
        subject.block(&user("bob"), &user("ann")).await;
        assert_eq!(audience(subject, &group, "ann", &[], BIG).await, ["cid"]);
        assert_eq!(audience(subject, &group, "bob", &[], BIG).await, ["ann", "cid"]);
    }

    pub async fn of_a_big_room_only_who_is_mentioned_is_the_audience<S: Subject>(subject: &S) {
        let group = room(subject, "group_1", RoomKind::Group, &["ann", "bob", "cid", "dee"]).await;
        for owner in ["ann", "bob", "cid", "stranger"] {
            subscribe(subject, &fcm(owner, &format!("{owner}'s phone"))).await;
        }
        assert!(audience(subject, &group, "ann", &[], 3).await.is_empty());
        let named = ["cid", "ann", "stranger", "dee", "cid"];
        assert_eq!(audience(subject, &group, "ann", &named, 3).await, ["cid"]);
        assert_eq!(audience(subject, &group, "ann", &named, 4).await, ["bob", "cid"], "four are not over four");
    }

    pub async fn channels_and_unknown_rooms_have_no_audience<S: Subject>(subject: &S) {
        let lobby = room(subject, "lobby", RoomKind::Channel, &["ann", "bob"]).await;
        subscribe(subject, &fcm("bob", "a phone")).await;
        for room in [lobby, RoomId::trusted("nowhere"), RoomId::inbox(&user("bob"))] {
            assert!(audience(subject, &room, "ann", &["bob"], BIG).await.is_empty(), "{room}");
        }
    }

    pub async fn the_audience_is_told_by_message_with_what_it_has_read<S: Subject>(subject: &S) {
        let one = room(subject, "group_1", RoomKind::Group, &["ann", "bob"]).await;
        let other = room(subject, "group_2", RoomKind::Group, &["bob", "cid", "ann"]).await;
        for owner in ["ann", "bob"] {
            subscribe(subject, &fcm(owner, &format!("{owner}'s phone"))).await;
        }
        subject.read(&other, &user("ann"), Seq(77)).await;
        let (ann, bob) = (user("ann"), user("bob"));
        let message = |room, sender| Announced { room, sender, mentions: &[] };
        let messages = [message(&other, &bob), message(&one, &ann), message(&other, &ann), message(&other, &bob)];
        let found = subject.devices().audience(&messages, BIG).await.expect("an audience");
        let listener = |message, user: &UserId, seq| Listener { message, user: user.clone(), read_through: Seq(seq) };
        let wanted = [listener(0, &ann, 77), listener(1, &bob, 0), listener(2, &bob, 0), listener(3, &ann, 77)];
        assert_eq!(found, wanted);
        assert!(subject.devices().audience(&[], BIG).await.expect("an audience").is_empty());
    }
}

pub use promises::*;
