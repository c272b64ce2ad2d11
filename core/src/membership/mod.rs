//! Who may do what, and what a change of a room does. Pure: the store runs [`decide`] inside its transaction, with the
//! room's row locked, and writes what it says.
//!
//! - Admins do everything. Moderators add and remove plain members, ban and unban whoever is no admin or moderator, and
//!   delete others' messages. Members send and read. Nobody acts on somebody above them.
//! - While a group has members it has an admin: when the last one goes, the longest-standing moderator, else member,
//!   takes over.
//! - A direct room is its pair for ever: nobody is added, removed or banned, and it has no settings.
//! - A channel's rows are roles alone: who made it, and whom they made moderators.

mod ban;
mod create;
mod join;
mod leave;
mod members;
mod roles;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::command::RoomPatch;
use crate::error::{ChatError, Code};
use crate::event::{Actor, Event, Kind, Member, Message, MessageType, Role, Room, RoomKind};
use crate::ids::{EventId, MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// A change of a room, to be decided with its row locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make the room, or find that it is there.
    Create {
        /// As asked for; `version`, `created_at` and `member_count` are set here.
        room: Room,
        /// Who makes it: the admin of a group or channel.
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
    /// Make users members of a group. Those who are already stay as they are.
    Add {
        /// Who asks.
        by: By,
        /// Whom.
        users: Vec<UserId>,
        /// The most members it may have.
        limit: u32,
    },
    /// Make users members no more; oneself alone is leaving. Those who have left already stay as they are.
    Remove {
        /// Who asks.
        by: By,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Give a member another role; in a channel any user.
    SetRole {
        /// Who asks.
        by: By,
        /// Whom.
        user: UserId,
        /// Admin, moderator or member.
        role: Role,
    },
    /// Change a group's or channel's settings.
    Update {
        /// Who asks.
        by: By,
        /// What changes.
        patch: RoomPatch,
    },
    /// Delete a group or channel. Its id is spent.
    Delete {
        /// Who asks.
        by: By,
    },
    /// Keep a user out; who is a member is one no more.
    Ban {
        /// Who asks.
        by: By,
        /// Whom.
        user: UserId,
        /// Until when; `None`: until it is lifted.
        until: Option<Timestamp>,
        /// For the room's moderators.
        reason: Option<String>,
    },
    /// Let a banned user in again.
    Unban {
        /// Who asks.
        by: By,
        /// Whom.
        user: UserId,
    },
}

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A user, with the rights of their role in the room.
    Member(Actor),
    /// The team's own back end, under this name, with all rights.
    Server(Actor),
}

impl By {
    /// Under whose name it is told.
    pub fn actor(&self) -> &Actor {
        match self {
            Self::Member(actor) | Self::Server(actor) => actor,
        }
    }
}

impl Change {
    /// Whose profile and role [`decide`] needs to know.
    pub fn concerned(&self) -> Vec<UserId> {
        let (first, others): (&UserId, &[UserId]) = match self {
            Self::Create { creator, members, .. } => (&creator.id, members),
            Self::Join { user, .. } | Self::Leave { user } => (&user.id, &[]),
            Self::Add { by, users, .. } | Self::Remove { by, users } => (&by.actor().id, users),
            Self::SetRole { by, user, .. } | Self::Ban { by, user, .. } | Self::Unban { by, user } => {
                (&by.actor().id, std::slice::from_ref(user))
            }
            Self::Update { by, .. } | Self::Delete { by } => (&by.actor().id, &[]),
        };
        let mut seen = HashSet::with_capacity(others.len() + 1);
        std::iter::once(first).chain(others).filter(|id| seen.insert(*id)).cloned().collect()
    }

    /// Which user asks to change a room that is there; `None`: the server, or a room is made.
    fn asker(&self) -> Option<&UserId> {
        match self {
            Self::Join { user, .. } | Self::Leave { user } => Some(&user.id),
            Self::Add { by, .. }
            | Self::Remove { by, .. }
            | Self::SetRole { by, .. }
            | Self::Update { by, .. }
            | Self::Delete { by }
            | Self::Ban { by, .. }
            | Self::Unban { by, .. } => match by {
                By::Member(actor) => Some(&actor.id),
                By::Server(_) => None,
            },
            Self::Create { .. } => None,
        }
    }

    /// Who brings others into a room: whether those block them has to be known.
    pub fn inviter(&self) -> Option<&UserId> {
        match self {
            Self::Create { creator, .. } => Some(&creator.id),
            Self::Add { by: By::Member(actor), .. } => Some(&actor.id),
            _ => None,
        }
    }

    /// Whether it may leave the room without an admin: [`Known::other_admins`] and [`Known::heir`] have to be known.
    pub fn may_take_an_admin(&self) -> bool {
        matches!(self, Self::Leave { .. } | Self::Remove { .. } | Self::SetRole { .. } | Self::Ban { .. })
    }
}

/// What the store knows, read with the room's row locked.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The room, if it exists and was not deleted.
    pub room: Option<Room>,
    /// The roles of those concerned, [`Role::Left`] included; who never was a member is absent.
    pub roles: HashMap<UserId, Role>,
    /// Since when those concerned have been members; who never was one is absent.
    pub joined: HashMap<UserId, Timestamp>,
    /// The profiles of those concerned who exist.
    pub users: HashMap<UserId, Actor>,
    /// Those concerned who are banned from the room now.
    pub banned: HashSet<UserId>,
    /// Those concerned who block [`Change::inviter`].
    pub blockers: HashSet<UserId>,
    /// Admins of the room who are not concerned, where the change [may take an admin](Change::may_take_an_admin).
    pub other_admins: u32,
    /// The longest-standing moderator, else member, who is not concerned; where the change may take an admin and there
    /// is no other.
    pub heir: Option<Member>,
    /// The store's time.
    pub now: Timestamp,
}

