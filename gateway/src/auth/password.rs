//! Passwords: argon2id, a few at a time.
//!
//! A hash takes some 20 ms of a core and 19 MiB, by intent. So hashes are computed beside the runtime, on half of the
//! cores at most, and while too many wait for their turn more are refused: a flood of sign-ins slows sign-ins, and
//! nothing else.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use parlor_core::error::{ChatError, Code};
use tokio::sync::Semaphore;

/// Passwords that wait for their turn, or have it.
const WAITING: usize = 64;

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const PARAMS: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Computes hashes.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// What a password is compared with where there is no account, so that the answer takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash("a password that nobody has").unwrap_or_default());

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new((cores / 2).max(1))), waiting: Arc::new(Semaphore::new(WAITING)) }
    }

    /// The hash to be kept, in PHC string format.
    ///
    /// # Errors
    /// `busy`: too many wait already.
    pub(crate) async fn hash(&self, password: String) -> Result<String, ChatError> {
        self.in_turn(move || hash(&password)).await?.ok_or_else(|| ChatError::new(Code::Internal, "no hash"))
    }

    /// Whether it is the password of that hash. Without a hash it is not, and that takes as long.
    ///
    /// # Errors
    /// `busy`: too many wait already.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, ChatError> {
        self.in_turn(move || {
            let right = argon2().verify_password(password.as_bytes(), hash.as_deref().unwrap_or(&NOBODYS)).is_ok();
            right && hash.is_some()
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ChatError> {
        let busy = || ChatError::busy("too many sign in right now");
        let waiting = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| busy())?;
        // The turn ends with the work, not with the one who waits for it.
        let done = tokio::task::spawn_blocking(move || {
            let _until_done = (waiting, turn);
            work()
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            ChatError::new(Code::Internal, "the password could not be checked")
        })
    }
}

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = PARAMS;
    let params = Params::new(memory, passes, lanes, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Option<String> {
    argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.expect("checked"));
        assert!(!passwords.verify("correct horsf".into(), Some(hash)).await.expect("checked"));
        assert!(!passwords.verify("correct horse".into(), Some("no hash".into())).await.expect("checked"));
        assert!(!passwords.verify("a password that nobody has".into(), None).await.expect("checked"));
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once() {
        let passwords = Arc::new(Passwords::new());
        let _held = passwords
            .turns
            .clone()
            .acquire_many_owned(u32::try_from(passwords.turns.available_permits()).expect("few"));
        let _held = _held.await.expect("all turns");
        let mut waiting = Vec::new();
        for _ in 0..WAITING {
            let passwords = passwords.clone();
            waiting.push(tokio::spawn(async move { passwords.verify("x".into(), None).await }));
        }
        while passwords.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.verify("x".into(), None).await.expect_err("refused").code, Code::Busy);
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
