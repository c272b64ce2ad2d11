//! A page counted from the newest message, with the total: how REST pages (`cafe.md`, `conversations.md`).
//!
//! What is counted is what the store has. So that a read right after a send sees it, the store is waited for until it
//! has all that the room was known to hold on arrival, a second at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::ChatError;
use parlor_core::ids::{RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::search::CountedMessages;

use super::{Reply, history, quotes, veil};
use crate::Shared;
use crate::caller::Caller;
use crate::hub;
use crate::receipts;
use crate::vocabularies::{Answer, Counted};

/// How long a read waits for a store that lags.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(25);
/// Messages that may be left out: leaving out costs as much as reading. Cursors have no such bound.
const DEEPEST: u64 = 100_000;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, limit: u32, offset: u64, reply: Reply) {
    match read(shared, caller, &room, limit, offset).await {
        Ok(mut page) => {
            if reply.shows_status() {
                receipts::tell_got(shared, &caller.user.id, &mut page.rows).await;
            }
            let (messages, total) = (page.rows.as_slice(), page.total);
            reply.ok(&Answer::Counted(&Counted { room: &room, messages, total, limit, offset }));
        }
        Err(error) => reply.refuse(&error),
    }
}

async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    limit: u32,
    offset: u64,
) -> Result<CountedMessages, ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    let below = history::readable(shared, caller, room).await?;
    if offset > DEEPEST {
        return Err(ChatError::field("offset", format!("`offset` is at most {DEEPEST}; older messages have cursors")));
    }
    let busy = |error: Unavailable| {
        tracing::debug!(%error, "messages could not be counted");
        ChatError::busy("messages cannot be read right now")
    };
    let (partition, generation) = (shared.ports.log.partition_of(room), shared.ports.log.generation());
    let limit = usize::try_from(limit).unwrap_or(1);
    let end = hub::reaches(shared, room).await.map_err(busy)?;
    let until = Instant::now() + PATIENCE;
    loop {
        let mut page = shared.ports.search.counted(room, partition, below, offset, limit).await.map_err(busy)?;
        if Seq::new(generation, page.applied) >= end {
            quotes::forget_gone_of(shared, &mut page.rows, &[]).await;
            veil::veil(shared, room, below, &mut page.rows).await?;
            return Ok(page);
        }
        if Instant::now() >= until {
            return Err(ChatError::busy("the newest messages are not stored yet"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
