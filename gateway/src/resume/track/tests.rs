//! What a client is told, and when it is saved.

use super::*;
use crate::resume::offset::{Change, Offset};

fn room(n: usize) -> RoomId {
    RoomId::trusted(format!("room-{n}"))
}

/// What the client is told behind frames of these (stream, place).
fn told(track: &Track, marks: &[(u64, u64)]) -> Option<Offset> {
    let marks: Vec<_> = marks.iter().map(|(stream, place)| Mark { stream: *stream, place: *place }).collect();
    let mut text = String::new();
    track.passed(&marks, &mut text);
    (!text.is_empty()).then(|| Offset::parse(&text).expect("one of ours"))
}

fn save(track: &Track) -> (Base, Vec<(RoomId, Seq)>) {
    match track.work() {
        Work::Save { base, rooms } => {
            track.saved(base.clone());
            (base, rooms)
        }
        other => panic!("nothing to be saved: {other:?}"),
    }
}

fn confirm(track: &Track) {
    assert!(told(track, &[]).is_some());
    track.pinged();
    track.ponged();
}

/// In rooms 0 to `rooms`, of streams 1 and up, at place 100, with a first snapshot.
fn begun(rooms: usize) -> (Arc<Track>, Base) {
    let track = Track::new(Arc::default());
    for n in 0..rooms {
        assert!(!track.enter(&room(n), false, u64::try_from(n).unwrap() + 1, Seq(100)), "nothing to tell it yet");
    }
    track.begin();
    let (base, saved) = save(&track);
    assert_eq!(saved, (0..rooms).map(|n| (room(n), Seq(100))).collect::<Vec<_>>());
    (track, base)
}

#[test]
fn a_client_is_told_nothing_before_its_snapshot_is_known_to_be_saved() {
    let track = Track::new(Arc::default());
    track.enter(&room(0), false, 1, Seq(100));
    assert_eq!(told(&track, &[(1, 101)]), None);
    assert_eq!(track.work(), Work::Nothing, "rooms are still being entered");
    track.begin();
    let Work::Save { base, rooms } = track.work() else { panic!("the first snapshot") };
    assert_eq!(rooms, [(room(0), Seq(101))]);
    assert_eq!(told(&track, &[(1, 102)]), None, "it is not saved yet");
    track.saved(base.clone());
    let offset = told(&track, &[]).expect("asked for");
    assert!(offset.is_sealed_by(base.key));
    assert_eq!(
        (offset.snapshot, offset.changes),
        (base.snapshot, vec![Change::Moved(0, 1)]),
        "what went out meanwhile"
    );
}

#[test]
fn an_offset_lists_the_rooms_that_have_moved_since_the_snapshot() {
    let (track, base) = begun(3);
    assert_eq!(told(&track, &[]).unwrap().changes, []);
    assert_eq!(told(&track, &[(2, 105), (2, 107)]).unwrap().changes, [Change::Moved(1, 7)]);
    let offset = told(&track, &[(1, 101), (2, 108)]).unwrap();
    assert_eq!((offset.snapshot, offset.changes), (base.snapshot, vec![Change::Moved(1, 8), Change::Moved(0, 1)]));
    assert_eq!(told(&track, &[(77, 500)]), None, "a room that it is not in moves nothing");
}

#[test]
fn rooms_entered_and_left_since_the_snapshot_are_named_until_the_next() {
    let (track, _) = begun(2);
    assert!(track.enter(&room(7), true, 9, Seq(50)));
    assert!(track.leave(&room(1)));
    let entered = |seq| Change::Entered { room: room(7), channel: true, seq: Seq(seq) };
    assert_eq!(told(&track, &[(9, 51)]).unwrap().changes, [entered(51), Change::Left(1)]);
    assert_eq!(told(&track, &[(2, 999)]), None, "what was left is told no more");
    assert!(track.enter(&room(1), false, 2, Seq(60)), "and come back to");
    let again = Change::Entered { room: room(1), channel: false, seq: Seq(60) };
    assert_eq!(told(&track, &[]).unwrap().changes, [entered(51), Change::Left(1), again]);
    assert!(track.leave(&room(7)));
    assert_eq!(told(&track, &[]).unwrap().changes.len(), 2, "entered and left between snapshots: never there");
}

