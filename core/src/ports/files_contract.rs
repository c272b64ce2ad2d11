//! The contract of [`super::files`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::files_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::files::{Files, Orphan, Stage};
use super::log::{Position, Record};
use super::store::{Store, Stored};
use crate::event::{Event, Kind, Message, MessageType};
use crate::file::File;
use crate::ids::{BlobId, EventId, FileId, Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::membership::nameless;
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! files_contract {
    ($make:expr) => {
        $crate::files_contract!(@ $make;
            a_declared_file_comes_back_as_it_was_declared
            an_id_that_is_taken_is_left_as_it_is
            a_file_is_complete_once_it_was_said_so
            a_message_refers_to_a_complete_file_of_its_sender_and_room_alone
            a_cancelled_file_is_gone_and_waits_for_the_removal_of_its_bytes
            a_file_that_a_message_refers_to_cannot_be_cancelled
            orphans_are_the_old_ones_to_which_no_message_refers
            orphans_are_told_until_they_are_removed_and_never_come_back
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let subject = $make.await;
                let promise = |files| Box::pin($crate::ports::files_contract::$promise(files)) as _;
                $crate::ports::files_contract::hold(subject, promise).await;
            }
        )*
    };
}

/// An implementation under test, empty.
pub struct Subject {
    /// The files.
    pub files: Arc<dyn Files>,
    /// Removes what was made for the test.
    pub close: BoxFuture<'static, ()>,
}

/// Runs one promise and removes the subject, kept or broken.
pub async fn hold(subject: Subject, promise: fn(Arc<dyn Files>) -> BoxFuture<'static, ()>) {
    let Subject { files, close } = subject;
    let outcome = tokio::spawn(promise(files)).await;
    close.await;
    if let Err(broken) = outcome {
        std::panic::resume_unwind(broken.into_panic());
    }
}

fn ann() -> UserId {
    UserId::trusted("ann")
}

fn den() -> RoomId {
    RoomId::trusted("den")
}

fn file() -> File {
    File {
        id: FileId::now(),
        owner: ann(),
        room: den(),
        name: "Grüße 🌍.png".into(),
        size: 10_485_760,
        mime: "image/png".into(),
        created_at: Timestamp(1_763_548_200_123),
    }
}

async fn declared(files: &dyn Files) -> File {
    let file = file();
    files.declare(&file).await.expect("declared");
    file
}

async fn complete(files: &dyn Files) -> (File, BlobId) {
    let (file, blob) = (declared(files).await, BlobId::now());
    assert_eq!(files.complete(file.id, blob).await.expect("an answer"), Some(blob));
    (file, blob)
}

async fn found(files: &dyn Files, file: &File) -> Option<(File, Stage)> {
    files.file(file.id).await.expect("an answer")
}

/// See the port.
pub async fn a_declared_file_comes_back_as_it_was_declared(files: Arc<dyn Files>) {
    let file = declared(&*files).await;
    assert_eq!(found(&*files, &file).await, Some((file, Stage::Declared)));
    assert_eq!(files.file(FileId::now()).await.expect("an answer"), None);
}

/// See the port.
pub async fn an_id_that_is_taken_is_left_as_it_is(files: Arc<dyn Files>) {
    let (file, blob) = complete(&*files).await;
    let other = File { owner: UserId::trusted("eve"), name: "evil".into(), ..file.clone() };
    files.declare(&other).await.expect("nothing happens");
    assert_eq!(found(&*files, &file).await, Some((file, Stage::Complete(blob))));
}

