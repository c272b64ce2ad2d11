//! What changes of a room that is there promise: members, roles, settings, bans, deletion.

#![allow(missing_docs, reason = "a promise is its name")]

use super::{PARTITION, Trial, event, text, user};
use crate::command::RoomPatch;
use crate::error::Code;
use crate::event::{Kind, Role};
use crate::ids::{RoomId, Seq, UserId};
use crate::membership::{By, Change, Decision};
use crate::ports::search::{Query, Within};
use crate::ports::store::{ChangeError, Membership};
use crate::search::Terms;
use crate::time::Timestamp;

const LIMIT: u32 = 100;

fn by(id: &str) -> By {
    By::Member(user(id))
}

fn id(id: &str) -> UserId {
    UserId::trusted(id)
}

fn add(who: &str, whom: &[&str]) -> Change {
    Change::Add { by: by(who), users: whom.iter().map(|whom| id(whom)).collect(), limit: LIMIT }
}

fn remove(who: &str, whom: &[&str]) -> Change {
    Change::Remove { by: by(who), users: whom.iter().map(|whom| id(whom)).collect() }
}

fn ban(who: &str, whom: &str, until: Option<Timestamp>) -> Change {
    Change::Ban { by: by(who), user: id(whom), until, reason: Some("spam ☠".into()) }
}

impl Trial {
    async fn change(&self, room: &str, change: Change) -> Result<Decision, ChangeError> {
        self.store.change(&RoomId::trusted(room), &change).await
    }

    async fn done(&self, room: &str, change: Change) -> Decision {
        self.change(room, change).await.expect("done")
    }

    async fn code(&self, room: &str, change: Change) -> Code {
        match self.change(room, change).await {
            Err(ChangeError::Refused(error)) => error.code,
            other => panic!("not refused: {other:?}"),
        }
    }

    async fn role(&self, room: &str, who: &str) -> Option<Role> {
        self.standing(room, who).await.map(|membership| membership.role)
    }
}

pub async fn members_who_are_added_and_removed_are_written_with_their_events(mut trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    trial.meet(&["c", "d"]).await;
    let added = trial.done("group_1", add("a", &["c", "d", "b", "c"])).await;
    assert_eq!((added.room.version, added.room.member_count), (2, 4));
    assert_eq!(trial.role("group_1", "c").await, Some(Role::Member));
    let removed = trial.done("group_1", remove("a", &["c", "d"])).await;
    let room = trial.store.room(&made.room.id).await.expect("an answer").expect("a room");
    assert_eq!((room.version, room.member_count), (3, 2));
    assert_eq!(trial.unsent("group_1").await, [&made.events[..], &added.events, &removed.events].concat());
    // Who was removed reads up to that and no further.
    let before = [made.events, added.events, vec![text("group_1", "a", "before")]].concat();
    trial.feed.tell(before).await;
    let seqs = trial.feed.tell([removed.events, vec![text("group_1", "a", "after")]].concat()).await;
    let through = |at: usize| Some(Membership { role: Role::Left, reads_through: Some(seqs[at]) });
    assert_eq!(trial.standing("group_1", "c").await, through(0));
    assert_eq!(trial.standing("group_1", "d").await, through(2));
    assert_eq!(trial.code("group_1", add("a", &["nobody at all"])).await, Code::NotFound);
    assert_eq!(trial.code("group_1", add("c", &["d"])).await, Code::NotFound);
    assert_eq!(trial.code("group_1", add("b", &["d"])).await, Code::Forbidden);
}

pub async fn a_role_is_written_and_the_time_of_joining_stays(trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    let set = Change::SetRole { by: by("a"), user: id("b"), role: Role::Moderator };
    let set = trial.done("group_1", set).await;
    assert_eq!(set.members[0].joined_at, made.members[1].joined_at);
    let members = trial.store.members(&made.room.id, None, 10).await.expect("members");
    assert_eq!((members[1].role, members[1].joined_at), (Role::Moderator, made.members[1].joined_at));
    let alone = Change::SetRole { by: by("a"), user: id("a"), role: Role::Member };
    assert_eq!(trial.code("group_1", alone).await, Code::Conflict);
}