/// What the store is to write, in the same transaction: the rows, and the events into the outbox in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The room's row from now on.
    pub room: Room,
    /// The room is deleted.
    pub deleted: bool,
    /// The membership rows to set.
    pub members: Vec<Member>,
    /// What becomes of a ban.
    pub ban: Option<Banning>,
    /// The events to append. Empty when nothing changes.
    pub events: Vec<Event>,
}

/// What becomes of a user's ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Banning {
    /// It is set, or replaced.
    Set {
        /// Whose.
        user: UserId,
        /// By whom.
        by: UserId,
        /// Until when; `None`: until it is lifted.
        until: Option<Timestamp>,
        /// For the room's moderators.
        reason: Option<String>,
    },
    /// It is lifted.
    Lifted {
        /// Whose.
        user: UserId,
    },
}

/// Decides a change.
///
/// # Errors
/// What the caller is to be told; nothing is written then. Who is banned from the room is told that, whatever it is that
/// they may not do there.
pub fn decide(known: &Known, change: &Change) -> Result<Decision, ChatError> {
    decide_for_anybody(known, change).map_err(|error| {
        let barred = change.asker().is_some_and(|user| known.room.is_some() && known.bars(user));
        if barred && matches!(error.code, Code::NotFound | Code::Forbidden) { ChatError::banned() } else { error }
    })
}

fn decide_for_anybody(known: &Known, change: &Change) -> Result<Decision, ChatError> {
    match change {
        Change::Create { room, creator, members, limit } => {
            create::create(known, room, creator, members, *limit, &change.concerned())
        }
        Change::Join { user, limit } => join::join(known, user, *limit),
        Change::Leave { user } => leave::leave(known, user),
        Change::Add { by, users, limit } => members::add(known, by, users, *limit),
        Change::Remove { by, users } => members::remove(known, by, users),
        Change::SetRole { by, user, role } => roles::set(known, by, user, *role),
        Change::Update { by, patch } => settings::update(known, by, patch),
        Change::Delete { by } => settings::delete(known, by),
        Change::Ban { by, user, until, reason } => ban::ban(known, by, user, *until, reason.as_deref()),
        Change::Unban { by, user } => ban::unban(known, by, user),
    }
}

impl Decision {
    /// The room stays as it is.
    fn nothing(room: &Room) -> Self {
        Self { room: room.clone(), deleted: false, members: Vec::new(), ban: None, events: Vec::new() }
    }

    /// The room's next version, with nothing else in it yet.
    fn next(room: &Room) -> Self {
        Self::nothing(&Room { version: room.version + 1, ..room.clone() })
    }

    /// Tells the room.
    fn tell(&mut self, actor: &Actor, kind: Kind) {
        self.events.push(event(&self.room.id, actor, kind));
    }

    /// Tells a user alone.
    fn tell_inbox(&mut self, user: &UserId, actor: &Actor, kind: Kind) {
        self.events.push(event(&RoomId::inbox(user), actor, kind));
    }

    /// Says something in a group. Direct rooms and channels have no such messages.
    fn say(&mut self, actor: &Actor, content: String) {
        if self.room.kind == RoomKind::Group {
            let kind = Kind::MessageSent(Message::new(MessageType::System, content));
            let id = MessageId::now().into();
            self.events.push(Event { id, room: self.room.id.clone(), actor: actor.clone(), kind });
        }
    }
}

