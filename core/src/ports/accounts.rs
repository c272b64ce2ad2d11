//! Accounts of Parlor's own: who may sign in, their sessions, and the end of both. Durable.

use async_trait::async_trait;
use uuid::Uuid;

use super::Unavailable;
use crate::event::Actor;
use crate::ids::UserId;
use crate::time::Timestamp;

/// Sessions that one user may have at once; the oldest ends when one more begins.
pub const SESSIONS_PER_USER: usize = 50;

/// The display name of a user who was deleted.
pub const DELETED_NAME: &str = "Deleted user";

/// Accounts and their sessions.
///
/// A session begins with a sign-in on one device and has an id (a UUIDv7, so it says when it began). It goes on from
/// one refresh token to the next: of a token only its SHA-256 is kept, and each is good once. Who presents a token that
/// was used already is a thief or their victim, and nobody knows which: the session ends.
///
/// Users of an external issuer have no account; deleting works for them too.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Makes a user with a username, and perhaps an email address, that nobody has: both are compared without regard to
    /// case. The address is to be in lower case already.
    async fn register(&self, account: &NewAccount) -> Result<Account, AccountError>;

    /// The account of that username or address, without regard to case, and its password's hash. `None` where there
    /// is none.
    async fn credentials(&self, login: Login<'_>) -> Result<Option<(Account, String)>, Unavailable>;

    /// A user who exists and was not deleted, with or without an account.
    async fn account(&self, user: &UserId) -> Result<Option<Account>, Unavailable>;

    /// Changes what `changes` names and leaves the rest. `None`: there is no such user.
    async fn update(&self, user: &UserId, changes: &Changes) -> Result<Option<Account>, AccountError>;

    /// Begins a session of a user who exists. Of [`SESSIONS_PER_USER`] live ones the oldest ends.
    async fn begin_session(&self, session: &NewSession) -> Result<(), Unavailable>;

    /// Exchanges a refresh token for the next of its session, at most once: see [`Rotation`]. With the new token every
    /// other token of the session that is older than the leeway counts as used.
    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation, Unavailable>;

    /// Ends the session that a refresh token, used or not, is of. Says whose it was and which. `None`: no session has it.
    async fn end_session_of(&self, token: TokenHash) -> Result<Option<(UserId, Uuid)>, Unavailable>;

    /// Ends a session of that user. Ending what has ended, or is another's, changes nothing.
    async fn end_session(&self, user: &UserId, session: Uuid) -> Result<(), Unavailable>;

    /// Ends all sessions of a user but `except`. Says which were live.
    async fn end_sessions(&self, user: &UserId, except: Option<Uuid>) -> Result<Vec<Uuid>, Unavailable>;

    /// Deletes a user: the account and its sessions are gone, username and address are free again, and the profile is
    /// [`DELETED_NAME`]'s. Their messages stay, under `heir`'s id and name, which must not be anybody's; quotes of them
    /// name `heir` too. Memberships stay as they are: groups are left before. False: there is no such user.
    ///
    /// May be called again with the same user and `heir`: messages that came late are then given away too.
    async fn delete(&self, user: &UserId, heir: &Actor) -> Result<bool, Unavailable>;

    /// Removes refresh tokens and sessions that are over by `now`.
    async fn sweep(&self, now: Timestamp) -> Result<(), Unavailable>;
}

/// The SHA-256 of a refresh token: enough to know it again, of no use to who reads the database.
pub type TokenHash = [u8; 32];

/// A user as they see themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// As others see them.
    pub user: Actor,
    /// `None` for users of an external issuer.
    pub username: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// An account to be made.
#[derive(Clone)]
pub struct NewAccount {
    /// Nobody's yet; with the display name.
    pub user: Actor,
    /// As it is to be shown.
    pub username: String,
    /// In lower case.
    pub email: Option<String>,
    /// In PHC string format.
    pub password_hash: String,
}

/// What somebody signs in with.
#[derive(Clone, Copy)]
pub enum Login<'a> {
    /// A username.
    Username(&'a str),
    /// An email address.
    Email(&'a str),
    /// A user who is signed in already, and is asked again.
    User(&'a UserId),
}

/// What is to be changed. `None` leaves a thing as it is; `Some(None)` removes it.
#[derive(Clone, Default)]
pub struct Changes {
    /// The display name.
    pub name: Option<String>,
    /// A URL, never fetched.
    pub avatar: Option<Option<String>>,
    /// In lower case.
    pub email: Option<Option<String>>,
    /// In PHC string format.
    pub password_hash: Option<String>,
}

/// A session that begins.
#[derive(Clone)]
pub struct NewSession {
    /// Its id: a UUIDv7.
    pub session: Uuid,
    /// Whose.
    pub user: UserId,
    /// Its first refresh token.
    pub token: TokenHash,
    /// Now.
    pub now: Timestamp,
    /// When that token ends.
    pub expires: Timestamp,
}

/// A refresh token that is presented, and the one to take its place.
#[derive(Clone)]
pub struct Rotate {
    /// What was presented.
    pub token: TokenHash,
    /// What follows it.
    pub next: TokenHash,
    /// Now.
    pub now: Timestamp,
    /// When `next` ends.
    pub expires: Timestamp,
    /// For so many milliseconds after its use a token is exchanged again, for another that is as good: two tabs of one
    /// browser refresh at once with the one cookie they share.
    pub leeway_millis: i64,
}

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// `next` is the session's token from now on.
    Next {
        /// Whose.
        account: Account,
        /// Of which session.
        session: Uuid,
    },
    /// It was used before, longer ago than the leeway. The session has ended with this.
    Reused {
        /// Whose.
        user: UserId,
        /// Which.
        session: Uuid,
    },
    /// Never heard of, expired, or of a session that has ended.
    Unknown,
}

/// Why an account was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccountError {
    /// Somebody has that username.
    #[error("the username is taken")]
    UsernameTaken,
    /// Somebody has that address.
    #[error("the email address is taken")]
    EmailTaken,
    /// The store is away; nothing is known to have changed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
