//! What a client that comes back is to be given: which rooms it is in by now, from where in each, and whether that is
//! not too much.

use std::collections::HashMap;
use std::sync::Arc;

use parlor_core::event::Kind;
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::time::Timestamp;

use super::recall::Session;
use super::track::ADDED;
use crate::Shared;
use crate::hub::{self, Gap, Missed, Past, Unread};

/// Missed events that are given again; a client that missed more starts anew.
const MISSED: usize = 1_000;
/// Events read at once to be counted.
const PAGE: usize = 200;
/// An hour: a session that waits for longer is forgotten.
const SESSION_MS: i64 = 3_600_000;
/// By how much the clocks of two partitions may differ.
const SKEW_MS: i64 = 5_000;

/// A room that the client comes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) room: RoomId,
    /// Up to where it has the room.
    pub(super) after: Seq,
    /// The membership version by which it belongs there.
    pub(super) version: u64,
    pub(super) stay: Stay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// It is in it.
    In,
    /// It has come into it while it was away.
    Added,
    /// It is out of it since it was here last.
    Out,
}

/// What a client is to be given.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) returns: Vec<Return>,
    /// The inbox's events up to here have been taken into account.
    pub(super) inbox: Seq,
}

impl Session {
    /// What the client is to be given. `None`: too much.
    pub(super) async fn look(&self, shared: &Arc<Shared>) -> Result<Option<Plan>, Unread> {
        let user = &self.snapshot.user.id;
        let own = RoomId::inbox(user);
        let mut returns: Vec<Return> = self.returns().collect();
        for place in returns.iter_mut().filter(|place| place.after == ADDED) {
            // Which adding it was is not known.
            place.after = since_added(shared, &place.room, user, 0, Timestamp::now().plus_millis(-SESSION_MS)).await?;
        }
        let asked: Vec<(RoomId, Seq)> = returns.iter().map(|place| (place.room.clone(), place.after)).collect();
        let missed = hub::missed(shared, &asked).await?;
        let mut total = Total::default();
        let mut inbox = Seq::ZERO;
        for (place, missed) in returns.iter().zip(&missed) {
            if place.room == own {
                inbox = place.after;
            } else {
                total.add(&place.room, place.after, *missed);
            }
        }
        let known = asked.iter().position(|(room, _)| *room == own);
        let news = match known.map(|at| missed[at]) {
            None | Some(Missed::Exactly(0)) => Vec::new(),
            Some(missed) => match inbox_news(shared, &own, inbox, missed).await? {
                Some(news) => news,
                None => return Ok(None),
            },
        };
        for (seq, time, kind) in news {
            inbox = seq;
            total.sure += 1;
            match kind {
                Kind::RoomAdded { room, .. } => {
                    let id = room.id.clone();
                    match returns.iter_mut().find(|place| place.room == id) {
                        // Back in a room that it had left: with what was said meanwhile, as in history.
                        Some(place) => {
                            place.version = room.version;
                            if place.stay == Stay::Out {
                                place.stay = Stay::In;
                            }
                        }
                        None => {
                            let after = since_added(shared, &id, user, room.version, time).await?;
                            returns.push(Return { room: id, after, version: room.version, stay: Stay::Added });
                        }
                    }
                }
                Kind::RoomRemoved { room, version } => {
                    if let Some(at) = returns.iter().position(|place| place.room == room) {
                        if returns[at].stay == Stay::Added {
                            returns.remove(at);
                        } else {
                            returns[at].stay = Stay::Out;
                            // It ends with the leaving that made this version.
                            returns[at].version = version.saturating_sub(1);
                        }
                    }
                }
                _ => {}
            }
        }
        let added: Vec<(RoomId, Seq)> = returns
            .iter()
            .filter(|place| place.stay == Stay::Added)
            .map(|place| (place.room.clone(), place.after))
            .collect();
        for ((room, after), missed) in added.iter().zip(hub::missed(shared, &added).await?) {
            total.add(room, *after, missed);
        }
        Ok(total.is_within(shared, user).await?.then_some(Plan { returns, inbox }))
    }

