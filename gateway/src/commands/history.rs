//! A page of a room's messages, and who may read what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::command::{Cursor, Direction, History};
use parlor_core::error::ChatError;
use parlor_core::event::{Delivery, Role, RoomKind};
use parlor_core::ids::{RoomId, Seq};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Heads;
use parlor_core::ports::store::{Membership, Read, StoredMessage};
use parlor_core::time::Timestamp;

use super::Reply;
use super::overlay::lay_over;
use super::page::{heads, page};
use super::{find, quotes};
use crate::Shared;
use crate::caller::Caller;
use crate::hub;
use crate::memberships::Standing;
use crate::vocabularies::{Answer, Page};

/// How long an ex-member waits for the place of their leaving.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, history: History, reply: Reply) {
    match read(shared, caller, &history).await {
        Ok((messages, has_more)) => {
            let page = Page {
                next: if has_more { messages.last().map(|message| message.seq) } else { None },
                prev: messages.first().map(|message| message.seq),
                messages: &messages,
                has_more,
            };
            reply.ok(&Answer::Page(&page));
        }
        Err(error) => reply.refuse(&error),
    }
}

/// The range asked for: `after` < seq < `before`, and for a time no message earlier than it.
#[derive(Clone, Copy)]
struct Bounds {
    after: Seq,
    before: Seq,
    since: Option<Timestamp>,
    /// And none at or after this one, where no seq is known for it.
    until: Option<Timestamp>,
}

impl Bounds {
    fn hold(&self, delivery: &Delivery) -> bool {
        delivery.seq > self.after
            && delivery.seq < self.before
            && self.since.is_none_or(|since| delivery.time >= since)
            && self.until.is_none_or(|until| delivery.time < until)
    }
}

pub(super) async fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    history: &History,
) -> Result<(Vec<StoredMessage>, bool), ChatError> {
    shared.limiter.pass(&caller.user.id, "history", shared.config.limits.history).await?;
    let room = &history.room;
    let ceiling = readable(shared, caller, room).await?;
    let bounds = bounds(shared, history).await?;
    let bounds = Bounds { before: bounds.before.min(ceiling), ..bounds };

    let partition = shared.ports.log.partition_of(room);
    // What is there when this is answered: asked before the store, so that nothing can fall between the two.
    let heads = heads(shared, room).await;
    let newest_first = history.direction == Direction::Before;
    let limit = usize::try_from(history.limit).unwrap_or(100);
    if newest_first && history.cursor.is_none() && ceiling == Seq::MAX {
        if let Some(page) = cached(shared, room, heads.as_ref(), limit).await {
            return Ok(page);
        }
        hub::warm_soon(shared, room);
    }
    let ask = Read { room, partition, after: bounds.after, before: bounds.before, limit, newest_first };
    let fetch = |ask| shared.ports.store.messages(ask);
    page(shared, ask, ceiling, heads.as_ref(), fetch, |delivery, _| bounds.hold(delivery)).await
}

/// The newest page from the recent cache alone, without a look at the store: where the cache's chain reaches the room's
/// end, and it holds more messages than are asked for, or the room from its beginning.
async fn cached(
    shared: &Arc<Shared>,
    room: &RoomId,
    heads: Option<&Heads>,
    limit: usize,
) -> Option<(Vec<StoredMessage>, bool)> {
    let found = async {
        let events = hub::newest(shared, room, heads?).await?;
        let mut messages = lay_over(Vec::new(), &events.events, |_, _| true);
        messages.sort_by_key(|message| std::cmp::Reverse(message.seq));
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        quotes::forget_gone_of(shared, &mut messages, &events.events).await;
        (has_more || events.whole).then_some((messages, has_more))
    };
    let found = found.await;
    let outcome = if found.is_some() { "hit" } else { "miss" };
    metrics::counter!("parlor_recent_cache_total", "outcome" => outcome).increment(1);
    if let Some((messages, _)) = &found {
        tracing::debug!(%room, count = messages.len(), "cache hit for recent messages");
    }
    found
}

/// Whether the caller may know what goes on in a room now: members, and in a channel who has entered it. Who has left
/// may read what was said, and no more.
pub(super) async fn present(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<(), ChatError> {
    let standing = standing(shared, caller, room).await?;
    match standing.room.kind {
        RoomKind::Channel => standing.admits(caller),
        RoomKind::Direct | RoomKind::Group if standing.role().is_some() => Ok(()),
        RoomKind::Direct | RoomKind::Group => Err(standing.refusal()),
    }
}

/// Whether the caller may read here, and below which seq: members all, ex-members up to their leaving. For as long as
/// nobody can tell where that is in the log, it is waited for.
///
/// # Errors
/// `banned`, or the answer of a room that is not there. `busy`: the place of the leaving is not known in time.
pub(crate) async fn readable(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<Seq, ChatError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let standing = standing(shared, caller, room).await?;
        if standing.room.kind == RoomKind::Channel {
            return standing.admits(caller).map(|()| Seq::MAX);
        }
        match standing.membership {
            Some(Membership { role: Role::Left, reads_through: Some(seq) }) => return Ok(Seq(seq.0 + 1)),
            Some(Membership { role: Role::Left, reads_through: None }) if Instant::now() < until => {
                tokio::time::sleep(LOOK).await;
            }
            Some(Membership { role: Role::Left, reads_through: None }) => {
                return Err(ChatError::busy("your leaving is not stored yet"));
            }
            Some(_) => return Ok(Seq::MAX),
            None => return Err(standing.refusal()),
        }
    }
}

