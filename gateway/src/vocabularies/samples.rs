//! What there is to say beyond the essentials, one of each, for the golden transcripts.

use parlor_core::command::Command;
use parlor_core::device::{DeviceKeys, OneTimeKey};
use parlor_core::event::{Delivery, Ephemeral, Kind, Member, Message, MessageType, Quote, Role, Room, Status};
use parlor_core::ids::{FileId, MessageId, RoomId, Seq, UserId};
use parlor_core::ports::presence::Seen;
use parlor_core::ports::store::{Reaction, RoomSummary, StoredMessage};
use parlor_core::receipts::Got;

use super::golden::{AT, OTHER, ada, channel, delivery, group, message_id, stored, text, user};
use super::{Answer, Ban, Changes, Counted, Found, MemberReceipt, News, Receipts, Upload};

fn ben() -> parlor_core::event::Actor {
    user("user2", "Ben")
}

/// A message with everything that a store can say of one.
pub(super) fn rich() -> StoredMessage {
    let mut message = stored(text("Hello @Ben"), false);
    message.message.mentions = vec![ben().id];
    message.reactions = vec![
        Reaction { emoji: "👍🏽".into(), users: vec![ben().id, ada().id], count: 2 },
        Reaction { emoji: "🎉".into(), users: vec![ben().id], count: 140 },
    ];
    message.pinned = true;
    message.got = Got::Delivered;
    message
}

