//! The store on PostgreSQL (14 or newer; its tests run on 15).

mod accounts;
mod accounts_port;
mod apply;
mod archive;
mod change;
mod config;
mod contacts;
mod devices;
mod emptying;
mod files;
mod keys;
mod marks;
mod messages;
mod outbox;
mod pool;
mod progress;
mod replica;
mod rooms;
mod safety;
mod search;
mod upkeep;
mod users;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Delivery, Member, Room};
use parlor_core::ids::{MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, Decision};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::search::{CountedMessages, Query, Search, Within};
use parlor_core::ports::store::{
    ApplyError, ChangeError, Membership, Outgoing, Page, Placed, Read, RoomSummary, Store, Stored, StoredMessage,
};
use parlor_core::time::Timestamp;

pub use self::archive::{Archive, FEWEST_MONTHS, Month, archive};
pub use self::config::Config;
pub use self::upkeep::{OLDEST, major_version, migrate};

use self::pool::Pool;
use self::replica::{Replica, anywhere};
use crate::batch::Batch;
use crate::calls::timed;

/// As an operator calls it.
const NAME: &str = "postgres";
/// The server that follows it.
const REPLICA: &str = "postgres-replica";

/// Users, rooms and messages in a PostgreSQL database that [`migrate`] has prepared.
///
/// What writes more than one row does so in a task of its own: a caller who stops waiting cancels nothing half-way.
pub struct Postgres {
    pool: Arc<Pool>,
    /// Where reads that say how far they see may go.
    replica: Option<Arc<Replica>>,
}

impl Postgres {
    /// Prepares connections. None is made yet: a server that is away makes calls answer [`Unavailable`], at once once
    /// that is known, until it is back.
    ///
    /// # Errors
    /// The URL is none.
    #[allow(clippy::unused_async, reason = "connecting is allowed to take time")]
    pub async fn connect(config: Config) -> Result<Arc<Self>, Unavailable> {
        crate::calls::describe();
        let pool = Arc::new(Pool::new(&config, NAME)?);
        let replica = Replica::new(&config, &pool)?;
        Ok(Arc::new(Self { pool, replica }))
    }