pub async fn the_last_admin_is_followed_by_the_longest_standing_moderator_then_member(trial: Trial) {
    trial.group("group_1", "a", &["b", "c"]).await;
    trial.meet(&["d"]).await;
    trial.done("group_1", add("a", &["d"])).await;
    trial.done("group_1", Change::SetRole { by: by("a"), user: id("d"), role: Role::Moderator }).await;
    trial.leave("group_1", "a").await.expect("left");
    assert_eq!(trial.role("group_1", "d").await, Some(Role::Admin));
    trial.leave("group_1", "d").await.expect("left");
    let roles = (trial.role("group_1", "b").await, trial.role("group_1", "c").await);
    assert_eq!(roles, (Some(Role::Admin), Some(Role::Member)), "of two that came together the lower id");
    trial.leave("group_1", "b").await.expect("left");
    trial.leave("group_1", "c").await.expect("left");
    let empty = trial.store.room(&RoomId::trusted("group_1")).await.expect("an answer").expect("it stays");
    assert_eq!(empty.member_count, 0);
    // The team's own back end takes the last admin away, too.
    trial.group("group_2", "a", &["b"]).await;
    let server = By::Server(user("the team"));
    trial.done("group_2", Change::Remove { by: server, users: vec![id("a")] }).await;
    assert_eq!(trial.role("group_2", "b").await, Some(Role::Admin));
}

pub async fn settings_are_written_and_what_is_not_named_stays(trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    let patch = RoomPatch { name: Some("Crew".into()), private: Some(true), ..RoomPatch::default() };
    let updated = trial.done("group_1", Change::Update { by: by("a"), patch: patch.clone() }).await;
    let room = trial.store.room(&made.room.id).await.expect("an answer").expect("a room");
    assert_eq!(room, updated.room);
    assert_eq!((room.name.as_deref(), room.private, room.version), (Some("Crew"), true, 2));
    assert_eq!(room.description, made.room.description);
    let again = trial.done("group_1", Change::Update { by: by("a"), patch }).await;
    assert!(again.events.is_empty());
    let none = RoomPatch { description: Some(String::new()), ..RoomPatch::default() };
    trial.done("group_1", Change::Update { by: by("a"), patch: none }).await;
    let room = trial.store.room(&made.room.id).await.expect("an answer").expect("a room");
    assert_eq!((room.description, room.member_count), (None, 2));
}

pub async fn a_deleted_room_is_nobodys_and_its_id_is_spent(mut trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    trial.group("group_2", "b", &["a"]).await;
    let deleted = trial.done("group_1", Change::Delete { by: by("a") }).await;
    assert!(matches!(deleted.events[..], [ref event] if event.kind == Kind::RoomDeleted { version: 2 }));
    assert_eq!(trial.store.room(&made.room.id).await.expect("an answer"), None);
    assert_eq!(trial.store.membership(&made.room.id, &id("a")).await.expect("an answer"), None);
    let (rooms, total) = trial.store.list_rooms(&id("b"), 10, 0, 0).await.expect("rooms");
    assert_eq!((rooms.len(), total), (1, 1));
    assert_eq!(trial.code("group_1", Change::Leave { user: user("b") }).await, Code::NotFound);
    let again = Change::Create { room: made.room.clone(), creator: user("a"), members: vec![], limit: LIMIT };
    assert_eq!(trial.code("group_1", again).await, Code::NotFound);
    // The log's own records of it are kept like any.
    let events = [made.events, deleted.events].concat();
    trial.feed.tell(events).await;
}

