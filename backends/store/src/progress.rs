//! What both databases do with pointers in the same way.

use std::collections::{BTreeMap, HashMap};

use parlor_core::event::Actor;
use parlor_core::ids::{Offset, RoomId, Seq, UserId};
use parlor_core::ports::progress::{Mark, Reached, Unread};
use parlor_core::ports::store::StoredMessage;
use parlor_core::receipts::{Furthest, Pointer, Pointers};
use parlor_core::time::Timestamp;
use sqlx::{FromRow, Row};

use crate::at::At;
use crate::rows::{MessageRow, seq};

/// Each member's marks as one, in the order of rooms and users.
pub(crate) fn forward(marks: &[Mark]) -> Vec<Mark> {
    let mut furthest: BTreeMap<(&RoomId, &UserId), Pointers> = BTreeMap::new();
    for mark in marks {
        furthest.entry((&mark.room, &mark.user)).or_default().raise(&mark.to);
    }
    let mark = |((room, user), to): ((&RoomId, &UserId), Pointers)| Mark { room: room.clone(), user: user.clone(), to };
    furthest.into_iter().map(mark).collect()
}

/// A member's pointers, with the place and time of their own newest message.
pub(crate) struct PointerRow {
    stored: Pointers,
    own: Pointers,
}

impl<'r, R: Row> FromRow<'r, R> for PointerRow
where
    for<'c> &'c str: sqlx::ColumnIndex<R>,
    i64: sqlx::Type<R::Database> + sqlx::Decode<'r, R::Database>,
    Option<i64>: sqlx::Type<R::Database> + sqlx::Decode<'r, R::Database>,
    Option<At>: sqlx::Type<R::Database> + sqlx::Decode<'r, R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let at = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<At>, _>(column)?.map_or(Timestamp(0), |at| at.0));
        let place = |column| Ok::<_, sqlx::Error>(seq(row.try_get::<i64, _>(column)?));
        let delivered = Pointer::new(place("delivered_seq")?, at("delivered_at")?);
        let read = Pointer::new(place("read_seq")?, at("last_read_at")?);
        let own = row.try_get::<Option<i64>, _>("own_seq")?.map_or(Seq::ZERO, seq);
        Ok(Self { stored: Pointers { delivered, read }, own: Pointers::read(own, at("own_at")?) })
    }
}

impl From<PointerRow> for Pointers {
    fn from(row: PointerRow) -> Self {
        let mut pointers = row.stored;
        pointers.raise(&row.own);
        pointers
    }
}

/// Pointers in the order asked for.
pub(crate) fn of_users(asked: &[UserId], found: Vec<(Actor, Pointers)>) -> Vec<Pointers> {
    let found: HashMap<UserId, Pointers> = found.into_iter().map(|(user, pointers)| (user.id, pointers)).collect();
    asked.iter().map(|user| found.get(user).copied().unwrap_or_default()).collect()
}

/// How far the store sees, up to where it is read, and how many are behind that.
pub(crate) fn unread((applied, read, count): (i64, i64, i64)) -> Unread {
    Unread { count: count.unsigned_abs(), read: seq(read), applied: Offset(applied) }
}

/// Rows of room, user, delivered and read, as those of each room asked for.
pub(crate) fn furthest(asked: &[RoomId], rows: Vec<(String, String, i64, i64)>) -> Vec<Furthest> {
    let mut found: HashMap<String, Furthest> = HashMap::new();
    for (room, user, delivered, read) in rows {
        // Nobody asks when.
        let place = |column| Pointer::new(seq(column), Timestamp(0));
        let to = Pointers { delivered: place(delivered), read: place(read) };
        found.entry(room).or_default().add(UserId::trusted(user), to);
    }
    asked.iter().map(|room| found.get(room.as_str()).cloned().unwrap_or_default()).collect()
}

pub(crate) fn reached(delivered: i64, read: i64) -> Reached {
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    Reached { delivered: count(delivered), read: count(read) }
}

/// Messages by time, each room's by its order: the log's time may step back.
pub(crate) fn in_rooms_order(rows: Vec<MessageRow>) -> Vec<StoredMessage> {
    let mut messages: Vec<StoredMessage> = rows.into_iter().map(StoredMessage::from).collect();
    messages.sort_by_key(|message| (message.time, message.seq));
    let mut rooms: HashMap<RoomId, Vec<usize>> = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        rooms.entry(message.room.clone()).or_default().push(at);
    }
    for places in rooms.values() {
        let mut order = places.clone();
        order.sort_by_key(|at| messages[*at].seq);
        if order != *places {
            let sorted: Vec<StoredMessage> = order.iter().map(|at| messages[*at].clone()).collect();
            for (at, message) in places.iter().zip(sorted) {
                messages[*at] = message;
            }
        }
    }
    messages
}
