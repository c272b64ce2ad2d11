//! What [`Log`] promises to keep as it was written: unknown kinds, poison, and everything when it is opened again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Harness, append, content, fill, message, own_all, room_of, soon, take, texts};
use crate::event::{Event, Kind};
use crate::ids::{Offset, Partition};
use crate::ports::log::Log;

/// Old and new versions run side by side: what this one does not know passes through it byte for byte.
pub async fn an_unknown_kind_comes_back_untouched(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let kind = Kind::Other { kind: 60_000, body: Bytes::from_static(b"\x0a\x03new\xff\x00") };
    let event = Event { kind, ..message(&room, "") };
    append(&log, &event).await;
    let record = log.read_range(Partition(0), Offset::NONE, Offset(0), 1).await.expect("read").records.remove(0);
    assert_eq!(record.event.as_deref(), Ok(&event));
    harness.append_raw(Partition(0), record.encoded.clone()).await;
    let copy = log.read_range(Partition(0), Offset(0), Offset(1), 1).await.expect("read").records.remove(0);
    assert_eq!((copy.encoded, copy.event.as_deref()), (record.encoded, Ok(&event)));
    harness.destroy().await;
}

/// A record that cannot be decoded stops nobody: it comes in its place, can be put aside, and what follows comes too.
pub async fn poison_comes_as_malformed_and_can_be_set_aside(harness: Box<impl Harness>) {
    let log = harness.log();
    let room = room_of(&log, Partition(0));
    let poison = Bytes::from_static(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    append(&log, &message(&room, "before")).await;
    harness.append_raw(Partition(0), poison.clone()).await;
    append(&log, &message(&room, "after")).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), Offset(0)).expect("started");
    let taken = take(&mut consumer, Partition(0), 3).await;
    assert_eq!((content(&taken[0]), content(&taken[2])), ("before", "after"));
    assert!(taken[1].event.is_err(), "{:?}", taken[1].event);
    assert_eq!(taken[1].encoded, poison);
    soon("the dead letter", log.set_aside(&taken[1], "cannot be decoded")).await.expect("set aside");
    assert_eq!(harness.dead_letters().await, [(poison, "cannot be decoded".to_owned())]);
    assert_eq!(log.ends(Partition(0)).await.expect("ends").next, Offset(3), "not replayed by itself");
    consumer.close().await;
    harness.destroy().await;
}

/// Nothing of the log is in the process that wrote it.
pub async fn a_reopened_log_has_everything(mut harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(100)).await;
    let whole = |log: Arc<dyn Log>| async move {
        let range = log.read_range(Partition(0), Offset::NONE, Offset(1_000), usize::MAX).await.expect("read");
        range.records.into_iter().map(|record| (record.seq, record.time, record.encoded)).collect::<Vec<_>>()
    };
    let written = whole(log.clone()).await;
    drop(log);
    let log = harness.reopen().await;
    assert_eq!(whole(log.clone()).await, written);
    append(&log, &message(&room_of(&log, Partition(0)), "100")).await;
    let next = log.read_range(Partition(0), at[99], Offset(1_000), 1).await.expect("read").records.remove(0);
    assert!(next.offset() > at[99]);
    assert_eq!(content(&next), "100");
    log.check().await.expect("it answers");
    drop(log);
    harness.destroy().await;
}
