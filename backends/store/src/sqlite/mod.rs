//! The store in an SQLite file, for one process.

mod accounts;
mod accounts_port;
mod apply;
mod change;
mod contacts;
mod devices;
mod emptying;
mod files;
mod keys;
mod marks;
mod messages;
mod outbox;
mod pools;
mod progress;
mod rooms;
mod safety;
mod search;
mod users;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Delivery, Member, Room};
use parlor_core::ids::{MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, Decision};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::search::{CountedMessages, Query, Search};
use parlor_core::ports::store::{
    ApplyError, ChangeError, Membership, Outgoing, Page, Placed, Read, RoomSummary, Store, Stored, StoredMessage,
};
use parlor_core::time::Timestamp;

use self::pools::Pools;
use crate::batch::Batch;
use crate::calls::timed;

/// As an operator calls it.
const NAME: &str = "sqlite";
/// From when on a statement is slow.
const SLOW: Duration = Duration::from_secs(1);

/// Users, rooms and messages in one file. One connection writes, a few read.
///
/// What writes more than one row does so in a task of its own: a caller who stops waiting cancels nothing half-way.
pub struct Sqlite {
    pools: Arc<Pools>,
    /// The relay's turn: held for the length of a call of `stale_outbox`.
    relay: Arc<tokio::sync::Mutex<()>>,
}

impl Sqlite {
    /// Opens the file at `path`, making it where it is missing (its folder must exist), and brings it to this version.
    ///
    /// # Errors
    /// The file cannot be opened, is no database, or a migration failed.
    pub async fn open(path: &Path) -> Result<Arc<Self>, Unavailable> {
        Self::open_telling(path, SLOW).await
    }

    /// As [`Self::open`]; statements that take `slow` or longer are logged (zero: none is).
    ///
    /// # Errors
    /// The same.
    pub async fn open_telling(path: &Path, slow: Duration) -> Result<Arc<Self>, Unavailable> {
        crate::calls::describe();
        Ok(Arc::new(Self { pools: Arc::new(Pools::open(path, slow).await?), relay: Arc::default() }))
    }
}

