//! What rooms, members, users and the outbox of [`Store`](crate::ports::store::Store) promise.

#![allow(missing_docs, reason = "a promise is its name")]

use std::sync::Arc;
use std::time::Duration;

use super::{Trial, delete, text, user};
use crate::error::Code;
use crate::event::{Actor, Event, Kind, Role, Room, RoomKind};
use crate::ids::{RoomId, Seq, UserId};
use crate::membership::{Change, Decision};
use crate::ports::store::{ChangeError, Membership};
use crate::time::Timestamp;

const LIMIT: u32 = 100;

fn room(id: &str, kind: RoomKind) -> Room {
    Room {
        id: RoomId::trusted(id),
        kind,
        name: (kind != RoomKind::Direct).then(|| "Ops ☎".to_owned()),
        description: Some("what it is for".into()),
        avatar: None,
        private: false,
        created_by: UserId::trusted("nobody yet"),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    }
}

fn create(room: Room, creator: &str, members: &[&str]) -> Change {
    let members = members.iter().map(|id| UserId::trusted(*id)).collect();
    Change::Create { room, creator: user(creator), members, limit: LIMIT }
}

fn ids(actors: &[&str]) -> Vec<UserId> {
    actors.iter().map(|id| UserId::trusted(*id)).collect()
}

impl Trial {
    pub(super) async fn meet(&self, users: &[&str]) {
        for id in users {
            self.store.see_user(&user(id)).await.expect("seen");
        }
    }

    pub(super) async fn group(&self, id: &str, creator: &str, members: &[&str]) -> Decision {
        self.meet(&[creator]).await;
        self.meet(members).await;
        let change = create(room(id, RoomKind::Group), creator, members);
        self.store.change(&RoomId::trusted(id), &change).await.expect("made")
    }

    pub(super) async fn join(&self, id: &str, who: &str) -> Result<Decision, ChangeError> {
        self.store.change(&RoomId::trusted(id), &Change::Join { user: user(who), limit: LIMIT }).await
    }

    pub(super) async fn leave(&self, id: &str, who: &str) -> Result<Decision, ChangeError> {
        self.store.change(&RoomId::trusted(id), &Change::Leave { user: user(who) }).await
    }

    /// What an outbox holds.
    pub(super) async fn unsent(&self, id: &str) -> Vec<Event> {
        let rows = self.store.outbox(&RoomId::trusted(id)).await.expect("an outbox");
        rows.into_iter().map(|outgoing| outgoing.event).collect()
    }

    pub(super) async fn standing(&self, id: &str, who: &str) -> Option<Membership> {
        let answer = self.store.membership(&RoomId::trusted(id), &UserId::trusted(who)).await.expect("an answer");
        answer.expect("a room").1
    }
}

pub async fn a_room_is_made_with_its_members_and_events_in_order(trial: Trial) {
    let before = Timestamp::now().plus_millis(-60_000);
    let made = trial.group("group_1", "a", &["c", "b"]).await;
    assert_eq!((made.room.version, made.room.member_count, made.room.name.as_deref()), (1, 3, Some("Ops ☎")));
    assert!(made.room.created_at > before, "the store's own time");
    assert_eq!(trial.store.room(&made.room.id).await.expect("an answer"), Some(made.room.clone()));
    assert_eq!(trial.unsent("group_1").await, made.events);
    assert!(matches!(made.events[0].kind, Kind::RoomCreated { .. }));
    assert!(made.events.len() == 5, "the inbox events are told with the room's own");
    let members = trial.store.members(&made.room.id, None, 10).await.expect("members");
    let mut expected = made.members.clone();
    expected.sort_by(|a, b| a.user.id.cmp(&b.user.id));
    assert_eq!(members, expected);

    let again = trial.store.change(&made.room.id, &create(room("group_1", RoomKind::Group), "b", &[])).await;
    let again = again.expect("found");
    assert_eq!((again.room, again.events), (made.room, vec![]));
    assert_eq!(trial.unsent("group_1").await.len(), 5);
    assert_eq!(trial.store.room(&RoomId::trusted("group_2")).await.expect("an answer"), None);
}

pub async fn two_makers_of_one_direct_room_get_one_room(trial: Trial) {
    trial.meet(&["a", "b"]).await;
    let id = RoomId::direct(&UserId::trusted("a"), &UserId::trusted("b"));
    let mut makers = tokio::task::JoinSet::new();
    for (one, other) in [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")] {
        let (store, id) = (Arc::clone(&trial.store), id.clone());
        let change = create(room(id.as_str(), RoomKind::Direct), one, &[other]);
        makers.spawn(async move { store.change(&id, &change).await.expect("made or found") });
    }
    let decisions = makers.join_all().await;
    assert_eq!(decisions.iter().filter(|decision| !decision.events.is_empty()).count(), 1);
    assert!(decisions.iter().all(|decision| decision.room == decisions[0].room));
    assert_eq!(trial.unsent(id.as_str()).await.len(), 3, "created, and one inbox event for each");
    assert_eq!(trial.store.members(&id, None, 10).await.expect("members").len(), 2);
}

