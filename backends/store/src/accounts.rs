//! What both databases make of an account's row, and of a refresh token.

use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::accounts::{Account, AccountError, Rotate};
use parlor_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::at::At;
use crate::calls::Refusal;
use crate::rows::{actor, row};

/// Messages of a deleted user that change hands in one transaction.
pub(crate) const HANDED_OVER: i64 = 1_000;

row! {
    /// A user with what is theirs alone to see; see [`account_columns`].
    AccountRow {
        user_id: String,
        user_name: String,
        user_avatar: Option<String>,
        username: Option<String>,
        email: Option<String>,
        created_at: At,
    }
}

/// The columns of an [`AccountRow`], from a table called `u`.
macro_rules! account_columns {
    () => {
        "u.id AS user_id, u.name AS user_name, u.avatar_url AS user_avatar, u.username, u.email, u.created_at"
    };
}
pub(crate) use account_columns;

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            user: actor(row.user_id, row.user_name, row.user_avatar),
            username: row.username,
            email: row.email,
            created_at: row.created_at.0,
        }
    }
}

row! {
    /// A password's hash, beside an [`AccountRow`].
    HashRow {
        password_hash: Option<String>,
    }
}

row! {
    /// A refresh token and its session.
    TokenRow {
        session_id: Uuid,
        user_id: String,
        expires_at: At,
        used_at: Option<At>,
        ended_at: Option<At>,
    }
}

/// What a presented refresh token is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// Good, for this user in this session.
    Good(UserId, Uuid),
    /// Used before, and not just now.
    Reused(UserId, Uuid),
    /// No good.
    Unknown,
}

/// Judges a presented token by its row.
pub(crate) fn judge(row: Option<TokenRow>, rotate: &Rotate) -> Presented {
    let Some(row) = row else { return Presented::Unknown };
    let (user, session) = (UserId::trusted(row.user_id), row.session_id);
    if row.ended_at.is_some() || row.expires_at.0 <= rotate.now {
        return Presented::Unknown;
    }
    match row.used_at {
        Some(used) if used.0 < before(rotate) => Presented::Reused(user, session),
        _ => Presented::Good(user, session),
    }
}

/// Tokens that were made, or used, before this are not of the same moment.
pub(crate) fn before(rotate: &Rotate) -> Timestamp {
    rotate.now.plus_millis(-rotate.leeway_millis)
}

/// What a failed write of an account says.
pub(crate) fn refused(error: sqlx::Error, unavailable: impl FnOnce(sqlx::Error) -> Unavailable) -> AccountError {
    let taken = error.as_database_error().filter(|error| error.is_unique_violation()).map(|error| {
        // PostgreSQL names the index, SQLite its columns in the message.
        let said = error.constraint().unwrap_or_else(|| error.message());
        if said.contains("email") { AccountError::EmailTaken } else { AccountError::UsernameTaken }
    });
    taken.unwrap_or_else(|| unavailable(error).into())
}

impl Refusal for AccountError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
