//! Events and their wire form.

use std::sync::Arc;

use bytes::Bytes;
use parlor_core::event::{Actor, Event, Kind, Member, Message, MessageType, Quote, Role, Room, RoomKind};
use parlor_core::ids::{EventId, MessageId, RoomId, Seq, UserId};
use parlor_core::ports::log::Malformed;
use parlor_core::time::Timestamp;
use prost::Message as _;
use uuid::Uuid;

use crate::wire;

pub(crate) fn to_wire(event: &Event) -> wire::Event {
    let (kind, body) = match &event.kind {
        Kind::MessageSent(message) => (wire::Kind::MessageSent, message_to(message).encode_to_vec()),
        Kind::MessageEdited { message, content, encrypted } => (
            wire::Kind::MessageEdited,
            wire::MessageEdited { message: id_to(message.0), content: content.clone(), encrypted: *encrypted }
                .encode_to_vec(),
        ),
        Kind::MessageDeleted { message } => {
            (wire::Kind::MessageDeleted, wire::MessageDeleted { message: id_to(message.0) }.encode_to_vec())
        }
        Kind::RoomCreated { room, members } => {
            let members = members.iter().map(member_to).collect();
            (wire::Kind::RoomCreated, wire::RoomCreated { room: Some(room_to(room)), members }.encode_to_vec())
        }
        Kind::MemberJoined { member, members, version } => (
            wire::Kind::MemberJoined,
            wire::MemberJoined { member: Some(member_to(member)), version: *version, members: *members }
                .encode_to_vec(),
        ),
        Kind::MemberLeft { user, name, members, version } => (
            wire::Kind::MemberLeft,
            wire::MemberLeft {
                user: user.as_str().to_owned(),
                name: name.to_string(),
                version: *version,
                members: *members,
            }
            .encode_to_vec(),
        ),
        Kind::RoomAdded { room, pair } => {
            let pair = pair.iter().map(member_to).collect();
            (wire::Kind::RoomAdded, wire::Room { pair, ..room_to(room) }.encode_to_vec())
        }
        Kind::RoomRemoved { room, version } => (
            wire::Kind::RoomRemoved,
            wire::RoomRemoved { room: room.as_str().to_owned(), version: *version }.encode_to_vec(),
        ),
        Kind::MessageReacted { message, emoji, on } => (
            wire::Kind::MessageReacted,
            wire::MessageReacted { message: id_to(message.0), emoji: emoji.clone(), on: *on }.encode_to_vec(),
        ),
        Kind::MessagePinned { message, on } => {
            (wire::Kind::MessagePinned, wire::MessagePinned { message: id_to(message.0), on: *on }.encode_to_vec())
        }
        Kind::RoomUpdated { room } => (wire::Kind::RoomUpdated, room_to(room).encode_to_vec()),
        Kind::RoomDeleted { version } => {
            (wire::Kind::RoomDeleted, wire::RoomDeleted { version: *version }.encode_to_vec())
        }
        Kind::RoleChanged { member, version } => (
            wire::Kind::RoleChanged,
            wire::MemberJoined { member: Some(member_to(member)), version: *version, members: None }.encode_to_vec(),
        ),
        Kind::UserBanned { user, name, until, version } => (
            wire::Kind::UserBanned,
            wire::UserBanned {
                user: user.as_str().to_owned(),
                name: name.to_string(),
                until: until.map(|until| until.0),
                version: *version,
            }
            .encode_to_vec(),
        ),
        Kind::UserUnbanned { user, version } => (
            wire::Kind::UserUnbanned,
            wire::UserBanned { user: user.as_str().to_owned(), version: *version, ..Default::default() }
                .encode_to_vec(),
        ),
        Kind::BannedFrom { room, name, until } => (
            wire::Kind::BannedFrom,
            wire::BannedFrom {
                room: room.as_str().to_owned(),
                name: name.to_string(),
                until: until.map(|until| until.0),
            }
            .encode_to_vec(),
        ),
        Kind::RoomMuted { room, on } => {
            (wire::Kind::RoomMuted, wire::RoomMuted { room: room.as_str().to_owned(), on: *on }.encode_to_vec())
        }
        Kind::UserBlocked { user, on } => {
            (wire::Kind::UserBlocked, wire::UserBlocked { user: user.as_str().to_owned(), on: *on }.encode_to_vec())
        }
        Kind::LoggedOut { session } => {
            (wire::Kind::LoggedOut, wire::LoggedOut { session: session.clone() }.encode_to_vec())
        }
        Kind::Receipt { delivered, read } => (wire::Kind::Receipt, pointers_to(*delivered, *read).encode_to_vec()),
        Kind::Other { kind, body } => return envelope(event, kind.cast_signed(), body.clone()),
    };
    envelope(event, kind.into(), body.into())
}

