//! The tables on a real PostgreSQL: their columns and indexes, and which rows go with which.

#[allow(dead_code, reason = "each part has a test file of its own")]
mod database;

use parlor_core::event::{Kind, Room, RoomKind};
use parlor_core::ids::{Generation, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, nameless};
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::store::Store;
use parlor_core::time::Timestamp;
use parlor_store::postgres::migrate;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar};

use self::database::{Database, record};

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = Database::make().await;
    let (one, other) = tokio::join!(migrate(&database.config), migrate(&database.config));
    one.expect("nothing to do");
    other.expect("nothing to do");
    database.drop().await;
}

#[tokio::test]
async fn rooms_and_memberships_have_the_documented_columns_and_indexes() {
    let database = Database::make().await;
    let mut session = database.session().await;
    let documented = "rooms.id rooms.kind rooms.name rooms.description rooms.avatar_url rooms.is_private \
        rooms.is_active rooms.metadata rooms.created_by rooms.created_at rooms.updated_at rooms.deleted_at \
        members.room_id members.user_id members.role members.joined_at members.left_at members.read_seq \
        members.last_read_at members.notifications_enabled";
    let keys = [
        "rooms USING btree (kind)",
        "rooms USING btree (created_by)",
        "rooms USING btree (created_at)",
        "UNIQUE INDEX rooms_pkey ON public.rooms USING btree (id)",
        "rooms USING btree (user_a, user_b)",
        "members USING btree (user_id)",
        "members USING btree (room_id, role)",
        "UNIQUE INDEX members_pkey ON public.members USING btree (room_id, user_id)",
    ];
    has(&mut session, documented, &keys).await;
    session.close().await.expect("closed");
    database.drop().await;
}

#[tokio::test]
async fn what_belongs_to_a_room_or_user_goes_with_their_row_and_an_inactive_room_is_not_there() {
    let database = Database::make().await;
    let store = database.store().await;
    let (ann, ben) = (nameless(&UserId::trusted("a")), UserId::trusted("b"));
    for user in [&ann, &nameless(&ben)] {
        store.see_user(user).await.expect("seen");
    }
    let room = Room {
        id: RoomId::trusted("group_1"),
        kind: RoomKind::Group,
        name: Some("Crew".into()),
        description: None,
        avatar: None,
        private: false,
        created_by: ann.id.clone(),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    let make = Change::Create { room: room.clone(), creator: ann.clone(), members: vec![ben.clone()], limit: 10 };
    let made = store.change(&room.id, &make).await.expect("made");
    let message = made.events.iter().find(|event| matches!(event.kind, Kind::MessageSent(_))).expect("a message");
    let record = Record {
        partition: Partition(0),
        seq: Seq::new(Generation(1), Offset(0)),
        time: Timestamp::now(),
        encoded: parlor_proto::encode(message),
        event: Ok(message.clone().into()),
        trace: None,
    };
    store.apply(Partition(0), Position::START, &[record]).await.expect("applied");
    let mut session = database.session().await;
    let run = async |session: &mut PgConnection, sql: &'static str| {
        query(sql).execute(session).await.expect("done");
    };
    run(&mut session, "UPDATE rooms SET is_active = false").await;
    assert_eq!(store.membership(&room.id, &ann.id).await.expect("an answer"), None);
    assert!(store.change(&room.id, &Change::Join { user: ann.clone(), limit: 10 }).await.is_err());
    run(&mut session, "UPDATE rooms SET is_active = true").await;
    assert!(store.membership(&room.id, &ann.id).await.expect("an answer").is_some());
    run(&mut session, "DELETE FROM users WHERE id = 'b'").await;
    assert_eq!(store.members(&room.id, None, 10).await.expect("members").len(), 1);
    run(&mut session, "DELETE FROM rooms").await;
    for table in ["members", "messages", "room_counters"] {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = query_scalar(sql).fetch_one(&mut session).await.expect("a count");
        assert_eq!(left, 0, "{table}");
    }
    session.close().await.expect("closed");
    database.drop().await;
}

#[tokio::test]
async fn users_messages_and_statuses_have_the_documented_columns_and_indexes() {
    let database = Database::make().await;
    let mut session = database.session().await;
    // A status of a message is derived from its reader's two pointers; a conversation's newest message is counted in
    // a narrow table of its own; who is online is known to Redis alone.
    let documented = "users.id users.username users.email users.password_hash users.name users.avatar_url \
        users.created_at users.last_seen \
        messages.id messages.room_id messages.sender_id messages.content messages.type messages.reply_to_id \
        messages.metadata messages.time messages.edited_at messages.deleted_at messages.encrypted \
        room_counters.last_message_at members.delivered_seq members.delivered_at members.read_seq \
        members.last_read_at reactions.message_id reactions.user_id reactions.emoji \
        push_subscriptions.user_id device_keys.identity_key";
    let keys = [
        "public.users USING btree (username)",
        "public.users USING btree (lower(username))",
        "public.users USING btree (email)",
        "messages USING btree (room_id, seq DESC)",
        "messages USING btree (room_id, \"time\" DESC)",
        "messages USING btree (sender_id, room_id, seq DESC)",
        "messages USING btree (reply_to_id)",
        "messages USING gin (to_tsvector('simple'::regconfig, content))",
        "messages USING btree (room_id) WHERE (deleted_at IS NOT NULL)",
        "reactions USING btree (message_id, user_id, emoji)",
    ];
    has(&mut session, documented, &keys).await;
    session.close().await.expect("closed");
    database.drop().await;
}

#[tokio::test]
async fn a_membership_refers_to_a_user_and_a_room_that_are_there() {
    let database = Database::make().await;
    let store = database.store().await;
    // A message's sender and room get theirs by being applied and decided; here it is asked of the tables themselves.
    let sent = record(0, Timestamp::now());
    store.apply(Partition(0), Position::START, std::slice::from_ref(&sent)).await.expect("applied");
    assert_eq!(store.users(&[UserId::trusted("a")]).await.expect("users").len(), 1, "its sender is a user");
    let mut session = database.session().await;
    query(
        "INSERT INTO rooms (id, kind, created_by, created_at, updated_at, version, member_count) \
         VALUES ('r', 'group', 'a', now(), now(), 1, 1)",
    )
    .execute(&mut session)
    .await
    .expect("a room");
    for (room, user, fits) in [("r", "a", true), ("r", "nobody", false), ("nowhere", "a", false)] {
        let join = "INSERT INTO members (room_id, user_id, joined_at, version) VALUES ($1, $2, now(), 1)";
        let joined = query(join).bind(room).bind(user).execute(&mut session).await;
        let refused = joined.as_ref().err().and_then(|error| error.as_database_error()).and_then(|error| error.code());
        assert_eq!(refused.as_deref(), (!fits).then_some("23503"), "{room} {user}: {joined:?}");
    }
    session.close().await.expect("closed");
    database.drop().await;
}

/// The tables have these columns, one after the other, and an index with each of these definitions.
async fn has(session: &mut PgConnection, columns: &str, indexes: &[&str]) {
    let known: Vec<String> = query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&mut *session)
    .await
    .expect("columns");
    for column in columns.split_whitespace() {
        assert!(known.iter().any(|known| known == column), "{column}");
    }
    let known: Vec<String> = query_scalar("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")
        .fetch_all(session)
        .await
        .expect("indexes");
    for index in indexes {
        assert!(known.iter().any(|known| known.contains(index)), "{index}: {known:#?}");
    }
}
