//! [`Accounts`] as the port has it: every call timed, and what writes finished whether or not anybody waits for it.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_core::event::Actor;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::accounts::{
    Account, AccountError, Accounts, Changes, Login, NewAccount, NewSession, Rotate, Rotation, TokenHash,
};
use parlor_core::time::Timestamp;
use uuid::Uuid;

use super::{NAME, Postgres, accounts, unhurried};
use crate::calls::timed;

#[async_trait]
impl Accounts for Postgres {
    async fn register(&self, account: &NewAccount) -> Result<Account, AccountError> {
        let (pool, account) = (Arc::clone(&self.pool), account.clone());
        let work = async move { accounts::register(&pool, &account).await };
        timed(NAME, "register", unhurried(work)).await
    }

    async fn credentials(&self, login: Login<'_>) -> Result<Option<(Account, String)>, Unavailable> {
        timed(NAME, "credentials", accounts::credentials(&self.pool, login)).await
    }

    async fn account(&self, user: &UserId) -> Result<Option<Account>, Unavailable> {
        timed(NAME, "account", accounts::account(&self.pool, user)).await
    }

    async fn update(&self, user: &UserId, changes: &Changes) -> Result<Option<Account>, AccountError> {
        let (pool, user, changes) = (Arc::clone(&self.pool), user.clone(), changes.clone());
        let work = async move { accounts::update(&pool, &user, &changes).await };
        timed(NAME, "update_account", unhurried(work)).await
    }

    async fn begin_session(&self, session: &NewSession) -> Result<(), Unavailable> {
        let (pool, session) = (Arc::clone(&self.pool), session.clone());
        let work = async move { accounts::begin_session(&pool, &session).await };
        timed(NAME, "begin_session", unhurried(work)).await
    }

    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation, Unavailable> {
        let (pool, rotate) = (Arc::clone(&self.pool), rotate.clone());
        let work = async move { accounts::rotate(&pool, &rotate).await };
        timed(NAME, "rotate", unhurried(work)).await
    }

    async fn end_session_of(&self, token: TokenHash) -> Result<Option<(UserId, Uuid)>, Unavailable> {
        let pool = Arc::clone(&self.pool);
        let work = async move { accounts::end_session_of(&pool, token).await };
        timed(NAME, "end_session", unhurried(work)).await
    }

    async fn end_session(&self, user: &UserId, session: Uuid) -> Result<(), Unavailable> {
        let (pool, user) = (Arc::clone(&self.pool), user.clone());
        let work = async move { accounts::end_session(&pool, &user, session).await };
        timed(NAME, "end_session", unhurried(work)).await
    }

    async fn end_sessions(&self, user: &UserId, except: Option<Uuid>) -> Result<Vec<Uuid>, Unavailable> {
        let (pool, user) = (Arc::clone(&self.pool), user.clone());
        let work = async move { accounts::end_sessions(&pool, &user, except).await };
        timed(NAME, "end_sessions", unhurried(work)).await
    }

    async fn delete(&self, user: &UserId, heir: &Actor) -> Result<bool, Unavailable> {
        let (pool, user, heir) = (Arc::clone(&self.pool), user.clone(), heir.clone());
        let work = async move { accounts::delete(&pool, &user, &heir).await };
        timed(NAME, "delete_user", unhurried(work)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), Unavailable> {
        let pool = Arc::clone(&self.pool);
        timed(NAME, "sweep", unhurried(async move { accounts::sweep(&pool, now).await })).await
    }
}
