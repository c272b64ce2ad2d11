//! Accounts, their sessions and refresh tokens.

use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::accounts::{
    Account, AccountError, Changes, DELETED_NAME, Login, NewAccount, NewSession, Rotate, Rotation, SESSIONS_PER_USER,
    TokenHash,
};
use parlor_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::pools::{Pools, error};
use crate::accounts::{AccountRow, HANDED_OVER, HashRow, Presented, TokenRow, account_columns, before, judge, refused};
use crate::at::At;
use crate::rows::limit;

/// Makes a user who can sign in.
pub(super) async fn register(pools: &Pools, account: &NewAccount) -> Result<Account, AccountError> {
    const MAKE: &str = "\
        INSERT INTO users (id, username, email, password_hash, name, avatar_url, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let now = Timestamp::now();
    let make = async {
        let mut tx = pools.write().await?;
        query(MAKE)
            .bind(account.user.id.as_str())
            .bind(&account.username)
            .bind(account.email.as_deref())
            .bind(&account.password_hash)
            .bind(&*account.user.name)
            .bind(account.user.avatar.as_deref())
            .bind(At(now))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    };
    make.await.map_err(|failed| refused(failed, error))?;
    let (username, email) = (Some(account.username.clone()), account.email.clone());
    Ok(Account { user: account.user.clone(), username, email, created_at: now })
}

/// An account and its password's hash.
pub(super) async fn credentials(pools: &Pools, login: Login<'_>) -> Result<Option<(Account, String)>, Unavailable> {
    macro_rules! by {
        ($condition:literal) => {
            concat!("SELECT ", account_columns!(), ", u.password_hash FROM users u WHERE ", $condition)
        };
    }
    let (read, name) = match login {
        Login::Username(name) => (by!("lower(u.username) = lower(?1)"), name),
        Login::Email(address) => (by!("u.email = ?1"), address),
        Login::User(id) => (by!("u.id = ?1"), id.as_str()),
    };
    let read = async {
        let row: Option<SqliteRow> = query(read).bind(name).fetch_optional(&pools.readers).await?;
        let Some(row) = row else { return Ok(None) };
        let hash = HashRow::from_row(&row)?.password_hash;
        let account = AccountRow::from_row(&row)?.into();
        Ok(hash.map(|hash| (account, hash)))
    };
    read.await.map_err(error)
}

/// A user who was not deleted.
pub(super) async fn account(pools: &Pools, user: &UserId) -> Result<Option<Account>, Unavailable> {
    let row: Option<AccountRow> =
        query_as(ACCOUNT).bind(user.as_str()).fetch_optional(&pools.readers).await.map_err(error)?;
    Ok(row.map(Account::from))
}

const ACCOUNT: &str = concat!("SELECT ", account_columns!(), " FROM users u WHERE u.id = ?1 AND u.deleted_at IS NULL");

/// Writes what is named and leaves the rest.
pub(super) async fn update(pools: &Pools, user: &UserId, changes: &Changes) -> Result<Option<Account>, AccountError> {
    const WRITE: &str = "\
        UPDATE users SET name = coalesce(?2, name), \
            avatar_url = CASE WHEN ?3 THEN ?4 ELSE avatar_url END, \
            email = CASE WHEN ?5 THEN ?6 ELSE email END, \
            password_hash = coalesce(?7, password_hash) \
        WHERE id = ?1 AND deleted_at IS NULL";
    let write = async {
        let mut tx = pools.write().await?;
        query(WRITE)
            .bind(user.as_str())
            .bind(changes.name.as_deref())
            .bind(changes.avatar.is_some())
            .bind(changes.avatar.as_ref().and_then(Option::as_deref))
            .bind(changes.email.is_some())
            .bind(changes.email.as_ref().and_then(Option::as_deref))
            .bind(changes.password_hash.as_deref())
            .execute(&mut *tx)
            .await?;
        let row: Option<AccountRow> = query_as(ACCOUNT).bind(user.as_str()).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        Ok(row)
    };
    let row = write.await.map_err(|failed| refused(failed, error))?;
    Ok(row.map(Account::from))
}

