//! What a dead gateway left reaches the log, in its order, and is marked.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::event::{Actor, Delivery, Event, Kind, Member, Room};
use parlor_core::ids::{EventId, Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::{Change, Decision};
use parlor_core::ports::Unavailable;
use parlor_core::ports::log::{Appended, Consumer, Ends, Pending, Position, Range, Record, ReportError};
use parlor_core::ports::store::{
    ApplyError, ChangeError, Membership, Page, Placed, Read, RoomSummary, Stored, StoredMessage,
};
use parlor_core::time::Timestamp;
use tokio::time::sleep;

use super::*;

/// How the log answers an append.
#[derive(Clone, Copy)]
enum Answer {
    Full,
    TooLarge,
    Dead,
    Lost,
}

/// Both ports: rows wait until they are marked, appended events are kept.
#[derive(Default)]
struct World {
    rows: Mutex<Vec<Outgoing>>,
    appended: Mutex<Vec<EventId>>,
    answers: Mutex<VecDeque<Option<Answer>>>,
}

impl World {
    fn with(rows: i64, answers: impl IntoIterator<Item = Option<Answer>>) -> Self {
        let actor = Actor { id: UserId::trusted("u"), name: "u".into(), avatar: None };
        let outgoing = |row| Outgoing {
            row,
            event: Event {
                id: EventId::now(),
                room: RoomId::trusted("r"),
                actor: actor.clone(),
                kind: Kind::MessageDeleted { message: MessageId::now() },
            },
        };
        Self {
            rows: Mutex::new((0..rows).map(outgoing).collect()),
            answers: Mutex::new(answers.into_iter().collect()),
            ..Self::default()
        }
    }

    fn ids(&self) -> Vec<EventId> {
        self.rows.lock().unwrap().iter().map(|outgoing| outgoing.event.id).collect()
    }

    async fn relay_for(&self, time: Duration) -> Result<(), Fatal> {
        let stop = CancellationToken::new();
        let config = Config::default();
        tokio::select! {
            end = relay(self, self, &config, &stop) => end,
            () = sleep(time) => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn everything_a_dead_gateway_left_is_appended_once_and_in_order() {
    let world = World::with(250, []);
    let ids = world.ids();
    world.relay_for(Duration::from_millis(500)).await.unwrap();
    assert_eq!(*world.appended.lock().unwrap(), ids);
    assert!(world.ids().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_lets_no_later_event_overtake_and_is_tried_again() {
    for failure in [Answer::Full, Answer::Lost] {
        let world = World::with(5, [None, None, Some(failure)]);
        let ids = world.ids();
        world.relay_for(Duration::from_millis(500)).await.unwrap();
        assert_eq!(*world.appended.lock().unwrap(), ids[..2]);
        assert_eq!(world.ids(), ids[2..], "what was appended is marked all the same");
        world.relay_for(Duration::from_millis(500)).await.unwrap();
        assert_eq!(*world.appended.lock().unwrap(), ids);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_too_large_for_the_log_does_not_stand_in_the_way() {
    let world = World::with(3, [None, Some(Answer::TooLarge)]);
    let ids = world.ids();
    world.relay_for(Duration::from_millis(500)).await.unwrap();
    assert_eq!(*world.appended.lock().unwrap(), [ids[0], ids[2]]);
    assert_eq!(world.ids(), [ids[1]], "it stays for an operator to find");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_ended_for_good_ends_the_role_after_marking_what_was_sent() {
    let world = World::with(3, [None, Some(Answer::Dead)]);
    assert!(matches!(world.relay_for(Duration::from_secs(5)).await, Err(Fatal::Producer(_))));
    assert_eq!(world.ids().len(), 2);
}

#[async_trait]
impl Log for World {
    fn partitions(&self) -> u32 {
        1
    }
    fn generation(&self) -> Generation {
        Generation(1)
    }
    fn append(&self, event: &Event) -> Result<Pending, AppendError> {
        match self.answers.lock().unwrap().pop_front().flatten() {
            Some(Answer::Full) => return Err(AppendError::Full),
            Some(Answer::TooLarge) => return Err(AppendError::TooLarge),
            Some(Answer::Dead) => return Err(AppendError::Fatal("told to be".to_owned())),
            Some(Answer::Lost) => return Ok(Box::pin(async { Err(ReportError::Unknown) })),
            None => {}
        }
        self.appended.lock().unwrap().push(event.id);
        Ok(Box::pin(async { Ok(Appended { time: Timestamp::now(), seq: None }) }))
    }
    async fn read_range(&self, _: Partition, _: Offset, _: Offset, _: usize) -> Result<Range, Unavailable> {
        unreachable!("the relay only appends")
    }
    async fn ends(&self, _: Partition) -> Result<Ends, Unavailable> {
        unreachable!("the relay only appends")
    }
    async fn offset_at(&self, _: Partition, _: Timestamp) -> Result<Offset, Unavailable> {
        unreachable!("the relay only appends")
    }
    async fn set_aside(&self, _: &Record, _: &str) -> Result<(), Unavailable> {
        unreachable!("the relay only appends")
    }
    async fn consume(&self, _: &str, _: &str, _: Duration) -> Result<Box<dyn Consumer>, Unavailable> {
        unreachable!("the relay only appends")
    }
    async fn committed(&self, _: &str) -> Result<Vec<Option<Offset>>, Unavailable> {
        unreachable!("the relay only appends")
    }
    async fn flush(&self, _: Duration) {}
    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

#[async_trait]
impl Store for World {
    async fn stale_outbox(&self, age: Duration, limit: usize) -> Result<Vec<Outgoing>, Unavailable> {
        assert_eq!(age, Duration::from_secs(2));
        Ok(self.rows.lock().unwrap().iter().take(limit).cloned().collect())
    }
    async fn outbox_sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        self.rows.lock().unwrap().retain(|outgoing| !ids.contains(&outgoing.row));
        Ok(())
    }

    async fn position(&self, _: Partition) -> Result<Position, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn apply(&self, _: Partition, _: Position, _: &[Record]) -> Result<Stored, ApplyError> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn see_user(&self, _: &Actor) -> Result<(), Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn users(&self, _: &[UserId]) -> Result<Vec<Actor>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn change(&self, _: &RoomId, _: &Change) -> Result<Decision, ChangeError> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn outbox(&self, _: &RoomId) -> Result<Vec<Outgoing>, Unavailable> {
        unreachable!("a gateway's")
    }
    async fn room(&self, _: &RoomId) -> Result<Option<Room>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn membership(&self, _: &RoomId, _: &UserId) -> Result<Option<(Room, Option<Membership>)>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn rooms_of(&self, _: &UserId, _: usize) -> Result<Vec<RoomSummary>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn list_rooms(&self, _: &UserId, _: usize, _: u64, _: usize) -> Result<(Vec<RoomSummary>, u64), Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn summary(&self, _: &RoomId, _: &UserId) -> Result<Option<RoomSummary>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn members(&self, _: &RoomId, _: Option<&UserId>, _: usize) -> Result<Vec<Member>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn messages(&self, _: Read<'_>) -> Result<Page<StoredMessage>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn changes(&self, _: &RoomId, _: Partition, _: Seq, _: Seq, _: usize) -> Result<Page<Delivery>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn message(&self, _: MessageId) -> Result<Option<StoredMessage>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }

    async fn places(&self, _: &[MessageId]) -> Result<Vec<Placed>, Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn seq_at(&self, _: &RoomId, _: Partition, _: Timestamp) -> Result<(Option<Seq>, Offset), Unavailable> {
        unreachable!("the relay reads the outbox alone")
    }
    async fn maintain(&self) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