async fn standing(shared: &Arc<Shared>, caller: &Caller, room: &RoomId) -> Result<Standing, ChatError> {
    let version = shared.ports.fanout.version(room).await.ok().flatten();
    let standing = shared.memberships.standing(room, &caller.user.id, version).await?;
    standing.ok_or_else(|| ChatError::not_found("room"))
}

async fn bounds(shared: &Arc<Shared>, history: &History) -> Result<Bounds, ChatError> {
    let everything = Bounds { after: Seq::ZERO, before: Seq::MAX, since: None, until: None };
    let Some(cursor) = history.cursor else { return Ok(everything) };
    let place = match cursor {
        Cursor::Seq(seq) => seq,
        Cursor::Message(id) => find::cursor(shared, &history.room, id).await?,
        Cursor::Time(time) => {
            let partition = shared.ports.log.partition_of(&history.room);
            let (first, applied) = shared.ports.store.seq_at(&history.room, partition, time).await.map_err(busy)?;
            return Ok(match (history.direction, first) {
                (Direction::Before, Some(first)) => Bounds { before: first, ..everything },
                (Direction::Before, None) => Bounds { until: Some(time), ..everything },
                // The lowest seq at or after the time belongs to the page: equal times skip nothing.
                (Direction::After, Some(first)) => Bounds { after: Seq(first.0.saturating_sub(1)), ..everything },
                (Direction::After, None) => {
                    let after = Seq::new(shared.ports.log.generation(), applied);
                    Bounds { after, since: Some(time), ..everything }
                }
            });
        }
    };
    Ok(match history.direction {
        Direction::Before => Bounds { before: place, ..everything },
        Direction::After => Bounds { after: place, ..everything },
    })
}

/// A place behind which everything at or after a time is.
pub(super) async fn before_time(shared: &Arc<Shared>, room: &RoomId, time: Timestamp) -> Result<Seq, ChatError> {
    let partition = shared.ports.log.partition_of(room);
    let (first, applied) = shared.ports.store.seq_at(room, partition, time).await.map_err(busy)?;
    Ok(match first {
        Some(first) => Seq(first.0.saturating_sub(1)),
        None => Seq::new(shared.ports.log.generation(), applied),
    })
}

pub(super) fn busy(error: Unavailable) -> ChatError {
    tracing::debug!(%error, "history could not be read");
    ChatError::busy("history cannot be read right now")
}

#[cfg(test)]
mod tests {
    use parlor_core::error::Code;
    use parlor_core::event::Kind;
    use parlor_core::membership::Change;
    use parlor_core::ports::store::Store;

    use super::*;
    use crate::stage::{Stage, caller, user};

    #[tokio::test]
    async fn who_has_just_left_reads_on_once_the_leaving_has_its_place() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        stage.say(&room, "ann", "hello").await;
        let decision = stage.store.change(&room, &Change::Leave { user: user("ben") }).await.expect("left");
        let (shared, ben) = (&stage.shared, caller("ben"));
        let refused = readable(shared, &ben, &room).await.expect_err("nobody knows the place");
        assert_eq!(refused.code, Code::Busy);
        assert_eq!(present(shared, &ben, &room).await.expect_err("no member").code, Code::NotFound);
        let stored = async {
            tokio::time::sleep(PATIENCE / 4).await;
            let leaving = |event: &&parlor_core::event::Event| matches!(event.kind, Kind::MemberLeft { .. });
            let event = decision.events.iter().find(leaving).expect("told");
            stage.tell(&room, "ben", event.kind.clone()).await;
            stage.persist().await;
        };
        let (read, ()) = tokio::join!(readable(shared, &ben, &room), stored);
        assert!(read.expect("readable") < Seq::MAX);
    }

    #[tokio::test]
    async fn who_is_banned_from_a_group_hears_that_and_strangers_hear_nothing() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let message = stage.say(&room, "ann", "hello").await;
        stage.persist().await;
        let ban = |id: &str| Change::Ban {
            by: parlor_core::membership::By::Member(user("ann")),
            user: user(id).id,
            until: None,
            reason: None,
        };
        stage.store.see_user(&user("cem")).await.expect("seen");
        for banned in ["ben", "cem"] {
            stage.store.change(&room, &ban(banned)).await.expect("banned");
        }
        for (who, code) in [("ben", Code::Banned), ("cem", Code::Banned), ("dan", Code::NotFound)] {
            let caller = caller(who);
            let sent = super::super::send::may_send(&stage.shared, &caller, &room, None).await;
            let looked = super::super::rooms::look(&stage.shared, &caller, &room).await;
            let found = find::message(&stage.shared, &caller.user, message, Some(&room)).await;
            let refused = [
                sent.expect_err("no member").code,
                looked.expect_err("no member").code,
                found.expect_err("no member").code,
                present(&stage.shared, &caller, &room).await.expect_err("no member").code,
                super::super::rooms::refusal(&stage.shared, &caller, &room).await.code,
            ];
            assert_eq!(refused, [code; 5], "{who}");
        }
    }
}
