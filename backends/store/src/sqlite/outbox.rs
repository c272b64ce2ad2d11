//! Events that were decided, until the log has them.

use std::time::Duration;

use parlor_core::event::Event;
use parlor_core::ids::RoomId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Outgoing;
use parlor_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_as};

use super::pools::{Pools, error};
use crate::at::At;
use crate::rows::{OutgoingRow, limit, outgoing};

/// Sent rows are kept this long.
const KEPT_MILLIS: i64 = 60 * 60 * 1000;

/// Writes a decision's events, in their order, under the room (or the inbox) that was decided about.
pub(super) async fn write(
    tx: &mut SqliteConnection,
    room: &RoomId,
    events: &[Event],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for event in events {
        query("INSERT INTO outbox (room_id, event, created_at) VALUES (?1, ?2, ?3)")
            .bind(room.as_str())
            .bind(&*parlor_proto::encode(event))
            .bind(At(now))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// A room's unsent rows.
pub(super) async fn of_room(pools: &Pools, room: &RoomId) -> Result<Vec<Outgoing>, Unavailable> {
    const READ: &str = "SELECT id, event FROM outbox WHERE room_id = ?1 AND sent_at IS NULL ORDER BY id";
    let rows: Vec<OutgoingRow> = query_as(READ).bind(room.as_str()).fetch_all(&pools.readers).await.map_err(error)?;
    Ok(outgoing(rows))
}

/// Old unsent rows of any room.
pub(super) async fn stale(pools: &Pools, age: Duration, rows: usize) -> Result<Vec<Outgoing>, Unavailable> {
    const READ: &str = "SELECT id, event FROM outbox WHERE sent_at IS NULL AND created_at <= ?1 ORDER BY id LIMIT ?2";
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let rows: Vec<OutgoingRow> = query_as(READ)
        .bind(At(Timestamp::now().plus_millis(-age)))
        .bind(limit(rows))
        .fetch_all(&pools.readers)
        .await
        .map_err(error)?;
    Ok(outgoing(rows))
}

/// The log has these.
pub(super) async fn sent(pools: &Pools, ids: &[i64]) -> Result<(), Unavailable> {
    let mark = async {
        let mut tx = pools.write().await?;
        for id in ids {
            query("UPDATE outbox SET sent_at = ?2 WHERE id = ?1 AND sent_at IS NULL")
                .bind(id)
                .bind(At(Timestamp::now()))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    };
    mark.await.map_err(error)
}

/// Removes rows that were sent over an hour ago.
pub(super) async fn remove_sent(pools: &Pools) -> Result<(), Unavailable> {
    let remove = async {
        let mut tx = pools.write().await?;
        query("DELETE FROM outbox WHERE sent_at < ?1")
            .bind(At(Timestamp::now().plus_millis(-KEPT_MILLIS)))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    };
    remove.await.map_err(error)
}