fn envelope(event: &Event, kind: i32, body: Bytes) -> wire::Event {
    wire::Event {
        id: id_to(event.id.0),
        room: event.room.as_str().to_owned(),
        actor: Some(actor_to(&event.actor)),
        kind,
        body,
    }
}

pub(crate) fn from_wire(event: wire::Event) -> Result<Event, Malformed> {
    let kind = match wire::Kind::try_from(event.kind) {
        Ok(wire::Kind::MessageSent) => Kind::MessageSent(message_from(body(&event.body)?)?),
        Ok(wire::Kind::MessageEdited) => {
            let edited: wire::MessageEdited = body(&event.body)?;
            let message = MessageId(id_from(&edited.message)?);
            Kind::MessageEdited { message, content: edited.content, encrypted: edited.encrypted }
        }
        Ok(wire::Kind::MessageDeleted) => {
            let deleted: wire::MessageDeleted = body(&event.body)?;
            Kind::MessageDeleted { message: MessageId(id_from(&deleted.message)?) }
        }
        Ok(wire::Kind::RoomCreated) => {
            let created: wire::RoomCreated = body(&event.body)?;
            let members = created.members.into_iter().map(member_from).collect::<Result<_, _>>()?;
            Kind::RoomCreated { room: room_from(present(created.room, "room")?)?, members }
        }
        Ok(wire::Kind::MemberJoined) => {
            let joined: wire::MemberJoined = body(&event.body)?;
            let member = member_from(present(joined.member, "member")?)?;
            Kind::MemberJoined { member, members: joined.members, version: joined.version }
        }
        Ok(wire::Kind::MemberLeft) => {
            let left: wire::MemberLeft = body(&event.body)?;
            let (user, name) = (UserId::trusted(left.user), left.name.into());
            Kind::MemberLeft { user, name, members: left.members, version: left.version }
        }
        Ok(wire::Kind::RoomAdded) => {
            let mut added: wire::Room = body(&event.body)?;
            let pair = std::mem::take(&mut added.pair).into_iter().map(member_from).collect::<Result<_, _>>()?;
            Kind::RoomAdded { room: room_from(added)?, pair }
        }
        Ok(wire::Kind::RoomRemoved) => {
            let removed: wire::RoomRemoved = body(&event.body)?;
            Kind::RoomRemoved { room: RoomId::trusted(removed.room), version: removed.version }
        }
        Ok(wire::Kind::MessageReacted) => {
            let reacted: wire::MessageReacted = body(&event.body)?;
            let message = MessageId(id_from(&reacted.message)?);
            Kind::MessageReacted { message, emoji: reacted.emoji, on: reacted.on }
        }
        Ok(wire::Kind::MessagePinned) => {
            let pinned: wire::MessagePinned = body(&event.body)?;
            Kind::MessagePinned { message: MessageId(id_from(&pinned.message)?), on: pinned.on }
        }
        Ok(wire::Kind::RoomUpdated) => Kind::RoomUpdated { room: room_from(body(&event.body)?)? },
        Ok(wire::Kind::RoomDeleted) => {
            let deleted: wire::RoomDeleted = body(&event.body)?;
            Kind::RoomDeleted { version: deleted.version }
        }
        Ok(wire::Kind::RoleChanged) => {
            let changed: wire::MemberJoined = body(&event.body)?;
            let member = member_from(present(changed.member, "member")?)?;
            Kind::RoleChanged { member, version: changed.version }
        }
        Ok(wire::Kind::UserBanned) => {
            let banned: wire::UserBanned = body(&event.body)?;
            let (user, until) = (UserId::trusted(banned.user), banned.until.map(Timestamp));
            Kind::UserBanned { user, name: banned.name.into(), until, version: banned.version }
        }
        Ok(wire::Kind::UserUnbanned) => {
            let lifted: wire::UserBanned = body(&event.body)?;
            Kind::UserUnbanned { user: UserId::trusted(lifted.user), version: lifted.version }
        }
        Ok(wire::Kind::BannedFrom) => {
            let banned: wire::BannedFrom = body(&event.body)?;
            let (room, until) = (RoomId::trusted(banned.room), banned.until.map(Timestamp));
            Kind::BannedFrom { room, name: banned.name.into(), until }
        }
        Ok(wire::Kind::RoomMuted) => {
            let muted: wire::RoomMuted = body(&event.body)?;
            Kind::RoomMuted { room: RoomId::trusted(muted.room), on: muted.on }
        }
        Ok(wire::Kind::UserBlocked) => {
            let blocked: wire::UserBlocked = body(&event.body)?;
            Kind::UserBlocked { user: UserId::trusted(blocked.user), on: blocked.on }
        }
        Ok(wire::Kind::LoggedOut) => {
            let out: wire::LoggedOut = body(&event.body)?;
            Kind::LoggedOut { session: out.session }
        }
        Ok(wire::Kind::Receipt) => {
            let (delivered, read) = pointers_from(&body(&event.body)?);
            Kind::Receipt { delivered, read }
        }
        Ok(wire::Kind::Unspecified) => return Err(Malformed("an event without a kind".into())),
        Err(_) => Kind::Other { kind: event.kind.cast_unsigned(), body: event.body },
    };
    Ok(Event {
        id: EventId(id_from(&event.id)?),
        room: RoomId::trusted(event.room),
        actor: actor_from(event.actor)?,
        kind,
    })
}

