//! The rules of the decisions.

use proptest::prelude::*;

use super::*;

fn user(id: &str) -> Actor {
    nameless(&UserId::trusted(id))
}

fn group(private: bool) -> Room {
    Room {
        id: RoomId::trusted("group_1"),
        kind: RoomKind::Group,
        name: Some("Team".into()),
        description: None,
        avatar: None,
        private,
        created_by: UserId::trusted("a"),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    }
}

fn known(ids: &[&str]) -> Known {
    let users = ids.iter().map(|id| (UserId::trusted(*id), user(id))).collect();
    Known { users, now: Timestamp(5), ..Known::default() }
}

fn create(members: &[&str]) -> Change {
    let members = members.iter().map(|id| UserId::trusted(*id)).collect();
    Change::Create { room: group(false), creator: user("a"), members, limit: 10 }
}

#[test]
fn a_creator_named_again_and_repeats_give_one_membership_each() {
    let made = decide(&known(&["a", "b"]), &create(&["b", "a", "b"])).expect("made");
    let roles: Vec<_> = made.members.iter().map(|m| (m.user.id.as_str(), m.role)).collect();
    assert_eq!(roles, [("a", Role::Admin), ("b", Role::Member)]);
    assert_eq!((made.room.version, made.room.member_count), (1, 2));
    let system = made.events.iter().find_map(|event| match &event.kind {
        Kind::MessageSent(message) => Some(message.content.as_str()),
        _ => None,
    });
    assert_eq!(system, Some("a created the group"));
    assert_eq!(made.events.iter().filter(|event| event.room.inbox_owner().is_some()).count(), 2);
}

#[test]
fn each_of_a_pair_is_told_of_the_room_with_both_and_members_of_a_group_are_not() {
    let told = |kind| {
        let members = vec![UserId::trusted("b")];
        let change = Change::Create { room: Room { kind, ..group(false) }, creator: user("a"), members, limit: 10 };
        let made = decide(&known(&["a", "b"]), &change).expect("made");
        let pairs = made.events.into_iter().filter_map(|event| match event.kind {
            Kind::RoomAdded { pair, .. } => Some(pair.into_iter().map(|member| member.user).collect()),
            _ => None,
        });
        pairs.collect::<Vec<Vec<Actor>>>()
    };
    let both = vec![user("a"), user("b")];
    assert_eq!(told(RoomKind::Direct), [both.clone(), both]);
    assert_eq!(told(RoomKind::Group), [vec![], vec![]]);
}

#[test]
fn a_member_who_does_not_exist_refuses_the_room() {
    let refused = decide(&known(&["a"]), &create(&["ghost"])).expect_err("refused");
    assert_eq!(refused.code, Code::NotFound);
}

#[test]
fn creating_a_room_that_exists_changes_nothing() {
    let there = Known { room: Some(group(false)), ..known(&["a", "b"]) };
    assert!(decide(&there, &create(&["b"])).expect("found").events.is_empty());
}

#[test]
fn a_private_group_is_not_found_by_strangers() {
    let there = Known { room: Some(group(true)), ..known(&["z"]) };
    let refused = decide(&there, &Change::Join { user: user("z"), limit: 10 }).expect_err("refused");
    assert_eq!(refused.code, Code::NotFound);
}

#[test]
fn joining_and_leaving_raise_the_version() {
    let there = Known { room: Some(Room { version: 4, member_count: 1, ..group(false) }), ..known(&["z"]) };
    let joined = decide(&there, &Change::Join { user: user("z"), limit: 10 }).expect("joined");
    assert_eq!((joined.room.version, joined.room.member_count), (5, 2));
    assert!(
        joined.events.iter().any(|event| matches!(event.kind, Kind::MemberJoined { members: Some(2), version: 5, .. }))
    );
    let roles = HashMap::from([(UserId::trusted("z"), Role::Member)]);
    let there = Known { room: Some(joined.room), roles, ..known(&["z"]) };
    let left = decide(&there, &Change::Leave { user: user("z") }).expect("left");
    assert_eq!((left.room.version, left.room.member_count, left.members[0].role), (6, 1, Role::Left));
    assert!(
        left.events.iter().any(|event| matches!(event.kind, Kind::MemberLeft { members: Some(1), version: 6, .. }))
    );
}

#[test]
fn a_full_room_takes_no_one() {
    let there = Known { room: Some(Room { member_count: 10, ..group(false) }), ..known(&["z"]) };
    let refused = decide(&there, &Change::Join { user: user("z"), limit: 10 }).expect_err("refused");
    assert_eq!(refused.code, Code::RoomFull);
}

