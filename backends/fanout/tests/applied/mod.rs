//! An event that a worker has applied.

use std::sync::Arc;

use parlor_core::event::{Event, Kind};
use parlor_core::ids::{EventId, Generation, Offset, RoomId, Seq, UserId};
use parlor_core::membership::nameless;
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;

/// Applies an event of a room on whose partition, of `partitions`, nothing happened yet. Returns its place.
pub(crate) async fn apply(fanout: &dyn Fanout, partitions: u32, room: &RoomId, id: EventId, kind: Kind) -> Seq {
    let event = Event { id, room: room.clone(), actor: nameless(&UserId::trusted("ann")), kind };
    let partition = parlor_core::partition::of(room, partitions);
    let record = Record {
        partition,
        seq: Seq::new(Generation(1), Offset(0)),
        time: Timestamp(1),
        encoded: parlor_proto::encode(&event),
        event: Ok(Arc::new(event)),
        trace: None,
    };
    let held = fanout.claim(partition, Position::START).await.expect("claimed");
    fanout.apply(partition, held, std::slice::from_ref(&record)).await.expect("applied");
    record.seq
}
