//! The contract of [`super::receipts`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::receipts_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::sync::Arc;

use super::receipts::Receipts;
use crate::ids::{RoomId, Seq, UserId};
use crate::receipts::Pointers;
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! receipts_contract {
    ($make:expr) => {
        $crate::receipts_contract!(@ $make;
            pointers_move_forward_and_never_back
            what_is_read_has_been_delivered
            pointers_of_rooms_and_users_are_apart
            pointers_are_told_in_the_order_asked_for
            the_largest_seq_comes_back_exactly
            of_many_who_advance_at_once_none_is_lost
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::receipts_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// An implementation under test, with a memory of its own.
pub trait Subject: Send + Sync {
    /// A client of it, always the same.
    fn client(&self) -> Arc<dyn Receipts>;
}

fn user(id: &str) -> UserId {
    UserId::trusted(id)
}

fn room(id: &str) -> RoomId {
    RoomId::trusted(id)
}

fn delivered(seq: u64) -> Pointers {
    Pointers::delivered(Seq(seq), Timestamp(i64::try_from(seq).expect("small") + 1_000))
}

fn read(seq: u64) -> Pointers {
    Pointers::read(Seq(seq), Timestamp(i64::try_from(seq).expect("small") + 1_000))
}

#[allow(missing_docs, reason = "the names say what is promised")]
mod promises {
    use super::*;

    pub async fn pointers_move_forward_and_never_back<S: Subject>(subject: &S) {
        let (receipts, room) = (subject.client(), room("r"));
        let advance = async |to| receipts.advance(&room, &[(user("ann"), to)]).await.expect("advanced")[0];
        assert_eq!(advance(delivered(5)).await, Pointers::default());
        assert_eq!(advance(delivered(3)).await, delivered(5));
        assert_eq!(advance(delivered(9)).await, delivered(5));
        assert_eq!(advance(delivered(9)).await, delivered(9));
        let now = receipts.pointers(&room, &[user("ann")]).await.expect("pointers");
        assert_eq!(now, [delivered(9)]);
    }

    pub async fn what_is_read_has_been_delivered<S: Subject>(subject: &S) {
        let (receipts, room) = (subject.client(), room("r"));
        let advance = async |to| receipts.advance(&room, &[(user("ann"), to)]).await.expect("advanced")[0];
        advance(delivered(3)).await;
        advance(read(7)).await;
        assert_eq!(advance(delivered(5)).await, read(7));
        assert_eq!(advance(delivered(8)).await, read(7));
        let now = receipts.pointers(&room, &[user("ann")]).await.expect("pointers")[0];
        assert_eq!((now.delivered, now.read), (delivered(8).delivered, read(7).read));
    }

    pub async fn pointers_of_rooms_and_users_are_apart<S: Subject>(subject: &S) {
        let receipts = subject.client();
        let moves = [(user("ann"), read(4)), (user("bob"), delivered(6))];
        receipts.advance(&room("r"), &moves).await.expect("advanced");
        receipts.advance(&room("s"), &[(user("ann"), delivered(2))]).await.expect("advanced");
        let of = async |room: &RoomId, id: &str| receipts.pointers(room, &[user(id)]).await.expect("pointers")[0];
        assert_eq!((of(&room("r"), "ann").await, of(&room("r"), "bob").await), (read(4), delivered(6)));
        assert_eq!((of(&room("s"), "ann").await, of(&room("s"), "bob").await), (delivered(2), Pointers::default()));
    }

    pub async fn pointers_are_told_in_the_order_asked_for<S: Subject>(subject: &S) {
        let receipts = subject.client();
        let rooms: Vec<RoomId> = (0..40).map(|n| room(&format!("room-{n}"))).collect();
        for (room, seq) in rooms.iter().zip(1..) {
            receipts.advance(room, &[(user("ann"), read(seq))]).await.expect("advanced");
        }
        let mut asked = rooms.clone();
        asked.insert(3, room("unknown"));
        let told = receipts.pointers_in(&user("ann"), &asked).await.expect("pointers");
        let seqs: Vec<u64> = told.iter().map(|pointers| pointers.read.seq.0).collect();
        let mut expected: Vec<u64> = (1..=40).collect();
        expected.insert(3, 0);
        assert_eq!(seqs, expected);
        let asked = [user("nobody"), user("ann")];
        let told = receipts.pointers(&rooms[0], &asked).await.expect("pointers");
        assert_eq!(told, [Pointers::default(), read(1)]);
        assert!(receipts.pointers_in(&user("ann"), &[]).await.expect("none").is_empty());
        assert!(receipts.pointers(&rooms[0], &[]).await.expect("none").is_empty());
        assert!(receipts.advance(&rooms[0], &[]).await.expect("none").is_empty());
    }

    pub async fn the_largest_seq_comes_back_exactly<S: Subject>(subject: &S) {
        let (receipts, room) = (subject.client(), room("r"));
        for seq in [Seq(Seq::MAX.0 - 1), Seq::MAX] {
            let to = Pointers::read(seq, Timestamp(1_763_553_600_123));
            receipts.advance(&room, &[(user("ann"), to)]).await.expect("advanced");
            assert_eq!(receipts.pointers(&room, &[user("ann")]).await.expect("pointers"), [to]);
        }
    }

    pub async fn of_many_who_advance_at_once_none_is_lost<S: Subject>(subject: &S) {
        let (receipts, room) = (subject.client(), room("r"));
        let tasks: Vec<_> = (1..=50_u64)
            .map(|n| {
                let (receipts, room) = (receipts.clone(), room.clone());
                tokio::spawn(async move {
                    let moves = [(user("all"), read(n)), (user(&format!("user-{n}")), delivered(n))];
                    receipts.advance(&room, &moves).await.expect("advanced");
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("done");
        }
        let mut users = vec![user("all")];
        users.extend((1..=50).map(|n| user(&format!("user-{n}"))));
        let told = receipts.pointers(&room, &users).await.expect("pointers");
        assert_eq!(told[0], read(50));
        assert!(told[1..].iter().zip(1..).all(|(pointers, n)| *pointers == delivered(n)));
    }
}

pub use promises::*;