/// A room with its rows and bans, as a store keeps them.
#[derive(Clone)]
struct World {
    room: Room,
    deleted: bool,
    rows: HashMap<UserId, (Role, Timestamp)>,
    bans: HashSet<UserId>,
    now: i64,
}

const PEOPLE: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl World {
    fn made(kind: RoomKind, members: &[&str]) -> Self {
        let room = Room { kind, ..group(false) };
        let members = members.iter().map(|id| UserId::trusted(*id)).collect();
        let change = Change::Create { room: room.clone(), creator: user("a"), members, limit: 10 };
        let made = decide(&known(&PEOPLE), &change).expect("made");
        let mut world = Self { room, deleted: false, rows: HashMap::new(), bans: HashSet::new(), now: 10 };
        world.write(&made);
        world
    }

    fn known(&self, change: &Change) -> Known {
        let concerned = change.concerned();
        let rows = || self.rows.iter().filter(|(id, _)| concerned.contains(id));
        let others = || self.rows.iter().filter(|(id, _)| !concerned.contains(id));
        let heir = others()
            .filter(|(_, (role, _))| matches!(role, Role::Moderator | Role::Member))
            .min_by_key(|(id, (role, joined))| (*role != Role::Moderator, *joined, (*id).clone()));
        Known {
            room: Some(self.room.clone()).filter(|_| !self.deleted),
            roles: rows().map(|(id, (role, _))| (id.clone(), *role)).collect(),
            joined: rows().map(|(id, (_, joined))| (id.clone(), *joined)).collect(),
            users: concerned
                .iter()
                .filter(|id| PEOPLE.contains(&id.as_str()))
                .map(|id| (id.clone(), nameless(id)))
                .collect(),
            banned: concerned.iter().filter(|id| self.bans.contains(*id)).cloned().collect(),
            blockers: HashSet::new(),
            other_admins: u32::try_from(others().filter(|(_, (role, _))| *role == Role::Admin).count()).expect("few"),
            heir: heir.map(|(id, (role, joined))| Member { user: nameless(id), role: *role, joined_at: *joined }),
            now: Timestamp(self.now),
        }
    }

    fn write(&mut self, decision: &Decision) {
        self.room = decision.room.clone();
        self.deleted = decision.deleted;
        for member in &decision.members {
            let joined = self.rows.get(&member.user.id).filter(|row| row.0 != Role::Left).map(|row| row.1);
            self.rows.insert(member.user.id.clone(), (member.role, joined.unwrap_or(member.joined_at)));
        }
        match &decision.ban {
            Some(Banning::Set { user, .. }) => drop(self.bans.insert(user.clone())),
            Some(Banning::Lifted { user }) => drop(self.bans.remove(user)),
            None => {}
        }
        self.now += 1;
    }

    fn act(&mut self, change: &Change) -> Result<Decision, ChatError> {
        let decision = decide(&self.known(change), change)?;
        self.write(&decision);
        Ok(decision)
    }

    fn role(&self, id: &str) -> Option<Role> {
        self.rows.get(&UserId::trusted(id)).map(|row| row.0)
    }

    fn members(&self) -> usize {
        self.rows.values().filter(|row| row.0 != Role::Left).count()
    }

    fn admins(&self) -> usize {
        self.rows.values().filter(|row| row.0 == Role::Admin).count()
    }
}

fn by(id: &str) -> By {
    By::Member(user(id))
}

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| UserId::trusted(*id)).collect()
}

fn role(by_whom: &str, whom: &str, role: Role) -> Change {
    Change::SetRole { by: by(by_whom), user: UserId::trusted(whom), role }
}

fn ban(by_whom: &str, whom: &str) -> Change {
    Change::Ban { by: by(by_whom), user: UserId::trusted(whom), until: None, reason: Some("spam".into()) }
}

fn said(decision: &Decision) -> Vec<&str> {
    decision
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::MessageSent(message) => {
                assert_eq!(message.kind, MessageType::System);
                Some(message.content.as_str())
            }
            _ => None,
        })
        .collect()
}

fn code(answer: Result<Decision, ChatError>) -> Code {
    answer.expect_err("refused").code
}