pub async fn what_was_said_in_a_deleted_room_is_removed_by_upkeep_and_nothing_else_is(mut trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    trial.group("group_2", "a", &["b"]).await;
    let said = ["group_1", "group_2"].map(|room| text(room, "a", "walrus"));
    let marks = said.iter().flat_map(|said| {
        let (message, room) = (super::id_of(said), said.room.as_str());
        let reacted = Kind::MessageReacted { message, emoji: "x".into(), on: true };
        let pinned = Kind::MessagePinned { message, on: true };
        [event(room, "b", reacted), event(room, "a", pinned), super::edit(said, "walrus again")]
    });
    trial.feed.tell(said.iter().cloned().chain(marks.collect::<Vec<_>>())).await;
    let deleted = trial.done("group_1", Change::Delete { by: by("a") }).await;
    trial.feed.tell(deleted.events.clone()).await;
    // More than one step's rows, and one that was on its way.
    trial.feed.tell((0..1_100).map(|number| text("group_1", "b", &number.to_string()))).await;

    trial.store.maintain().await.expect("done");
    for (message, there) in [(&said[0], false), (&said[1], true)] {
        let room = &message.room;
        assert_eq!(!trial.history(room).await.is_empty(), there, "{room}");
        let found = trial.store.message(super::id_of(message)).await.expect("an answer");
        assert_eq!(found.is_some(), there, "{room}");
        if let Some(found) = found {
            assert!(found.pinned && found.reactions.len() == 1 && found.message.content == "walrus again");
        }
        let pins = trial.search.pins(room, PARTITION, 9).await.expect("pins").rows;
        assert_eq!(pins.len(), usize::from(there), "{room}");
        let terms = Terms::parse("walrus").expect("terms");
        let within = Within::Room(room, Seq::MAX);
        let query = Query { terms: &terms, within, sender: None, before: None, limit: 9 };
        assert_eq!(trial.search.search(query).await.expect("found").len(), usize::from(there), "{room}");
        let changes = trial.store.changes(room, PARTITION, Seq::ZERO, Seq::MAX, 99).await.expect("changes").rows;
        let of_messages = |kind: &Kind| matches!(kind, Kind::MessageEdited { .. } | Kind::MessageReacted { .. });
        assert_eq!(changes.iter().any(|change| of_messages(&change.event.kind)), there, "{room}");
    }
    // Who comes back hears that it was deleted.
    let left = trial.store.changes(&made.room.id, PARTITION, Seq::ZERO, Seq::MAX, 99).await.expect("changes").rows;
    assert_eq!(left.iter().map(|change| &*change.event).collect::<Vec<_>>(), deleted.events.iter().collect::<Vec<_>>());

    trial.feed.tell([text("group_1", "b", "late"), text("group_2", "b", "in time")]).await;
    trial.store.maintain().await.expect("done");
    assert!(trial.history(&made.room.id).await.is_empty(), "what came late goes the next time");
    assert_eq!(trial.contents(&said[1].room).await, ["walrus again", "in time"]);
}