pub async fn a_direct_room_is_its_pair_whatever_its_id(trial: Trial) {
    trial.meet(&["a", "b", "c"]).await;
    let first = create(room("direct_a_b", RoomKind::Direct), "a", &["b"]);
    let first = trial.store.change(&RoomId::trusted("direct_a_b"), &first).await.expect("made");
    let second = create(room("named otherwise", RoomKind::Direct), "b", &["a"]);
    let second = trial.store.change(&RoomId::trusted("named otherwise"), &second).await.expect("found");
    assert_eq!(second.room, first.room);
    let third = create(room("direct_b_c", RoomKind::Direct), "b", &["c"]);
    let third = trial.store.change(&RoomId::trusted("direct_b_c"), &third).await.expect("made");
    assert_eq!(third.room.id.as_str(), "direct_b_c");
}

pub async fn a_refused_change_writes_nothing(trial: Trial) {
    trial.meet(&["a"]).await;
    let refused = |answer: Result<Decision, ChangeError>| match answer {
        Err(ChangeError::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    };
    let id = RoomId::trusted("group_1");
    let ghost = create(room("group_1", RoomKind::Group), "a", &["ghost"]);
    assert_eq!(refused(trial.store.change(&id, &ghost).await), Code::NotFound);
    assert_eq!(refused(trial.join("group_1", "a").await), Code::NotFound);
    assert_eq!(refused(trial.leave("group_1", "a").await), Code::NotFound);
    assert_eq!(trial.store.room(&id).await.expect("an answer"), None);
    assert!(trial.unsent("group_1").await.is_empty());

    let made = trial.group("group_1", "a", &[]).await;
    assert_eq!(refused(trial.leave("group_1", "stranger").await), Code::NotFound);
    assert_eq!(trial.store.room(&id).await.expect("an answer"), Some(made.room));
    assert_eq!(trial.unsent("group_1").await, made.events);
}

pub async fn a_sent_event_is_not_told_again(trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    trial.group("group_2", "a", &[]).await;
    let rows = trial.store.outbox(&made.room.id).await.expect("an outbox");
    assert!(rows.windows(2).all(|pair| pair[0].row < pair[1].row));
    trial.store.outbox_sent(&[rows[0].row, rows[1].row]).await.expect("marked");
    trial.store.outbox_sent(&[rows[1].row, i64::MAX]).await.expect("marked once more, and one that never was");
    trial.store.outbox_sent(&[]).await.expect("none marked");
    assert_eq!(trial.unsent("group_1").await, made.events[2..]);
    let joined = trial.join("group_1", "c").await.expect("joined");
    assert_eq!(trial.unsent("group_1").await, [&made.events[2..], &joined.events[..]].concat());
    let ids: Vec<i64> =
        trial.store.outbox(&made.room.id).await.expect("an outbox").iter().map(|outgoing| outgoing.row).collect();
    trial.store.outbox_sent(&ids).await.expect("marked");
    assert!(trial.unsent("group_1").await.is_empty());
    let stale = trial.store.stale_outbox(Duration::ZERO, 100).await.expect("stale rows");
    assert!(!stale.is_empty());
    assert!(stale.iter().all(|outgoing| !ids.contains(&outgoing.row)));
}

pub async fn stale_events_are_old_enough_oldest_first_and_bounded(trial: Trial) {
    let first = trial.group("group_1", "a", &[]).await;
    let second = trial.group("group_2", "a", &[]).await;
    let stale = async |age, limit| -> Vec<Event> {
        let rows = trial.store.stale_outbox(age, limit).await.expect("stale rows");
        rows.into_iter().map(|outgoing| outgoing.event).collect()
    };
    assert!(stale(Duration::from_secs(60), 100).await.is_empty());
    let all = [first.events, second.events].concat();
    assert_eq!(stale(Duration::ZERO, 100).await, all);
    assert_eq!(stale(Duration::ZERO, 2).await, all[..2]);
}

pub async fn versions_rise_and_a_room_never_overfills_however_many_come_at_once(trial: Trial) {
    let made = trial.group("group_1", "a", &[]).await;
    let limit = 5;
    let mut joins = tokio::task::JoinSet::new();
    for at in 0..8 {
        let (store, id) = (Arc::clone(&trial.store), made.room.id.clone());
        let change = Change::Join { user: user(&format!("user {at}")), limit };
        joins.spawn(async move { store.change(&id, &change).await });
    }
    let answers = joins.join_all().await;
    let mut versions: Vec<u64> = answers.iter().flatten().map(|decision| decision.room.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4, 5], "each decision has a version of its own");
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|error| matches!(error, ChangeError::Refused(refusal) if refusal.code == Code::RoomFull))
    );
    let now = trial.store.room(&made.room.id).await.expect("an answer").expect("a room");
    assert_eq!((now.version, now.member_count), (5, 5));
    assert_eq!(trial.store.members(&now.id, None, 100).await.expect("members").len(), 5);
    // The outbox has them in the order of the decisions.
    let told: Vec<u64> = trial
        .unsent("group_1")
        .await
        .iter()
        .filter_map(|event| match event.kind {
            Kind::MemberJoined { version, .. } => Some(version),
            _ => None,
        })
        .collect();
    assert_eq!(told, versions);
}

