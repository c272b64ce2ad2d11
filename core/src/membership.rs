//! Who may do what, and what a change of membership does. Pure: the store runs [`decide`] inside its transaction, with
//! the room's row locked, and writes what it says.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{ChatError, Code};
use crate::event::{Actor, Event, Kind, Member, Message, MessageType, Role, Room, RoomKind};
use crate::ids::{EventId, MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// How many of a new room's members its first event names.
const NAMED_MEMBERS: usize = 100;

/// A change of a room's membership, to be decided with the room's row locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make the room, or find that it is there.
    Create {
        /// As asked for; `version`, `created_at` and `member_count` are set here.
        room: Room,
        /// Who makes it: the admin of a group.
        creator: Actor,
        /// Who else is in it; the creator may be named again, and repeats do not matter.
        members: Vec<UserId>,
        /// The most members it may have.
        limit: u32,
    },
    /// Become a member.
    Join {
        /// Who.
        user: Actor,
        /// The most members it may have.
        limit: u32,
    },
    /// Stop being one.
    Leave {
        /// Who.
        user: Actor,
    },
}

impl Change {
    /// Whose profile and role [`decide`] needs to know.
    pub fn concerned(&self) -> Vec<UserId> {
        match self {
            Self::Create { creator, members, .. } => {
                let mut ids = vec![creator.id.clone()];
                for id in members {
                    if !ids.contains(id) {
                        ids.push(id.clone());
                    }
                }
                ids
            }
            Self::Join { user, .. } | Self::Leave { user } => vec![user.id.clone()],
        }
    }
}

/// What the store knows, read with the room's row locked.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The room, if it exists and was not deleted.
    pub room: Option<Room>,
    /// The roles of those concerned, [`Role::Left`] included; who never was a member is absent.
    pub roles: HashMap<UserId, Role>,
    /// The profiles of those concerned who exist.
    pub users: HashMap<UserId, Actor>,
    /// The store's time.
    pub now: Timestamp,
}

/// What the store is to write, in the same transaction: the rows, and the events into the outbox in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The room's row from now on.
    pub room: Room,
    /// The membership rows to set.
    pub members: Vec<Member>,
    /// The events to append. Empty when nothing changes.
    pub events: Vec<Event>,
}

/// Decides a change.
///
/// # Errors
/// What the caller is to be told; nothing is written then.
pub fn decide(known: &Known, change: &Change) -> Result<Decision, ChatError> {
    match change {
        Change::Create { room, creator, members, limit } => create(known, room, creator, members, *limit, change),
        Change::Join { user, limit } => join(known, user, *limit),
        Change::Leave { user } => leave(known, user),
    }
}

fn create(
    known: &Known,
    wanted: &Room,
    creator: &Actor,
    members: &[UserId],
    limit: u32,
    change: &Change,
) -> Result<Decision, ChatError> {
    if let Some(room) = &known.room {
        // Two users starting the same direct chat at once get one room; so do two first joins of a channel.
        return Ok(Decision { room: room.clone(), members: Vec::new(), events: Vec::new() });
    }
    let everyone = if wanted.kind == RoomKind::Channel { Vec::new() } else { change.concerned() };
    if everyone.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err(ChatError::new(Code::RoomFull, format!("a room holds at most {limit} members")));
    }
    if wanted.kind == RoomKind::Direct && everyone.len() != 2 {
        return Err(ChatError::field("memberIds", "a direct room has exactly one other member"));
    }
    let unknown: Vec<_> = members.iter().filter(|id| **id != creator.id && !known.users.contains_key(*id)).collect();
    if let Some(first) = unknown.first() {
        return Err(ChatError { field: Some("memberIds"), ..ChatError::not_found(&format!("user {first}")) });
    }
    let rows: Vec<Member> = everyone
        .iter()
        .map(|id| Member {
            user: if *id == creator.id { creator.clone() } else { known.users[id].clone() },
            role: if *id == creator.id && wanted.kind == RoomKind::Group { Role::Admin } else { Role::Member },
            joined_at: known.now,
        })
        .collect();
    let room = Room {
        version: 1,
        created_at: known.now,
        created_by: creator.id.clone(),
        member_count: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        ..wanted.clone()
    };
    let mut events = vec![event(
        &room.id,
        creator,
        Kind::RoomCreated { room: room.clone(), members: rows.iter().take(NAMED_MEMBERS).cloned().collect() },
    )];
    if room.kind == RoomKind::Group {
        events.push(system(&room.id, creator, format!("{} created the group", creator.name)));
    }
    events.extend(everyone.iter().map(|id| event(&RoomId::inbox(id), creator, Kind::RoomAdded { room: room.clone() })));
    Ok(Decision { room, members: rows, events })
}

