//! What a channel talks about now. Other rooms' words are not counted.

use std::sync::Arc;

use parlor_core::ids::RoomId;

use super::{Reply, history};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;
use parlor_core::error::ChatError;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, limit: u32, reply: Reply) {
    match read(shared, caller, &room, limit).await {
        Ok(topics) => reply.ok(&Answer::Topics { room: &room, topics: &topics }),
        Err(error) => reply.refuse(&error),
    }
}

async fn read(shared: &Arc<Shared>, caller: &Caller, room: &RoomId, limit: u32) -> Result<Vec<String>, ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    history::present(shared, caller, room).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    shared.ports.topics.top(room, limit).await.map_err(|error| {
        tracing::debug!(%error, "topics could not be read");
        ChatError::busy("topics cannot be read right now")
    })
}