#[test]
fn a_room_is_not_made_or_grown_beyond_its_limit() {
    let over = Change::Create { room: group(false), creator: user("a"), members: users(&["b", "c"]), limit: 2 };
    assert_eq!(code(decide(&known(&PEOPLE), &over)), Code::RoomFull);
    let mut world = World::made(RoomKind::Group, &["b"]);
    let add = |limit| Change::Add { by: by("a"), users: users(&["b", "c", "d"]), limit };
    assert_eq!(code(world.act(&add(3))), Code::RoomFull);
    assert_eq!(world.act(&add(4)).expect("added").room.member_count, 4);
}

#[test]
fn what_happens_to_a_group_is_said_there() {
    let mut world = World::made(RoomKind::Group, &["b"]);
    let added = world.act(&Change::Add { by: by("a"), users: users(&["c", "d", "b"]), limit: 10 }).expect("added");
    assert_eq!(said(&added), ["a added c and d"]);
    assert_eq!((added.room.version, added.room.member_count), (2, 4));
    let made = world.act(&role("a", "b", Role::Moderator)).expect("made");
    assert_eq!(said(&made), ["a made b a moderator"]);
    let removed = world.act(&Change::Remove { by: by("b"), users: users(&["c"]) }).expect("removed");
    assert_eq!(said(&removed), ["b removed c"]);
    let joined = world.act(&Change::Join { user: user("c"), limit: 10 }).expect("joined");
    assert_eq!(said(&joined), ["c joined the group"]);
    let patch = RoomPatch { name: Some("Crew".into()), ..RoomPatch::default() };
    let renamed = world.act(&Change::Update { by: by("a"), patch }).expect("renamed");
    assert_eq!(said(&renamed), ["a renamed the group to Crew"]);
    let left = world.act(&Change::Leave { user: user("d") }).expect("left");
    assert_eq!(said(&left), ["d left the group"]);
    assert!(world.act(&Change::Delete { by: by("a") }).expect("deleted").deleted);
    assert_eq!(code(world.act(&Change::Leave { user: user("a") })), Code::NotFound);
}

#[test]
fn the_last_admin_who_leaves_is_followed_by_the_longest_standing_moderator_then_member() {
    let mut world = World::made(RoomKind::Group, &["b", "c"]);
    world.act(&role("a", "c", Role::Moderator)).expect("made");
    let left = world.act(&Change::Leave { user: user("a") }).expect("left");
    assert_eq!(said(&left), ["a left the group", "c is now an admin"]);
    assert_eq!(world.role("c"), Some(Role::Admin));
    world.act(&Change::Leave { user: user("c") }).expect("left");
    assert_eq!(world.role("b"), Some(Role::Admin));
    world.act(&Change::Leave { user: user("b") }).expect("left");
    assert_eq!((world.room.member_count, world.admins()), (0, 0));
    // An empty group stays; who comes into it is its admin.
    world.act(&Change::Join { user: user("d"), limit: 10 }).expect("joined");
    assert_eq!(world.role("d"), Some(Role::Admin));
}

#[test]
fn moderators_act_on_plain_members_alone_and_members_on_nobody() {
    let mut world = World::made(RoomKind::Group, &["b", "c", "d"]);
    world.act(&role("a", "b", Role::Moderator)).expect("made");
    world.act(&role("a", "c", Role::Moderator)).expect("made");
    let remove = |by_whom: &str, whom: &str| Change::Remove { by: by(by_whom), users: users(&[whom]) };
    let patch = RoomPatch { private: Some(true), ..RoomPatch::default() };
    for refused in [
        remove("b", "a"),
        remove("b", "c"),
        ban("b", "c"),
        role("b", "d", Role::Moderator),
        Change::Update { by: by("b"), patch },
        Change::Delete { by: by("b") },
        remove("d", "b"),
        ban("d", "e"),
        Change::Add { by: by("d"), users: users(&["e"]), limit: 10 },
    ] {
        assert_eq!(code(world.act(&refused)), Code::Forbidden, "{refused:?}");
    }
    assert_eq!(code(world.act(&remove("stranger", "d"))), Code::NotFound);
    world.act(&remove("b", "d")).expect("removed");
    world.act(&Change::Add { by: by("b"), users: users(&["d"]), limit: 10 }).expect("added");
}