pub async fn membership_tells_strangers_members_and_ex_members_apart(mut trial: Trial) {
    assert_eq!(
        trial.store.membership(&RoomId::trusted("group_1"), &UserId::trusted("a")).await.expect("an answer"),
        None
    );
    let made = trial.group("group_1", "a", &["b"]).await;
    let standing = |role| Some(Membership { role, reads_through: None });
    assert_eq!(trial.standing("group_1", "a").await, standing(Role::Admin));
    assert_eq!(trial.standing("group_1", "b").await, standing(Role::Member));
    assert_eq!(trial.standing("group_1", "stranger").await, None);

    let left = trial.leave("group_1", "b").await.expect("left");
    assert_eq!(trial.standing("group_1", "b").await, standing(Role::Left), "its place is not known yet");
    trial.feed.tell(made.events).await;
    let seqs = trial.feed.tell([vec![text("group_1", "a", "before")], left.events.clone()].concat()).await;
    let bound = Some(Membership { role: Role::Left, reads_through: Some(seqs[1]) });
    assert_eq!(trial.standing("group_1", "b").await, bound);
    trial.feed.tell(left.events).await;
    assert_eq!(trial.standing("group_1", "b").await, bound, "a copy does not move it");
    let ids: Vec<UserId> = trial
        .store
        .members(&made.room.id, None, 10)
        .await
        .expect("members")
        .into_iter()
        .map(|member| member.user.id)
        .collect();
    assert_eq!(ids, [UserId::trusted("a")]);
    let (room, _) =
        trial.store.membership(&made.room.id, &UserId::trusted("a")).await.expect("an answer").expect("a room");
    assert_eq!((room.version, room.member_count), (2, 1));
}

pub async fn an_old_leaving_does_not_bound_who_came_back(mut trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    let left = trial.leave("group_1", "b").await.expect("left");
    let back = trial.join("group_1", "b").await.expect("came back");
    assert!(back.members[0].joined_at >= made.room.created_at);
    // The log is behind the decisions: the leaving is applied after the coming back was decided.
    trial.feed.tell(left.events).await;
    let member = Some(Membership { role: Role::Member, reads_through: None });
    assert_eq!(trial.standing("group_1", "b").await, member);
    trial.feed.tell(back.events).await;
    let left = trial.leave("group_1", "b").await.expect("left again");
    assert_eq!(trial.standing("group_1", "b").await, Some(Membership { role: Role::Left, reads_through: None }));
    let seqs: Vec<Seq> = trial.feed.tell(left.events).await;
    let bound = Some(Membership { role: Role::Left, reads_through: Some(seqs[0]) });
    assert_eq!(trial.standing("group_1", "b").await, bound);
}

pub async fn members_are_listed_by_id_in_pages(trial: Trial) {
    let everyone = ["B", "a", "z", "é", "ü", "日本"];
    trial.group("group_1", everyone[2], &[everyone[0], everyone[1], everyone[3], everyone[4], everyone[5]]).await;
    let (id, mut found, mut after) = (RoomId::trusted("group_1"), Vec::new(), None);
    loop {
        let page = trial.store.members(&id, after.as_ref(), 2).await.expect("members");
        let Some(last) = page.last() else { break };
        after = Some(last.user.id.clone());
        found.extend(page.into_iter().map(|member| member.user.id));
    }
    assert_eq!(found, ids(&everyone), "by bytes");
}

