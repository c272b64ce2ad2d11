//! Events that were decided, until the log has them.

use std::time::Duration;

use parlor_core::event::Event;
use parlor_core::ids::RoomId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::store::Outgoing;
use sqlx::{Connection, PgConnection, query, query_as, query_scalar};

use super::pool::Pool;
use crate::rows::{OutgoingRow, limit, outgoing};

/// Writes a decision's events, in their order, under the room (or the inbox) that was decided about.
pub(super) async fn write(tx: &mut PgConnection, room: &RoomId, events: &[Event]) -> Result<(), sqlx::Error> {
    const WRITE: &str = "\
        INSERT INTO outbox (room_id, event) \
        SELECT $1, event FROM UNNEST($2::bytea[]) WITH ORDINALITY AS new (event, place) ORDER BY place";
    let events: Vec<_> = events.iter().map(parlor_proto::encode).collect();
    query(WRITE).bind(room.as_str()).bind(events.iter().map(|event| &**event).collect::<Vec<_>>()).execute(tx).await?;
    Ok(())
}

/// A room's unsent rows. Its lock makes the order of ids that of the decisions.
pub(super) async fn of_room(pool: &Pool, room: &RoomId) -> Result<Vec<Outgoing>, Unavailable> {
    const READ: &str = "SELECT id, event FROM outbox WHERE room_id = $1 AND sent_at IS NULL ORDER BY id";
    let mut connection = pool.get().await?;
    let rows: Vec<OutgoingRow> =
        query_as(READ).bind(room.as_str()).fetch_all(&mut *connection).await.map_err(Pool::error)?;
    Ok(outgoing(rows))
}

/// Old unsent rows of any room; none where another caller in the cluster is asking at this moment.
pub(super) async fn stale(pool: &Pool, age: Duration, rows: usize) -> Result<Vec<Outgoing>, Unavailable> {
    const TURN: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('parlor.outbox', 0))";
    const READ: &str = "\
        SELECT id, event FROM outbox WHERE sent_at IS NULL AND created_at <= now() - $1 * interval '1 millisecond' \
        ORDER BY id LIMIT $2";
    let read = async {
        let mut connection = pool.get().await?;
        let mut tx = connection.begin().await.map_err(Pool::error)?;
        let ours: bool = query_scalar(TURN).fetch_one(&mut *tx).await.map_err(Pool::error)?;
        let rows: Vec<OutgoingRow> = if ours {
            query_as(READ)
                .bind(i64::try_from(age.as_millis()).unwrap_or(i64::MAX) as f64)
                .bind(limit(rows))
                .fetch_all(&mut *tx)
                .await
                .map_err(Pool::error)?
        } else {
            Vec::new()
        };
        tx.commit().await.map_err(Pool::error)?;
        Ok(rows)
    };
    read.await.map(outgoing)
}

/// The log has these.
pub(super) async fn sent(pool: &Pool, ids: &[i64]) -> Result<(), Unavailable> {
    let mut connection = pool.get().await?;
    query("UPDATE outbox SET sent_at = now() WHERE id = ANY($1) AND sent_at IS NULL")
        .bind(ids)
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(())
}