pub async fn a_ban_keeps_out_until_it_is_lifted_or_over(trial: Trial) {
    let made = trial.group("group_1", "a", &["b"]).await;
    trial.meet(&["c", "d"]).await;
    let room = &made.room.id;
    trial.done("group_1", ban("a", "b", None)).await;
    assert_eq!(trial.role("group_1", "b").await, Some(Role::Left));
    let soon = Timestamp::now().plus_millis(500);
    trial.done("group_1", ban("a", "c", Some(soon))).await;
    let bans = trial.safety.bans(room, 10).await.expect("bans");
    let shown: Vec<_> = bans.iter().map(|ban| (ban.user.id.as_str(), ban.by.as_str(), ban.until)).collect();
    assert_eq!(shown, [("c", "a", Some(soon)), ("b", "a", None)], "the newest first");
    assert_eq!(bans[0].reason.as_deref(), Some("spam ☠"));
    assert_eq!(trial.safety.bans(room, 1).await.expect("bans"), bans[..1]);
    assert_eq!(trial.safety.banned(room, &id("b")).await.expect("an answer").as_ref(), Some(&bans[1]));
    assert_eq!(trial.safety.banned(room, &id("d")).await.expect("an answer"), None);
    let refused = |answer: Result<Decision, ChangeError>| match answer {
        Err(ChangeError::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(refused(trial.join("group_1", "b").await), Code::Banned);
    assert_eq!(refused(trial.join("group_1", "c").await), Code::Banned);
    assert_eq!(trial.code("group_1", add("a", &["b"])).await, Code::Conflict);
    trial.done("group_1", Change::Unban { by: by("a"), user: id("b") }).await;
    assert_eq!(trial.safety.banned(room, &id("b")).await.expect("an answer"), None);
    trial.join("group_1", "b").await.expect("joined");
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(trial.safety.banned(room, &id("c")).await.expect("an answer"), None);
    trial.join("group_1", "c").await.expect("joined");
}

pub async fn rooms_are_listed_in_pages_with_their_total(mut trial: Trial) {
    for name in ["group_1", "group_2", "group_3"] {
        trial.group(name, "a", &["b"]).await;
    }
    let channel = Change::Create {
        room: crate::event::Room { kind: crate::event::RoomKind::Channel, ..made_room("lobby") },
        creator: user("a"),
        members: vec![],
        limit: LIMIT,
    };
    trial.done("lobby", channel).await;
    assert_eq!(trial.role("lobby", "a").await, Some(Role::Admin), "a channel's row is its maker's role");
    trial.feed.time = Timestamp::now().plus_millis(3_600_000);
    trial.feed.tell(["group_2", "group_1", "group_3"].map(|room| text(room, "b", "hi"))).await;
    let mut listed = Vec::new();
    for offset in 0..4 {
        let (page, total) = trial.store.list_rooms(&id("a"), 1, offset, 0).await.expect("a page");
        assert_eq!(total, 3);
        assert!(page.iter().all(|summary| summary.first_members.is_empty()), "nobody asked for them");
        listed.extend(page.into_iter().map(|summary| (summary.room.id.to_string(), summary.read, summary.muted)));
    }
    let names: Vec<&str> = listed.iter().map(|(room, _, _)| room.as_str()).collect();
    assert_eq!(names, ["group_3", "group_1", "group_2"]);
    let one = trial.store.summary(&RoomId::trusted("group_2"), &id("a")).await.expect("an answer");
    let last = one.and_then(|summary| summary.last_message).map(|message| message.message.content);
    assert_eq!(last.as_deref(), Some("hi"));
    assert_eq!(trial.store.summary(&RoomId::trusted("group_2"), &id("stranger")).await.expect("an answer"), None);
    assert!(listed.iter().all(|(_, read, muted)| *read == Seq::ZERO && !muted));
}

pub async fn a_listed_room_names_its_first_members_in_the_order_of_joining(trial: Trial) {
    trial.group("group_1", "c", &["a", "b"]).await;
    trial.group("group_2", "a", &[]).await;
    let room = crate::event::Room { kind: crate::event::RoomKind::Direct, name: None, ..made_room("direct_a_b") };
    let direct = Change::Create { room, creator: user("a"), members: vec![id("b")], limit: 2 };
    let direct = trial.done("direct_a_b", direct).await;
    // The clock is the store's, in milliseconds: who comes later has joined later.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    trial.join("group_1", "A").await.expect("joined");
    trial.leave("group_1", "b").await.expect("left");
    let role = Change::SetRole { by: By::Member(user("c")), user: id("a"), role: Role::Moderator };
    trial.done("group_1", role).await;
    let (rooms, total) = trial.store.list_rooms(&id("a"), 10, 0, 3).await.expect("rooms");
    assert_eq!(total, 3);
    let of = |name: &str| {
        let listed = rooms.iter().find(|summary| summary.room.id.as_str() == name).expect("listed");
        let members = listed.first_members.iter();
        members.map(|member| (member.user.id.to_string(), member.role)).collect::<Vec<_>>()
    };
    let who = |id: &str, role| (id.to_owned(), role);
    let in_order = [who("a", Role::Moderator), who("c", Role::Admin), who("A", Role::Member)];
    assert_eq!(of("group_1"), in_order, "who came together by id, who came later last, who left not at all");
    assert_eq!(of("group_2"), [who("a", Role::Admin)]);
    assert_eq!(of("direct_a_b").iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b"], "both of a pair");
    let pair = rooms.iter().find(|summary| summary.room.id == direct.room.id).expect("listed");
    assert_eq!(pair.first_members, direct.members, "with their profiles, and since when");
    let (rooms, _) = trial.store.list_rooms(&id("a"), 10, 0, 2).await.expect("rooms");
    let longest = rooms.iter().map(|summary| summary.first_members.len()).max();
    assert_eq!(longest, Some(2), "no more than were asked for");
    let three = rooms.iter().find(|summary| summary.room.id.as_str() == "group_1").expect("listed");
    assert_eq!((three.first_members.len(), three.room.member_count), (2, 3));
}

fn made_room(name: &str) -> crate::event::Room {
    crate::event::Room {
        id: RoomId::trusted(name),
        kind: crate::event::RoomKind::Group,
        name: Some(name.into()),
        description: None,
        avatar: None,
        private: false,
        created_by: id("a"),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    }
}
