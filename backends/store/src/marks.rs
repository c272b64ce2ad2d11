//! Reactions and pins: what a run of records does to them, and how they are laid on the messages of a page.

use std::collections::{BTreeMap, HashMap};

use parlor_core::event::Kind;
use parlor_core::ids::{Seq, UserId};
use parlor_core::ports::store::{Reaction, StoredMessage};
use parlor_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::batch::{Batch, Placed};

/// What reactions or pins come to: first these go, then those come.
pub(crate) struct Marks<K, V> {
    pub(crate) taken: Vec<K>,
    pub(crate) given: Vec<(K, V)>,
}

/// A user's reaction: to which message of which room, whose, and the emoji.
pub(crate) type ReactionKey<'a> = (Uuid, &'a str, &'a str, &'a str);
/// A message of a room.
pub(crate) type PinKey<'a> = (Uuid, &'a str);

/// Who pinned a message, when and where in the room's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pinning<'a> {
    pub(crate) seq: Seq,
    pub(crate) by: &'a str,
    pub(crate) time: Timestamp,
}

impl Batch {
    /// What the changes do to reactions, as if they came one after the other. A reaction's place is that of its giving.
    pub(crate) fn reactions(&self) -> Marks<ReactionKey<'_>, Seq> {
        fold(&self.changes, |placed| match &placed.event.kind {
            Kind::MessageReacted { message, emoji, on } => {
                let key = (message.0, placed.room(), placed.event.actor.id.as_str(), emoji.as_str());
                Some((key, on.then_some(placed.seq)))
            }
            _ => None,
        })
    }

    /// The same for pins.
    pub(crate) fn pins(&self) -> Marks<PinKey<'_>, Pinning<'_>> {
        fold(&self.changes, |placed| match &placed.event.kind {
            Kind::MessagePinned { message, on } => {
                let by = placed.event.actor.id.as_str();
                let pinning = Pinning { seq: placed.seq, by, time: placed.time };
                Some(((message.0, placed.room()), on.then_some(pinning)))
            }
            _ => None,
        })
    }

    /// The messages that the changes delete, with the rooms whose logs say so: they lose both.
    pub(crate) fn deletions(&self) -> Vec<PinKey<'_>> {
        let deletion = |placed: &'_ Placed| match &placed.event.kind {
            Kind::MessageDeleted { message } => Some(message.0),
            _ => None,
        };
        self.changes.iter().filter_map(|placed| Some((deletion(placed)?, placed.room()))).collect()
    }
}

/// The last word on each key counts; a second giving of what is given changes nothing.
fn fold<'a, K: Ord + Clone, V>(
    changes: &'a [Placed],
    read: impl Fn(&'a Placed) -> Option<(K, Option<V>)>,
) -> Marks<K, V> {
    let mut states: BTreeMap<K, (bool, Option<V>)> = BTreeMap::new();
    for (key, given) in changes.iter().filter_map(read) {
        let (taken, standing) = states.entry(key).or_insert((false, None));
        match given {
            Some(value) => _ = standing.get_or_insert(value),
            None => (*taken, *standing) = (true, None),
        }
    }
    let mut marks = Marks { taken: Vec::new(), given: Vec::new() };
    for (key, (taken, standing)) in states {
        if let Some(value) = standing {
            if taken {
                // Given again: it has a new place.
                marks.taken.push(key.clone());
            }
            marks.given.push((key, value));
        } else if taken {
            marks.taken.push(key);
        }
    }
    marks
}

/// A user's reaction, with how many have reacted so; or, without an emoji, a pin.
pub(crate) struct MarkRow {
    message: Uuid,
    emoji: Option<String>,
    user: String,
    total: i64,
}

macro_rules! read_marks {
    ($row:ident) => {
        impl FromRow<'_, $row> for MarkRow {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    message: row.try_get("message_id")?,
                    emoji: row.try_get("emoji")?,
                    user: row.try_get("user_id")?,
                    total: row.try_get("total")?,
                })
            }
        }
    };
}
read_marks!(PgRow);
read_marks!(SqliteRow);

/// The reactions and pins of some messages, in the order in which each emoji was first used and each user used it. Of
/// one emoji 100 users are named and of one message 500, each with the count of all.
macro_rules! select_marks {
    ($which:literal) => {
        concat!(
            "SELECT message_id, emoji, user_id, total FROM (SELECT * FROM (",
            "SELECT message_id, emoji, user_id, total, first, seq,",
            " row_number() OVER (PARTITION BY message_id ORDER BY nth, seq) AS place, nth FROM (",
            "SELECT message_id, emoji, user_id, seq, count(*) OVER e AS total, min(seq) OVER e AS first,",
            " row_number() OVER (PARTITION BY message_id, emoji ORDER BY seq) AS nth",
            " FROM reactions WHERE message_id ",
            $which,
            " WINDOW e AS (PARTITION BY message_id, emoji)) counted) named WHERE nth <= 100 AND place <= 500",
            " UNION ALL SELECT message_id, NULL, pinned_by, 0, 0, seq, 0, 0 FROM pins WHERE message_id ",
            $which,
            ") marks ORDER BY first, seq"
        )
    };
}
pub(crate) use select_marks;

/// Lays reactions and pins on messages.
pub(crate) fn lay_on<'a>(messages: impl Iterator<Item = &'a mut StoredMessage>, rows: Vec<MarkRow>) {
    let mut marks: HashMap<Uuid, (Vec<Reaction>, bool)> = HashMap::new();
    for row in rows {
        let (reactions, pinned) = marks.entry(row.message).or_default();
        let Some(emoji) = row.emoji else {
            *pinned = true;
            continue;
        };
        let user = UserId::trusted(row.user);
        match reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
            Some(reaction) => reaction.users.push(user),
            None => {
                let count = u32::try_from(row.total).unwrap_or(u32::MAX);
                reactions.push(Reaction { emoji, users: vec![user], count });
            }
        }
    }
    for message in messages {
        if let Some((reactions, pinned)) = marks.remove(&message.id.0) {
            (message.reactions, message.pinned) = (reactions, pinned);
        }
    }
}
