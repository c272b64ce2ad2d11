//! What is in the log stays readable, and what a newer version put there stays whole.

use bytes::Bytes;
use parlor_core::event::{
    Actor, Ephemeral, Event, Kind, Member, Message, MessageType, Quote, Role, Room, RoomKind, Status,
};
use parlor_core::ids::{EventId, FileId, MessageId, RoomId, Seq, UserId};
use parlor_core::session::{Snapshot, Standing};
use parlor_core::time::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

fn actor() -> Actor {
    Actor { id: UserId::trusted("u1"), name: "User 1".into(), avatar: Some("https://example.org/a.png".into()) }
}

fn event(kind: Kind) -> Event {
    Event { id: EventId(Uuid::from_u128(7)), room: RoomId::trusted("room-1"), actor: actor(), kind }
}

fn room() -> Room {
    Room {
        id: RoomId::trusted("group_1"),
        kind: RoomKind::Group,
        name: Some("Team".into()),
        description: None,
        avatar: None,
        private: true,
        created_by: UserId::trusted("u1"),
        created_at: Timestamp(5),
        version: 3,
        member_count: 2,
    }
}

fn every_kind() -> Vec<Kind> {
    let id = MessageId(Uuid::from_u128(9));
    let member = Member { user: actor(), role: Role::Moderator, joined_at: Timestamp(6) };
    let quote =
        Quote { message: id, content: Some("why".into()), encrypted: true, sender: Some(UserId::trusted("u2")) };
    vec![
        Kind::MessageSent(Message {
            content: "hello 👋 \u{202e}".into(),
            kind: MessageType::Voice,
            reply_to: Some(quote),
            metadata: Some(r#"{"a": 1}"#.into()),
            mentions: vec![UserId::trusted("u2")],
            encrypted: true,
            temp_id: Some("temp_1".into()),
        }),
        Kind::MessageEdited { message: id, content: "new".into(), encrypted: true },
        Kind::MessageDeleted { message: id },
        Kind::RoomCreated { room: room(), members: vec![member.clone()] },
        Kind::MemberJoined { member: member.clone(), members: Some(3), version: 4 },
        Kind::MemberLeft { user: UserId::trusted("u2"), name: "User 2".into(), members: None, version: 5 },
        Kind::RoomAdded { room: room(), pair: vec![] },
        Kind::RoomAdded { room: room(), pair: vec![member.clone(), member.clone()] },
        Kind::RoomRemoved { room: RoomId::trusted("group_1"), version: 6 },
        Kind::MessageReacted { message: id, emoji: "👩‍🚀".into(), on: true },
        Kind::MessagePinned { message: id, on: false },
        Kind::RoomUpdated { room: room() },
        Kind::RoomDeleted { version: 7 },
        Kind::RoleChanged { member, version: 8 },
        Kind::UserBanned { user: UserId::trusted("u2"), name: "User 2".into(), until: Some(Timestamp(9)), version: 9 },
        Kind::UserUnbanned { user: UserId::trusted("u2"), version: 10 },
        Kind::BannedFrom { room: RoomId::trusted("group_1"), name: "User 2".into(), until: Some(Timestamp(9)) },
        Kind::RoomMuted { room: RoomId::trusted("group_1"), on: true },
        Kind::UserBlocked { user: UserId::trusted("u2"), on: false },
        Kind::LoggedOut { session: Some("s1".into()) },
        Kind::LoggedOut { session: None },
        Kind::Receipt { delivered: Some(Seq(3)), read: None },
        Kind::Other { kind: 4_000, body: Bytes::from_static(b"\x01\x02") },
    ]
}

#[test]
fn every_kind_survives_a_round_trip() {
    for kind in every_kind() {
        let event = event(kind);
        assert_eq!(parlor_proto::decode(&parlor_proto::encode(&event)), Ok(event));
    }
}

#[test]
fn an_unknown_kind_encodes_to_the_same_bytes_again() {
    let bytes = parlor_proto::encode(&event(Kind::Other { kind: 99, body: Bytes::from_static(b"later") }));
    let decoded = parlor_proto::decode(&bytes).expect("an unknown kind is no error");
    assert_eq!(parlor_proto::encode(&decoded), bytes);
}

/// These bytes are in logs out there: a change that breaks this test breaks them.
#[test]
fn a_message_record_keeps_its_golden_bytes() {
    let message = Message {
        content: "hi".into(),
        kind: MessageType::Text,
        reply_to: None,
        metadata: None,
        mentions: Vec::new(),
        encrypted: false,
        temp_id: None,
    };
    let bytes = parlor_proto::encode(&event(Kind::MessageSent(message)));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "0a1000000000000000000000000000000007",                   // id
            "1206726f6f6d2d31",                                       // room
            "1a270a0275311206557365722031",                           // actor: id, name
            "1a1968747470733a2f2f6578616d706c652e6f72672f612e706e67", // actor: avatar
            "2001",                                                   // kind
            "2a0a0a02686912047465787",                                // body: content, type
            "4",
        )
    );
}

