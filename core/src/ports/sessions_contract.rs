//! The contract of [`super::sessions`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::sessions_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::sessions::Sessions;

/// One promise a test.
#[macro_export]
macro_rules! sessions_contract {
    ($make:expr) => {
        $crate::sessions_contract!(@ $make;
            what_was_saved_is_loaded_until_it_is_saved_anew
            a_session_expires_as_a_whole
            a_touched_session_lives_on
            a_loaded_session_lives_on_and_names_its_other_snapshots
            forgotten_snapshots_are_gone_and_the_others_stay
            an_ended_session_is_forgotten_with_all_its_snapshots
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::sessions_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// An implementation under test, with a memory of its own.
pub trait Subject: Send + Sync {
    /// A client of it, always the same.
    fn client(&self) -> Arc<dyn Sessions>;
}

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(600);

async fn save(sessions: &dyn Sessions, session: &str, key: &str, snapshot: &'static [u8], ttl: Duration) {
    sessions.save(session, key, Bytes::from_static(snapshot), ttl).await.expect("saved");
}

async fn load(sessions: &dyn Sessions, session: &str, key: &str) -> Option<Bytes> {
    sessions.load(session, key, HOUR).await.expect("loaded").map(|loaded| loaded.snapshot)
}

async fn touch(sessions: &dyn Sessions, session: &str, ttl: Duration) -> bool {
    sessions.touch(&[session], ttl).await.expect("touched") == [true]
}

#[allow(missing_docs, reason = "their names are what they promise")]
mod promises {
    use super::*;

    pub async fn what_was_saved_is_loaded_until_it_is_saved_anew<S: Subject>(subject: &S) {
        let sessions = subject.client();
        assert_eq!(load(&*sessions, "s1", "a").await, None);
        save(&*sessions, "s1", "a", b"\x00\xff first", HOUR).await;
        save(&*sessions, "s1", "b", b"", HOUR).await;
        save(&*sessions, "s2", "a", b"another's", HOUR).await;
        assert_eq!(load(&*sessions, "s1", "a").await.as_deref(), Some(&b"\x00\xff first"[..]));
        assert_eq!(load(&*sessions, "s1", "b").await.as_deref(), Some(&b""[..]), "empty is not missing");
        save(&*sessions, "s1", "a", b"second", HOUR).await;
        assert_eq!(load(&*sessions, "s1", "a").await.as_deref(), Some(&b"second"[..]));
        assert_eq!(load(&*sessions, "s2", "a").await.as_deref(), Some(&b"another's"[..]));
        assert_eq!(load(&*sessions, "s1", "c").await, None);
    }

    pub async fn a_session_expires_as_a_whole<S: Subject>(subject: &S) {
        let sessions = subject.client();
        save(&*sessions, "s1", "a", b"long", HOUR).await;
        save(&*sessions, "s1", "b", b"short", SHORT).await;
        tokio::time::sleep(SHORT * 3 / 2).await;
        assert_eq!(load(&*sessions, "s1", "a").await, None);
        assert_eq!(load(&*sessions, "s1", "b").await, None);
        assert!(!touch(&*sessions, "s1", HOUR).await);
        save(&*sessions, "s1", "b", b"anew", HOUR).await;
        assert_eq!(load(&*sessions, "s1", "a").await, None, "what expired does not come back");
    }

    pub async fn a_touched_session_lives_on<S: Subject>(subject: &S) {
        let sessions = subject.client();
        for session in ["s1", "s2"] {
            save(&*sessions, session, "a", b"kept", SHORT).await;
        }
        let there = sessions.touch(&["s1", "unknown", "s2"], HOUR).await.expect("touched");
        assert_eq!(there, [true, false, true], "in the order given");
        assert!(sessions.touch(&[], HOUR).await.expect("touched").is_empty());
        tokio::time::sleep(SHORT * 3 / 2).await;
        for session in ["s1", "s2"] {
            assert_eq!(load(&*sessions, session, "a").await.as_deref(), Some(&b"kept"[..]));
        }
    }

    pub async fn a_loaded_session_lives_on_and_names_its_other_snapshots<S: Subject>(subject: &S) {
        let sessions = subject.client();
        for key in ["a", "b", "c"] {
            save(&*sessions, "s1", key, b"kept", SHORT).await;
        }
        assert_eq!(sessions.load("s1", "unknown", HOUR).await.expect("loaded"), None);
        let mut loaded = sessions.load("s1", "b", HOUR).await.expect("loaded").expect("there");
        loaded.others.sort();
        assert_eq!(loaded.others, ["a", "c"]);
        save(&*sessions, "s2", "a", b"short", SHORT).await;
        assert_eq!(sessions.load("s2", "unknown", HOUR).await.expect("loaded"), None);
        tokio::time::sleep(SHORT * 3 / 2).await;
        assert_eq!(load(&*sessions, "s1", "a").await.as_deref(), Some(&b"kept"[..]));
        assert_eq!(load(&*sessions, "s2", "a").await, None, "asked for in vain, it has the time that it had");
    }

    pub async fn forgotten_snapshots_are_gone_and_the_others_stay<S: Subject>(subject: &S) {
        let sessions = subject.client();
        for key in ["a", "b", "c"] {
            save(&*sessions, "s1", key, b"one", HOUR).await;
        }
        sessions.forget("s1", &["a".into(), "c".into(), "unknown".into()]).await.expect("forgotten");
        sessions.forget("s1", &[]).await.expect("forgotten");
        sessions.forget("unknown", &["a".into()]).await.expect("forgotten");
        assert_eq!((load(&*sessions, "s1", "a").await, load(&*sessions, "s1", "c").await), (None, None));
        assert_eq!(load(&*sessions, "s1", "b").await.as_deref(), Some(&b"one"[..]));
        sessions.forget("s1", &["b".into()]).await.expect("forgotten");
        assert!(!touch(&*sessions, "s1", HOUR).await, "with the last of them it is gone");
        assert!(!touch(&*sessions, "unknown", HOUR).await, "nothing comes to be by being forgotten");
    }

    pub async fn an_ended_session_is_forgotten_with_all_its_snapshots<S: Subject>(subject: &S) {
        let sessions = subject.client();
        for key in ["a", "b"] {
            save(&*sessions, "s1", key, b"gone", HOUR).await;
        }
        sessions.end("s1").await.expect("ended");
        sessions.end("unknown").await.expect("ended");
        assert_eq!((load(&*sessions, "s1", "a").await, load(&*sessions, "s1", "b").await), (None, None));
    }
}

pub use promises::*;