pub async fn unread_counts_begin_at_coming_and_at_ones_own_message(mut trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    let unread = async |trial: &Trial, who: &str| {
        let rooms = trial.store.rooms_of(&UserId::trusted(who), 10).await.expect("rooms");
        rooms.first().map(|summary| summary.unread)
    };
    assert_eq!(unread(&trial, "b").await, Some(0));
    // The system message that says who made the room is the maker's own.
    trial.feed.tell(made.events).await;
    assert_eq!((unread(&trial, "a").await, unread(&trial, "b").await), (Some(0), Some(1)));
    trial.feed.tell([text("group_1", "a", "1"), text("group_1", "a", "2")]).await;
    assert_eq!((unread(&trial, "a").await, unread(&trial, "b").await), (Some(0), Some(3)));
    trial.join("group_1", "c").await.expect("joined");
    trial.feed.tell([text("group_1", "b", "3"), text("group_1", "a", "4")]).await;
    assert_eq!(unread(&trial, "a").await, Some(0));
    assert_eq!(unread(&trial, "b").await, Some(1));
    assert_eq!(unread(&trial, "c").await, Some(2));
    assert_eq!(unread(&trial, "stranger").await, None);
}

pub async fn rooms_come_with_the_latest_message_first(mut trial: Trial) {
    let partner = Actor { id: UserId::trusted("b"), name: "Bo".into(), avatar: Some("https://b".into()) };
    for id in ["group_1", "group_2", "group_3", "group_4"] {
        trial.group(id, "a", &["b"]).await;
    }
    trial.store.see_user(&partner).await.expect("seen");
    let direct = create(room("direct_a_b", RoomKind::Direct), "a", &["b"]);
    trial.store.change(&RoomId::trusted("direct_a_b"), &direct).await.expect("made");
    trial.leave("group_4", "a").await.expect("left");
    // Far ahead of the rooms' own making, which is by this machine's clock.
    trial.feed.time = Timestamp::now().plus_millis(3_600_000);
    let gone = text("group_1", "b", "gone");
    let told = [
        text("group_1", "b", "old"),
        text("group_4", "b", "in a room that a has left"),
        text("direct_a_b", "b", "newer"),
        gone.clone(),
        delete(&gone),
    ];
    trial.feed.tell(told).await;
    let rooms = trial.store.rooms_of(&UserId::trusted("a"), 10).await.expect("rooms");
    let listed: Vec<_> = rooms
        .iter()
        .map(|summary| {
            let last = summary.last_message.as_ref().map(|message| message.message.content.as_str());
            (summary.room.id.as_str(), last, summary.role)
        })
        .collect();
    assert_eq!(
        listed[..2],
        [("group_1", Some("old"), Role::Admin), ("direct_a_b", Some("newer"), Role::Member)],
        "a deleted message still counts as activity but is not shown"
    );
    // Without messages the latest made comes first; made in one millisecond, any order will do.
    let mut rest: Vec<_> = listed[2..].iter().map(|(id, last, _)| (*id, *last)).collect();
    rest.sort_unstable();
    assert_eq!(rest, [("group_2", None), ("group_3", None)]);
    assert_eq!(rooms[1].partner, Some(partner));
    assert_eq!(rooms[0].partner, None);
    assert_eq!(trial.store.rooms_of(&UserId::trusted("a"), 1).await.expect("rooms").len(), 1);
    let theirs = trial.store.rooms_of(&UserId::trusted("b"), 10).await.expect("rooms");
    assert_eq!(theirs.len(), 5);
    let direct = theirs.iter().find(|summary| summary.room.kind == RoomKind::Direct).expect("the direct room");
    assert_eq!(direct.partner.as_ref().map(|partner| partner.id.as_str()), Some("a"));
}

pub async fn users_are_as_they_were_last_seen(trial: Trial) {
    let mut ann = Actor { id: UserId::trusted("a"), name: "Ann".into(), avatar: None };
    trial.store.see_user(&ann).await.expect("seen");
    ann.avatar = Some("https://a".into());
    trial.store.see_user(&ann).await.expect("seen");
    trial.store.see_user(&ann).await.expect("seen again");
    let everyone = ids(&["a", "ghost", "a"]);
    assert_eq!(trial.store.users(&everyone).await.expect("users"), std::slice::from_ref(&ann));
    ann.name = "Anna".into();
    ann.avatar = None;
    trial.store.see_user(&ann).await.expect("seen");
    assert_eq!(trial.store.users(&everyone).await.expect("users"), [ann]);
    assert_eq!(trial.store.users(&[]).await.expect("users"), []);
}

pub async fn upkeep_may_be_done_at_any_time(mut trial: Trial) {
    trial.store.check().await.expect("answers");
    trial.store.maintain().await.expect("done");
    let made = trial.group("group_1", "a", &[]).await;
    let rows = trial.store.outbox(&made.room.id).await.expect("an outbox");
    trial.store.outbox_sent(&[rows[0].row]).await.expect("marked");
    trial.feed.tell([text("group_1", "a", "one")]).await;
    trial.store.maintain().await.expect("done");
    assert_eq!(trial.contents(&made.room.id).await, ["one"]);
    assert_eq!(trial.unsent("group_1").await, made.events[1..]);
}
