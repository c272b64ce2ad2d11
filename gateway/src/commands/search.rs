//! Full-text search over the caller's rooms. It finds what is stored: a message is found a moment after it was sent. One
//! that was taken back is found no more from its deletion's ack on, where this gateway knows of that.

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
    let next = found.last().filter(|_| more).map(|last| Place { time: last.time, message: last.id });
    found.retain(|message| !shared.hub.is_deleted(message.id));
    quotes::forget_gone_of(shared, &mut found, &[]).await;
    let hit = |message: StoredMessage| {
        let shown = terms.highlight(&message.message.content);
        (message, shown)
    };
    Ok((found.into_iter().map(hit).collect(), next))
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;

    use super::*;
    use crate::hub;
    use crate::stage::{Stage, caller, user};

    #[tokio::test]
    async fn what_was_taken_back_is_not_found_though_the_store_still_has_it() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann"]).await;
        let (kept, gone) = (stage.say(&room, "ann", "a secret").await, stage.say(&room, "ann", "a secret too").await);
        stage.persist().await;
        let (sender, seq) = (user("ann").id, None);
        let place = hub::Place { room: room.clone(), sender, system: false, seq, deleted: true };
        stage.shared.hub.recent.note(gone, place);
        for limit in [1, 10] {
            let ask = Search { query: "secret".into(), room: None, sender: None, cursor: None, limit };
            let (hits, next) = find(&stage.shared, &caller("ann"), &ask).await.expect("found");
            // A page may be shorter for that; the next one goes on behind it.
            let ids: Vec<_> = hits.iter().map(|(message, _)| message.id).collect();
            assert_eq!((ids, next.is_some()), if limit == 1 { (Vec::new(), true) } else { (vec![kept], false) });
        }
    }
}