fn join(known: &Known, user: &Actor, limit: u32) -> Result<Decision, ChatError> {
    let room = known.room.as_ref().ok_or_else(|| ChatError::not_found("room"))?;
    match known.roles.get(&user.id) {
        Some(Role::Admin | Role::Moderator | Role::Member) => {
            return Ok(Decision { room: room.clone(), members: Vec::new(), events: Vec::new() });
        }
        _ if room.private || room.kind != RoomKind::Group => return Err(ChatError::not_found("room")),
        _ => {}
    }
    if room.member_count >= limit {
        return Err(ChatError::new(Code::RoomFull, format!("a room holds at most {limit} members")));
    }
    let room = Room { version: room.version + 1, member_count: room.member_count + 1, ..room.clone() };
    let member = Member { user: user.clone(), role: Role::Member, joined_at: known.now };
    let events = vec![
        event(&room.id, user, Kind::MemberJoined { member: member.clone(), version: room.version }),
        event(&RoomId::inbox(&user.id), user, Kind::RoomAdded { room: room.clone() }),
    ];
    Ok(Decision { room, members: vec![member], events })
}

fn leave(known: &Known, user: &Actor) -> Result<Decision, ChatError> {
    let room = known.room.as_ref().ok_or_else(|| ChatError::not_found("room"))?;
    match known.roles.get(&user.id) {
        Some(Role::Admin | Role::Moderator | Role::Member) => {}
        _ => return Err(ChatError::not_found("room")),
    }
    if room.kind == RoomKind::Direct {
        return Err(ChatError::new(Code::Forbidden, "a direct room cannot be left"));
    }
    let room = Room { version: room.version + 1, member_count: room.member_count.saturating_sub(1), ..room.clone() };
    let member = Member { user: user.clone(), role: Role::Left, joined_at: known.now };
    let left = Kind::MemberLeft { user: user.id.clone(), name: user.name.clone(), version: room.version };
    let removed = Kind::RoomRemoved { room: room.id.clone(), version: room.version };
    let events = vec![event(&room.id, user, left), event(&RoomId::inbox(&user.id), user, removed)];
    Ok(Decision { room, members: vec![member], events })
}

fn event(room: &RoomId, actor: &Actor, kind: Kind) -> Event {
    Event { id: EventId::now(), room: room.clone(), actor: actor.clone(), kind }
}

fn system(room: &RoomId, actor: &Actor, content: String) -> Event {
    let message = Message::new(MessageType::System, content);
    Event { id: MessageId::now().into(), room: room.clone(), actor: actor.clone(), kind: Kind::MessageSent(message) }
}

/// Whether a member with this role may send to the room. Channels have no roles: being in one is enough.
pub fn may_send(role: Role) -> bool {
    role != Role::Left
}

/// Whether `user` may change the content of a message by `author`.
pub fn may_edit(user: &UserId, author: &UserId) -> bool {
    user == author
}

/// Whether `user`, with this role in the room, may delete a message by `author`.
pub fn may_delete(user: &UserId, role: Option<Role>, author: &UserId) -> bool {
    user == author || matches!(role, Some(Role::Admin | Role::Moderator))
}

/// A user whose profile nobody has told us: the id stands for the name.
pub fn nameless(id: &UserId) -> Actor {
    Actor { id: id.clone(), name: Arc::from(id.as_str()), avatar: None }
}

#[cfg(test)]
mod tests {
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
        let roles = HashMap::from([(UserId::trusted("z"), Role::Member)]);
        let there = Known { room: Some(joined.room), roles, ..known(&["z"]) };
        let left = decide(&there, &Change::Leave { user: user("z") }).expect("left");
        assert_eq!((left.room.version, left.room.member_count, left.members[0].role), (6, 1, Role::Left));
    }

    #[test]
    fn a_full_room_takes_no_one() {
        let there = Known { room: Some(Room { member_count: 10, ..group(false) }), ..known(&["z"]) };
        let refused = decide(&there, &Change::Join { user: user("z"), limit: 10 }).expect_err("refused");
        assert_eq!(refused.code, Code::RoomFull);
    }
}
