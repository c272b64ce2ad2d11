//! The four requests of `cafe.md`, REST.

use parlor_core::command::Command;
use parlor_core::event::Status;
use parlor_core::ids::RoomId;
use serde::Serialize;

use super::forms::{MessageForm, UserForm};
use crate::vocabularies::outgoing::{Answer, Nothing, json};
use crate::vocabularies::payload::Entry;
use crate::vocabularies::route::Route;

const CAFE: &str = "cafeId";

/// Topics where the request names no limit.
const TOPICS_SHOWN: u32 = 10;

/// A page counted from the newest message.
pub(crate) const MESSAGES: Route = Route {
    entry: Entry {
        name: "GET /api/chat/messages/:cafeId",
        fields: &[CAFE, "limit", "offset"],
        read: |payload, rules| {
            let (limit, offset) = (payload.limit(rules)?, payload.offset()?);
            Ok(Command::Messages { room: payload.room_at(CAFE)?, limit, offset })
        },
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Counted(page) = answer else { return json(&Nothing {}) };
        let messages = page.messages.iter().map(MessageForm::stored).collect();
        json(&Page { messages, total: page.total, limit: page.limit, offset: page.offset })
    },
};

/// Takes a message back: one's own, or as a moderator.
pub(crate) const DELETE: Route = Route {
    entry: Entry {
        name: "DELETE /api/chat/messages/:messageId",
        fields: &["messageId"],
        read: |payload, _| Ok(Command::Delete { message: payload.named_message("messageId")?, room: None }),
    },
    status: 200,
    body: |_, _| json(&Deleted { success: true, message: "Message deleted" }),
};

/// Who is in a café now.
pub(crate) const PRESENCE: Route = Route {
    entry: Entry {
        name: "GET /api/chat/presence/:cafeId",
        fields: &[CAFE],
        read: |payload, _| Ok(Command::Live { room: payload.room_at(CAFE)? }),
    },
    status: 200,
    body: |answer, asked| {
        let &Answer::Live { room, count, users } = answer else { return json(&Nothing {}) };
        let user = |person| {
            let form = UserForm::seen(person);
            // Who is here is seen now.
            if person.1.status == Status::Offline { form } else { form.seen_at(asked.at) }
        };
        json(&Presence { cafe_id: room, user_count: count, users: users.iter().map(user).collect() })
    },
};

/// What a café talks about.
pub(crate) const TOPICS: Route = Route {
    entry: Entry {
        name: "GET /api/chat/topics/:cafeId",
        fields: &[CAFE, "limit"],
        read: |payload, rules| {
            Ok(Command::Topics { room: payload.room_at(CAFE)?, limit: payload.limit_or(TOPICS_SHOWN, rules)? })
        },
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Topics { room, topics } = answer else { return json(&Nothing {}) };
        json(&Topics { cafe_id: room, topics })
    },
};

/// All of them.
#[cfg(test)]
pub(crate) const ROUTES: &[&Route] = &[&MESSAGES, &DELETE, &PRESENCE, &TOPICS];

#[derive(Serialize)]
struct Page<'a> {
    messages: Vec<MessageForm<'a>>,
    total: u64,
    limit: u32,
    offset: u64,
}

#[derive(Serialize)]
struct Deleted {
    success: bool,
    message: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Presence<'a> {
    cafe_id: &'a RoomId,
    user_count: u32,
    users: Vec<UserForm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics<'a> {
    cafe_id: &'a RoomId,
    topics: &'a [String],
}
