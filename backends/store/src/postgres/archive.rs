//! Months that are over leave the store: their partitions of `messages` are detached and stay as tables of their own,
//! for an operator to dump and drop.

use std::time::Duration;

use parlor_core::ports::Unavailable;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_as, query_scalar};

use super::pool::Pool;
use super::{Config, NAME};

/// The fewest months that stay: ids are looked up 30 days back, and last month's partition is made again where it is
/// missing.
pub const FEWEST_MONTHS: u32 = 2;

/// How long one try waits for the table. Whoever reads or writes messages waits behind it for as long.
const LOCK: &str = "SET LOCAL lock_timeout = '1s'";
/// One run at a time makes or takes away tables.
const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('parlor.partitions', 0))";
/// Tries, and the pause between them, in which those who had to wait go first.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);
/// Rows moved out of the default partition in one transaction.
const ROWS: i64 = 5_000;

/// What [`archive`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// Months that left the store by this call, the oldest first.
    pub detached: Vec<Month>,
    /// Months that left it before, whose tables are still in the database, the oldest first.
    pub waiting: Vec<Month>,
}

/// A month of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// Such as `2024-11`, in UTC.
    pub month: String,
    /// The table that has its messages, and nothing else, once it is archived.
    pub table: String,
    /// How large it is with its indexes, in bytes; for rows that lie in the default partition 0.
    pub bytes: u64,
}

/// Detaches every month that ended at least `months` before now; with `dry_run` it only says which. What was detached
/// is in no answer of the store any more: history ends where it begins.
///
/// It may be run at any time, again, and by several at once. Each month is a transaction of its own, so what was done
/// before an error stays done. PostgreSQL detaches concurrently only where there is no default partition, so each
/// takes the table for itself for a moment, and waits at most a second for it.
///
/// # Errors
/// The server is away, or the table was in use for all of ten tries; or `months` is less than [`FEWEST_MONTHS`].
pub async fn archive(config: &Config, months: u32, dry_run: bool) -> Result<Archive, Unavailable> {
    if months < FEWEST_MONTHS {
        return Err(Unavailable::new(NAME, format!("at least {FEWEST_MONTHS} months stay")));
    }
    // Moving rows may take longer than any statement of the service.
    let options = config.connection()?.options([("statement_timeout", "0")]);
    let mut connection = PgConnection::connect_with(&options).await.map_err(Pool::error)?;
    let mut archive = Archive { waiting: waiting(&mut connection).await.map_err(Pool::error)?, ..Archive::default() };
    for old in over(&mut connection, months).await.map_err(Pool::error)? {
        let table = if dry_run {
            free_table(&mut connection, &old.month).await.map_err(Pool::error)?
        } else {
            detach(&mut connection, &old).await?
        };
        archive.detached.push(Month { table, month: old.month, bytes: old.bytes.max(0).unsigned_abs() });
    }
    for month in strays(&mut connection, months).await.map_err(Pool::error)? {
        if !dry_run {
            move_out(&mut connection, &month).await.map_err(Pool::error)?;
        }
        let table = table_of(&month);
        if archive.detached.iter().all(|known| known.table != table) {
            archive.detached.push(Month { table, month, bytes: 0 });
        }
    }
    archive.detached.sort_by(|a, b| a.table.cmp(&b.table));
    archive.waiting.retain(|known| archive.detached.iter().all(|month| month.table != known.table));
    connection.close().await.map_err(Pool::error)?;
    Ok(archive)
}

/// `messages_archive_2024_11` for `2024-11`.
fn table_of(month: &str) -> String {
    format!("messages_archive_{}", month.replace('-', "_"))
}

/// A partition that is over.
struct Old {
    partition: String,
    month: String,
    bytes: i64,
}

/// The name that a month's partition gets: [`table_of`], or the next one (`…_2`) where a table of that month lies there
/// from before, brought back or of rows that were stored late.
async fn free_table(connection: &mut PgConnection, month: &str) -> Result<String, sqlx::Error> {
    let (mut table, mut next) = (table_of(month), 2);
    while query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&table).fetch_one(&mut *connection).await? {
        table = format!("{}_{next}", table_of(month));
        next += 1;
    }
    Ok(table)
}

/// Partitions whose whole month is older. Their names are those that `make_message_partitions` gives.
async fn over(connection: &mut PgConnection, months: u32) -> Result<Vec<Old>, sqlx::Error> {
    const OVER: &str = "\
        SELECT p.name, to_char(p.begins, 'YYYY-MM'), pg_total_relation_size(p.oid) \
        FROM (SELECT c.oid, c.relname::text AS name, to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AS begins \
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
              WHERE i.inhparent = 'messages'::regclass AND c.relname ~ '^messages_[0-9]{4}_[0-9]{2}$') p \
        WHERE p.begins + interval '1 month' <= (now() AT TIME ZONE 'UTC') - make_interval(months => $1) \
        ORDER BY p.begins";
    let rows: Vec<(String, String, i64)> =
        query_as(OVER).bind(i32::try_from(months).unwrap_or(i32::MAX)).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(partition, month, bytes)| Old { partition, month, bytes }).collect())
}