#[test]
fn a_banned_user_neither_joins_nor_is_added_until_the_ban_is_lifted() {
    let mut world = World::made(RoomKind::Group, &["b"]);
    let banned = world.act(&ban("a", "b")).expect("banned");
    let (to_b, to_the_room): (Vec<Event>, Vec<Event>) =
        banned.events.into_iter().partition(|event| event.room.inbox_owner().is_some());
    assert!(matches!(to_the_room[0].kind, Kind::MemberLeft { .. }), "who was a member has left by an event of its own");
    let (ban, out) = (&to_b[0], &to_b[1]);
    assert!(matches!(&ban.kind, Kind::BannedFrom { room, .. } if *room == world.room.id), "and hears why, alone");
    assert!(matches!(out.kind, Kind::RoomRemoved { .. }) && ban.room == RoomId::inbox(&UserId::trusted("b")));
    assert_eq!(code(world.act(&Change::Join { user: user("b"), limit: 10 })), Code::Banned);
    let add = Change::Add { by: by("a"), users: users(&["b"]), limit: 10 };
    assert_eq!(code(world.act(&add)), Code::Conflict);
    world.act(&Change::Unban { by: by("a"), user: UserId::trusted("b") }).expect("lifted");
    world.act(&add).expect("added");
}

#[test]
fn who_is_banned_hears_so_from_every_change_that_they_may_not_make() {
    for kind in [RoomKind::Group, RoomKind::Channel] {
        let mut world = World::made(kind, &["b"]);
        world.room.private = kind == RoomKind::Group;
        world.act(&ban("a", "b")).expect("banned");
        let patch = RoomPatch { name: Some("mine".into()), ..RoomPatch::default() };
        for change in [
            Change::Leave { user: user("b") },
            Change::Add { by: by("b"), users: users(&["c"]), limit: 10 },
            Change::Remove { by: by("b"), users: users(&["a"]) },
            role("b", "c", Role::Moderator),
            Change::Update { by: by("b"), patch },
            Change::Delete { by: by("b") },
            ban("b", "c"),
            Change::Unban { by: by("b"), user: UserId::trusted("b") },
        ] {
            assert_eq!(code(world.act(&change)), Code::Banned, "{kind:?}: {change:?}");
        }
        assert_eq!(code(world.act(&Change::Leave { user: user("c") })), Code::NotFound, "a stranger");
    }
    let mut world = World::made(RoomKind::Group, &["b"]);
    world.room.private = true;
    world.act(&ban("a", "b")).expect("banned");
    assert_eq!(code(world.act(&Change::Join { user: user("b"), limit: 10 })), Code::Banned);
}

#[test]
fn a_direct_room_does_not_change() {
    let mut world = World::made(RoomKind::Direct, &["b"]);
    let patch = RoomPatch { name: Some("ours".into()), ..RoomPatch::default() };
    for change in [
        Change::Leave { user: user("a") },
        Change::Add { by: by("a"), users: users(&["c"]), limit: 10 },
        Change::Remove { by: by("a"), users: users(&["b"]) },
        Change::Update { by: by("a"), patch },
        Change::Delete { by: by("a") },
        ban("a", "b"),
        role("a", "b", Role::Admin),
    ] {
        assert_eq!(code(world.act(&change)), Code::Forbidden, "{change:?}");
    }
}

#[test]
fn a_channel_has_a_maker_who_names_moderators_and_no_members() {
    let mut world = World::made(RoomKind::Channel, &[]);
    assert_eq!((world.role("a"), world.room.member_count), (Some(Role::Admin), 0));
    assert_eq!(code(world.act(&ban("b", "c"))), Code::Forbidden);
    world.act(&role("a", "b", Role::Moderator)).expect("made");
    world.act(&ban("b", "c")).expect("banned");
    let patch = RoomPatch { description: Some("all of us".into()), ..RoomPatch::default() };
    let updated = world.act(&Change::Update { by: by("b"), patch }).expect("updated");
    assert!(said(&updated).is_empty());
    assert_eq!(world.room.member_count, 0);
    assert_eq!(code(world.act(&Change::Add { by: by("a"), users: users(&["c"]), limit: 9 })), Code::Forbidden);
}

#[test]
fn who_blocks_somebody_is_not_brought_into_a_room_by_them() {
    let blocked = |change: &Change| {
        let blockers = HashSet::from([UserId::trusted("b")]);
        let world = World::made(RoomKind::Group, &[]);
        let room = if matches!(change, Change::Create { .. }) { None } else { Some(world.room.clone()) };
        decide(&Known { blockers, room, ..world.known(change) }, change)
    };
    assert_eq!(code(blocked(&create(&["b"]))), Code::Forbidden);
    assert_eq!(code(blocked(&Change::Add { by: by("a"), users: users(&["b"]), limit: 10 })), Code::Forbidden);
}