/// A session with its first token; where there are too many, the oldest end.
pub(super) async fn begin_session(pools: &Pools, new: &NewSession) -> Result<(), Unavailable> {
    const MAKE: &str = "INSERT INTO auth_sessions (id, user_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";
    const END_OLDEST: &str = "\
        UPDATE auth_sessions SET ended_at = ?2 WHERE ended_at IS NULL AND user_id = ?1 AND id NOT IN \
            (SELECT id FROM auth_sessions WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2 \
             ORDER BY created_at DESC, id DESC LIMIT ?3)";
    let begin = async {
        let mut tx = pools.write().await?;
        query(MAKE)
            .bind(new.session)
            .bind(new.user.as_str())
            .bind(At(new.now))
            .bind(At(new.expires))
            .execute(&mut *tx)
            .await?;
        add_token(&mut tx, new.token, new.session, new.now, new.expires).await?;
        query(END_OLDEST)
            .bind(new.user.as_str())
            .bind(At(new.now))
            .bind(limit(SESSIONS_PER_USER))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    };
    begin.await.map_err(error)
}

async fn add_token(
    tx: &mut SqliteConnection,
    token: TokenHash,
    session: Uuid,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), sqlx::Error> {
    query("INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)")
        .bind(&token[..])
        .bind(session)
        .bind(At(now))
        .bind(At(expires))
        .execute(tx)
        .await?;
    Ok(())
}

/// One token for the next.
pub(super) async fn rotate(pools: &Pools, rotate: &Rotate) -> Result<Rotation, Unavailable> {
    const READ: &str = "\
        SELECT t.session_id, s.user_id, t.expires_at, t.used_at, s.ended_at \
        FROM refresh_tokens t JOIN auth_sessions s ON s.id = t.session_id WHERE t.hash = ?1";
    const USE: &str = "\
        UPDATE refresh_tokens SET used_at = ?3 \
        WHERE session_id = ?1 AND used_at IS NULL AND (hash = ?2 OR created_at < ?4)";
    const EXTEND: &str = "UPDATE auth_sessions SET expires_at = max(expires_at, ?2) WHERE id = ?1";
    let turn = async {
        let mut tx = pools.write().await?;
        let row: Option<TokenRow> = query_as(READ).bind(&rotate.token[..]).fetch_optional(&mut *tx).await?;
        let (user, session) = match judge(row, rotate) {
            Presented::Unknown => return Ok(Rotation::Unknown),
            Presented::Reused(user, session) => {
                end(&mut tx, &user, session, rotate.now).await?;
                tx.commit().await?;
                return Ok(Rotation::Reused { user, session });
            }
            Presented::Good(user, session) => (user, session),
        };
        query(USE)
            .bind(session)
            .bind(&rotate.token[..])
            .bind(At(rotate.now))
            .bind(At(before(rotate)))
            .execute(&mut *tx)
            .await?;
        add_token(&mut tx, rotate.next, session, rotate.now, rotate.expires).await?;
        query(EXTEND).bind(session).bind(At(rotate.expires)).execute(&mut *tx).await?;
        let row: AccountRow = query_as(ACCOUNT).bind(user.as_str()).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(Rotation::Next { account: row.into(), session })
    };
    turn.await.map_err(error)
}

