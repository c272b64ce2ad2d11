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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_with_the_last_message_that_carries_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
    let promise = parlor_core::ports::files_contract::a_file_goes_with_the_last_message_that_carries_it;
    promise(store.clone(), store.clone(), parlor_proto::encode).await;
    folder.close().expect("removed");
}
