//! Users: whoever was seen with a token, or sent something.

use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_as};

use super::pools::{Pools, error};
use crate::at::At;
use crate::rows::UserRow;

/// Writes a profile; a row that says the same already is not written again, and one with an account says it better.
pub(super) async fn see(pools: &Pools, user: &Actor) -> Result<(), Unavailable> {
    const SEE: &str = "\
        INSERT INTO users AS u (id, name, avatar_url, created_at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, avatar_url = excluded.avatar_url, \
            deleted_at = NULL \
        WHERE u.username IS NULL AND (u.name IS NOT excluded.name OR u.avatar_url IS NOT excluded.avatar_url \
            OR u.deleted_at IS NOT NULL)";
    let see = async {
        let mut tx = pools.write().await?;
        query(SEE)
            .bind(user.id.as_str())
            .bind(&*user.name)
            .bind(user.avatar.as_deref())
            .bind(At(Timestamp::now()))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    };
    see.await.map_err(error)
}

/// The profiles of those who exist.
pub(super) async fn read(pools: &Pools, ids: &[UserId]) -> Result<Vec<Actor>, Unavailable> {
    let read = async {
        let mut found = Vec::with_capacity(ids.len());
        let mut connection = pools.readers.acquire().await?;
        for id in ids {
            let row: Option<UserRow> =
                query_as("SELECT id AS user_id, name AS user_name, avatar_url AS user_avatar FROM users WHERE id = ?1")
                    .bind(id.as_str())
                    .fetch_optional(&mut *connection)
                    .await?;
            found.extend(row.map(Actor::from));
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    };
    read.await.map_err(error)
}

/// Makes those who do not exist; whoever exists stays as they are.
pub(super) async fn make<'a>(
    tx: &mut SqliteConnection,
    users: impl Iterator<Item = &'a Actor>,
) -> Result<(), sqlx::Error> {
    const MAKE: &str =
        "INSERT INTO users (id, name, avatar_url, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    for user in users {
        query(MAKE)
            .bind(user.id.as_str())
            .bind(&*user.name)
            .bind(user.avatar.as_deref())
            .bind(At(Timestamp::now()))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
