//! Users: whoever was seen with a token, or sent something.

use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use sqlx::{PgConnection, query, query_as};

use super::pool::Pool;
use crate::rows::UserRow;

/// Writes a profile; a row that says the same already is not written again, and one with an account says it better.
pub(super) async fn see(pool: &Pool, user: &Actor) -> Result<(), Unavailable> {
    const SEE: &str = "\
        INSERT INTO users AS u (id, name, avatar_url) VALUES ($1, $2, $3) \
        ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, avatar_url = EXCLUDED.avatar_url, deleted_at = NULL \
        WHERE u.username IS NULL AND ((u.name, u.avatar_url) IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.avatar_url) \
            OR u.deleted_at IS NOT NULL)";
    let mut connection = pool.get().await?;
    query(SEE)
        .bind(user.id.as_str())
        .bind(&*user.name)
        .bind(user.avatar.as_deref())
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(())
}

/// The profiles of those who exist.
pub(super) async fn read(pool: &Pool, ids: &[UserId]) -> Result<Vec<Actor>, Unavailable> {
    let mut connection = pool.get().await?;
    let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
    let rows: Vec<UserRow> = query_as(
        "SELECT id AS user_id, name AS user_name, avatar_url AS user_avatar FROM users WHERE id = ANY($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await
    .map_err(Pool::error)?;
    Ok(rows.into_iter().map(Actor::from).collect())
}

/// Makes those who do not exist, in the order of their ids; whoever exists stays as they are.
pub(super) async fn make<'a>(tx: &mut PgConnection, users: impl Iterator<Item = &'a Actor>) -> Result<(), sqlx::Error> {
    const MAKE: &str = "\
        INSERT INTO users (id, name, avatar_url) \
        SELECT id, name, avatar_url FROM UNNEST($1::text[], $2::text[], $3::text[]) AS new (id, name, avatar_url) \
        WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = new.id) \
        ORDER BY id COLLATE \"C\" ON CONFLICT DO NOTHING";
    let users: Vec<&Actor> = users.collect();
    query(MAKE)
        .bind(users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>())
        .bind(users.iter().map(|user| &*user.name).collect::<Vec<_>>())
        .bind(users.iter().map(|user| user.avatar.as_deref()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
