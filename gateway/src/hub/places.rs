//! Where rooms end, asked for by many at once: what is asked while the fan-out answers goes out together, once for each
//! partition and room. A thousand clients that come back in a moment cost a few round trips.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use parlor_core::ids::{Offset, Partition, RoomId, Seq};
use parlor_core::ports::Unavailable;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{Ports, Shared};

/// Questions that wait; who has more waits with it.
const WAITING: usize = 1_024;
/// Questions answered together.
const TOGETHER: usize = 512;

/// Where a room ends, as the fan-out knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The room's last event. `None`: none since the fan-out's memory began, or in the last day.
    pub(crate) head: Option<Seq>,
    /// How far the room's partition was applied at that moment.
    pub(crate) position: Offset,
    /// Where the memory began: of what lies at or before it nothing is known.
    pub(crate) from: Offset,
}

struct Ask {
    rooms: Vec<RoomId>,
    answer: oneshot::Sender<Result<Vec<Option<End>>, Unavailable>>,
}

pub(super) struct Places {
    asks: mpsc::Sender<Ask>,
    asked: Mutex<mpsc::Receiver<Ask>>,
}

impl Places {
    pub(super) fn new() -> Self {
        let (asks, asked) = mpsc::channel(WAITING);
        Self { asks, asked: Mutex::new(asked) }
    }

    /// Where each of these rooms ends, at a moment after this was called. `None`: the fan-out has forgotten the room's
    /// partition.
    pub(super) async fn ends(&self, rooms: Vec<RoomId>) -> Result<Vec<Option<End>>, Unavailable> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let ended = || Unavailable::new("gateway", "it is stopping");
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask { rooms, answer }).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

/// Answers until `stop`. It has no way to fail: what the fan-out does not answer is the answer.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    // One task, so that the lock is never waited for.
    let mut asked = shared.hub.places.asked.lock().await;
    let mut together = Vec::with_capacity(TOGETHER);
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => 0,
            received = asked.recv_many(&mut together, TOGETHER) => received,
        };
        if received == 0 {
            asked.close();
            return;
        }
        answer(&shared.ports, &mut together).await;
    }
}

async fn answer(ports: &Ports, together: &mut Vec<Ask>) {
    let mut partitions: HashMap<Partition, Vec<RoomId>> = HashMap::new();
    let mut known: HashMap<RoomId, Option<End>> = HashMap::new();
    for room in together.iter().flat_map(|ask| &ask.rooms) {
        if known.insert(room.clone(), None).is_none() {
            partitions.entry(ports.log.partition_of(room)).or_default().push(room.clone());
        }
    }
    let calls = partitions.into_iter().map(|(partition, rooms)| async move {
        let heads = ports.fanout.heads(partition, &rooms).await;
        (rooms, heads)
    });
    let mut failed: HashMap<RoomId, Unavailable> = HashMap::new();
    for (rooms, heads) in join_all(calls).await {
        match heads {
            Ok(heads) => {
                let end = |head| heads.position.map(|at| End { head, position: at.offset, from: heads.from });
                known.extend(rooms.into_iter().zip(heads.heads.iter().map(|head| end(*head))));
            }
            Err(error) => failed.extend(rooms.into_iter().map(|room| (room, error.clone()))),
        }
    }
    for ask in together.drain(..) {
        let answer = match ask.rooms.iter().find_map(|room| failed.get(room)) {
            Some(error) => Err(error.clone()),
            None => Ok(ask.rooms.iter().map(|room| known.get(room).copied().flatten()).collect()),
        };
        // Who asked may have gone away.
        let _ = ask.answer.send(answer);
    }
}