#[test]
fn a_room_that_the_client_was_told_of_is_in_every_offset_though_it_is_not_entered_yet() {
    let (track, _) = begun(1);
    track.expect(&room(5));
    let entered = |seq| Change::Entered { room: room(5), channel: false, seq };
    assert_eq!(told(&track, &[(1, 101)]).unwrap().changes, [entered(ADDED), Change::Moved(0, 1)]);
    track.expect(&room(5));
    assert!(track.enter(&room(5), false, 6, Seq(40)));
    assert_eq!(told(&track, &[(6, 41)]).unwrap().changes, [entered(Seq(41)), Change::Moved(0, 1)]);
    track.expect(&room(5));
    assert_eq!(told(&track, &[]).unwrap().changes[0], entered(Seq(41)), "it has it");
    track.expect(&room(9));
    track.leave(&room(9));
    assert_eq!(told(&track, &[]).unwrap().changes.len(), 2, "taken back before it was entered");
}

#[tokio::test(start_paused = true)]
async fn a_new_snapshot_waits_for_ten_seconds_and_for_the_last_to_be_confirmed() {
    let (track, first) = begun(40);
    let moved: Vec<(u64, u64)> = (1..=17).map(|stream| (stream, 101)).collect();
    assert_eq!(told(&track, &moved[..16]).unwrap().changes.len(), 16);
    assert_eq!(track.work(), Work::Nothing, "sixteen are not too many");
    assert_eq!(told(&track, &moved).unwrap().changes.len(), 17);
    tokio::time::advance(SNAPSHOT_EVERY).await;
    assert_eq!(track.work(), Work::Later, "the first was not confirmed");
    track.ponged();
    assert_eq!(track.work(), Work::Later, "by a pong to a ping that came before it");
    track.pinged();
    track.ponged();
    let (second, rooms) = save(&track);
    assert_eq!(rooms.iter().filter(|(_, seq)| *seq == Seq(101)).count(), 17);
    let offset = told(&track, &[(1, 102)]).unwrap();
    assert_eq!((offset.snapshot, offset.changes), (second.snapshot.clone(), vec![Change::Moved(0, 1)]));
    assert!(told(&track, &(1..=40).map(|stream| (stream, 110)).collect::<Vec<_>>()).is_some());
    assert_eq!(track.work(), Work::Later, "not within ten seconds");
    confirm(&track);
    assert_eq!(track.work(), Work::Forget(vec![first.snapshot]), "once the second is confirmed");
    assert_eq!(track.work(), Work::Later);
    tokio::time::advance(SNAPSHOT_EVERY).await;
    let (_, rooms) = save(&track);
    assert!(rooms.iter().all(|(_, seq)| *seq == Seq(110)));
    assert_eq!(told(&track, &[]).unwrap().changes, []);
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_snapshot_is_written_is_counted_from_it() {
    let (track, _) = begun(3);
    confirm(&track);
    tokio::time::advance(SNAPSHOT_EVERY).await;
    track.leave(&room(0));
    let Work::Save { base, rooms } = track.work() else { panic!("a room was left") };
    assert_eq!(rooms.len(), 2);
    assert_eq!(track.work(), Work::Later, "one at a time");
    assert!(told(&track, &[(3, 109)]).is_some());
    track.leave(&room(1));
    track.enter(&room(8), false, 8, Seq(5));
    track.saved(base);
    let entered = Change::Entered { room: room(8), channel: false, seq: Seq(5) };
    assert_eq!(told(&track, &[]).unwrap().changes, [Change::Left(0), Change::Moved(1, 9), entered]);
    assert_eq!(told(&track, &[(8, 6)]).unwrap().changes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_could_not_be_saved_changes_nothing() {
    let (track, first) = begun(2);
    confirm(&track);
    tokio::time::advance(SNAPSHOT_EVERY).await;
    track.leave(&room(1));
    assert!(matches!(track.work(), Work::Save { .. }));
    track.not_saved();
    let offset = told(&track, &[]).unwrap();
    assert_eq!((offset.snapshot, offset.changes), (first.snapshot, vec![Change::Left(1)]));
    assert_eq!(save(&track).1.len(), 1, "and is tried again");
}

#[test]
fn a_session_goes_on_from_the_snapshot_it_came_back_with() {
    let track = Track::new(Arc::default());
    let base = Base { snapshot: "another.4".into(), key: Key([3; 16]) };
    let place = |n, seq, base| Place { room: room(n), channel: false, seq: Seq(seq), base, left: false };
    let places = [
        place(0, 100, Some((0, Seq(100)))),
        place(1, 105, Some((1, Seq(100)))),
        Place { left: true, ..place(2, 100, Some((2, Seq(100)))) },
        place(3, 70, None),
    ];
    track.resume(base.clone(), places, vec!["another.3".into()]);
    track.bind(&room(0), 31);
    let entered = Change::Entered { room: room(3), channel: false, seq: Seq(70) };
    let known = [Change::Moved(1, 5), Change::Left(2), entered];
    let offset = told(&track, &[]).unwrap();
    assert!(offset.is_sealed_by(base.key));
    assert_eq!((offset.snapshot.as_str(), &offset.changes[..]), ("another.4", &known[..]));
    let offset = told(&track, &[(31, 104)]).unwrap();
    assert_eq!(offset.changes, [&known[..], &[Change::Moved(0, 4)]].concat());
    track.begin();
    assert_eq!(track.work(), Work::Later, "rooms were entered and left: due, once this one is confirmed");
    track.pinged();
    track.ponged();
    assert_eq!(track.work(), Work::Forget(vec!["another.3".into()]));
    let (next, rooms) = save(&track);
    assert_ne!(next.snapshot, "another.4");
    assert_eq!(rooms, [(room(0), Seq(104)), (room(1), Seq(105)), (room(3), Seq(70))]);
}

#[test]
fn a_session_that_was_forgotten_is_saved_anew_at_once() {
    let (track, _) = begun(2);
    assert_eq!(track.work(), Work::Nothing);
    track.lost();
    assert_eq!(told(&track, &[(1, 101)]), None, "there is nothing that an offset could be counted from");
    assert_eq!(save(&track).1, [(room(0), Seq(101)), (room(1), Seq(100))]);
}

#[test]
fn what_went_out_before_a_ping_has_arrived_with_its_pong_and_nothing_else() {
    let (track, _) = begun(3);
    track.release();
    let arrived = |track: &Track| {
        let mut arrived = track.arrived();
        arrived.sort();
        arrived
    };
    told(&track, &[(1, 101), (2, 105), (1, 103)]);
    assert_eq!(track.due.deliveries.take_waiting().len(), 1, "somebody decides whether to ping");
    assert_eq!(track.unconfirmed(), [(room(0), Seq(103)), (room(1), Seq(105))]);
    track.pinged();
    told(&track, &[(1, 104), (3, 110)]);
    assert_eq!(arrived(&track), [], "the client has not answered");
    track.ponged();
    assert_eq!(arrived(&track), [(room(0), Seq(103)), (room(1), Seq(105))]);
    assert_eq!(track.due.deliveries.take_arrived().len(), 1);
    track.ponged();
    assert_eq!(arrived(&track), [], "an answer to nothing");
    track.pinged();
    track.ponged();
    assert_eq!(arrived(&track), [(room(0), Seq(104)), (room(2), Seq(110))]);
}

#[test]
fn nothing_has_arrived_while_what_waited_for_the_client_is_not_on_its_queue() {
    let (track, _) = begun(1);
    told(&track, &[(1, 101)]);
    track.pinged();
    track.ponged();
    assert!(track.arrived().is_empty() && track.due.deliveries.take_waiting().is_empty());
    track.release();
    assert_eq!(track.due.deliveries.take_waiting().len(), 1);
    track.pinged();
    track.ponged();
    assert_eq!(track.arrived(), [(room(0), Seq(101))]);
}

#[test]
fn channels_and_inboxes_have_no_receipts() {
    let track = Track::new(Arc::default());
    track.enter(&room(0), true, 1, Seq(100));
    track.enter(&RoomId::inbox(&parlor_core::ids::UserId::trusted("u")), false, 2, Seq(100));
    track.begin();
    track.release();
    told(&track, &[(1, 101), (2, 101)]);
    track.pinged();
    track.ponged();
    assert!(track.arrived().is_empty() && track.due.deliveries.take_waiting().is_empty());
}
