//! The contract of [`super::accounts`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::accounts_contract!(make())`, where `make` gives a [`Subject`] whose store
//! and accounts are of one database, which is empty.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::accounts::{
    Account, AccountError, Accounts, Changes, DELETED_NAME, Login, NewAccount, NewSession, Rotate, Rotation,
    SESSIONS_PER_USER, TokenHash,
};
use super::log::{Position, Record};
use super::store::{Read, Store, Stored};
use crate::event::{Actor, Event, Kind, Message, MessageType, Quote};
use crate::ids::{Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::membership::nameless;
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! accounts_contract {
    ($make:expr) => {
        $crate::accounts_contract!(@ $make;
            an_account_is_found_by_name_and_address_whatever_their_case
            a_username_and_an_address_belong_to_one_user
            of_many_who_want_one_username_at_once_one_gets_it
            what_is_not_named_stays_as_it_is
            an_accounts_profile_is_not_a_tokens_to_change
            a_user_of_another_issuer_has_no_password
            a_refresh_token_is_good_once
            a_token_used_again_ends_its_session_and_no_other
            two_tabs_that_refresh_at_once_both_go_on
            the_other_tabs_token_is_used_up_by_the_next_refresh
            however_many_refresh_at_once_none_is_taken_for_a_thief
            a_token_ends_with_its_time_and_with_its_session
            only_its_user_ends_a_session
            all_sessions_end_at_once_but_the_one_kept
            of_too_many_sessions_the_oldest_ends
            a_deleted_user_is_nobody_and_the_name_is_free
            a_deleted_users_messages_stay_and_are_nobodys
            a_deleted_user_who_is_seen_again_begins_anew
            what_is_over_is_swept_away
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let promise = |subject| Box::pin($crate::ports::accounts_contract::$promise(subject)) as _;
                $crate::ports::accounts_contract::hold($make.await, promise).await;
            }
        )*
    };
}

/// An implementation under test, empty.
pub struct Subject {
    /// Accounts.
    pub accounts: Arc<dyn Accounts>,
    /// The store of the same database.
    pub store: Arc<dyn Store>,
    /// How events are encoded (the contract suite is below `proto`).
    pub encode: fn(&Event) -> Bytes,
    /// Removes what was made for the test.
    pub close: BoxFuture<'static, ()>,
}

/// What a promise is tried with.
#[derive(Clone)]
pub struct Trial {
    accounts: Arc<dyn Accounts>,
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
}

/// Runs one promise and removes the subject, kept or broken.
pub async fn hold(subject: Subject, promise: fn(Trial) -> BoxFuture<'static, ()>) {
    let Subject { accounts, store, encode, close } = subject;
    let outcome = tokio::spawn(promise(Trial { accounts, store, encode })).await;
    close.await;
    if let Err(broken) = outcome {
        std::panic::resume_unwind(broken.into_panic());
    }
}

/// 2025-11-19T12:00:00Z.
const NOON: Timestamp = Timestamp(1_763_553_600_000);
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const LEEWAY: i64 = 10_000;

fn token(n: u8) -> TokenHash {
    [n; 32]
}

fn new(username: &str, email: Option<&str>) -> NewAccount {
    let id = UserId::trusted(format!("id-{username}"));
    NewAccount {
        user: Actor { id, name: username.into(), avatar: None },
        username: username.into(),
        email: email.map(Into::into),
        password_hash: format!("hash of {username}"),
    }
}

impl Trial {
    async fn register(&self, username: &str, email: Option<&str>) -> Account {
        self.accounts.register(&new(username, email)).await.expect("registered")
    }

    async fn hash(&self, login: Login<'_>) -> Option<String> {
        self.accounts.credentials(login).await.expect("an answer").map(|(_, hash)| hash)
    }

    async fn begin(&self, user: &UserId, first: u8, now: Timestamp) -> Uuid {
        let session = Uuid::now_v7();
        let (user, expires) = (user.clone(), now.plus_millis(DAY));
        let new = NewSession { session, user, token: token(first), now, expires };
        self.accounts.begin_session(&new).await.expect("begun");
        session
    }