#[test]
fn the_teams_own_back_end_may_do_everything_and_a_group_keeps_an_admin() {
    let mut world = World::made(RoomKind::Group, &["b"]);
    let server = || By::Server(user("server"));
    world.act(&Change::Add { by: server(), users: users(&["c"]), limit: 10 }).expect("added");
    world.act(&Change::Remove { by: server(), users: users(&["a"]) }).expect("removed");
    assert_eq!(world.role("b"), Some(Role::Admin));
    world.act(&Change::Delete { by: server() }).expect("deleted");
}

fn any_change() -> impl Strategy<Value = Change> {
    let person = || prop::sample::select(PEOPLE.to_vec());
    let some = || prop::collection::vec(prop::sample::select(PEOPLE.to_vec()), 1..4);
    let any_role = prop::sample::select(vec![Role::Admin, Role::Moderator, Role::Member, Role::Left]);
    let name = prop::option::of(prop::sample::select(vec!["one", "two", ""]));
    prop_oneof![
        person().prop_map(|id| Change::Join { user: user(id), limit: 5 }),
        person().prop_map(|id| Change::Leave { user: user(id) }),
        (person(), some()).prop_map(|(id, ids)| Change::Add { by: by(id), users: users(&ids), limit: 5 }),
        (person(), some()).prop_map(|(id, ids)| Change::Remove { by: by(id), users: users(&ids) }),
        some().prop_map(|ids| Change::Remove { by: By::Server(user("server")), users: users(&ids) }),
        (person(), person(), any_role).prop_map(|(id, whom, to)| role(id, whom, to)),
        (person(), person()).prop_map(|(id, whom)| ban(id, whom)),
        (person(), person()).prop_map(|(id, whom)| Change::Unban { by: by(id), user: UserId::trusted(whom) }),
        (person(), name).prop_map(|(id, name)| {
            let patch = RoomPatch { name: name.map(Into::into), ..RoomPatch::default() };
            Change::Update { by: by(id), patch }
        }),
    ]
}

proptest! {
    #[test]
    fn however_a_group_changes_its_count_is_right_an_admin_stays_and_rights_do_not_grow_by_themselves(
        changes in prop::collection::vec(any_change(), 1..60)
    ) {
        let mut world = World::made(RoomKind::Group, &["b", "c"]);
        for change in changes {
            let before = world.clone();
            let Ok(decision) = world.act(&change) else { continue };
            let changed = !decision.events.is_empty();
            prop_assert_eq!(world.room.version, before.room.version + u64::from(changed));
            prop_assert_eq!(usize::try_from(world.room.member_count).expect("few"), world.members());
            prop_assert!(world.room.member_count <= 5);
            prop_assert!(world.members() == 0 || world.admins() > 0, "{:?}", change);
            let rank = |role: Option<Role>| match role {
                Some(Role::Admin) => 3,
                Some(Role::Moderator) => 2,
                Some(Role::Member) => 1,
                Some(Role::Left) | None => 0,
            };
            for id in PEOPLE {
                let (old, new) = (rank(before.role(id)), rank(world.role(id)));
                let given = match &change {
                    Change::SetRole { by, .. } => before.role(by.actor().id.as_str()) == Some(Role::Admin),
                    // Nobody who was one is left, however many went at once.
                    _ => {
                        let stays = |id| [before.role(id), world.role(id)] == [Some(Role::Admin); 2];
                        world.admins() == 1 && !PEOPLE.into_iter().any(stays)
                    }
                };
                prop_assert!(new <= old.max(1) || given, "{id} rose by {change:?}");
                let removed = old > 0 && new == 0;
                let by_itself = matches!(&change, Change::Leave { user } if user.id.as_str() == id);
                if let (true, false, Change::Remove { by: By::Member(actor), .. } | Change::Ban { by: By::Member(actor), .. }) =
                    (removed, by_itself, &change)
                {
                    let own = rank(before.role(actor.id.as_str()));
                    prop_assert!(actor.id.as_str() == id || own == 3 || own > old, "{id} was removed by {change:?}");
                }
            }
            // What is decided again changes nothing more.
            let again = !matches!(change, Change::Ban { .. });
            if changed && again && let Ok(repeat) = world.act(&change) {
                prop_assert!(repeat.events.is_empty(), "{:?} twice", change);
            }
        }
    }
}