fn ciphertext() -> StoredMessage {
    let mut message = stored(text("MjU2IGJpdHM="), false);
    message.message.encrypted = true;
    message.message.metadata = Some(r#"{"keyId":"k1"}"#.into());
    message
}

pub(super) fn deliveries() -> Vec<(&'static str, Delivery)> {
    let (room, inbox) = (group().id, RoomId::inbox(&ben().id));
    let message = message_id();
    let member = |role| Member { user: ben(), role, joined_at: AT };
    let renamed = Room { name: Some("New name".into()), private: true, version: 4, ..group() };
    let reacted = |on| Kind::MessageReacted { message, emoji: "👍🏽".into(), on };
    let banned = |until| Kind::UserBanned { user: ben().id, name: ben().name, until, version: 6 };
    let mine = |kind| delivery(&inbox, ben(), kind);
    vec![
        ("a message as ciphertext", delivery(&room, ada(), Kind::MessageSent(ciphertext().message))),
        ("an answer to ciphertext, as ciphertext", {
            let quote = Quote {
                message: MessageId::parse(OTHER).unwrap(),
                content: Some("b2xk".into()),
                encrypted: true,
                sender: Some(ben().id),
            };
            let answer = Message { reply_to: Some(quote), ..ciphertext().message };
            delivery(&room, ada(), Kind::MessageSent(answer))
        }),
        ("an edit as ciphertext", {
            let edited = Kind::MessageEdited { message, content: "bmV3".into(), encrypted: true };
            delivery(&room, ada(), edited)
        }),
        ("a message with mentions", delivery(&room, ada(), Kind::MessageSent(rich().message))),
        ("a reaction", delivery(&room, ben(), reacted(true))),
        ("a reaction taken back", delivery(&room, ben(), reacted(false))),
        ("a pin", delivery(&room, ada(), Kind::MessagePinned { message, on: true })),
        ("a pin removed", delivery(&room, ada(), Kind::MessagePinned { message, on: false })),
        ("a member added by another", {
            delivery(&room, ada(), Kind::MemberJoined { member: member(Role::Member), members: Some(2), version: 2 })
        }),
        ("a member removed by another", {
            delivery(&room, ada(), Kind::MemberLeft { user: ben().id, name: ben().name, members: Some(1), version: 3 })
        }),
        ("inbox: removed from a room by another", {
            delivery(&inbox, ada(), Kind::RoomRemoved { room: room.clone(), version: 3 })
        }),
        ("new settings", delivery(&room, ada(), Kind::RoomUpdated { room: renamed })),
        ("the room deleted", delivery(&room, ada(), Kind::RoomDeleted { version: 5 })),
        ("a new role", { delivery(&room, ada(), Kind::RoleChanged { member: member(Role::Moderator), version: 6 }) }),
        ("a ban", delivery(&room, ada(), banned(None))),
        ("a ban for a while", delivery(&room, ada(), banned(Some(AT.plus_millis(3_600_000))))),
        ("a ban lifted", delivery(&room, ada(), Kind::UserUnbanned { user: ben().id, version: 7 })),
        ("inbox: banned from a room", {
            let kind = Kind::BannedFrom { room: room.clone(), name: "Ben".into(), until: Some(AT) };
            delivery(&RoomId::inbox(&ben().id), ada(), kind)
        }),
        ("inbox: a room muted", mine(Kind::RoomMuted { room: room.clone(), on: true })),
        ("inbox: a room muted no more", mine(Kind::RoomMuted { room: room.clone(), on: false })),
        ("inbox: a user blocked", mine(Kind::UserBlocked { user: ada().id, on: true })),
        ("inbox: a user blocked no more", mine(Kind::UserBlocked { user: ada().id, on: false })),
    ]
}

pub(super) fn ephemeral() -> Vec<(&'static str, Ephemeral)> {
    let messages = vec![message_id(), MessageId::parse(OTHER).unwrap()];
    let receipt =
        |delivered, read| Ephemeral::Receipt { user: ben().id, delivered, read, messages: messages.clone(), at: AT };
    vec![
        ("messages delivered", receipt(Some(Seq(8)), None)),
        ("messages read", receipt(Some(Seq(8)), Some(Seq(8)))),
        ("more delivered than read", receipt(Some(Seq(8)), Some(Seq(7)))),
        ("readers in a big room", Ephemeral::ReadCount { message: message_id(), readers: 412 }),
        ("online in a big room", Ephemeral::OnlineCount { online: 730 }),
        ("topics", Ephemeral::Topics { topics: vec!["coffee".into(), "music".into()] }),
    ]
}

pub(super) fn inbox(tell: &mut impl FnMut(&str, &News<'_>)) {
    let (inbox, room) = (RoomId::inbox(&ben().id), group().id);
    let unread = Ephemeral::Unread { room, count: 2, read: Seq(5) };
    tell("inbox: a room's unread messages", &News::Ephemeral { room: &inbox, news: &unread, at: AT });
    let upload = FileId(message_id().0);
    let progress = Ephemeral::UploadProgress { upload, loaded: 65_536, total: 10_485_760 };
    tell("inbox: an upload goes on", &News::Ephemeral { room: &inbox, news: &progress, at: AT });
    let failed =
        Ephemeral::UploadFailed { upload, code: "unsupported_type".into(), message: "the file is no image/png".into() };
    tell("inbox: an upload came to nothing", &News::Ephemeral { room: &inbox, news: &failed, at: AT });
}

/// Whether a command like this one may be answered so.
pub(super) fn answers_to(command: &Command, answer: &Answer<'_>) -> bool {
    match (command, answer) {
        (Command::CreateRoom(new), Answer::Created { room, .. }) => new.kind == room.kind,
        (Command::Read { .. }, Answer::Pointed { read, .. }) => *read,
        (Command::Delivered { .. }, Answer::Pointed { read, .. }) => !*read,
        (Command::React { on, .. }, Answer::Reacted { on: was, .. }) => on == was,
        (Command::Send(_), Answer::Sent { .. })
        | (Command::Edit { .. }, Answer::Edited { .. })
        | (Command::Delete { .. }, Answer::Deleted { .. })
        | (Command::Messages { .. }, Answer::Counted(_))
        | (Command::Live { .. }, Answer::Live { .. })
        | (Command::Topics { .. }, Answer::Topics { .. })
        | (Command::Rooms { .. }, Answer::Rooms { .. })
        | (Command::Room { .. } | Command::AddMembers { .. } | Command::RemoveMembers { .. }, Answer::Room { .. })
        | (Command::RemoveMembers { .. }, Answer::Left { .. }) => true,
        _ => false,
    }
}

/// Those that `golden.rs` has too, for requests.
pub(super) fn essential_answers(write: &mut impl FnMut(&str, &Answer<'_>)) {
    let (room, message, time) = (group(), message_id(), AT);
    let id = &room.id;
    let members = [Member { user: ada(), role: Role::Admin, joined_at: AT }];
    let (seq, temp_id) = (Some(Seq(7)), Some("temp_123"));
    write("sent", &Answer::Sent { message, room: id, time, seq, temp_id });
    write("edited", &Answer::Edited { message, room: id, time });
    write("deleted", &Answer::Deleted { message, room: id, time });
    write("left", &Answer::Left { room: id });
    write("created a group", &Answer::Created { room: &room, members: &members });
}

pub(super) fn answers(write: &mut impl FnMut(&str, &Answer<'_>)) {
    let (room, message, time) = (group(), message_id(), AT);
    let id = &room.id;
    let members = [
        Member { user: ada(), role: Role::Admin, joined_at: AT },
        Member { user: ben(), role: Role::Moderator, joined_at: AT },
    ];
    let (rich, ciphertext) = (rich(), ciphertext());
    let seen = |status, ago| Seen { status, last_seen: ago };
    let people = [(ada(), seen(Status::Busy, None)), (ben(), seen(Status::Offline, Some(AT)))];
    for on in [true, false] {
        write("reacted", &Answer::Reacted { message, room: id, emoji: "👍🏽", on, time });
        write("pinned", &Answer::Pinned { message, room: id, on, time });
    }
    write("pins", &Answer::Pins(std::slice::from_ref(&rich)));
    let hits = [(rich.clone(), "<mark>Hello</mark> @Ben".to_owned())];
    write("found", &Answer::Found(&Found { hits: &hits, next: Some("c2") }));
    write("found, to the end", &Answer::Found(&Found { hits: &[], next: None }));
    let events: Vec<Delivery> = deliveries().into_iter().take(4).map(|(_, delivery)| delivery).collect();
    write("changes", &Answer::Changes(&Changes { events: &events, next: Seq(9), has_more: false }));
    let messages = [rich.clone(), ciphertext];
    let counted = Counted { room: id, messages: &messages, total: 150, limit: 50, offset: 100 };
    write("a counted page", &Answer::Counted(&counted));
    write("push key", &Answer::PushKey("BCVxsr7N"));
    let mut keys = DeviceKeys {
        user: UserId::trusted("user1"),
        device: "phone".into(),
        identity_key: "aWQ=".into(),
        signed_key: "c2s=".into(),
        signature: "c2ln".into(),
        one_time_key: None,
        left: 7,
    };
    write("keys", &Answer::Keys(std::slice::from_ref(&keys)));
    keys.one_time_key = Some(OneTimeKey { id: "1".into(), key: "b25l".into() });
    write("claimed", &Answer::Keys(std::slice::from_ref(&keys)));
    write("topics", &Answer::Topics { room: id, topics: &["coffee".into(), "music".into()] });
    let named = [message];
    let pointed = |read, unread| Answer::Pointed { room: id, read, seq: Seq(7), messages: &named, unread };
    write("read", &pointed(true, Some(0)));
    write("delivered", &pointed(false, None));
    let receipts = [
        MemberReceipt { user: ben(), delivered_at: Some(AT), read_at: None },
        MemberReceipt { user: user("user3", "Cem"), delivered_at: None, read_at: None },
    ];
    let receipts = Receipts { message, room: id, delivered: 1, read: 0, members: &receipts };
    write("receipts", &Answer::Receipts(&receipts));
    write("presence of one", &Answer::Presence(&people[1..]));
    write("presence", &Answer::Presence(&people));
    write("who is here", &Answer::Live { room: id, count: 12, users: &people });
    write("who types", &Answer::Typists { room: id, users: &[ben()] });
    write("a room", &Answer::Room { room: &room, members: &members, last_message: Some(&rich), unread: Some(2) });
    write("a room, changed", &Answer::Room { room: &room, members: &members, last_message: None, unread: None });
    let rooms = [RoomSummary {
        room: channel(),
        role: Role::Moderator,
        partner: None,
        first_members: members.to_vec(),
        last_message: Some(rich.clone()),
        unread: 2,
        read: Seq(5),
        muted: true,
    }];
    write("rooms", &Answer::Rooms { rooms: &rooms, total: 7 });
    write("members", &Answer::Members { members: &members, next: Some(&UserId::trusted("user2")) });
    write("the room is deleted", &Answer::RoomDeleted { room: id });
    write("muted", &Answer::Muted { room: id, on: true });
    write("banned", &Answer::Banned { room: id, user: &ben().id, on: true, until: Some(AT) });
    write("banned no more", &Answer::Banned { room: id, user: &ben().id, on: false, until: None });
    let ban = Ban { user: ben(), by: ada().id, since: AT, until: None, reason: Some("Spam".into()) };
    write("bans", &Answer::Bans { room: id, bans: &[ban] });
    write("blocked", &Answer::Blocked { user: &ben().id, on: true });
    write("blocks", &Answer::Blocks(&[ben()]));
    write("reported", &Answer::Reported { id: message.0 });
    let direct = Room {
        id: RoomId::trusted("direct_user1_user2"),
        kind: parlor_core::event::RoomKind::Direct,
        name: None,
        ..group()
    };
    write("created a direct room", &Answer::Created { room: &direct, members: &members });
    let voice = StoredMessage { message: parlor_core::event::Message::new(MessageType::Voice, ""), ..rich };
    write(
        "a direct room",
        &Answer::Room { room: &direct, members: &members, last_message: Some(&voice), unread: Some(0) },
    );
}

/// Files: of no vocabulary but the complete one.
pub(super) fn files(write: &mut impl FnMut(&str, &Answer<'_>)) {
    let file = parlor_core::file::File {
        id: FileId(message_id().0),
        room: group().id,
        owner: ada().id,
        name: "Grüße.png".into(),
        size: 10_485_760,
        mime: "image/png".into(),
        created_at: AT,
    };
    let url = "/api/files/0190a6f0-0000-7000-8000-000000000001?token=1.a.b";
    let headers = [("Content-Type".to_owned(), "image/png".to_owned())];
    let upload = Upload { id: file.id, method: "PUT", url, headers: &headers, expires: AT };
    write("an upload begins", &Answer::UploadStarted(&upload));
    write("an upload is complete", &Answer::UploadComplete { file: &file, url });
    write("a file's address", &Answer::FileUrl { file: file.id, url, expires: AT });
}