/// Archived months whose tables are still here. One that was attached again is read from, under whatever name.
async fn waiting(connection: &mut PgConnection) -> Result<Vec<Month>, sqlx::Error> {
    const WAITING: &str = "\
        SELECT replace(substr(c.relname, 18, 7), '_', '-'), c.relname::text, pg_total_relation_size(c.oid) \
        FROM pg_class c WHERE c.relkind = 'r' AND c.relname ~ '^messages_archive_[0-9]{4}_[0-9]{2}(_[0-9]+)?$' \
            AND NOT c.relispartition \
            AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'messages'::regclass) \
        ORDER BY c.relname";
    let rows: Vec<(String, String, i64)> = query_as(WAITING).fetch_all(connection).await?;
    let month =
        |(month, table, bytes): (String, String, i64)| Month { month, table, bytes: bytes.max(0).unsigned_abs() };
    Ok(rows.into_iter().map(month).collect())
}

/// Takes a month out of the table, within a few tries; the name that it has now.
async fn detach(connection: &mut PgConnection, old: &Old) -> Result<String, Unavailable> {
    let mut tries = 1;
    loop {
        match try_detach(connection, old).await {
            Ok(table) => return Ok(table),
            Err(error) if is_locked(&error) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if is_locked(&error) => {
                let partition = &old.partition;
                let reason =
                    format!("{partition} stays: messages were in use each time; nothing was lost, run it again");
                return Err(Unavailable::new(NAME, reason));
            }
            Err(error) => return Err(Pool::error(error)),
        }
    }
}

/// Whether a lock was not to be had in time (55P03), or two waited for each other (40P01).
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "55P03" | "40P01"))
}

async fn try_detach(connection: &mut PgConnection, old: &Old) -> Result<String, sqlx::Error> {
    let (partition, mut table) = (&old.partition, table_of(&old.month));
    let mut tx = connection.begin().await?;
    query(LOCK).execute(&mut *tx).await?;
    query(TURN).execute(&mut *tx).await?;
    // Another run may have done it meanwhile.
    const THERE: &str = "SELECT EXISTS (SELECT FROM pg_inherits \
        WHERE inhparent = 'messages'::regclass AND inhrelid = to_regclass($1))";
    let there: bool = query_scalar(THERE).bind(partition).fetch_one(&mut *tx).await?;
    if there {
        table = free_table(&mut tx, &old.month).await?;
        // Names are letters, digits and underscores, as `over` found them.
        for sql in [
            format!("ALTER TABLE messages DETACH PARTITION {partition}"),
            format!("ALTER TABLE {partition} RENAME TO {table}"),
        ] {
            query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    Ok(table)
}

/// Months of which the default partition has rows that are over: those that were stored long after they were sent.
async fn strays(connection: &mut PgConnection, months: u32) -> Result<Vec<String>, sqlx::Error> {
    const STRAYS: &str = "\
        SELECT DISTINCT to_char(date_trunc('month', time AT TIME ZONE 'UTC'), 'YYYY-MM') AS month FROM messages_default \
        WHERE time < date_trunc('month', (now() AT TIME ZONE 'UTC') - make_interval(months => $1)) AT TIME ZONE 'UTC' \
        ORDER BY month";
    query_scalar(STRAYS).bind(i32::try_from(months).unwrap_or(i32::MAX)).fetch_all(connection).await
}

/// Moves a month's rows from the default partition to the month's own table, some at a time.
async fn move_out(connection: &mut PgConnection, month: &str) -> Result<(), sqlx::Error> {
    let table = table_of(month);
    // The indexes of an archive serve nobody.
    let make = format!("CREATE TABLE IF NOT EXISTS {table} (LIKE messages INCLUDING DEFAULTS)");
    let mut tx = connection.begin().await?;
    query(TURN).execute(&mut *tx).await?;
    query(AssertSqlSafe(make)).execute(&mut *tx).await?;
    // It may be older than a column.
    const ADD: &str = "\
        SELECT string_agg(format('ADD COLUMN %I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ') \
        FROM pg_attribute a WHERE a.attrelid = 'messages'::regclass AND a.attnum > 0 AND NOT a.attisdropped \
            AND NOT EXISTS (SELECT FROM pg_attribute b \
                WHERE b.attrelid = to_regclass($1) AND b.attname = a.attname AND NOT b.attisdropped)";
    let add: Option<String> = query_scalar(ADD).bind(&table).fetch_one(&mut *tx).await?;
    if let Some(add) = add {
        query(AssertSqlSafe(format!("ALTER TABLE {table} {add}"))).execute(&mut *tx).await?;
    }
    const COLUMNS: &str = "\
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
        WHERE attrelid = 'messages'::regclass AND attnum > 0 AND NOT attisdropped";
    let columns: String = query_scalar(COLUMNS).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    let move_some = format!(
        "WITH gone AS (DELETE FROM messages_default WHERE ctid IN (SELECT ctid FROM messages_default \
             WHERE time >= to_date($1, 'YYYY-MM')::timestamp AT TIME ZONE 'UTC' \
                 AND time < (to_date($1, 'YYYY-MM')::timestamp + interval '1 month') AT TIME ZONE 'UTC' LIMIT $2) \
             RETURNING {columns}) INSERT INTO {table} ({columns}) SELECT {columns} FROM gone"
    );
    loop {
        let moved = query(AssertSqlSafe(move_some.clone())).bind(month).bind(ROWS).execute(&mut *connection).await?;
        if moved.rows_affected() == 0 {
            return Ok(());
        }
    }
}
