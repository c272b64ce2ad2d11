//! Reads that go to a replica of a real PostgreSQL, and what happens when it is late, hangs or is away.

#[allow(dead_code, reason = "each part has a test file of its own")]
mod database;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Role, Room, RoomKind};
use parlor_core::ids::{MessageId, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, nameless};
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::store::Store;
use parlor_core::ports::store_contract::Subject;
use parlor_core::time::Timestamp;
use parlor_store::postgres::{Config, Postgres};

use self::database::{Database, all_of, record, subject, until};

/// Everything that holds of one server holds where reads go to a replica. Here it is the same database: it never lags.
mod with_a_replica {
    use super::{Config, Database, Postgres, Subject, subject, until};

    parlor_core::store_contract!(make());

    async fn make() -> Subject {
        let database = Database::make().await;
        let config = Config { read_url: database.config.url.clone(), replica_lag_ms: 0, ..database.config.clone() };
        let store = Postgres::connect(config).await.expect("a store");
        until("the replica is read from", async || store.check_replica().is_ok()).await;
        subject(database, store)
    }
}

/// A primary, and another database that stands for its replica: what is applied to the one reaches the other when the
/// test says so.
struct Pair {
    primary: Database,
    replica: Database,
    /// Reads on the replica.
    both: Arc<Postgres>,
    /// What PostgreSQL would copy.
    copy: Arc<Postgres>,
}

/// How late that replica may be.
const LAG: Duration = Duration::from_millis(700);

impl Pair {
    async fn make() -> Self {
        let (primary, replica) = (Database::make().await, Database::make().await);
        let config = Config {
            read_url: replica.config.url.clone(),
            replica_lag_ms: u64::try_from(LAG.as_millis()).expect("short"),
            ..primary.config.clone()
        };
        let both = Postgres::connect(config).await.expect("a store");
        let copy = replica.store().await;
        Self { primary, replica, both, copy }
    }

    async fn drop(self) {
        self.primary.drop().await;
        self.replica.drop().await;
    }
}

#[tokio::test]
async fn history_is_read_on_the_replica_while_it_keeps_up_and_writes_and_decisions_are_the_primarys() {
    use parlor_core::ports::search::{Query, Search, Within};
    use parlor_core::search::Terms;

    let pair = Pair::make().await;
    let (both, room) = (&pair.both, RoomId::trusted("r"));
    let records: Vec<Record> = (0..3).map(|offset| record(offset, Timestamp::now())).collect();
    let (ann, ben) = (nameless(&UserId::trusted("a")), UserId::trusted("b"));
    let group = Room {
        id: room.clone(),
        kind: RoomKind::Group,
        name: None,
        description: None,
        avatar: None,
        private: false,
        created_by: ann.id.clone(),
        created_at: Timestamp(0),
        version: 0,
        member_count: 0,
    };
    for store in [both, &pair.copy] {
        store.see_user(&nameless(&ben)).await.expect("seen");
        let create = Change::Create { room: group.clone(), creator: ann.clone(), members: vec![ben.clone()], limit: 9 };
        store.change(&room, &create).await.expect("made");
        store.apply(Partition(0), Position::START, &records[..1]).await.expect("applied");
    }
    until("the replica is read from", async || both.check_replica().is_ok()).await;
    let terms = Terms::parse("hi").expect("terms");
    let found = async || {
        let query = Query { terms: &terms, within: Within::RoomsOf(&ben), sender: None, before: None, limit: 9 };
        both.search(query).await.expect("an answer").len()
    };
    assert_eq!(found().await, 1);

    // The primary is ahead: whoever reads history hears so from `applied`, and everything else knows it already.
    both.apply(Partition(0), records[0].position(), &records[1..2]).await.expect("applied");
    let leave = Change::Leave { user: nameless(&ben) };
    both.change(&room, &leave).await.expect("left");
    let page = both.messages(all_of(&room)).await.expect("a page");
    assert_eq!((page.rows.len(), page.applied), (1, records[0].seq.offset()), "not from the replica");
    let changes = both.changes(&room, Partition(0), Seq::ZERO, Seq::MAX, 9).await.expect("a page");
    assert_eq!(changes.applied, records[0].seq.offset());
    let counted = both.counted(&room, Partition(0), Seq::MAX, 0, 9).await.expect("a page");
    assert_eq!((counted.total, counted.applied), (1, records[0].seq.offset()));
    assert_eq!(both.position(Partition(0)).await.expect("a position"), records[1].position());
    let Ok(event) = &records[1].event else { panic!("decoded") };
    assert!(both.message(MessageId(event.id.0)).await.expect("an answer").is_some());
    let (_, standing) = both.membership(&room, &ben).await.expect("an answer").expect("a room");
    assert_eq!(standing.expect("a standing").role, Role::Left);
    assert_eq!(found().await, 0, "who has left a room finds nothing in it, whatever the replica has heard");

    // It does not follow: soon the primary is asked.
    until("a late replica is not read from", async || {
        both.messages(all_of(&room)).await.expect("a page").rows.len() == 2
    })
    .await;
    both.check_replica().expect_err("late");

    // It has caught up, and is read from again.
    pair.copy.apply(Partition(0), records[0].position(), &records[1..2]).await.expect("applied");
    until("the replica is read from again", async || both.check_replica().is_ok()).await;
    both.apply(Partition(0), records[1].position(), &records[2..]).await.expect("applied");
    assert_eq!(both.messages(all_of(&room)).await.expect("a page").applied, records[1].seq.offset());

    // The primary goes away: history is read on.
    pair.copy.apply(Partition(0), records[1].position(), &records[2..]).await.expect("applied");
    until("the replica has it all", async || {
        both.check_replica().is_ok() && both.messages(all_of(&room)).await.expect("a page").rows.len() == 3
    })
    .await;
    let Pair { primary, replica, both, .. } = pair;
    primary.drop().await;
    tokio::time::sleep(3 * LAG).await;
    assert_eq!(both.messages(all_of(&room)).await.expect("a page").rows.len(), 3);
    both.position(Partition(0)).await.expect_err("away");
    replica.drop().await;
}

