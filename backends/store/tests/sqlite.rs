//! The contract on SQLite files.

use std::sync::Arc;

use parlor_core::event::{Message, MessageType};
use parlor_core::ports::store_contract::Subject;
use parlor_store::sqlite::Sqlite;

parlor_core::store_contract!(make());

/// A store in a folder of its own.
async fn make() -> Subject {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
    let close = async move { folder.close().expect("removed") };
    let poison = vec![Message {
        content: "fine".into(),
        kind: MessageType::Text,
        reply_to: None,
        metadata: Some("{not json".into()),
        mentions: Vec::new(),
        encrypted: false,
        temp_id: None,
    }];
    Subject {
        safety: store.clone(),
        search: store.clone(),
        store,
        encode: parlor_proto::encode,
        poison,
        close: Box::pin(close),
    }
}

mod progress {
    parlor_core::progress_contract!(make());

    async fn make() -> parlor_core::ports::progress_contract::Subject {
        let folder = tempfile::tempdir().expect("a folder");
        let store = super::Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
        let (progress, contacts) = (store.clone(), store.clone());
        let close = Box::pin(async move { folder.close().expect("removed") });
        parlor_core::ports::progress_contract::Subject {
            store,
            progress,
            contacts,
            encode: parlor_proto::encode,
            close,
        }
    }
}

#[tokio::test]
async fn a_file_that_was_closed_opens_with_all_that_was_in_it() {
    use parlor_core::ids::UserId;
    use parlor_core::membership::nameless;
    use parlor_core::ports::store::Store;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let ann = nameless(&UserId::trusted("a"));
    let store = Sqlite::open(&path).await.expect("a store");
    store.see_user(&ann).await.expect("seen");
    drop(Arc::into_inner(store));
    let store = Sqlite::open(&path).await.expect("the same store");
    assert_eq!(store.users(std::slice::from_ref(&ann.id)).await.expect("users"), [ann]);
}

mod files {
    parlor_core::files_contract!(super::make_files());
}

async fn make_files() -> parlor_core::ports::files_contract::Subject {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
    let close = async move { folder.close().expect("removed") };
    parlor_core::ports::files_contract::Subject { files, close: Box::pin(close) }
}

mod files_of_messages {
    use super::*;

    parlor_core::files_of_messages_contract!(make(), parlor_proto::encode);

    async fn make() -> (Arc<Sqlite>, impl Future<Output = ()>) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
        (store, async move { folder.close().expect("removed") })
    }
}

#[tokio::test]
async fn who_referred_to_the_files_of_a_deleted_room_is_forgotten() {
    use parlor_core::ports::store::Store;
    use sqlx::{Connection, SqliteConnection, query, query_scalar};

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).await.expect("a store");
    let mut session = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("a session");
    for sql in [
        "INSERT INTO users (id, name, created_at) VALUES ('ann', 'ann', 1)",
        "INSERT INTO rooms (id, kind, created_by, created_at, updated_at, deleted_at, version, member_count) \
         VALUES ('den', 'group', 'ann', 1, 1, 9000000000000, 1, 0)",
        "INSERT INTO files (id, owner_id, room_id, name, size, mime, declared_at, blob_id, message_id) \
         SELECT column1, 'ann', column2, 'a', 1, 'text/plain', 0, x'0b', x'0c' FROM (VALUES (x'01', 'den'), (x'02', 'attic'))",
        "INSERT INTO file_messages (file_id, message_id) VALUES (x'01', x'0c'), (x'02', x'0c')",
    ] {
        query(sql).execute(&mut session).await.expect(sql);
    }
    store.maintain().await.expect("upkeep");
    let left: Vec<String> =
        query_scalar("SELECT hex(file_id) FROM file_messages").fetch_all(&mut session).await.expect("rows");
    assert_eq!(left, ["02"]);
    session.close().await.expect("closed");
    folder.close().expect("removed");
}
