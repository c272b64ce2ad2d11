//! The contract of [`super::presence`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::presence_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::sync::Arc;
use std::time::Duration;

use super::presence::{Ghosts, Hold, Live, Moved, Presence};
use crate::event::{Actor, Status};
use crate::ids::{RoomId, UserId};
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! presence_contract {
    ($make:expr) => {
        $crate::presence_contract!(@ $make;
            the_first_lease_anywhere_brings_a_user_online
            the_last_lease_to_end_takes_a_user_offline_and_is_last_seen
            the_strongest_status_of_all_devices_is_shown
            who_hides_is_offline_to_others_until_a_device_shows_itself
            a_status_lives_as_long_as_its_lease
            who_comes_online_on_another_device_is_away_no_more
            who_has_moved_to_another_gateway_is_seen_as_there
            a_lease_lingers_until_its_user_is_back
            who_was_hidden_stays_hidden_while_their_lease_lingers
            a_gateway_that_falls_silent_leaves_no_ghosts
            a_ghost_who_is_back_elsewhere_never_went_away
            a_gateway_that_was_buried_is_told_so_once
            a_gateway_that_says_goodbye_is_not_buried
            a_turn_is_taken_by_one
            a_lease_that_is_not_renewed_ends_by_itself
            a_renewed_lease_lives_on
            many_users_arrive_at_once
            a_user_nobody_knows_was_never_seen
            a_channel_counts_users_not_connections
            a_channel_lease_ends_by_itself_and_entering_again_renews_it
            leaving_a_channel_one_is_not_in_changes_nothing
            a_channel_shows_as_many_as_are_asked_for
            typing_ends_when_told_and_by_itself
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::presence_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// An implementation under test, with a memory of its own and leases of [`LEASE`].
pub trait Subject: Send + Sync {
    /// A client of it, always the same.
    fn client(&self) -> Arc<dyn Presence>;
}

/// How long a lease lives in this suite.
pub const LEASE: Duration = Duration::from_millis(800);

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

fn online(id: &str) -> (UserId, Status) {
    (user(id), Status::Online)
}

fn actor(id: &str) -> Actor {
    Actor { id: user(id), name: format!("{id}'s name").into(), avatar: Some("https://example.org/a.png".into()) }
}

fn room() -> RoomId {
    RoomId::trusted("lobby")
}

fn live(count: u32, changed: bool) -> Live {
    Live { count, changed }
}

async fn sleep(part: f64) {
    tokio::time::sleep(LEASE.mul_f64(part)).await;
}

async fn status(presence: &dyn Presence, id: &str) -> Status {
    presence.look(&[user(id)]).await.expect("looked")[0].status
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn the_first_lease_anywhere_brings_a_user_online<S: Subject>(subject: &S) {
        let presence = subject.client();
        let both = [user("ann"), user("bob")];
        assert_eq!(status(&*presence, "ann").await, Status::Offline);
        assert_eq!(presence.arrive("gw-1", &both[..1]).await.expect("arrived"), [online("ann")]);
        assert_eq!(presence.arrive("gw-1", &both).await.expect("arrived"), [online("bob")]);
        assert!(presence.arrive("gw-2", &both).await.expect("arrived").is_empty());
        assert_eq!(status(&*presence, "ann").await, Status::Online);
    }

    pub async fn the_last_lease_to_end_takes_a_user_offline_and_is_last_seen<S: Subject>(subject: &S) {
        let presence = subject.client();
        for gateway in ["gw-1", "gw-2"] {
            presence.arrive(gateway, &[user("ann")]).await.expect("arrived");
        }
        let began = Timestamp::now();
        // What they did there was a while ago: that is when they were seen.
        let earlier = began.plus_millis(-8_000);
        let departs = presence.depart("gw-1", &user("ann"), earlier).await.expect("departed");
        assert_eq!(departs, Moved { before: Status::Online, after: Status::Online });
        assert_eq!(status(&*presence, "ann").await, Status::Online);
        sleep(0.1).await;
        let departs = presence.depart("gw-2", &user("ann"), began).await.expect("departed");
        assert_eq!(departs, Moved { before: Status::Online, after: Status::Offline });
        let seen = presence.look(&[user("ann")]).await.expect("looked")[0];
        assert_eq!((seen.status, seen.last_seen), (Status::Offline, Some(began)), "the latest of their leases");
        assert_eq!(presence.arrive("gw-1", &[user("ann")]).await.expect("arrived"), [online("ann")], "and back");
    }

    pub async fn the_strongest_status_of_all_devices_is_shown<S: Subject>(subject: &S) {
        let presence = subject.client();
        let set = async |gateway: &str, to| presence.set_status(gateway, &user("ann"), to).await.expect("set");
        let moved = |before, after| Moved { before, after };
        assert_eq!(set("gw-1", Status::Busy).await, moved(Status::Offline, Status::Offline), "no lease, no status");
        for gateway in ["gw-1", "gw-2"] {
            presence.arrive(gateway, &[user("ann")]).await.expect("arrived");
        }
        assert_eq!(set("gw-1", Status::Away).await, moved(Status::Online, Status::Online), "online elsewhere");
        assert_eq!(set("gw-2", Status::Away).await, moved(Status::Online, Status::Away));
        assert_eq!(set("gw-1", Status::Busy).await, moved(Status::Away, Status::Busy));
        assert_eq!(set("gw-2", Status::Online).await, moved(Status::Busy, Status::Busy));
        assert_eq!(status(&*presence, "ann").await, Status::Busy);
        let depart = presence.depart("gw-1", &user("ann"), Timestamp::now()).await.expect("departed");
        assert_eq!(depart, moved(Status::Busy, Status::Online));
    }

    pub async fn who_hides_is_offline_to_others_until_a_device_shows_itself<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        let hidden = presence.set_status("gw-1", &user("ann"), Status::Offline).await.expect("set");
        assert_eq!(hidden, Moved { before: Status::Online, after: Status::Offline });
        let seen = presence.look(&[user("ann")]).await.expect("looked")[0];
        assert!(seen.status == Status::Offline && seen.last_seen.is_some(), "{seen:?}");
        sleep(0.3).await;
        assert!(presence.arrive("gw-1", &[user("ann")]).await.expect("renewed").is_empty());
        assert_eq!(status(&*presence, "ann").await, Status::Offline, "renewing does not show it");
        assert_eq!(presence.arrive("gw-2", &[user("ann")]).await.expect("arrived"), [online("ann")], "another device");
        assert_eq!(status(&*presence, "ann").await, Status::Online);
        let depart = presence.depart("gw-2", &user("ann"), Timestamp::now()).await.expect("departed");
        assert_eq!(depart, Moved { before: Status::Online, after: Status::Offline });
        presence.depart("gw-1", &user("ann"), Timestamp::now()).await.expect("departed");
        assert_eq!(status(&*presence, "ann").await, Status::Offline);
    }

    pub async fn a_status_lives_as_long_as_its_lease<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        presence.set_status("gw-1", &user("ann"), Status::Away).await.expect("set");
        presence.arrive("gw-1", &[user("ann")]).await.expect("renewed");
        assert_eq!(status(&*presence, "ann").await, Status::Away);
        presence.depart("gw-1", &user("ann"), Timestamp::now()).await.expect("departed");
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        assert_eq!(status(&*presence, "ann").await, Status::Online, "a new lease begins online");
    }

    pub async fn who_comes_online_on_another_device_is_away_no_more<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        presence.set_status("gw-1", &user("ann"), Status::Away).await.expect("set");
        assert_eq!(presence.arrive("gw-2", &[user("ann")]).await.expect("arrived"), [online("ann")]);
        assert!(presence.arrive("gw-2", &[user("ann")]).await.expect("renewed").is_empty());
    }

    pub async fn who_has_moved_to_another_gateway_is_seen_as_there<S: Subject>(subject: &S) {
        let presence = subject.client();
        let moved = |before, after| Moved { before, after };
        let set = async |gateway: &str, to| presence.set_status(gateway, &user("ann"), to).await.expect("set");
        presence.linger("gw-1", &user("ann")).await.expect("no lease to linger");
        assert_eq!(status(&*presence, "ann").await, Status::Offline);
        for gateway in ["gw-1", "gw-2"] {
            presence.arrive(gateway, &[user("ann")]).await.expect("arrived");
        }
        presence.linger("gw-1", &user("ann")).await.expect("lingers");
        assert_eq!(set("gw-2", Status::Away).await, moved(Status::Online, Status::Away), "where they are now");
        let depart = presence.depart("gw-1", &user("ann"), Timestamp::now()).await.expect("departed");
        assert_eq!(depart, moved(Status::Away, Status::Away));

        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        assert_eq!(set("gw-1", Status::Busy).await, moved(Status::Online, Status::Busy));
        presence.linger("gw-1", &user("ann")).await.expect("lingers");
        assert_eq!(status(&*presence, "ann").await, Status::Busy, "they may be back in a moment");
        assert!(presence.arrive("gw-2", &[user("ann")]).await.expect("renewed").is_empty());
        assert_eq!(presence.arrive("gw-3", &[user("ann")]).await.expect("arrived"), [online("ann")]);
    }

    pub async fn a_lease_lingers_until_its_user_is_back<S: Subject>(subject: &S) {
        let presence = subject.client();
        for gateway in ["gw-1", "gw-2"] {
            presence.arrive(gateway, &[user("ann")]).await.expect("arrived");
            presence.set_status(gateway, &user("ann"), Status::Away).await.expect("set");
        }
        for gateway in ["gw-1", "gw-2"] {
            presence.linger(gateway, &user("ann")).await.expect("lingers");
        }
        assert_eq!(status(&*presence, "ann").await, Status::Away);
        assert!(presence.arrive("gw-1", &[user("ann")]).await.expect("back").is_empty(), "with the status it had");
        let busy = presence.set_status("gw-1", &user("ann"), Status::Busy).await.expect("set");
        assert_eq!(busy, Moved { before: Status::Away, after: Status::Busy });
        presence.arrive("gw-2", &[user("ann")]).await.expect("arrived");
        assert_eq!(status(&*presence, "ann").await, Status::Busy, "it lingers no more");
        presence.linger("gw-1", &user("ann")).await.expect("lingers");
        sleep(1.2).await;
        assert_eq!(status(&*presence, "ann").await, Status::Offline, "lingering renews nothing");
    }

    pub async fn who_was_hidden_stays_hidden_while_their_lease_lingers<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        presence.set_status("gw-1", &user("ann"), Status::Offline).await.expect("hidden");
        let hidden = presence.look(&[user("ann")]).await.expect("looked")[0];
        sleep(0.1).await;
        presence.linger("gw-1", &user("ann")).await.expect("lingers");
        assert_eq!(presence.look(&[user("ann")]).await.expect("looked")[0], hidden);
        presence.depart("gw-1", &user("ann"), Timestamp::now()).await.expect("departed");
        let gone = presence.look(&[user("ann")]).await.expect("looked")[0];
        assert_eq!(gone, hidden, "last seen when they hid");
    }

    pub async fn a_gateway_that_falls_silent_leaves_no_ghosts<S: Subject>(subject: &S) {
        let presence = subject.client();
        let users: Vec<_> = (0..700).map(|n| user(&format!("user-{n:03}"))).collect();
        assert_eq!(presence.hold("dead", LEASE / 2).await.expect("held"), Hold::New);
        assert_eq!(presence.hold("dead", LEASE / 2).await.expect("held"), Hold::Kept);
        presence.hold("alive", LEASE * 20).await.expect("held");
        presence.arrive("dead", &users).await.expect("arrived");
        presence.arrive("alive", &[user("bob")]).await.expect("arrived");
        presence.set_status("dead", &users[5], Status::Offline).await.expect("hidden");
        for id in ["ann", "bob"] {
            presence.enter(&room(), &actor(id), "dead").await.expect("entered");
        }
        sleep(0.6).await;
        presence.arrive("alive", &[user("bob")]).await.expect("renewed");
        presence.enter(&room(), &actor("bob"), "alive").await.expect("entered");
        let mut ghosts = presence.bury().await.expect("buried");
        ghosts.users.sort_by(|one, other| one.0.cmp(&other.0));
        let mut expected: Vec<_> = users.iter().map(|user| (user.clone(), Status::Offline)).collect();
        expected.remove(5);
        assert_eq!(ghosts.users, expected, "who was hidden was offline already");
        assert_eq!(ghosts.exits, [(room(), actor("ann"), 1)]);
        assert_eq!(presence.live(&room(), 10).await.expect("live"), (1, vec![actor("bob")]));
        let seen = presence.look(&users[..2]).await.expect("looked");
        assert!(seen.iter().all(|seen| seen.status == Status::Offline && seen.last_seen.is_some()));
        assert_eq!(status(&*presence, "bob").await, Status::Online);
        assert_eq!(presence.bury().await.expect("once"), Ghosts::default());
    }

    pub async fn a_ghost_who_is_back_elsewhere_never_went_away<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.hold("dead", LEASE / 4).await.expect("held");
        for id in ["ann", "bob"] {
            presence.arrive("dead", &[user(id)]).await.expect("arrived");
            presence.enter(&room(), &actor(id), "dead").await.expect("entered");
        }
        presence.set_status("dead", &user("bob"), Status::Busy).await.expect("set");
        for id in ["ann", "bob"] {
            presence.arrive("alive", &[user(id)]).await.expect("arrived");
            presence.enter(&room(), &actor(id), "alive").await.expect("entered");
        }
        sleep(0.3).await;
        let ghosts = presence.bury().await.expect("buried");
        assert_eq!(ghosts, Ghosts { users: vec![(user("bob"), Status::Online)], exits: Vec::new() });
        assert_eq!(status(&*presence, "ann").await, Status::Online);
        assert_eq!(presence.live(&room(), 10).await.expect("live").0, 2);
    }

    pub async fn a_gateway_that_was_buried_is_told_so_once<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.hold("slow", LEASE / 4).await.expect("held");
        sleep(0.3).await;
        assert_eq!(presence.hold("slow", LEASE / 4).await.expect("held"), Hold::Kept, "late, and in time");
        sleep(0.3).await;
        presence.bury().await.expect("buried");
        assert_eq!(presence.hold("slow", LEASE * 20).await.expect("held"), Hold::Buried);
        assert_eq!(presence.hold("slow", LEASE * 20).await.expect("held"), Hold::Kept);
    }

    pub async fn a_gateway_that_says_goodbye_is_not_buried<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.hold("gw-1", LEASE / 4).await.expect("held");
        presence.release("gw-1").await.expect("released");
        sleep(0.3).await;
        assert_eq!(presence.bury().await.expect("nobody"), Ghosts::default());
        assert_eq!(presence.hold("gw-1", LEASE).await.expect("held"), Hold::New);
    }

    pub async fn a_turn_is_taken_by_one<S: Subject>(subject: &S) {
        let presence = subject.client();
        let turn = async |what: &str| presence.turn(what, LEASE / 4).await.expect("an answer");
        assert_eq!((turn("sweep").await, turn("sweep").await, turn("count").await), (true, false, true));
        sleep(0.3).await;
        assert!(turn("sweep").await);
    }

    pub async fn a_lease_that_is_not_renewed_ends_by_itself<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        sleep(1.2).await;
        let seen = presence.look(&[user("ann")]).await.expect("looked")[0];
        assert_eq!(seen.status, Status::Offline);
        assert!(seen.last_seen.is_some());
        assert_eq!(presence.arrive("gw-2", &[user("ann")]).await.expect("arrived"), [online("ann")]);
    }

    pub async fn a_renewed_lease_lives_on<S: Subject>(subject: &S) {
        let presence = subject.client();
        presence.arrive("gw-1", &[user("ann")]).await.expect("arrived");
        for _ in 0..4 {
            sleep(0.4).await;
            assert!(presence.arrive("gw-1", &[user("ann")]).await.expect("arrived").is_empty());
        }
        assert_eq!(status(&*presence, "ann").await, Status::Online);
    }

    pub async fn many_users_arrive_at_once<S: Subject>(subject: &S) {
        let presence = subject.client();
        let users: Vec<_> = (0..2_000).map(|n| user(&format!("user-{n}"))).collect();
        presence.arrive("gw-1", &users[..3]).await.expect("arrived");
        let came = presence.arrive("gw-2", &users).await.expect("arrived");
        let rest: Vec<_> = users[3..].iter().map(|user| (user.clone(), Status::Online)).collect();
        assert_eq!(came, rest, "in the order given");
        let asked = [users[1_999].clone(), user("nobody"), users[0].clone()];
        let seen: Vec<_> = presence.look(&asked).await.expect("looked").iter().map(|seen| seen.status).collect();
        assert_eq!(seen, [Status::Online, Status::Offline, Status::Online], "in the order asked for");
        assert!(presence.arrive("gw-1", &[]).await.expect("arrived").is_empty());
        assert!(presence.look(&[]).await.expect("looked").is_empty());
    }

    pub async fn a_user_nobody_knows_was_never_seen<S: Subject>(subject: &S) {
        let seen = subject.client().look(&[user("nobody")]).await.expect("looked")[0];
        assert_eq!((seen.status, seen.last_seen), (Status::Offline, None));
    }

    pub async fn a_channel_counts_users_not_connections<S: Subject>(subject: &S) {
        let (presence, room) = (subject.client(), room());
        let enter = async |id: &str, gateway: &str| presence.enter(&room, &actor(id), gateway).await.expect("entered");
        let exit = async |id: &str, gateway: &str| presence.exit(&room, &user(id), gateway).await.expect("left");
        assert_eq!(enter("ann", "gw-1").await, live(1, true));
        assert_eq!(enter("ann", "gw-2").await, live(1, false));
        assert_eq!(enter("bob", "gw-1").await, live(2, true));
        assert_eq!(exit("ann", "gw-1").await, live(2, false));
        assert_eq!(exit("ann", "gw-2").await, live(1, true));
        assert_eq!(presence.live(&room, 10).await.expect("live"), (1, vec![actor("bob")]));
        assert_eq!(exit("bob", "gw-1").await, live(0, true));
        assert_eq!(presence.live(&room, 10).await.expect("live"), (0, Vec::new()));
    }

    pub async fn a_channel_lease_ends_by_itself_and_entering_again_renews_it<S: Subject>(subject: &S) {
        let (presence, room) = (subject.client(), room());
        for id in ["ann", "bob"] {
            presence.enter(&room, &actor(id), "gw-1").await.expect("entered");
        }
        for _ in 0..3 {
            sleep(0.4).await;
            presence.enter(&room, &actor("bob"), "gw-1").await.expect("renewed");
        }
        assert_eq!(presence.live(&room, 10).await.expect("live"), (1, vec![actor("bob")]));
        assert_eq!(presence.enter(&room, &actor("ann"), "gw-2").await.expect("entered"), live(2, true));
    }

    pub async fn leaving_a_channel_one_is_not_in_changes_nothing<S: Subject>(subject: &S) {
        let (presence, room) = (subject.client(), room());
        presence.enter(&room, &actor("ann"), "gw-1").await.expect("entered");
        assert_eq!(presence.exit(&room, &user("bob"), "gw-1").await.expect("left"), live(1, false));
        assert_eq!(presence.exit(&room, &user("ann"), "gw-2").await.expect("left"), live(1, false));
    }

    pub async fn a_channel_shows_as_many_as_are_asked_for<S: Subject>(subject: &S) {
        let (presence, room) = (subject.client(), room());
        for n in 0..5 {
            presence.enter(&room, &actor(&format!("user-{n}")), "gw-1").await.expect("entered");
        }
        let (count, some) = presence.live(&room, 2).await.expect("live");
        assert_eq!((count, some.len()), (5, 2));
    }

    pub async fn typing_ends_when_told_and_by_itself<S: Subject>(subject: &S) {
        let (presence, room) = (subject.client(), room());
        for (id, ttl) in [("ann", LEASE * 20), ("bob", LEASE), ("cid", LEASE * 20)] {
            presence.typing(&room, &actor(id), Some(ttl)).await.expect("typing");
        }
        let typists = async || {
            let mut typists = presence.typists(&room).await.expect("typists");
            typists.sort_by(|one, other| one.id.cmp(&other.id));
            typists
        };
        assert_eq!(typists().await, ["ann", "bob", "cid"].map(actor));
        presence.typing(&room, &actor("cid"), None).await.expect("stopped");
        assert_eq!(typists().await, ["ann", "bob"].map(actor));
        sleep(1.2).await;
        assert_eq!(typists().await, [actor("ann")]);
        assert!(presence.typists(&RoomId::trusted("another")).await.expect("typists").is_empty());
    }
}

pub use promises::*;