    async fn turn(&self, presented: u8, next: u8, now: Timestamp) -> Rotation {
        let expires = now.plus_millis(DAY);
        let rotate = Rotate { token: token(presented), next: token(next), now, expires, leeway_millis: LEEWAY };
        self.accounts.rotate(&rotate).await.expect("an answer")
    }

    /// Stores a message as the record at that offset. Says its id.
    async fn said(
        &self,
        at: (Position, i64),
        sender: &Actor,
        content: &str,
        reply_to: Option<Quote>,
    ) -> (MessageId, Position) {
        let id = MessageId::now();
        let message = Message { reply_to, ..Message::new(MessageType::Text, content) };
        let room = RoomId::trusted("r");
        let event = Event { id: id.into(), room, actor: sender.clone(), kind: Kind::MessageSent(message) };
        let seq = Seq::new(Generation(1), Offset(at.1));
        let encoded = (self.encode)(&event);
        let record = Record { partition: Partition(0), seq, time: NOON, encoded, event: Ok(event.into()), trace: None };
        let stored = self.store.apply(Partition(0), at.0, std::slice::from_ref(&record)).await.expect("applied");
        let Stored::Done { position, .. } = stored else { panic!("not applied: {stored:?}") };
        (id, position)
    }

    async fn goes_on(&self, presented: u8, next: u8, now: Timestamp) {
        let rotation = self.turn(presented, next, now).await;
        assert!(matches!(rotation, Rotation::Next { .. }), "{presented} → {next}: {rotation:?}");
    }
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn an_account_is_found_by_name_and_address_whatever_their_case(trial: Trial) {
        let ann = trial.register("Ann", Some("ann@example.com")).await;
        assert_eq!(ann.username.as_deref(), Some("Ann"));
        for login in
            [Login::Username("ANN"), Login::Username("ann"), Login::Email("ann@example.com"), Login::User(&ann.user.id)]
        {
            let (found, hash) = trial.accounts.credentials(login).await.expect("an answer").expect("found");
            assert_eq!((found, hash.as_str()), (ann.clone(), "hash of Ann"));
        }
        assert_eq!(trial.hash(Login::Username("ben")).await, None);
        assert_eq!(trial.hash(Login::Email("ann")).await, None);
        assert_eq!(trial.accounts.account(&ann.user.id).await.expect("an answer"), Some(ann.clone()));
        assert_eq!(trial.store.users(std::slice::from_ref(&ann.user.id)).await.expect("users"), [ann.user]);
    }

    pub async fn a_username_and_an_address_belong_to_one_user(trial: Trial) {
        trial.register("Ann", Some("ann@example.com")).await;
        let other = NewAccount { user: nameless(&UserId::trusted("other")), ..new("aNN", None) };
        let taken = trial.accounts.register(&other).await;
        assert!(matches!(taken, Err(AccountError::UsernameTaken)), "{taken:?}");
        let taken = trial.accounts.register(&new("Ben", Some("ann@example.com"))).await;
        assert!(matches!(taken, Err(AccountError::EmailTaken)), "{taken:?}");
        let ben = trial.register("Ben", None).await;
        trial.register("Cem", None).await;
        let changes = Changes { email: Some(Some("ann@example.com".into())), ..Changes::default() };
        let taken = trial.accounts.update(&ben.user.id, &changes).await;
        assert!(matches!(taken, Err(AccountError::EmailTaken)), "{taken:?}");
    }

    pub async fn of_many_who_want_one_username_at_once_one_gets_it(trial: Trial) {
        let wanting = (0..8).map(|i| {
            let account = NewAccount { user: nameless(&UserId::trusted(format!("u{i}"))), ..new("Ann", None) };
            let accounts = Arc::clone(&trial.accounts);
            tokio::spawn(async move { accounts.register(&account).await })
        });
        let mut got = 0;
        for outcome in futures_util::future::join_all(wanting).await {
            match outcome.expect("no panic") {
                Ok(_) => got += 1,
                Err(error) => assert!(matches!(error, AccountError::UsernameTaken), "{error}"),
            }
        }
        assert_eq!(got, 1);
    }