/// Runs `work` to its end whether or not anybody waits for it.
async fn unhurried<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Unavailable> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(ended) => Err(Unavailable::new(NAME, ended).into()),
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn position(&self, partition: Partition) -> Result<Position, Unavailable> {
        timed(NAME, "position", apply::position(&self.pools, partition)).await
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Stored, ApplyError> {
        let (pools, batch) = (Arc::clone(&self.pools), Batch::of(records));
        let work = async move { apply::apply(&pools, partition, previous, batch).await };
        timed(NAME, "apply", unhurried(work)).await
    }

    async fn see_user(&self, user: &Actor) -> Result<(), Unavailable> {
        timed(NAME, "see_user", users::see(&self.pools, user)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Actor>, Unavailable> {
        timed(NAME, "users", users::read(&self.pools, ids)).await
    }

    async fn change(&self, room: &RoomId, change: &Change) -> Result<Decision, ChangeError> {
        let (pools, room, change) = (Arc::clone(&self.pools), room.clone(), change.clone());
        let work = async move { change::change(&pools, &room, &change).await };
        timed(NAME, "change", unhurried(work)).await
    }

    async fn outbox(&self, room: &RoomId) -> Result<Vec<Outgoing>, Unavailable> {
        timed(NAME, "outbox", outbox::of_room(&self.pools, room)).await
    }

    async fn stale_outbox(&self, age: Duration, limit: usize) -> Result<Vec<Outgoing>, Unavailable> {
        let Ok(_turn) = self.relay.try_lock() else { return Ok(Vec::new()) };
        timed(NAME, "stale_outbox", outbox::stale(&self.pools, age, limit)).await
    }

    async fn outbox_sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        let (pools, ids) = (Arc::clone(&self.pools), ids.to_vec());
        timed(NAME, "outbox_sent", unhurried(async move { outbox::sent(&pools, &ids).await })).await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, Unavailable> {
        timed(NAME, "room", rooms::room(&self.pools, id)).await
    }

    async fn membership(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<(Room, Option<Membership>)>, Unavailable> {
        timed(NAME, "membership", rooms::membership(&self.pools, room, user)).await
    }

    async fn rooms_of(&self, user: &UserId, limit: usize) -> Result<Vec<RoomSummary>, Unavailable> {
        timed(NAME, "rooms_of", rooms::of_user(&self.pools, user, None, limit, 0)).await
    }

    async fn list_rooms(
        &self,
        user: &UserId,
        limit: usize,
        offset: u64,
        named: usize,
    ) -> Result<(Vec<RoomSummary>, u64), Unavailable> {
        let list = async {
            let mut rooms = rooms::of_user(&self.pools, user, None, limit, offset).await?;
            rooms::name_members(&self.pools, &mut rooms, named).await?;
            Ok((rooms, rooms::count(&self.pools, user).await?))
        };
        timed(NAME, "list_rooms", list).await
    }

    async fn summary(&self, room: &RoomId, user: &UserId) -> Result<Option<RoomSummary>, Unavailable> {
        let read = async { Ok(rooms::of_user(&self.pools, user, Some(room), 1, 0).await?.pop()) };
        timed(NAME, "summary", read).await
    }

    async fn members(&self, room: &RoomId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        timed(NAME, "members", rooms::members(&self.pools, room, after, limit)).await
    }

    async fn messages(&self, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
        timed(NAME, "messages", messages::page(&self.pools, read)).await
    }

    async fn changes(
        &self,
        room: &RoomId,
        partition: Partition,
        after: Seq,
        through: Seq,
        limit: usize,
    ) -> Result<Page<Delivery>, Unavailable> {
        timed(NAME, "changes", messages::changes(&self.pools, room, partition, after, through, limit)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, Unavailable> {
        timed(NAME, "message", messages::message(&self.pools, id)).await
    }

    async fn places(&self, ids: &[MessageId]) -> Result<Vec<Placed>, Unavailable> {
        timed(NAME, "places", messages::places(&self.pools, ids)).await
    }

    async fn seq_at(
        &self,
        room: &RoomId,
        partition: Partition,
        time: Timestamp,
    ) -> Result<(Option<Seq>, Offset), Unavailable> {
        timed(NAME, "seq_at", messages::seq_at(&self.pools, room, partition, time)).await
    }

    async fn maintain(&self) -> Result<(), Unavailable> {
        let upkeep = async {
            outbox::remove_sent(&self.pools).await?;
            emptying::empty(&self.pools).await?;
            accounts::sweep(&self.pools, Timestamp::now()).await
        };
        timed(NAME, "maintain", upkeep).await
    }

    async fn check(&self) -> Result<(), Unavailable> {
        timed(NAME, "check", self.pools.check()).await
    }
}

#[async_trait]
impl Search for Sqlite {
    async fn search(&self, query: Query<'_>) -> Result<Vec<StoredMessage>, Unavailable> {
        timed(NAME, "search", search::search(&self.pools, query)).await
    }

    async fn replies(&self, to: MessageId, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
        timed(NAME, "replies", search::replies(&self.pools, to, read)).await
    }

    async fn pins(
        &self,
        room: &RoomId,
        partition: Partition,
        limit: usize,
    ) -> Result<Page<StoredMessage>, Unavailable> {
        timed(NAME, "pins", search::pins(&self.pools, room, partition, limit)).await
    }

    async fn counted(
        &self,
        room: &RoomId,
        partition: Partition,
        below: Seq,
        offset: u64,
        limit: usize,
    ) -> Result<CountedMessages, Unavailable> {
        timed(NAME, "counted", search::counted(&self.pools, room, partition, below, offset, limit)).await
    }

    async fn lively(&self, limit: usize) -> Result<Vec<RoomId>, Unavailable> {
        timed(NAME, "lively", search::lively(&self.pools, limit)).await
    }
}