#[tokio::test]
async fn while_the_replica_is_away_or_hangs_history_is_read_on_the_primary() {
    let pair = Pair::make().await;
    let (server, database) = (&pair.replica.config.url, RoomId::trusted("r"));
    let address = server.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let between = server.replace(&address, &listener.local_addr().expect("an address").to_string());
    let hangs = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let frozen = Arc::clone(&hangs);
    let proxy = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            let upstream = tokio::net::TcpStream::connect(&address).await.expect("the server");
            let (frozen, (mut from, mut to)) = (Arc::clone(&frozen), upstream.into_split());
            let (mut client_from, mut client_to) = client.into_split();
            held.push(tokio::spawn(async move { tokio::io::copy(&mut client_from, &mut to).await.map(drop) }));
            held.push(tokio::spawn(async move {
                let mut bytes = [0; 4096];
                loop {
                    let read = tokio::io::AsyncReadExt::read(&mut from, &mut bytes).await?;
                    if frozen.load(std::sync::atomic::Ordering::Relaxed) {
                        // Nothing more comes, and nothing ends.
                        std::future::pending::<()>().await;
                    }
                    if read == 0 {
                        return Ok(());
                    }
                    tokio::io::AsyncWriteExt::write_all(&mut client_to, &bytes[..read]).await?;
                }
            }));
        }
    });
    let config = Config { read_url: between, replica_lag_ms: 100, ..pair.primary.config.clone() };
    let store = Postgres::connect(config).await.expect("a store");
    let first = record(0, Timestamp::now());
    for store in [&store, &pair.copy] {
        store.apply(Partition(0), Position::START, std::slice::from_ref(&first)).await.expect("applied");
    }
    until("the replica is read from", async || store.check_replica().is_ok()).await;
    store.messages(all_of(&database)).await.expect("read there");
    hangs.store(true, std::sync::atomic::Ordering::Relaxed);
    let began = Instant::now();
    assert_eq!(store.messages(all_of(&database)).await.expect("a page").rows.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..50 {
        store.messages(all_of(&database)).await.expect("a page");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "everybody waits for it: {:?}", began.elapsed());
    proxy.abort();

    // One that was never there.
    let away = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let read_url = format!("postgres://parlor@{away}/parlor");
    let store = Postgres::connect(Config { read_url, ..pair.primary.config.clone() }).await.expect("a store");
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(store.messages(all_of(&database)).await.expect("a page").rows.len(), 1);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    store.check_replica().expect_err("away");
    pair.drop().await;
}