    pub(super) fn returns(&self) -> impl Iterator<Item = Return> + '_ {
        self.places.iter().filter(|place| !place.left).map(|place| {
            let standing = place.base.and_then(|(index, _)| self.snapshot.rooms.get(usize::try_from(index).ok()?));
            let version = match standing {
                _ if place.channel || place.room.inbox_owner().is_some() => hub::ALWAYS,
                Some(standing) => standing.version,
                None => 0,
            };
            Return { room: place.room.clone(), after: place.seq, version, stay: Stay::In }
        })
    }
}

/// How much was missed, as far as it is known without reading it.
#[derive(Default)]
struct Total {
    sure: usize,
    /// Rooms of which only a bound is known.
    bounds: HashMap<RoomId, (Gap, u64)>,
}

impl Total {
    fn add(&mut self, room: &RoomId, after: Seq, missed: Missed) {
        match missed {
            Missed::Exactly(events) => self.sure += events,
            Missed::AtMost { events, through } => {
                self.bounds.insert(room.clone(), (Gap { after, through }, events));
            }
        }
    }

    /// Whether it is no more than is given again. What is bounded well below that is not read.
    async fn is_within(&self, shared: &Arc<Shared>, user: &UserId) -> Result<bool, Unread> {
        let bound = self.bounds.values().fold(0_u64, |sum, (_, events)| sum.saturating_add(*events));
        let limit = u64::try_from(MISSED).unwrap_or(u64::MAX);
        if bound.saturating_add(u64::try_from(self.sure).unwrap_or(u64::MAX)) <= limit {
            return Ok(true);
        }
        let mut sure = self.sure;
        for (room, (gap, _)) in &self.bounds {
            let mut gap = *gap;
            while gap.after < gap.through && sure <= MISSED {
                let Past { events, through, .. } = match hub::page(shared, room, gap, PAGE).await {
                    Err(Unread::TooLong) => return Ok(false),
                    page => page?,
                };
                let heard = |kind: &Kind| match kind {
                    Kind::MemberJoined { member, .. } => member.user.id != *user,
                    Kind::MemberLeft { user: left, .. } => left != user,
                    _ => true,
                };
                sure += events.iter().filter(|delivery| heard(&delivery.event.kind)).count();
                gap.after = through;
            }
        }
        Ok(sure <= MISSED)
    }
}

/// The events of an inbox behind `after`. `None`: too many.
async fn inbox_news(
    shared: &Arc<Shared>,
    inbox: &RoomId,
    after: Seq,
    missed: Missed,
) -> Result<Option<Vec<(Seq, Timestamp, Kind)>>, Unread> {
    let through = match missed {
        Missed::AtMost { through, .. } => through,
        // It is live here: what the ring has, the cache has.
        Missed::Exactly(_) => hub::live_through(shared, inbox).unwrap_or(after),
    };
    let mut gap = Gap { after, through };
    let mut news = Vec::new();
    while gap.after < gap.through {
        let Past { events, through, .. } = match hub::page(shared, inbox, gap, PAGE).await {
            Err(Unread::TooLong) => return Ok(None),
            page => page?,
        };
        news.extend(events.iter().map(|delivery| (delivery.seq, delivery.time, delivery.event.kind.clone())));
        if news.len() > MISSED {
            return Ok(None);
        }
        gap.after = through;
    }
    Ok(Some(news))
}

/// The place before the event that made `user` a member of a room by that version, of which their inbox told at `time`.
async fn since_added(
    shared: &Arc<Shared>,
    room: &RoomId,
    user: &UserId,
    version: u64,
    time: Timestamp,
) -> Result<Seq, Unread> {
    let before = |seq: Seq| Seq(seq.0.saturating_sub(1));
    let cached = shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, PAGE).await.unwrap_or_default();
    if let Some(added) = cached.iter().rev().find(|delivery| hub::adds(&delivery.event.kind, user, version)) {
        return Ok(before(added.seq));
    }
    // Longer ago than the cache reaches, or not told in the room yet: from the first message of about that time, or, if
    // there is none, from what the cache has of that time, which may be nothing.
    let partition = shared.ports.log.partition_of(room);
    let about = time.plus_millis(-SKEW_MS);
    let (first, _) = shared.ports.store.seq_at(room, partition, about).await?;
    let first = first.or(cached.iter().find(|delivery| delivery.time >= about).map(|delivery| delivery.seq));
    Ok(first.map(before).or(cached.last().map(|delivery| delivery.seq)).unwrap_or(Seq::ZERO))
}
