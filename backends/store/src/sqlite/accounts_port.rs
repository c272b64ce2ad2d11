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

use super::{NAME, Sqlite, accounts, unhurried};
use crate::calls::timed;

#[async_trait]
impl Accounts for Sqlite {
    async fn register(&self, account: &NewAccount) -> Result<Account, AccountError> {
        let (pools, account) = (Arc::clone(&self.pools), account.clone());
        let work = async move { accounts::register(&pools, &account).await };
        timed(NAME, "register", unhurried(work)).await
    }

    async fn credentials(&self, login: Login<'_>) -> Result<Option<(Account, String)>, Unavailable> {
        timed(NAME, "credentials", accounts::credentials(&self.pools, login)).await
    }

    async fn account(&self, user: &UserId) -> Result<Option<Account>, Unavailable> {
        timed(NAME, "account", accounts::account(&self.pools, user)).await
    }

    async fn update(&self, user: &UserId, changes: &Changes) -> Result<Option<Account>, AccountError> {
        let (pools, user, changes) = (Arc::clone(&self.pools), user.clone(), changes.clone());
        let work = async move { accounts::update(&pools, &user, &changes).await };
        timed(NAME, "update_account", unhurried(work)).await
    }

    async fn begin_session(&self, session: &NewSession) -> Result<(), Unavailable> {
        let (pools, session) = (Arc::clone(&self.pools), session.clone());
        let work = async move { accounts::begin_session(&pools, &session).await };
        timed(NAME, "begin_session", unhurried(work)).await
    }

    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation, Unavailable> {
        let (pools, rotate) = (Arc::clone(&self.pools), rotate.clone());
        let work = async move { accounts::rotate(&pools, &rotate).await };
        timed(NAME, "rotate", unhurried(work)).await
    }

    async fn end_session_of(&self, token: TokenHash) -> Result<Option<(UserId, Uuid)>, Unavailable> {
        let pools = Arc::clone(&self.pools);
        let work = async move { accounts::end_session_of(&pools, token).await };
        timed(NAME, "end_session", unhurried(work)).await
    }

    async fn end_session(&self, user: &UserId, session: Uuid) -> Result<(), Unavailable> {
        let (pools, user) = (Arc::clone(&self.pools), user.clone());
        let work = async move { accounts::end_session(&pools, &user, session).await };
        timed(NAME, "end_session", unhurried(work)).await
    }

    async fn end_sessions(&self, user: &UserId, except: Option<Uuid>) -> Result<Vec<Uuid>, Unavailable> {
        let (pools, user) = (Arc::clone(&self.pools), user.clone());
        let work = async move { accounts::end_sessions(&pools, &user, except).await };
        timed(NAME, "end_sessions", unhurried(work)).await
    }

    async fn delete(&self, user: &UserId, heir: &Actor) -> Result<bool, Unavailable> {
        let (pools, user, heir) = (Arc::clone(&self.pools), user.clone(), heir.clone());
        let work = async move { accounts::delete(&pools, &user, &heir).await };
        timed(NAME, "delete_user", unhurried(work)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), Unavailable> {
        let pools = Arc::clone(&self.pools);
        timed(NAME, "sweep", unhurried(async move { accounts::sweep(&pools, now).await })).await
    }
}