    pub async fn what_is_not_named_stays_as_it_is(trial: Trial) {
        let ann = trial.register("Ann", Some("ann@example.com")).await;
        let changes =
            Changes { name: Some("Ann B.".into()), avatar: Some(Some("https://a".into())), ..Changes::default() };
        let changed = trial.accounts.update(&ann.user.id, &changes).await.expect("changed").expect("there");
        assert_eq!((&*changed.user.name, changed.user.avatar.as_deref()), ("Ann B.", Some("https://a")));
        assert_eq!(changed.email.as_deref(), Some("ann@example.com"));
        assert_eq!(trial.hash(Login::Username("ann")).await.as_deref(), Some("hash of Ann"));
        let changes = Changes { avatar: Some(None), email: Some(None), password_hash: Some("new".into()), name: None };
        let changed = trial.accounts.update(&ann.user.id, &changes).await.expect("changed").expect("there");
        assert_eq!((&*changed.user.name, changed.user.avatar, changed.email), ("Ann B.", None, None));
        assert_eq!(trial.hash(Login::Username("ann")).await.as_deref(), Some("new"));
        let nobody = trial.accounts.update(&UserId::trusted("nobody"), &Changes::default()).await.expect("an answer");
        assert_eq!(nobody, None);
    }

    pub async fn an_accounts_profile_is_not_a_tokens_to_change(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        let old = Actor { name: "Old name".into(), ..ann.user.clone() };
        trial.store.see_user(&old).await.expect("seen");
        let account = trial.accounts.account(&ann.user.id).await.expect("an answer").expect("there");
        assert_eq!(account.user, ann.user);
    }

    pub async fn a_user_of_another_issuer_has_no_password(trial: Trial) {
        let dan = nameless(&UserId::trusted("dan"));
        trial.store.see_user(&dan).await.expect("seen");
        assert_eq!(trial.hash(Login::User(&dan.id)).await, None);
        let account = trial.accounts.account(&dan.id).await.expect("an answer").expect("there");
        assert_eq!((account.user, account.username, account.email), (dan, None, None));
    }

    pub async fn a_refresh_token_is_good_once(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        let session = trial.begin(&ann.user.id, 1, NOON).await;
        let next = trial.turn(1, 2, NOON.plus_millis(MINUTE)).await;
        assert_eq!(next, Rotation::Next { account: ann.clone(), session });
        trial.goes_on(2, 3, NOON.plus_millis(2 * MINUTE)).await;
        assert_eq!(trial.turn(9, 10, NOON).await, Rotation::Unknown);
        let reused = trial.turn(1, 4, NOON.plus_millis(3 * MINUTE)).await;
        assert_eq!(reused, Rotation::Reused { user: ann.user.id, session });
    }

    pub async fn a_token_used_again_ends_its_session_and_no_other(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        trial.begin(&ann.user.id, 101, NOON).await;
        trial.goes_on(1, 2, NOON.plus_millis(MINUTE)).await;
        let late = NOON.plus_millis(MINUTE + LEEWAY + 1);
        assert!(matches!(trial.turn(1, 3, late).await, Rotation::Reused { .. }));
        for presented in [1, 2, 3] {
            assert_eq!(trial.turn(presented, 50 + presented, late).await, Rotation::Unknown, "{presented}");
        }
        trial.goes_on(101, 102, late).await;
    }

    pub async fn two_tabs_that_refresh_at_once_both_go_on(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        let at = NOON.plus_millis(MINUTE);
        trial.goes_on(1, 2, at).await;
        trial.goes_on(1, 3, at.plus_millis(LEEWAY)).await;
        // Whichever of the two cookies the browser kept is good.
        trial.goes_on(3, 4, at.plus_millis(DAY / 2)).await;
    }

