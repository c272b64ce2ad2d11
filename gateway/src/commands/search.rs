//! Full-text search over the caller's rooms. It finds what is stored: a message is found a moment after it was sent.

use std::sync::Arc;

use parlor_core::command::Search;
use parlor_core::error::ChatError;
use parlor_core::ids::Seq;
use parlor_core::ports::search::{Place, Query, Within};
use parlor_core::ports::store::StoredMessage;
use parlor_core::search::Terms;

use super::{Reply, history, quotes};
use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::{Answer, Found};

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, search: Search, reply: Reply) {
    match find(shared, caller, &search).await {
        Ok((hits, next)) => {
            let next = next.map(Place::text);
            reply.ok(&Answer::Found(&Found { hits: &hits, next: next.as_deref() }));
        }
        Err(error) => reply.refuse(&error),
    }
}

type Hits = Vec<(StoredMessage, String)>;

/// Members are searched for by row; a channel only where it is named, by who is in it.
async fn find(shared: &Arc<Shared>, caller: &Caller, search: &Search) -> Result<(Hits, Option<Place>), ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    let terms = Terms::parse(&search.query)?;
    let before = match &search.cursor {
        Some(text) => {
            let place = Place::parse(text);
            Some(place.ok_or_else(|| ChatError::field("cursor", "`cursor` must be that of a page of this search"))?)
        }
        None => None,
    };
    let within = match &search.room {
        Some(room) => {
            history::present(shared, caller, room).await?;
            Within::Room(room, Seq::MAX)
        }
        None => Within::RoomsOf(&caller.user.id),
    };
    let limit = usize::try_from(search.limit).unwrap_or(1);
    let query = Query { terms: &terms, within, sender: search.sender.as_ref(), before, limit: limit + 1 };
    let mut found = shared.ports.search.search(query).await.map_err(|error| {
        tracing::debug!(%error, "a search failed");
        ChatError::busy("messages cannot be searched right now; more words make a search easier")
    })?;
    let more = found.len() > limit;
    found.truncate(limit);
    quotes::forget_gone_of(shared, &mut found, &[]).await;
    let next = found.last().filter(|_| more).map(|last| Place { time: last.time, message: last.id });
    let hit = |message: StoredMessage| {
        let shown = terms.highlight(&message.message.content);
        (message, shown)
    };
    Ok((found.into_iter().map(hit).collect(), next))
}
