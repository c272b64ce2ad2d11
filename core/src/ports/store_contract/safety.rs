//! What [`Safety`](crate::ports::safety::Safety) promises beside bans.

#![allow(missing_docs, reason = "a promise is its name")]

use std::time::Duration;

use uuid::Uuid;

use super::{Trial, user};
use crate::error::Code;
use crate::event::{Kind, Room, RoomKind};
use crate::ids::{MessageId, RoomId, UserId};
use crate::membership::{By, Change};
use crate::ports::safety::{Blocking, Report};
use crate::ports::store::ChangeError;
use crate::time::Timestamp;

fn id(id: &str) -> UserId {
    UserId::trusted(id)
}

impl Trial {
    async fn direct(&self, one: &str, other: &str) -> Result<RoomId, Code> {
        let id = RoomId::direct(&id(one), &id(other));
        let room = Room {
            id: id.clone(),
            kind: RoomKind::Direct,
            name: None,
            description: None,
            avatar: None,
            private: false,
            created_by: UserId::trusted(one),
            created_at: Timestamp(0),
            version: 0,
            member_count: 0,
        };
        let change = Change::Create { room, creator: user(one), members: vec![UserId::trusted(other)], limit: 2 };
        match self.store.change(&id, &change).await {
            Ok(decision) => Ok(decision.room.id),
            Err(ChangeError::Refused(error)) => Err(error.code),
            Err(error) => panic!("{error}"),
        }
    }

    async fn block(&self, who: &str, whom: &str, on: bool) -> Blocking {
        self.safety.block(&user(who), &id(whom), on, 2).await.expect("an answer")
    }
}

pub async fn a_block_holds_one_way_and_is_told_to_who_blocks(trial: Trial) {
    trial.meet(&["a", "b", "c", "d"]).await;
    let room = trial.direct("a", "b").await.expect("made");
    let blocked = async |who: &str| trial.safety.is_blocked(&room, &id(who)).await.expect("an answer");
    assert_eq!((blocked("a").await, blocked("b").await), (false, false));
    assert_eq!(trial.block("a", "b", true).await, Blocking::Changed);
    assert_eq!(trial.block("a", "b", true).await, Blocking::Same);
    assert_eq!((blocked("a").await, blocked("b").await), (false, true));
    assert_eq!(trial.block("a", "nobody at all", true).await, Blocking::Nobody);
    let told = trial.unsent("user:a").await;
    assert!(matches!(&told[..], [event] if event.kind == Kind::UserBlocked { user: id("b"), on: true }));
    let by_a = async |whom: &str| trial.safety.has_blocked(&id("a"), &id(whom)).await.expect("an answer");
    assert_eq!((by_a("b").await, by_a("d").await), (true, false));
    assert!(!trial.safety.has_blocked(&id("b"), &id("a")).await.expect("an answer"), "it holds one way");
    // Nor does who is blocked begin anything with who blocks them.
    assert_eq!(trial.direct("c", "a").await.map(|_| ()), Ok(()));
    assert_eq!(trial.block("a", "d", true).await, Blocking::Changed);
    assert_eq!(trial.direct("d", "a").await, Err(Code::Forbidden));
    assert!(by_a("d").await, "the two have no room");
    trial.group("group_1", "d", &[]).await;
    let add = Change::Add { by: By::Member(user("d")), users: vec![id("a")], limit: 10 };
    let refused = trial.store.change(&RoomId::trusted("group_1"), &add).await;
    assert!(matches!(refused, Err(ChangeError::Refused(error)) if error.code == Code::Forbidden));
    assert_eq!(trial.block("a", "c", true).await, Blocking::TooMany);
    let shown: Vec<UserId> =
        trial.safety.blocks(&id("a"), 10).await.expect("blocks").into_iter().map(|user| user.id).collect();
    assert_eq!(shown, [id("b"), id("d")]);
    assert_eq!(trial.block("a", "b", false).await, Blocking::Changed);
    assert_eq!(trial.block("a", "b", false).await, Blocking::Same);
    assert!(!blocked("b").await && !by_a("b").await);
    assert_eq!(trial.unsent("user:a").await.len(), 3);
    // In a group nobody is blocked.
    assert!(!trial.safety.is_blocked(&RoomId::trusted("group_1"), &id("d")).await.expect("an answer"));
}

pub async fn a_mute_is_a_members_own_and_told_to_them(trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    let room = &made.room.id;
    let mute = async |who: &str, on: bool| trial.safety.mute(&user(who), room, on).await.expect("an answer");
    assert!(!mute("stranger", true).await);
    assert!(mute("b", true).await);
    assert!(mute("b", true).await);
    let muted = async |who: &str| trial.store.rooms_of(&id(who), 10).await.expect("rooms")[0].muted;
    assert_eq!((muted("a").await, muted("b").await), (false, true));
    assert!(mute("b", false).await);
    assert!(!muted("b").await);
    let told: Vec<Kind> = trial.unsent("user:b").await.into_iter().map(|event| event.kind).collect();
    let room = room.clone();
    assert_eq!(told, [Kind::RoomMuted { room: room.clone(), on: true }, Kind::RoomMuted { room, on: false }]);
}

pub async fn reports_are_bounded_per_day_and_author(trial: Trial) {
    let report = |by: &str| Report {
        id: Uuid::now_v7(),
        by: id(by),
        message: Some(MessageId::now()),
        room: Some(RoomId::trusted("group_1")),
        user: None,
        reason: "not kind ☹".into(),
    };
    let keep = async |report: &Report| trial.safety.report(report, 2).await.expect("an answer");
    let first = report("a");
    assert_eq!(keep(&first).await, None);
    assert_eq!(keep(&first).await, None, "a copy changes nothing");
    assert_eq!(keep(&report("a")).await, None);
    let wait = keep(&report("a")).await.expect("refused");
    assert!(wait > Duration::from_secs(86_000) && wait <= Duration::from_secs(86_400), "{wait:?}");
    assert_eq!(keep(&report("b")).await, None);
}
