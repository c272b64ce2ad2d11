//! Answers to what was asked: one form for the ack, and for the event that stands in for it.

use parlor_core::event::Actor;
use parlor_core::ids::{MessageId, RoomId, UserId};
use parlor_core::ports::presence::Seen;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::vocabularies::dotted::events;
use crate::vocabularies::dotted::forms::{MemberForm, MessageForm, SummaryForm, UserForm};
use crate::vocabularies::outgoing::{Answer, Ban, CursorText, Iso, MemberReceipt, News, Outgoing};

#[derive(Serialize)]
struct Pins<'a> {
    messages: Vec<MessageForm<'a>>,
}

/// The ack of `message.search`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    messages: Vec<Hit<'a>>,
    next_cursor: Option<&'a str>,
    has_more: bool,
}

#[derive(Serialize)]
struct Hit<'a> {
    #[serde(flatten)]
    message: MessageForm<'a>,
    highlight: &'a str,
}

/// The ack of `message.sync`: the very events of the live wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    events: Vec<Event>,
    next_cursor: CursorText,
    has_more: bool,
}

#[derive(Serialize)]
struct Event {
    name: &'static str,
    data: Box<RawValue>,
}

/// The ack of `message.page`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counted<'a> {
    room_id: &'a RoomId,
    messages: Vec<MessageForm<'a>>,
    total: u64,
    limit: u32,
    offset: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics<'a> {
    room_id: &'a RoomId,
    topics: &'a [String],
}

/// The ack of `message.receipts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipts<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    delivered_count: u32,
    read_count: u32,
    members: Vec<Receipt<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    #[serde(flatten)]
    user: UserForm<'a>,
    delivered_at: Option<Iso>,
    read_at: Option<Iso>,
}

impl<'a> From<&'a MemberReceipt> for Receipt<'a> {
    fn from(receipt: &'a MemberReceipt) -> Self {
        Self {
            user: UserForm::from(&receipt.user),
            delivered_at: receipt.delivered_at.map(Iso),
            read_at: receipt.read_at.map(Iso),
        }
    }
}

/// A user with their presence.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Person<'a> {
    #[serde(flatten)]
    user: UserForm<'a>,
    status: &'static str,
    last_seen: Option<Iso>,
}

impl<'a> From<&'a (Actor, Seen)> for Person<'a> {
    fn from((user, seen): &'a (Actor, Seen)) -> Self {
        Self { user: UserForm::from(user), status: seen.status.as_str(), last_seen: seen.last_seen.map(Iso) }
    }
}

/// The ack of `presence.last.seen`: of one user the fields stand beside the list too.
#[derive(Serialize)]
struct Presence<'a> {
    #[serde(flatten)]
    only: Option<Person<'a>>,
    users: Vec<Person<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Live<'a> {
    room_id: &'a RoomId,
    user_count: u32,
    users: Vec<Person<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typists<'a> {
    room_id: &'a RoomId,
    users: Vec<UserForm<'a>>,
}

#[derive(Serialize)]
struct Rooms<'a> {
    rooms: Vec<SummaryForm<'a>>,
    total: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    members: Vec<MemberForm<'a>>,
    next_cursor: Option<&'a UserId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bans<'a> {
    room_id: &'a RoomId,
    bans: Vec<BanForm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BanForm<'a> {
    #[serde(flatten)]
    user: UserForm<'a>,
    by: &'a UserId,
    since: Iso,
    until: Option<Iso>,
    reason: Option<&'a str>,
}

impl<'a> From<&'a Ban> for BanForm<'a> {
    fn from(ban: &'a Ban) -> Self {
        Self {
            user: UserForm::from(&ban.user),
            by: &ban.by,
            since: Iso(ban.since),
            until: ban.until.map(Iso),
            reason: ban.reason.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Blocks<'a> {
    users: Vec<UserForm<'a>>,
}

/// The event with what was asked for; its body is the ack's. `None`: the answer tells of something that was done.
pub(super) fn asked(answer: &Answer<'_>) -> Option<Outgoing> {
    Some(match *answer {
        Answer::Pins(messages) => Outgoing::new(
            "message.pins.response",
            &Pins { messages: messages.iter().map(MessageForm::stored).collect() },
        ),
        Answer::Found(found) => {
            let hits = found.hits.iter();
            let hits = hits.map(|(message, highlight)| Hit { message: MessageForm::stored(message), highlight });
            let body = Found { messages: hits.collect(), next_cursor: found.next, has_more: found.next.is_some() };
            Outgoing::new("message.search.response", &body)
        }
        Answer::Changes(changes) => {
            let told = changes.events.iter().flat_map(|delivery| events::render(&News::Delivery(delivery)));
            let event =
                |event: Outgoing| Some(Event { name: event.name, data: RawValue::from_string(event.body).ok()? });
            let body = Changes {
                events: told.filter_map(event).collect(),
                next_cursor: CursorText(changes.next),
                has_more: changes.has_more,
            };
            Outgoing::new("message.sync.response", &body)
        }
        Answer::Counted(page) => {
            let messages = page.messages.iter().map(MessageForm::stored).collect();
            let (total, limit, offset) = (page.total, page.limit, page.offset);
            Outgoing::new("message.page.response", &Counted { room_id: page.room, messages, total, limit, offset })
        }
        Answer::Topics { room, topics } => Outgoing::new("topics.get.response", &Topics { room_id: room, topics }),
        Answer::Receipts(receipts) => Outgoing::new(
            "message.receipts.response",
            &Receipts {
                message_id: receipts.message,
                room_id: receipts.room,
                delivered_count: receipts.delivered,
                read_count: receipts.read,
                members: receipts.members.iter().map(Receipt::from).collect(),
            },
        ),
        Answer::Presence(users) => {
            let only = if let [one] = users { Some(Person::from(one)) } else { None };
            Outgoing::new("presence.last.seen", &Presence { only, users: users.iter().map(Person::from).collect() })
        }
        Answer::Live { room, count, users } => Outgoing::new(
            "presence.room.response",
            &Live { room_id: room, user_count: count, users: users.iter().map(Person::from).collect() },
        ),
        Answer::Typists { room, users } => Outgoing::new(
            "typing.list.response",
            &Typists { room_id: room, users: users.iter().map(UserForm::from).collect() },
        ),
        Answer::Rooms { rooms, total } => {
            Outgoing::new("room.list.response", &Rooms { rooms: rooms.iter().map(SummaryForm::from).collect(), total })
        }
        Answer::Members { members, next } => Outgoing::new(
            "room.members.list.response",
            &Members { members: members.iter().map(MemberForm::from).collect(), next_cursor: next },
        ),
        Answer::Bans { room, bans } => {
            Outgoing::new("room.bans.response", &Bans { room_id: room, bans: bans.iter().map(BanForm::from).collect() })
        }
        Answer::Blocks(users) => {
            Outgoing::new("user.blocks.response", &Blocks { users: users.iter().map(UserForm::from).collect() })
        }
        _ => return None,
    })
}