#[test]
fn ephemeral_news_survives_a_round_trip() {
    let all = [
        Ephemeral::Typing { user: actor(), active: true },
        Ephemeral::Presence {
            user: UserId::trusted("u1"),
            name: "User 1".into(),
            status: Status::Away,
            count: Some(0),
            gone: true,
            at: Timestamp(8),
        },
        Ephemeral::Entered { user: actor(), count: 3 },
        Ephemeral::Exited { user: actor(), count: 2 },
        Ephemeral::Superseded { socket: "s1".into(), by: "c2".into() },
        Ephemeral::Receipt {
            user: UserId::trusted("u1"),
            delivered: Some(Seq(9)),
            read: None,
            messages: vec![MessageId::now()],
            at: Timestamp(8),
        },
        Ephemeral::ReadCount { message: MessageId::now(), readers: 3 },
        Ephemeral::OnlineCount { online: 501 },
        Ephemeral::Unread { room: RoomId::trusted("r"), count: 3, read: Seq(7) },
        Ephemeral::Topics { topics: vec!["coffee".into(), "music".into()] },
        Ephemeral::UploadProgress { upload: FileId::now(), loaded: 1, total: 2 },
        Ephemeral::UploadFailed { upload: FileId::now(), code: "too_large".into(), message: "no".into() },
    ];
    for news in all {
        assert_eq!(parlor_proto::decode_ephemeral(&parlor_proto::encode_ephemeral(&news)), Ok(news));
    }
}

fn snapshot(rooms: usize) -> Snapshot {
    let standing = |n: usize| Standing {
        room: RoomId::trusted(format!("room-{n}")),
        seq: Seq::MAX,
        kind: [None, Some(RoomKind::Direct), Some(RoomKind::Group), Some(RoomKind::Channel)][n % 4],
        role: [None, Some(Role::Admin), Some(Role::Moderator), Some(Role::Member), None][n % 5],
        version: u64::MAX,
        members: 3,
    };
    Snapshot {
        status: [Status::Away, Status::Online][rooms % 2],
        user: actor(),
        guest: true,
        vocabulary: Some("dotted".into()),
        socket: "abc".into(),
        key: [7; 16],
        rooms: (0..rooms).map(standing).collect(),
    }
}

#[test]
fn a_snapshot_survives_a_round_trip() {
    for snapshot in [snapshot(0), snapshot(1_000), Snapshot { vocabulary: None, guest: false, ..snapshot(7) }] {
        let bytes = parlor_proto::encode_snapshot(&snapshot).expect("small enough");
        assert_eq!(parlor_proto::decode_snapshot(&bytes), Ok(snapshot));
    }
}

#[test]
fn a_snapshot_of_another_format_or_of_too_many_bytes_is_none() {
    let mut bytes = parlor_proto::encode_snapshot(&snapshot(3)).expect("small enough").to_vec();
    bytes[0] += 1;
    assert!(parlor_proto::decode_snapshot(&bytes).is_err());
    assert!(parlor_proto::decode_snapshot(&[]).is_err());
    assert_eq!(parlor_proto::encode_snapshot(&snapshot(20_000)), None);
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = parlor_proto::decode(&bytes);
        let _ = parlor_proto::decode_ephemeral(&bytes);
        let _ = parlor_proto::decode_snapshot(&bytes);
        let _ = parlor_proto::decode_snapshot(&[&[1], &bytes[..]].concat());
    }

    #[test]
    fn any_content_survives_a_round_trip(content in ".*", temp_id in proptest::option::of(".*")) {
        let kind = MessageType::Text;
        let event = event(Kind::MessageSent(Message { temp_id, ..Message::new(kind, content) }));
        prop_assert_eq!(parlor_proto::decode(&parlor_proto::encode(&event)), Ok(event));
    }
}