/// See the port.
pub async fn a_file_is_complete_once_it_was_said_so(files: Arc<dyn Files>) {
    let (file, blob) = complete(&*files).await;
    assert_eq!(found(&*files, &file).await, Some((file.clone(), Stage::Complete(blob))));
    let again = files.complete(file.id, BlobId::now()).await.expect("an answer");
    assert_eq!(again, Some(blob), "the bytes that were verified first hold");
    let never = files.complete(FileId::now(), BlobId::now()).await.expect("an answer");
    assert_eq!(never, None, "what was never declared");
    assert!(files.refer(file.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    let late = files.complete(file.id, BlobId::now()).await.expect("an answer");
    assert_eq!(late, Some(blob), "a copy of the request that came late");
    assert_eq!(found(&*files, &file).await, Some((file, Stage::Referred(blob))));
}

/// See the port.
pub async fn a_message_refers_to_a_complete_file_of_its_sender_and_room_alone(files: Arc<dyn Files>) {
    let unfinished = declared(&*files).await;
    assert!(!files.refer(unfinished.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    let (file, blob) = complete(&*files).await;
    assert!(!files.refer(file.id, &UserId::trusted("eve"), &den(), MessageId::now()).await.expect("an answer"));
    assert!(!files.refer(file.id, &ann(), &RoomId::trusted("attic"), MessageId::now()).await.expect("an answer"));
    assert!(!files.refer(FileId::now(), &ann(), &den(), MessageId::now()).await.expect("an answer"));
    assert_eq!(found(&*files, &file).await, Some((file.clone(), Stage::Complete(blob))));
    for message in [MessageId::now(), MessageId::now()] {
        assert!(files.refer(file.id, &ann(), &den(), message).await.expect("an answer"));
    }
    assert_eq!(found(&*files, &file).await, Some((file, Stage::Referred(blob))));
}

/// See the port.
pub async fn a_cancelled_file_is_gone_and_waits_for_the_removal_of_its_bytes(files: Arc<dyn Files>) {
    let (file, blob) = complete(&*files).await;
    for (file, blob) in [(declared(&*files).await, None), (file, Some(blob))] {
        assert!(!files.cancel(file.id, &UserId::trusted("eve")).await.expect("an answer"));
        assert!(files.cancel(file.id, &ann()).await.expect("an answer"));
        assert!(!files.cancel(file.id, &ann()).await.expect("an answer"), "it is gone already");
        assert_eq!(found(&*files, &file).await, None);
        assert_eq!(files.complete(file.id, BlobId::now()).await.expect("an answer"), None);
        assert!(!files.refer(file.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
        let after = file.created_at.plus_millis(1);
        let expiring = files.orphans(Timestamp(0), file.created_at, 10).await.expect("an answer");
        assert!(expiring.is_empty(), "its bytes may still be on their way");
        assert_eq!(files.orphans(Timestamp(0), after, 10).await.expect("an answer"), [Orphan { id: file.id, blob }]);
        files.removed(&[file.id]).await.expect("removed");
        assert!(files.orphans(Timestamp(0), after, 10).await.expect("an answer").is_empty());
    }
}

/// See the port.
pub async fn a_file_that_a_message_refers_to_cannot_be_cancelled(files: Arc<dyn Files>) {
    let (file, _) = complete(&*files).await;
    assert!(files.refer(file.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    assert!(!files.cancel(file.id, &ann()).await.expect("an answer"));
    assert!(found(&*files, &file).await.is_some());
}

/// See the port.
pub async fn orphans_are_the_old_ones_to_which_no_message_refers(files: Arc<dyn Files>) {
    let (unfinished, (unreferred, blob)) = (declared(&*files).await, complete(&*files).await);
    let (referred, _) = complete(&*files).await;
    assert!(files.refer(referred.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    let young = File { created_at: unfinished.created_at.plus_millis(1000), ..file() };
    files.declare(&young).await.expect("declared");
    let before = unfinished.created_at.plus_millis(1);
    let mut orphans = files.orphans(before, Timestamp(0), 10).await.expect("an answer");
    orphans.sort();
    let mut expected = [Orphan { id: unfinished.id, blob: None }, Orphan { id: unreferred.id, blob: Some(blob) }];
    expected.sort();
    assert_eq!(orphans, expected);
    assert_eq!(
        files.orphans(before, Timestamp(0), 1).await.expect("an answer").len(),
        1,
        "no more than were asked for"
    );
    assert!(found(&*files, &young).await.is_some());
    assert!(found(&*files, &referred).await.is_some());
}

/// What a deletion does, as one applied to `store`, the same database: `encode` is how events are encoded.
pub async fn a_file_goes_with_the_last_message_that_carries_it(
    files: Arc<dyn Files>,
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
) {
    let (file, blob) = complete(&*files).await;
    let event = |room: &str, kind| {
        let (room, actor) = (RoomId::trusted(room), nameless(&ann()));
        Event { id: EventId::now(), room, actor, kind }
    };
    let sent: Vec<Event> =
        ["1", "2"].map(|text| event("den", Kind::MessageSent(Message::new(MessageType::Text, text)))).into();
    let ids: Vec<MessageId> = sent.iter().map(|event| MessageId(event.id.0)).collect();
    for message in &ids {
        assert!(files.refer(file.id, &ann(), &den(), *message).await.expect("an answer"));
        assert!(files.refer(file.id, &ann(), &den(), *message).await.expect("an answer"), "a resend");
    }
    let mut at = Position::START;
    let mut tell = async |events: Vec<Event>| {
        let mut records = Vec::new();
        for (n, event) in events.into_iter().enumerate() {
            let offset = Offset(at.offset.0 + 1 + i64::try_from(n).expect("few"));
            let (seq, time) = (Seq::new(Generation(1), offset), file.created_at);
            let (encoded, event) = (encode(&event), Ok(event.into()));
            records.push(Record { partition: Partition(0), seq, time, encoded, event, trace: None });
        }
        let stored = store.apply(Partition(0), at, &records).await.expect("applied");
        let Stored::Done { position, .. } = stored else { panic!("{stored:?}") };
        at = position;
    };
    let delete = |room: &str, message: MessageId| event(room, Kind::MessageDeleted { message });
    tell(sent).await;
    tell(vec![delete("attic", ids[0]), delete("attic", ids[1])]).await;
    assert!(found(&*files, &file).await.is_some(), "a deletion in another room is none");
    tell(vec![delete("den", ids[0])]).await;
    assert_eq!(found(&*files, &file).await, Some((file.clone(), Stage::Referred(blob))), "another carries it");
    tell(vec![delete("den", ids[1])]).await;
    assert_eq!(found(&*files, &file).await, None);
    assert!(!files.refer(file.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    let after = file.created_at.plus_millis(1);
    let orphans = files.orphans(Timestamp(0), after, 10).await.expect("an answer");
    assert_eq!(orphans, [Orphan { id: file.id, blob: Some(blob) }], "its bytes go");
}

/// See the port.
pub async fn orphans_are_told_until_they_are_removed_and_never_come_back(files: Arc<dyn Files>) {
    let ((orphan, blob), (referred, _)) = (complete(&*files).await, complete(&*files).await);
    assert!(files.refer(referred.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    let before = orphan.created_at.plus_millis(1);
    for _ in 0..2 {
        assert_eq!(
            files.orphans(before, Timestamp(0), 10).await.expect("an answer"),
            [Orphan { id: orphan.id, blob: Some(blob) }]
        );
        assert_eq!(found(&*files, &orphan).await, None);
        assert!(!files.refer(orphan.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    }
    files.removed(&[orphan.id, referred.id, FileId::now()]).await.expect("removed");
    assert!(files.orphans(before, Timestamp(0), 10).await.expect("an answer").is_empty());
    assert!(found(&*files, &referred).await.is_some(), "a file that is in use is not removed");
}
