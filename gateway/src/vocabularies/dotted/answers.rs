//! Answers → acks, and the events that stand in for them where no ack was asked for.

mod devices;
mod lists;

use parlor_core::event::RoomKind;
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use serde::Serialize;

use super::files;
use super::forms::{PageForm, RoomForm};
use crate::vocabularies::outgoing::{Answer, Iso, Nothing, Outgoing, json};

/// `message.sent` (`dotted-architecture.md` §2); its refused form is in `errors.rs`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
    message_id: MessageId,
    room_id: &'a RoomId,
    timestamp: Iso,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl<'a> Sent<'a> {
    fn of(answer: &Answer<'a>) -> Option<Self> {
        let &Answer::Sent { message, room, time, seq, temp_id } = answer else { return None };
        Some(Self { temp_id, message_id: message, room_id: room, timestamp: Iso(time), status: "sent", seq })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined<'a> {
    room: RoomForm<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<User<'a>>,
}

/// Somebody who is in a channel now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User<'a> {
    user_id: &'a UserId,
    user_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Left<'a> {
    room_id: &'a RoomId,
}

#[derive(Serialize)]
struct Created<'a> {
    room: RoomForm<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edited<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    edited_at: Iso,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    timestamp: Iso,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reacted<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    emoji: &'a str,
    action: &'static str,
    timestamp: Iso,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pinned<'a> {
    message_id: MessageId,
    room_id: &'a RoomId,
    pinned: bool,
    timestamp: Iso,
}

/// The ack of `message.delivered` and `message.read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pointed<'a> {
    room_id: &'a RoomId,
    status: &'static str,
    message_ids: &'a [MessageId],
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Muted<'a> {
    pub(super) room_id: &'a RoomId,
    pub(super) muted: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Banned<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    banned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Iso>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blocked<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) blocked: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reported {
    report_id: uuid::Uuid,
}

pub(in crate::vocabularies) fn ack(answer: &Answer<'_>) -> String {
    match *answer {
        Answer::Sent { .. } => json(&Sent::of(answer)),
        Answer::Joined { room, live, users } => {
            let users = users.iter().map(|user| User { user_id: &user.id, user_name: &user.name }).collect();
            json(&Joined { room: room.into(), user_count: live, users })
        }
        Answer::Left { room } => json(&Left { room_id: room }),
        Answer::Created { room, members } => json(&Created { room: RoomForm::with_members(room, members) }),
        Answer::Edited { message, room, time } => {
            json(&Edited { message_id: message, room_id: room, edited_at: Iso(time) })
        }
        Answer::Deleted { message, room, time } => {
            json(&Deleted { message_id: message, room_id: room, timestamp: Iso(time) })
        }
        Answer::Page(page) => json(&PageForm::from(page)),
        Answer::Done => json(&Nothing {}),
        Answer::Reacted { message, room, emoji, on, time } => {
            json(&Reacted { message_id: message, room_id: room, emoji, action: action(on), timestamp: Iso(time) })
        }
        Answer::Pinned { message, room, on, time } => {
            json(&Pinned { message_id: message, room_id: room, pinned: on, timestamp: Iso(time) })
        }
        Answer::Pointed { room, read, seq, messages, unread } => json(&Pointed {
            room_id: room,
            status: if read { "read" } else { "delivered" },
            message_ids: messages,
            seq,
            unread_count: unread,
        }),
        Answer::Room { room, members, last_message, unread } => {
            json(&Created { room: RoomForm::with_members(room, members).told_to_asker(last_message, unread) })
        }
        Answer::RoomDeleted { room } => json(&Left { room_id: room }),
        Answer::Muted { room, on } => json(&Muted { room_id: room, muted: on }),
        Answer::Banned { room, user, on, until } => {
            json(&Banned { room_id: room, user_id: user, banned: on, until: until.map(Iso) })
        }
        Answer::Blocked { user, on } => json(&Blocked { user_id: user, blocked: on }),
        Answer::Reported { id } => json(&Reported { report_id: id }),
        Answer::Pins(_)
        | Answer::Found(_)
        | Answer::Changes(_)
        | Answer::Counted(_)
        | Answer::Topics { .. }
        | Answer::Receipts(_)
        | Answer::Presence(_)
        | Answer::Live { .. }
        | Answer::Typists { .. }
        | Answer::Rooms { .. }
        | Answer::Members { .. }
        | Answer::Bans { .. }
        | Answer::Blocks(_) => lists::asked(answer).map_or_else(|| json(&Nothing {}), |event| event.body),
        Answer::UploadStarted(_) | Answer::UploadComplete { .. } | Answer::FileUrl { .. } => {
            files::answer(answer).map_or_else(|| json(&Nothing {}), |event| event.body)
        }
        // The commands behind these have no event here yet.
        Answer::PushKey(_) | Answer::Keys(_) => {
            devices::asked(answer).map_or_else(|| json(&Nothing {}), |event| event.body)
        }
    }
}

pub(in crate::vocabularies) fn unasked(answer: &Answer<'_>) -> Option<Outgoing> {
    match *answer {
        Answer::Sent { .. } => Some(Outgoing::new("message.sent", &Sent::of(answer))),
        Answer::Page(page) => Some(Outgoing::new("message.history.response", &PageForm::from(page))),
        // The makers of other rooms hear of them through their inbox; a channel has no members to tell.
        Answer::Created { room, .. } if room.kind == RoomKind::Channel => {
            Some(Outgoing::new("room.created", &RoomForm::from(room)))
        }
        // The room's own events tell the rest, but for what was asked.
        _ => lists::asked(answer).or_else(|| files::answer(answer)).or_else(|| devices::asked(answer)),
    }
}

/// What was done to a reaction.
pub(super) fn action(on: bool) -> &'static str {
    if on { "add" } else { "remove" }
}
