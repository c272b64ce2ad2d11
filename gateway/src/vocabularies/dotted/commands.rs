//! Client events → commands. This is the table; how each payload is read is in the files beside.

mod devices;
mod messages;
mod people;
mod rooms;

use parlor_core::command::Command;

use super::files;
use crate::vocabularies::payload::Entry;

// `connection.authenticate` and `connection.disconnect` are in `vocabularies/connection.rs`.
pub(in crate::vocabularies) const COMMANDS: &[Entry] = &[
    // Messages.
    Entry {
        name: "message.send",
        fields: &["roomId", "content", "type", "replyToId", "metadata", "mentions", "encrypted", "tempId"],
        read: messages::send,
    },
    Entry { name: "message.edit", fields: &["messageId", "roomId", "content", "encrypted"], read: messages::edit },
    Entry { name: "message.delete", fields: &["messageId", "roomId"], read: messages::delete },
    Entry {
        name: "message.react",
        fields: &["messageId", "roomId", "emoji"],
        read: |payload, rules| messages::react(payload, rules, true),
    },
    Entry {
        name: "message.unreact",
        fields: &["messageId", "roomId", "emoji"],
        read: |payload, rules| messages::react(payload, rules, false),
    },
    Entry { name: "message.pin", fields: &["messageId", "roomId"], read: |payload, _| messages::pin(payload, true) },
    Entry { name: "message.unpin", fields: &["messageId", "roomId"], read: |payload, _| messages::pin(payload, false) },
    Entry { name: "message.pins", fields: &["roomId"], read: |payload, _| Ok(Command::Pins { room: payload.room()? }) },
    Entry { name: "message.history", fields: &["roomId", "cursor", "limit", "direction"], read: messages::history },
    Entry { name: "message.thread", fields: &["messageId", "roomId", "cursor", "limit"], read: messages::thread },
    Entry { name: "message.page", fields: &["roomId", "limit", "offset"], read: messages::page },
    Entry { name: "message.sync", fields: &["roomId", "after", "limit"], read: messages::sync },
    Entry {
        name: "message.search",
        fields: &["query", "roomId", "senderId", "cursor", "limit"],
        read: messages::search,
    },
    Entry { name: "message.delivered", fields: &["messageIds", "roomId"], read: messages::delivered },
    Entry { name: "message.read", fields: &["messageIds", "roomId"], read: messages::read },
    Entry { name: "message.receipts", fields: &["messageId", "roomId"], read: messages::receipts },
    Entry { name: "topics.get", fields: &["roomId", "limit"], read: messages::topics },
    // Presence and typing.
    Entry {
        name: "presence.status.update",
        fields: &["status"],
        read: |payload, _| Ok(Command::Status { status: payload.status("status")? }),
    },
    Entry { name: "presence.last.seen", fields: &["userId", "userIds"], read: people::presence },
    Entry {
        name: "presence.room",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::Live { room: payload.room()? }),
    },
    Entry {
        name: "typing.start",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::Typing { room: payload.room()?, active: true }),
    },
    Entry {
        name: "typing.stop",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::Typing { room: payload.room()?, active: false }),
    },
    Entry {
        name: "typing.list",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::Typists { room: payload.room()? }),
    },
    // Rooms.
    Entry {
        name: "room.create",
        fields: &["type", "roomId", "name", "description", "avatar", "isPrivate", "memberIds"],
        read: rooms::create,
    },
    Entry { name: "room.join", fields: &["roomId"], read: |payload, _| Ok(Command::Join { room: payload.room()? }) },
    Entry { name: "room.leave", fields: &["roomId"], read: |payload, _| Ok(Command::Leave { room: payload.room()? }) },
    Entry { name: "room.get", fields: &["roomId"], read: |payload, _| Ok(Command::Room { room: payload.room()? }) },
    Entry { name: "room.list", fields: &["limit", "offset"], read: rooms::list },
    Entry {
        name: "room.update",
        fields: &["roomId", "name", "description", "avatar", "isPrivate"],
        read: rooms::update,
    },
    Entry {
        name: "room.delete",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::DeleteRoom { room: payload.room()? }),
    },
    Entry { name: "room.members.list", fields: &["roomId", "cursor", "limit"], read: rooms::members },
    Entry { name: "room.members.add", fields: &["roomId", "memberIds"], read: rooms::add_members },
    Entry { name: "room.members.remove", fields: &["roomId", "memberIds", "userId"], read: rooms::remove_members },
    Entry { name: "room.members.role", fields: &["roomId", "userId", "role"], read: rooms::set_role },
    Entry {
        name: "room.mute",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::Mute { room: payload.room()?, on: true }),
    },
    Entry {
        name: "room.unmute",
        fields: &["roomId"],
        read: |payload, _| Ok(Command::Mute { room: payload.room()?, on: false }),
    },
    Entry { name: "room.ban", fields: &["roomId", "userId", "until", "reason"], read: rooms::ban },
    Entry { name: "room.unban", fields: &["roomId", "userId"], read: rooms::unban },
    Entry { name: "room.bans", fields: &["roomId"], read: |payload, _| Ok(Command::Bans { room: payload.room()? }) },
    // Safety.
    Entry { name: "user.block", fields: &["userId"], read: |payload, _| people::block(payload, true) },
    Entry { name: "user.unblock", fields: &["userId"], read: |payload, _| people::block(payload, false) },
    Entry { name: "user.blocks", fields: &[], read: |_, _| Ok(Command::Blocks) },
    Entry { name: "report", fields: &["messageId", "roomId", "userId", "reason"], read: people::report },
    // Files.
    files::START,
    files::COMPLETE,
    files::CANCEL,
    files::URL,
    // Devices.
    Entry { name: "push.key", fields: &[], read: |_, _| Ok(Command::PushKey) },
    Entry { name: "push.subscribe", fields: &["kind", "endpoint", "token", "keys"], read: devices::subscribe },
    Entry { name: "push.unsubscribe", fields: &["endpoint", "token"], read: devices::unsubscribe },
    Entry {
        name: "keys.publish",
        fields: &["deviceId", "identityKey", "signedKey", "signature", "oneTimeKeys"],
        read: devices::publish,
    },
    Entry { name: "keys.get", fields: &["userIds"], read: devices::keys },
    Entry { name: "keys.claim", fields: &["userId", "deviceId"], read: devices::claim },
];
