//! The accounts' contract on SQLite files.

use parlor_core::ports::accounts_contract::Subject;
use parlor_store::sqlite::Sqlite;

parlor_core::accounts_contract!(make());

async fn make() -> Subject {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
    let close = async move { folder.close().expect("removed") };
    Subject { accounts: store.clone(), store, encode: parlor_proto::encode, close: Box::pin(close) }
}