fn body<M: prost::Message + Default>(bytes: &Bytes) -> Result<M, Malformed> {
    M::decode(bytes.as_ref()).map_err(|error| Malformed(error.to_string()))
}

pub(crate) fn present<T>(field: Option<T>, name: &str) -> Result<T, Malformed> {
    field.ok_or_else(|| Malformed(format!("{name} is missing")))
}

pub(crate) fn pointers_to(delivered: Option<Seq>, read: Option<Seq>) -> wire::Pointers {
    wire::Pointers { delivered: delivered.map(|seq| seq.0), read: read.map(|seq| seq.0) }
}

pub(crate) fn pointers_from(pointers: &wire::Pointers) -> (Option<Seq>, Option<Seq>) {
    (pointers.delivered.map(Seq), pointers.read.map(Seq))
}

pub(crate) fn id_to(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

pub(crate) fn id_from(bytes: &[u8]) -> Result<Uuid, Malformed> {
    Uuid::from_slice(bytes).map_err(|_| Malformed(format!("an id of {} bytes, not 16", bytes.len())))
}

pub(crate) fn actor_to(actor: &Actor) -> wire::Actor {
    wire::Actor {
        id: actor.id.as_str().to_owned(),
        name: actor.name.to_string(),
        avatar: actor.avatar.as_deref().map(str::to_owned),
    }
}

pub(crate) fn actor_from(actor: Option<wire::Actor>) -> Result<Actor, Malformed> {
    let actor = present(actor, "actor")?;
    Ok(Actor { id: UserId::trusted(actor.id), name: actor.name.into(), avatar: actor.avatar.map(Arc::from) })
}

fn message_to(message: &Message) -> wire::Message {
    wire::Message {
        content: message.content.clone(),
        r#type: message.kind.as_str().to_owned(),
        reply_to: message.reply_to.as_ref().map(|quote| wire::Quote {
            message: id_to(quote.message.0),
            content: quote.content.clone(),
            encrypted: quote.encrypted,
            sender: quote.sender.as_ref().map(|id| id.as_str().to_owned()),
        }),
        metadata: message.metadata.clone(),
        temp_id: message.temp_id.clone(),
        mentions: message.mentions.iter().map(|user| user.as_str().to_owned()).collect(),
        encrypted: message.encrypted,
    }
}

fn message_from(message: wire::Message) -> Result<Message, Malformed> {
    let reply_to = match message.reply_to {
        None => None,
        Some(quote) => Some(Quote {
            message: MessageId(id_from(&quote.message)?),
            content: quote.content,
            encrypted: quote.encrypted,
            sender: quote.sender.map(UserId::trusted),
        }),
    };
    Ok(Message {
        content: message.content,
        // A type that a newer version made is still a message that can be read.
        kind: MessageType::parse(&message.r#type).unwrap_or(MessageType::Text),
        reply_to,
        metadata: message.metadata,
        mentions: message.mentions.into_iter().map(UserId::trusted).collect(),
        encrypted: message.encrypted,
        temp_id: message.temp_id,
    })
}

fn room_to(room: &Room) -> wire::Room {
    wire::Room {
        id: room.id.as_str().to_owned(),
        kind: room.kind.as_str().to_owned(),
        name: room.name.clone(),
        description: room.description.clone(),
        avatar: room.avatar.clone(),
        private: room.private,
        created_by: room.created_by.as_str().to_owned(),
        created_at: room.created_at.0,
        version: room.version,
        member_count: room.member_count,
        pair: Vec::new(),
    }
}

fn room_from(room: wire::Room) -> Result<Room, Malformed> {
    Ok(Room {
        kind: RoomKind::parse(&room.kind).ok_or_else(|| Malformed(format!("unknown room kind {:?}", room.kind)))?,
        id: RoomId::trusted(room.id),
        name: room.name,
        description: room.description,
        avatar: room.avatar,
        private: room.private,
        created_by: UserId::trusted(room.created_by),
        created_at: Timestamp(room.created_at),
        version: room.version,
        member_count: room.member_count,
    })
}

fn member_to(member: &Member) -> wire::Member {
    wire::Member {
        user: Some(actor_to(&member.user)),
        role: member.role.as_str().to_owned(),
        joined_at: member.joined_at.0,
    }
}

fn member_from(member: wire::Member) -> Result<Member, Malformed> {
    Ok(Member {
        role: Role::parse(&member.role).ok_or_else(|| Malformed(format!("unknown role {:?}", member.role)))?,
        user: actor_from(member.user)?,
        joined_at: Timestamp(member.joined_at),
    })
}
