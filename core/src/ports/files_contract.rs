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
            a_reservation_that_came_to_nothing_is_over_after_its_time
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

/// What applied messages do to files: one promise a test. `$make` gives an empty store that has both, and what removes
/// it; `$encode` is how events are encoded.
#[macro_export]
macro_rules! files_of_messages_contract {
    ($make:expr, $encode:expr) => {
        $crate::files_of_messages_contract!(@ $make, $encode;
            a_file_goes_with_the_last_message_that_carries_it
            a_stored_message_keeps_the_file_that_it_names_and_no_other
            a_message_that_never_came_keeps_no_file_after_the_others
            what_is_removed_leaves_nobody_who_refers_to_it
        );
    };
    (@ $make:expr, $encode:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (store, close) = $make.await;
                let promise = $crate::ports::files_contract::$promise(store.clone(), store.clone(), $encode);
                let outcome = tokio::spawn(promise).await;
                drop(store);
                close.await;
                if let Err(broken) = outcome {
                    std::panic::resume_unwind(broken.into_panic());
                }
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

/// A log of messages that carry files, told to the store that has the records of these.
struct Feed {
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
    at: Position,
}

impl Feed {
    fn new(store: Arc<dyn Store>, encode: fn(&Event) -> Bytes) -> Self {
        Self { store, encode, at: Position::START }
    }

    async fn tell(&mut self, events: Vec<Event>) {
        let mut records = Vec::new();
        for (n, event) in events.into_iter().enumerate() {
            let offset = Offset(self.at.offset.0 + 1 + i64::try_from(n).expect("few"));
            let (seq, time) = (Seq::new(Generation(1), offset), file().created_at);
            let (encoded, event) = ((self.encode)(&event), Ok(event.into()));
            records.push(Record { partition: Partition(0), seq, time, encoded, event, trace: None });
        }
        let stored = self.store.apply(Partition(0), self.at, &records).await.expect("applied");
        let Stored::Done { position, .. } = stored else { panic!("{stored:?}") };
        self.at = position;
    }
}

fn event(room: &str, kind: Kind) -> Event {
    let (room, actor) = (RoomId::trusted(room), nameless(&ann()));
    Event { id: EventId::now(), room, actor, kind }
}

/// A message of ann's in the den that names a file.
fn naming(file: &File) -> (Event, MessageId) {
    let metadata = Some(format!(r#"{{"fileId":"{}"}}"#, file.id));
    let event = event("den", Kind::MessageSent(Message { metadata, ..Message::new(MessageType::File, "look") }));
    let id = MessageId(event.id.0);
    (event, id)
}

fn deletion(room: &str, message: MessageId) -> Event {
    event(room, Kind::MessageDeleted { message })
}

async fn reserve(files: &dyn Files, file: &File, message: MessageId) {
    assert!(files.refer(file.id, &ann(), &den(), message).await.expect("an answer"));
}

/// When every reservation that was made till now is over, whoever's clock made it.
fn later() -> Timestamp {
    Timestamp::now().plus_millis(600_000)
}

/// What a deletion does, as one applied to `store`, the same database: `encode` is how events are encoded.
pub async fn a_file_goes_with_the_last_message_that_carries_it(
    files: Arc<dyn Files>,
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
) {
    let (file, blob) = complete(&*files).await;
    let mut feed = Feed::new(store, encode);
    let ((first, one), (second, two)) = (naming(&file), naming(&file));
    for message in [one, two] {
        reserve(&*files, &file, message).await;
        reserve(&*files, &file, message).await;
    }
    feed.tell(vec![first, second]).await;
    feed.tell(vec![deletion("attic", one), deletion("attic", two)]).await;
    assert!(found(&*files, &file).await.is_some(), "a deletion in another room is none");
    feed.tell(vec![deletion("den", one)]).await;
    assert_eq!(found(&*files, &file).await, Some((file.clone(), Stage::Referred(blob))), "another carries it");
    feed.tell(vec![deletion("den", two)]).await;
    assert_eq!(found(&*files, &file).await, None);
    assert!(!files.refer(file.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
    let after = file.created_at.plus_millis(1);
    let orphans = files.orphans(Timestamp(0), after, 10).await.expect("an answer");
    assert_eq!(orphans, [Orphan { id: file.id, blob: Some(blob) }], "its bytes go");
}

/// See the port.
pub async fn a_stored_message_keeps_the_file_that_it_names_and_no_other(
    files: Arc<dyn Files>,
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
) {
    let ((named, blob), (other, of_other)) = (complete(&*files).await, complete(&*files).await);
    let (unreserved, _) = complete(&*files).await;
    let elsewhere = File { room: RoomId::trusted("attic"), ..file() };
    files.declare(&elsewhere).await.expect("declared");
    files.complete(elsewhere.id, BlobId::now()).await.expect("an answer").expect("verified");
    let mut feed = Feed::new(store, encode);
    let (sent, id) = naming(&named);
    reserve(&*files, &named, id).await;
    // The same temporary id again, with another file: a copy in the log, which is not stored.
    let (again, _) = naming(&other);
    let again = Event { id: sent.id, ..again };
    feed.tell(vec![sent, again.clone()]).await;
    reserve(&*files, &other, id).await;
    feed.tell(vec![again, naming(&unreserved).0, naming(&elsewhere).0]).await;
    let mut orphans = files.orphans(later(), Timestamp(0), 10).await.expect("an answer");
    orphans.sort();
    let ids: Vec<FileId> = orphans.iter().map(|orphan| orphan.id).collect();
    let mut expected = [other.id, elsewhere.id];
    expected.sort();
    assert_eq!(ids, expected, "the message keeps what it names in its room");
    assert!(orphans.contains(&Orphan { id: other.id, blob: Some(of_other) }));
    assert_eq!(found(&*files, &named).await, Some((named.clone(), Stage::Referred(blob))));
    assert!(found(&*files, &unreserved).await.is_some(), "a message that is stored needs no reservation");
}

/// See the port.
pub async fn a_message_that_never_came_keeps_no_file_after_the_others(
    files: Arc<dyn Files>,
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
) {
    let (file, blob) = complete(&*files).await;
    let mut feed = Feed::new(store, encode);
    let (sent, id) = naming(&file);
    reserve(&*files, &file, id).await;
    reserve(&*files, &file, MessageId::now()).await;
    feed.tell(vec![sent]).await;
    feed.tell(vec![deletion("den", id)]).await;
    assert!(found(&*files, &file).await.is_some(), "the other message may be on its way");
    let young = file.created_at.plus_millis(1);
    assert!(files.orphans(young, young, 10).await.expect("an answer").is_empty());
    let orphans = files.orphans(later(), Timestamp(0), 10).await.expect("an answer");
    assert_eq!(orphans, [Orphan { id: file.id, blob: Some(blob) }]);
    assert_eq!(found(&*files, &file).await, None);
}

/// See the port: an id that is used anew shows what is left of who referred to it.
pub async fn what_is_removed_leaves_nobody_who_refers_to_it(
    files: Arc<dyn Files>,
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
) {
    let (file, _) = complete(&*files).await;
    let mut feed = Feed::new(store, encode);
    reserve(&*files, &file, MessageId::now()).await;
    assert_eq!(files.orphans(later(), Timestamp(0), 10).await.expect("an answer").len(), 1);
    files.removed(&[file.id]).await.expect("removed");
    files.declare(&file).await.expect("declared");
    files.complete(file.id, BlobId::now()).await.expect("an answer").expect("verified");
    let (sent, id) = naming(&file);
    reserve(&*files, &file, id).await;
    feed.tell(vec![sent]).await;
    feed.tell(vec![deletion("den", id)]).await;
    assert_eq!(found(&*files, &file).await, None, "nobody else refers to it");
}

/// See the port.
pub async fn a_reservation_that_came_to_nothing_is_over_after_its_time(files: Arc<dyn Files>) {
    let (file, blob) = complete(&*files).await;
    reserve(&*files, &file, MessageId::now()).await;
    let young = file.created_at.plus_millis(1);
    assert!(files.orphans(young, young, 10).await.expect("an answer").is_empty(), "the message may be on its way");
    let orphans = files.orphans(later(), Timestamp(0), 10).await.expect("an answer");
    assert_eq!(orphans, [Orphan { id: file.id, blob: Some(blob) }]);
    assert_eq!(found(&*files, &file).await, None);
    assert!(!files.refer(file.id, &ann(), &den(), MessageId::now()).await.expect("an answer"));
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