async fn end(tx: &mut SqliteConnection, user: &UserId, session: Uuid, now: Timestamp) -> Result<(), sqlx::Error> {
    query("UPDATE auth_sessions SET ended_at = ?3 WHERE id = ?1 AND user_id = ?2 AND ended_at IS NULL")
        .bind(session)
        .bind(user.as_str())
        .bind(At(now))
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends the session that a token is of.
pub(super) async fn end_session_of(pools: &Pools, token: TokenHash) -> Result<Option<(UserId, Uuid)>, Unavailable> {
    const READ: &str = "\
        SELECT s.user_id, s.id FROM refresh_tokens t JOIN auth_sessions s ON s.id = t.session_id WHERE t.hash = ?1";
    let find = async {
        let mut tx = pools.write().await?;
        let row: Option<(String, Uuid)> = query_as(READ).bind(&token[..]).fetch_optional(&mut *tx).await?;
        let Some((user, session)) = row else { return Ok(None) };
        let user = UserId::trusted(user);
        end(&mut tx, &user, session, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(Some((user, session)))
    };
    find.await.map_err(error)
}

/// Ends one session.
pub(super) async fn end_session(pools: &Pools, user: &UserId, session: Uuid) -> Result<(), Unavailable> {
    let ending = async {
        let mut tx = pools.write().await?;
        end(&mut tx, user, session, Timestamp::now()).await?;
        tx.commit().await
    };
    ending.await.map_err(error)
}

/// Ends all sessions but one.
pub(super) async fn end_sessions(pools: &Pools, user: &UserId, except: Option<Uuid>) -> Result<Vec<Uuid>, Unavailable> {
    const END: &str = "\
        UPDATE auth_sessions SET ended_at = ?3 WHERE user_id = ?1 AND ended_at IS NULL AND id IS NOT ?2 RETURNING id";
    let ending = async {
        let mut tx = pools.write().await?;
        let ended: Vec<Uuid> =
            query_scalar(END).bind(user.as_str()).bind(except).bind(At(Timestamp::now())).fetch_all(&mut *tx).await?;
        tx.commit().await?;
        Ok(ended)
    };
    ending.await.map_err(error)
}

/// Takes a user's name away, and gives what they wrote to the heir.
pub(super) async fn delete(pools: &Pools, user: &UserId, heir: &Actor) -> Result<bool, Unavailable> {
    const DELETE: &str = "\
        UPDATE users SET username = NULL, email = NULL, password_hash = NULL, name = ?2, avatar_url = NULL, \
            last_seen = NULL, deleted_at = ?3 \
        WHERE id = ?1";
    let deleting = async {
        let mut tx = pools.write().await?;
        let found =
            query(DELETE).bind(user.as_str()).bind(DELETED_NAME).bind(At(Timestamp::now())).execute(&mut *tx).await?;
        if found.rows_affected() == 0 {
            return Ok(false);
        }
        query("DELETE FROM auth_sessions WHERE user_id = ?1").bind(user.as_str()).execute(&mut *tx).await?;
        query("UPDATE rooms SET created_by = ?2 WHERE created_by = ?1")
            .bind(user.as_str())
            .bind(heir.id.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        while hand_over(pools, user, heir).await? {}
        Ok(true)
    };
    deleting.await.map_err(error)
}

/// Some of the messages. False: there were none left.
async fn hand_over(pools: &Pools, user: &UserId, heir: &Actor) -> Result<bool, sqlx::Error> {
    const SOME: &str = "SELECT id FROM messages WHERE sender_id = ?1 LIMIT ?2";
    const QUOTES: &str = "UPDATE messages SET reply_to_sender = ?2 WHERE reply_to_id = ?1";
    const MESSAGE: &str = "\
        UPDATE messages SET sender_id = ?3, sender_name = ?4, sender_avatar = ?5 WHERE id = ?1 AND sender_id = ?2";
    let mut tx = pools.write().await?;
    let ids: Vec<Uuid> = query_scalar(SOME).bind(user.as_str()).bind(HANDED_OVER).fetch_all(&mut *tx).await?;
    for id in &ids {
        query(QUOTES).bind(id).bind(heir.id.as_str()).execute(&mut *tx).await?;
        query(MESSAGE)
            .bind(id)
            .bind(user.as_str())
            .bind(heir.id.as_str())
            .bind(&*heir.name)
            .bind(heir.avatar.as_deref())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(!ids.is_empty())
}

/// Removes what is over.
pub(super) async fn sweep(pools: &Pools, now: Timestamp) -> Result<(), Unavailable> {
    let sweeping = async {
        let mut tx = pools.write().await?;
        query("DELETE FROM refresh_tokens WHERE expires_at <= ?1").bind(At(now)).execute(&mut *tx).await?;
        query("DELETE FROM auth_sessions WHERE expires_at <= ?1").bind(At(now)).execute(&mut *tx).await?;
        tx.commit().await
    };
    sweeping.await.map_err(error)
}
