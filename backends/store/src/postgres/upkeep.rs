//! Migrations, partitions ahead of time, and what is over.

use std::time::Duration;

use parlor_core::ports::Unavailable;
use parlor_core::time::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::{Connection, PgConnection, query, query_scalar};

use super::archive::is_locked;
use super::pool::Pool;
use super::{Config, NAME};

/// How long a try to migrate waits for a table.
const LOCK: &str = "2s";
/// Tries, and the pause between them, in which those who had to wait go first.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// Brings the database's schema to this version. Several may ask at once; one does it. A database that is ahead is
/// left as it is.
///
/// # Errors
/// The server is away, a table was in use for a minute, or a migration failed: the database is then as the migration
/// before it left it.
pub async fn migrate(config: &Config) -> Result<(), Unavailable> {
    // A migration may take longer than any statement of the service. Who reads a long time, as a backup does, may hold
    // it up; whoever comes then waits behind it, and so it does not wait long.
    let options = config.connection()?.options([("statement_timeout", "0"), ("lock_timeout", LOCK)]);
    let mut connection = PgConnection::connect_with(&options).await.map_err(Pool::error)?;
    let mut tries = 1;
    while let Err(error) = crate::migrations::postgres().run(&mut connection).await {
        let locked = matches!(&error, MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if is_locked(error));
        if !locked || tries == TRIES {
            return Err(Unavailable::new(NAME, error));
        }
        tracing::warn!(
            tries,
            "a table that a migration changes is in use, or another process migrates; it is tried again"
        );
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
    connection.close().await.map_err(Pool::error)
}

/// The oldest PostgreSQL that Parlor works with. Its tests run on 15.
pub const OLDEST: u32 = 14;

/// Which PostgreSQL the server is: 15 of 15.4.
///
/// # Errors
/// It is away.
pub async fn major_version(config: &Config) -> Result<u32, Unavailable> {
    let mut connection = PgConnection::connect_with(&config.connection()?).await.map_err(Pool::error)?;
    let number: i32 = query_scalar("SELECT current_setting('server_version_num')::integer")
        .fetch_one(&mut connection)
        .await
        .map_err(Pool::error)?;
    connection.close().await.map_err(Pool::error)?;
    Ok(number.unsigned_abs() / 10_000)
}

/// Makes the partitions of the next two months, and removes outbox rows that were sent over an hour ago and sessions
/// that are over, and what was said in deleted rooms.
pub(super) async fn maintain(pool: &Pool) -> Result<(), Unavailable> {
    let mut connection = pool.get().await?;
    let upkeep = async {
        let mut tx = connection.begin().await?;
        // Attaching a partition waits for readers of the default one; those behind it must not wait long.
        query("SET LOCAL lock_timeout = '2s'").execute(&mut *tx).await?;
        query("SELECT make_message_partitions(2)").execute(&mut *tx).await?;
        tx.commit().await?;
        query("DELETE FROM outbox WHERE sent_at < now() - interval '1 hour'").execute(&mut *connection).await
    };
    upkeep.await.map_err(Pool::error)?;
    drop(connection);
    super::emptying::empty(pool).await?;
    super::accounts::sweep(pool, Timestamp::now()).await
}

/// Whether it answers, with the schema in place.
pub(super) async fn check(pool: &Pool) -> Result<(), Unavailable> {
    let mut connection = pool.get().await?;
    query("SELECT FROM applied LIMIT 1").execute(&mut *connection).await.map_err(Pool::error)?;
    Ok(())
}