    pub async fn the_other_tabs_token_is_used_up_by_the_next_refresh(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        let at = NOON.plus_millis(MINUTE);
        trial.goes_on(1, 2, at).await;
        trial.goes_on(1, 3, at).await;
        trial.goes_on(2, 4, at.plus_millis(10 * MINUTE)).await;
        let stolen = trial.turn(3, 5, at.plus_millis(20 * MINUTE)).await;
        assert!(matches!(stolen, Rotation::Reused { .. }), "{stolen:?}");
    }

    pub async fn however_many_refresh_at_once_none_is_taken_for_a_thief(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        let tabs = (0..8_u8).map(|i| {
            let trial = trial.clone();
            tokio::spawn(async move { trial.turn(1, 10 + i, NOON.plus_millis(i64::from(i))).await })
        });
        for tab in futures_util::future::join_all(tabs).await {
            let rotation = tab.expect("no panic");
            assert!(matches!(rotation, Rotation::Next { .. }), "{rotation:?}");
        }
    }

    pub async fn a_token_ends_with_its_time_and_with_its_session(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        assert_eq!(trial.turn(1, 2, NOON.plus_millis(DAY)).await, Rotation::Unknown);
        let session = trial.begin(&ann.user.id, 11, NOON).await;
        trial.goes_on(11, 12, NOON).await;
        let ended = trial.accounts.end_session_of(token(11)).await.expect("ended");
        assert_eq!(ended, Some((ann.user.id.clone(), session)), "a used token tells its session too");
        assert_eq!(trial.turn(12, 13, NOON).await, Rotation::Unknown);
        assert_eq!(trial.accounts.end_session_of(token(99)).await.expect("an answer"), None);
    }

    pub async fn only_its_user_ends_a_session(trial: Trial) {
        let (ann, ben) = (trial.register("Ann", None).await, trial.register("Ben", None).await);
        let session = trial.begin(&ann.user.id, 1, NOON).await;
        trial.accounts.end_session(&ben.user.id, session).await.expect("an answer");
        trial.goes_on(1, 2, NOON).await;
        trial.accounts.end_session(&ann.user.id, session).await.expect("ended");
        trial.accounts.end_session(&ann.user.id, session).await.expect("ended again");
        assert_eq!(trial.turn(2, 3, NOON).await, Rotation::Unknown);
    }

    pub async fn all_sessions_end_at_once_but_the_one_kept(trial: Trial) {
        let (ann, ben) = (trial.register("Ann", None).await, trial.register("Ben", None).await);
        let kept = trial.begin(&ann.user.id, 1, NOON).await;
        let other = trial.begin(&ann.user.id, 11, NOON).await;
        trial.begin(&ben.user.id, 21, NOON).await;
        assert_eq!(trial.accounts.end_sessions(&ann.user.id, Some(kept)).await.expect("ended"), [other]);
        assert_eq!(trial.turn(11, 12, NOON).await, Rotation::Unknown);
        trial.goes_on(1, 2, NOON).await;
        assert_eq!(trial.accounts.end_sessions(&ann.user.id, None).await.expect("ended"), [kept]);
        assert_eq!(trial.turn(2, 3, NOON).await, Rotation::Unknown);
        trial.goes_on(21, 22, NOON).await;
    }

    pub async fn of_too_many_sessions_the_oldest_ends(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        let count = u8::try_from(SESSIONS_PER_USER).expect("fewer than 256") + 1;
        for n in 0..count {
            trial.begin(&ann.user.id, n, NOON.plus_millis(i64::from(n))).await;
        }
        assert_eq!(trial.turn(0, 200, NOON.plus_millis(MINUTE)).await, Rotation::Unknown);
        trial.goes_on(1, 201, NOON.plus_millis(MINUTE)).await;
        trial.goes_on(count - 1, 202, NOON.plus_millis(MINUTE)).await;
    }