    /// Whether the replica keeps up and is read from, for readiness. Without one there is nothing to say.
    ///
    /// # Errors
    /// It is not read from now.
    pub fn check_replica(&self) -> Result<(), Unavailable> {
        match &self.replica {
            Some(replica) if !replica.is_fit() => {
                Err(Unavailable::new(REPLICA, "it is away or late; the primary is read from"))
            }
            _ => Ok(()),
        }
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
impl Store for Postgres {
    async fn position(&self, partition: Partition) -> Result<Position, Unavailable> {
        timed(NAME, "position", apply::position(&self.pool, partition)).await
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Stored, ApplyError> {
        let (pool, batch) = (Arc::clone(&self.pool), Batch::of(records));
        let work = async move { apply::apply(&pool, partition, previous, batch).await };
        timed(NAME, "apply", unhurried(work)).await
    }

    async fn see_user(&self, user: &Actor) -> Result<(), Unavailable> {
        timed(NAME, "see_user", users::see(&self.pool, user)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Actor>, Unavailable> {
        timed(NAME, "users", users::read(&self.pool, ids)).await
    }

    async fn change(&self, room: &RoomId, change: &Change) -> Result<Decision, ChangeError> {
        let (pool, room, change) = (Arc::clone(&self.pool), room.clone(), change.clone());
        let work = async move { change::change(&pool, &room, &change).await };
        timed(NAME, "change", unhurried(work)).await
    }

    async fn outbox(&self, room: &RoomId) -> Result<Vec<Outgoing>, Unavailable> {
        timed(NAME, "outbox", outbox::of_room(&self.pool, room)).await
    }

    async fn stale_outbox(&self, age: Duration, limit: usize) -> Result<Vec<Outgoing>, Unavailable> {
        let pool = Arc::clone(&self.pool);
        let work = async move { outbox::stale(&pool, age, limit).await };
        timed(NAME, "stale_outbox", unhurried(work)).await
    }

    async fn outbox_sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        timed(NAME, "outbox_sent", outbox::sent(&self.pool, ids)).await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, Unavailable> {
        timed(NAME, "room", rooms::room(&self.pool, id)).await
    }

    async fn membership(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<(Room, Option<Membership>)>, Unavailable> {
        timed(NAME, "membership", rooms::membership(&self.pool, room, user)).await
    }

    async fn rooms_of(&self, user: &UserId, limit: usize) -> Result<Vec<RoomSummary>, Unavailable> {
        timed(NAME, "rooms_of", rooms::of_user(&self.pool, user, None, limit, 0)).await
    }

    async fn list_rooms(
        &self,
        user: &UserId,
        limit: usize,
        offset: u64,
        named: usize,
    ) -> Result<(Vec<RoomSummary>, u64), Unavailable> {
        let list = async {
            let mut rooms = rooms::of_user(&self.pool, user, None, limit, offset).await?;
            rooms::name_members(&self.pool, &mut rooms, named).await?;
            Ok((rooms, rooms::count(&self.pool, user).await?))
        };
        timed(NAME, "list_rooms", list).await
    }

    async fn summary(&self, room: &RoomId, user: &UserId) -> Result<Option<RoomSummary>, Unavailable> {
        let read = async { Ok(rooms::of_user(&self.pool, user, Some(room), 1, 0).await?.pop()) };
        timed(NAME, "summary", read).await
    }

    async fn members(&self, room: &RoomId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        timed(NAME, "members", rooms::members(&self.pool, room, after, limit)).await
    }

    async fn messages(&self, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
        anywhere!(self, "messages", Some(read.partition), |pool| messages::page(pool, read))
    }

    async fn changes(
        &self,
        room: &RoomId,
        partition: Partition,
        after: Seq,
        through: Seq,
        limit: usize,
    ) -> Result<Page<Delivery>, Unavailable> {
        anywhere!(self, "changes", Some(partition), |pool| messages::changes(
            pool, room, partition, after, through, limit
        ))
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, Unavailable> {
        timed(NAME, "message", messages::message(&self.pool, id)).await
    }

    async fn places(&self, ids: &[MessageId]) -> Result<Vec<Placed>, Unavailable> {
        timed(NAME, "places", messages::places(&self.pool, ids)).await
    }

    async fn seq_at(
        &self,
        room: &RoomId,
        partition: Partition,
        time: Timestamp,
    ) -> Result<(Option<Seq>, Offset), Unavailable> {
        anywhere!(self, "seq_at", Some(partition), |pool| messages::seq_at(pool, room, partition, time))
    }

    async fn maintain(&self) -> Result<(), Unavailable> {
        let pool = Arc::clone(&self.pool);
        timed(NAME, "maintain", unhurried(async move { upkeep::maintain(&pool).await })).await
    }

    async fn check(&self) -> Result<(), Unavailable> {
        timed(NAME, "check", upkeep::check(&self.pool)).await
    }
}

#[async_trait]
impl Search for Postgres {
    async fn search(&self, query: Query<'_>) -> Result<Vec<StoredMessage>, Unavailable> {
        match query.within {
            Within::RoomsOf(user) if self.replica.is_some() => {
                // Which rooms those are, the primary decides.
                let rooms = timed(NAME, "rooms_to_search", search::rooms_of(&self.pool, user)).await?;
                if rooms.len() > search::MOST_ROOMS {
                    return timed(NAME, "search", search::search(&self.pool, query, None)).await;
                }
                anywhere!(self, "search", None, |pool| search::search(pool, query, Some(&rooms)))
            }
            Within::RoomsOf(_) | Within::Room(..) => {
                anywhere!(self, "search", None, |pool| search::search(pool, query, None))
            }
        }
    }

    async fn replies(&self, to: MessageId, read: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
        anywhere!(self, "replies", Some(read.partition), |pool| search::replies(pool, to, read))
    }

    async fn pins(
        &self,
        room: &RoomId,
        partition: Partition,
        limit: usize,
    ) -> Result<Page<StoredMessage>, Unavailable> {
        anywhere!(self, "pins", Some(partition), |pool| search::pins(pool, room, partition, limit))
    }

    async fn counted(
        &self,
        room: &RoomId,
        partition: Partition,
        below: Seq,
        offset: u64,
        limit: usize,
    ) -> Result<CountedMessages, Unavailable> {
        anywhere!(self, "counted", Some(partition), |pool| search::counted(pool, room, partition, below, offset, limit))
    }

    async fn lively(&self, limit: usize) -> Result<Vec<RoomId>, Unavailable> {
        anywhere!(self, "lively", None, |pool| search::lively(pool, limit))
    }
}
