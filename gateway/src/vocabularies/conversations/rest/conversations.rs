//! `/api/conversations`.

use parlor_core::command::{Command, NewRoom};
use parlor_core::event::RoomKind;
use parlor_core::ids::{RoomId, UserId};
use serde::Serialize;

use crate::vocabularies::conversations::forms::{ConversationForm, ParticipantForm};
use crate::vocabularies::outgoing::{Answer, Nothing, json};
use crate::vocabularies::payload::Entry;
use crate::vocabularies::route::{Asked, Route};

const CONVERSATION: &str = "conversationId";

/// With one user. The same pair gets the same conversation.
pub(crate) const DIRECT: Route = Route {
    entry: Entry {
        name: "POST /api/conversations/direct",
        fields: &["user_id"],
        read: |payload, _| {
            let members = vec![payload.user("user_id")?];
            Ok(Command::CreateRoom(NewRoom { members, private: true, ..new(RoomKind::Direct) }))
        },
    },
    status: 201,
    body: conversation,
};

/// With several, under a title. Nobody finds it who is not in it.
pub(crate) const GROUP: Route = Route {
    entry: Entry {
        name: "POST /api/conversations/group",
        fields: &["title", "participant_ids", "description", "avatar_url"],
        read: |payload, rules| {
            let name = payload.required("title", payload.said("title", rules.max_name_chars)?)?;
            let members = payload.users("participant_ids", rules.max_named_members)?;
            Ok(Command::CreateRoom(NewRoom {
                name: Some(name),
                members: payload.required("participant_ids", members)?,
                description: payload.said("description", rules.max_description_chars)?,
                avatar: payload.url("avatar_url", rules.max_avatar_chars)?.filter(|url| !url.is_empty()),
                private: true,
                ..new(RoomKind::Group)
            }))
        },
    },
    status: 201,
    body: conversation,
};

/// The caller's, the latest message first.
pub(crate) const LIST: Route = Route {
    entry: Entry {
        name: "GET /api/conversations",
        fields: &["limit", "offset"],
        read: |payload, rules| Ok(Command::Rooms { limit: payload.limit(rules)?, offset: payload.offset()? }),
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Rooms { rooms, total } = answer else { return json(&Nothing {}) };
        json(&List { conversations: rooms.iter().map(ConversationForm::from).collect(), total })
    },
};

/// One of them.
pub(crate) const ONE: Route = Route {
    entry: Entry {
        name: "GET /api/conversations/:conversationId",
        fields: &[CONVERSATION],
        read: |payload, _| Ok(Command::Room { room: payload.room_at(CONVERSATION)? }),
    },
    status: 200,
    body: |answer, _| {
        let &Answer::Room { room, members, last_message, unread } = answer else { return json(&Nothing {}) };
        json(&ConversationForm::with_participants(room, members).told_to_asker(last_message, unread))
    },
};

/// One more user in it.
pub(crate) const ADD: Route = Route {
    entry: Entry {
        name: "POST /api/conversations/:conversationId/participants",
        fields: &[CONVERSATION, "user_id"],
        read: |payload, _| {
            Ok(Command::AddMembers { room: payload.room_at(CONVERSATION)?, users: vec![payload.user("user_id")?] })
        },
    },
    status: 200,
    body: conversation,
};

/// One fewer: another user, or oneself.
pub(crate) const REMOVE: Route = Route {
    entry: Entry {
        name: "DELETE /api/conversations/:conversationId/participants/:userId",
        fields: &[CONVERSATION, "userId"],
        read: |payload, _| {
            Ok(Command::RemoveMembers { room: payload.room_at(CONVERSATION)?, users: vec![payload.user("userId")?] })
        },
    },
    status: 200,
    body: |answer, asked| match *answer {
        // Who has left sees nobody there any more.
        Answer::Left { room } => json(&Left { id: room, participants: &[], removed: &asked.user.id }),
        _ => conversation(answer, asked),
    },
};

fn new(kind: RoomKind) -> NewRoom {
    NewRoom { kind, name: None, description: None, avatar: None, private: false, members: Vec::new(), id: None }
}

fn conversation(answer: &Answer<'_>, _: &Asked) -> String {
    match *answer {
        Answer::Created { room, members } | Answer::Room { room, members, .. } => {
            json(&ConversationForm::with_participants(room, members))
        }
        _ => json(&Nothing {}),
    }
}

#[derive(Serialize)]
struct List<'a> {
    conversations: Vec<ConversationForm<'a>>,
    total: u64,
}

#[derive(Serialize)]
struct Left<'a> {
    id: &'a RoomId,
    participants: &'a [ParticipantForm<'a>],
    removed: &'a UserId,
}