fn event(room: &RoomId, actor: &Actor, kind: Kind) -> Event {
    Event { id: EventId::now(), room: room.clone(), actor: actor.clone(), kind }
}

/// What somebody may do, from less to more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Member,
    Moderator,
    Admin,
    Server,
}

impl Known {
    fn there(&self) -> Result<&Room, ChatError> {
        self.room.as_ref().ok_or_else(|| ChatError::not_found("room"))
    }

    /// The role of a current member.
    fn role(&self, user: &UserId) -> Option<Role> {
        self.roles.get(user).copied().filter(|role| *role != Role::Left)
    }

    /// Whether a ban keeps the user out: who has a role is in.
    fn bars(&self, user: &UserId) -> bool {
        self.banned.contains(user) && self.role(user).is_none()
    }

    fn profile(&self, user: &UserId) -> Result<&Actor, ChatError> {
        self.users.get(user).ok_or_else(|| ChatError::not_found(&format!("user {user}")))
    }

    /// The rights of who asks. Who is not in a group is not told that it exists; in a channel anybody may be.
    fn rank(&self, by: &By) -> Result<Rank, ChatError> {
        let room = self.there()?;
        let actor = match by {
            By::Server(_) => return Ok(Rank::Server),
            By::Member(actor) => actor,
        };
        match self.role(&actor.id) {
            Some(Role::Admin) => Ok(Rank::Admin),
            Some(Role::Moderator) => Ok(Rank::Moderator),
            Some(_) => Ok(Rank::Member),
            None if room.kind == RoomKind::Channel => Ok(Rank::Member),
            None => Err(ChatError::not_found("room")),
        }
    }

    /// The room, if it is of a kind that can change so and who asks may.
    fn changeable(&self, by: &By, needed: Rank, what: &str) -> Result<(&Room, Rank), ChatError> {
        let (room, rank) = (self.there()?, self.rank(by)?);
        if room.kind == RoomKind::Direct {
            return Err(forbidden(format!("a direct room is its two members: {what} is not possible")));
        }
        if rank < needed {
            let who = if needed == Rank::Admin {
                "only admins may do this"
            } else {
                "only admins and moderators may do this"
            };
            return Err(forbidden(format!("{who}: {what}")));
        }
        Ok((room, rank))
    }

    /// Nobody acts on somebody above them, and moderators on plain members alone.
    fn may_act_on(&self, rank: Rank, user: &UserId) -> Result<(), ChatError> {
        let above = matches!(self.role(user), Some(Role::Admin | Role::Moderator));
        if rank < Rank::Admin && above {
            return Err(forbidden("only admins may do this to an admin or a moderator"));
        }
        Ok(())
    }
}

fn forbidden(message: impl Into<String>) -> ChatError {
    ChatError::new(Code::Forbidden, message)
}

fn full(limit: u32) -> ChatError {
    ChatError::new(Code::RoomFull, format!("a room holds at most {limit} members"))
}

/// Whom a field names and who does not exist.
fn unknown(field: &'static str, id: &UserId) -> ChatError {
    ChatError { field: Some(field), ..ChatError::not_found(&format!("user {id}")) }
}

/// Whether a member with this role may send to the room. Channels have no roles: being in one is enough.
pub fn may_send(role: Role) -> bool {
    role != Role::Left
}

/// Whether `user` may change the content of a message by `author`; `None`: a system message, which is nobody's.
pub fn may_edit(user: &UserId, author: Option<&UserId>) -> bool {
    author == Some(user)
}

/// Whether a user may pin and unpin messages of a room: admins and moderators; both in a direct room; the maker of a
/// channel, which has no admins by row.
pub fn may_pin(room: &Room, user: &UserId, role: Option<Role>) -> bool {
    match room.kind {
        RoomKind::Direct => matches!(role, Some(Role::Admin | Role::Moderator | Role::Member)),
        RoomKind::Group => matches!(role, Some(Role::Admin | Role::Moderator)),
        RoomKind::Channel => room.created_by == *user || matches!(role, Some(Role::Admin | Role::Moderator)),
    }
}

/// Whether `user`, with this role in the room, may delete a message by `author`; `None`: a system message, which is
/// nobody's.
pub fn may_delete(user: &UserId, role: Option<Role>, author: Option<&UserId>) -> bool {
    author == Some(user) || matches!(role, Some(Role::Admin | Role::Moderator))
}

/// A user whose profile nobody has told us: the id stands for the name.
pub fn nameless(id: &UserId) -> Actor {
    Actor { id: id.clone(), name: Arc::from(id.as_str()), avatar: None }
}