    pub async fn a_deleted_user_is_nobody_and_the_name_is_free(trial: Trial) {
        let ann = trial.register("Ann", Some("ann@example.com")).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        let heir = Actor { id: UserId::trusted("deleted-1"), name: DELETED_NAME.into(), avatar: None };
        assert!(trial.accounts.delete(&ann.user.id, &heir).await.expect("deleted"));
        assert_eq!(trial.accounts.account(&ann.user.id).await.expect("an answer"), None);
        assert_eq!(trial.hash(Login::Username("Ann")).await, None);
        assert_eq!(trial.hash(Login::User(&ann.user.id)).await, None);
        assert_eq!(trial.turn(1, 2, NOON).await, Rotation::Unknown);
        let again = NewAccount { user: nameless(&UserId::trusted("u2")), ..new("Ann", Some("ann@example.com")) };
        trial.accounts.register(&again).await.expect("the name is free");
        assert!(trial.accounts.delete(&ann.user.id, &heir).await.expect("may be repeated"));
        assert!(!trial.accounts.delete(&UserId::trusted("nobody"), &heir).await.expect("an answer"));
    }

    pub async fn a_deleted_users_messages_stay_and_are_nobodys(trial: Trial) {
        let (ann, ben) = (trial.register("Ann", None).await.user, trial.register("Ben", None).await.user);
        let start = trial.store.position(Partition(0)).await.expect("a position");
        let (first, at) = trial.said((start, 0), &ann, "one", None).await;
        let quote =
            Quote { message: first, content: Some("one".into()), encrypted: false, sender: Some(ann.id.clone()) };
        let (_, at) = trial.said((at, 1), &ben, "two", Some(quote)).await;
        let heir = Actor { id: UserId::trusted("deleted-3"), name: DELETED_NAME.into(), avatar: None };
        trial.accounts.delete(&ann.id, &heir).await.expect("deleted");
        // It was on its way when she went.
        trial.said((at, 2), &ann, "three", None).await;
        trial.accounts.delete(&ann.id, &heir).await.expect("again");
        let room = RoomId::trusted("r");
        let (after, before) = (Seq::ZERO, Seq::MAX);
        let read = Read { room: &room, partition: Partition(0), after, before, limit: 9, newest_first: false };
        let rows = trial.store.messages(read).await.expect("history").rows;
        let shown: Vec<_> = rows.iter().map(|row| (row.message.content.as_str(), &row.sender)).collect();
        assert_eq!(shown, [("one", &heir), ("two", &ben), ("three", &heir)]);
        assert_eq!(rows[1].message.reply_to.as_ref().and_then(|quote| quote.sender.as_ref()), Some(&heir.id));
    }

    pub async fn a_deleted_user_who_is_seen_again_begins_anew(trial: Trial) {
        let dan = Actor { id: UserId::trusted("dan"), name: "Dan".into(), avatar: None };
        trial.store.see_user(&dan).await.expect("seen");
        trial.accounts.delete(&dan.id, &nameless(&UserId::trusted("deleted-2"))).await.expect("deleted");
        assert_eq!(trial.accounts.account(&dan.id).await.expect("an answer"), None);
        trial.store.see_user(&dan).await.expect("seen");
        let account = trial.accounts.account(&dan.id).await.expect("an answer").expect("back");
        assert_eq!(account.user, dan);
    }

    pub async fn what_is_over_is_swept_away(trial: Trial) {
        let ann = trial.register("Ann", None).await;
        trial.begin(&ann.user.id, 1, NOON).await;
        trial.begin(&ann.user.id, 11, NOON.plus_millis(MINUTE)).await;
        trial.accounts.sweep(NOON.plus_millis(DAY)).await.expect("swept");
        assert_eq!(trial.accounts.end_session_of(token(1)).await.expect("an answer"), None);
        trial.goes_on(11, 12, NOON.plus_millis(2 * MINUTE)).await;
    }
}

pub use self::promises::*;
