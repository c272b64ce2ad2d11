//! Whom the caller blocks.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::Actor;

use super::{Reply, block, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, reply: Reply) {
    match read(shared, caller).await {
        Ok(users) => reply.ok(&Answer::Blocks(&users)),
        Err(error) => reply.refuse(&error),
    }
}

async fn read(shared: &Arc<Shared>, caller: &Caller) -> Result<Vec<Actor>, ChatError> {
    let user = &caller.user.id;
    shared.limiter.pass(user, "history", shared.config.limits.history).await?;
    let most = usize::try_from(block::MOST).unwrap_or(usize::MAX);
    shared.ports.safety.blocks(user, most).await.map_err(rooms::busy)
}
