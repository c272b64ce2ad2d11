//! Reading records back, on connections of their own.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use parlor_core::ids::{Generation, Offset, Partition};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::Record;
use parlor_core::time::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use super::file::{offset_of, options, place};
use super::unavailable;

/// How many read at once.
const CONNECTIONS: u32 = 4;

#[derive(Clone)]
pub(super) struct Reader {
    pool: SqlitePool,
    generation: Generation,
}

/// What was read.
pub(super) struct Read {
    pub(super) records: Vec<Record>,
    /// The record that did not fit any more, where there was one.
    pub(super) stopped_at: Option<Offset>,
}

/// A record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it was.
    pub partition: Partition,
    /// Where it was.
    pub offset: Offset,
    /// The record as it was.
    pub encoded: Bytes,
    /// Why it could not be applied.
    pub reason: String,
}

impl Reader {
    pub(super) async fn open(path: &Path, generation: Generation) -> Result<Self, Unavailable> {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(3))
            .connect_with(options(path).read_only(true))
            .await
            .map_err(unavailable)?;
        Ok(Self { pool, generation })
    }

    /// Records from `from` to `through`, both included, until there are `max_records` or the next would pass
    /// `max_bytes`; the first is always taken.
    pub(super) async fn read(
        &self,
        partition: Partition,
        from: Offset,
        through: Offset,
        max_bytes: usize,
        max_records: usize,
    ) -> Result<Read, Unavailable> {
        let mut rows = sqlx::query(
            "SELECT place, time, encoded, trace FROM records WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?",
        )
        .bind(place(partition, from))
        .bind(place(partition, through))
        .bind(i64::try_from(max_records).unwrap_or(i64::MAX))
        .fetch(&self.pool);
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.try_next().await.map_err(unavailable)? {
            let offset = offset_of(row.try_get(0).map_err(unavailable)?);
            let encoded: Bytes = row.try_get::<Vec<u8>, _>(2).map_err(unavailable)?.into();
            bytes += encoded.len();
            if bytes > max_bytes && !records.is_empty() {
                return Ok(Read { records, stopped_at: Some(offset) });
            }
            let time = Timestamp(row.try_get(1).map_err(unavailable)?);
            let trace = row.try_get(3).map_err(unavailable)?;
            records.push(crate::record(self.generation, partition, offset, time, encoded, trace));
        }
        Ok(Read { records, stopped_at: None })
    }

    /// The lowest offset at or after a time.
    pub(super) async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Option<Offset>, Unavailable> {
        // The + keeps the planner from walking the partition instead of the index of times.
        sqlx::query_scalar::<_, Option<i64>>(
            "SELECT min(+place) FROM records WHERE time >= ? AND +place BETWEEN ? AND ?",
        )
        .bind(time.0)
        .bind(place(partition, Offset(0)))
        .bind(place(partition, Offset(i64::MAX)))
        .fetch_one(&self.pool)
        .await
        .map(|place| place.map(offset_of))
        .map_err(unavailable)
    }

    pub(super) async fn dead_letters(&self) -> Result<Vec<DeadLetter>, Unavailable> {
        let rows = sqlx::query_as::<_, (u32, i64, Vec<u8>, String)>(
            "SELECT partition, offset, encoded, reason FROM dead_letters ORDER BY id LIMIT 1000",
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(unavailable)?;
        let letter = |(partition, offset, encoded, reason): (u32, i64, Vec<u8>, String)| DeadLetter {
            partition: Partition(partition),
            offset: Offset(offset),
            encoded: encoded.into(),
            reason,
        };
        Ok(rows.into_iter().map(letter).collect())
    }

    pub(super) async fn check(&self) -> Result<(), Unavailable> {
        sqlx::query("SELECT 1 FROM log").fetch_one(&self.pool).await.map(drop).map_err(unavailable)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
