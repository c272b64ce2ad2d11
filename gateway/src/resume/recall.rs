//! Before CONNECT is answered: is this a session that the client can go on with, and can it be given what it missed?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parlor_core::event::RoomKind;
use parlor_core::ids::{Seq, UserId};
use parlor_core::ports::sessions::Loaded;
use parlor_core::session::Snapshot;

use super::keeper::ttl;
use super::offset::{Change, Key, Offset};
use super::plan::Plan;
use super::track::{Base, Place};
use crate::Shared;
use crate::auth;

/// For how long CONNECT waits for a memory that answers nobody: longer than a loaded machine keeps a process waiting, for
/// who is not recovered has lost what they missed.
const PATIENCE: Duration = Duration::from_secs(1);
/// And for one that answers others meanwhile, when many come back at once.
const BUSY: Duration = Duration::from_secs(5);
/// What was found before CONNECT was answered holds for so long.
const FRESH: Duration = Duration::from_secs(2);

/// A session that a client may go on with, if it is its user's.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) private_id: String,
    pub(crate) snapshot: Snapshot,
    pub(super) base: Base,
    /// The session's other snapshots.
    pub(super) others: Vec<String>,
    pub(super) places: Vec<Place>,
    /// What it was found that the client is to be given, and when.
    plan: Option<(Instant, Plan)>,
}

/// Finds the session that a client presents, if it is one of ours and is remembered.
pub(crate) async fn recall(shared: &Arc<Shared>, private_id: Option<&str>, offset: Option<&str>) -> Option<Session> {
    let (private_id, offset) = (private_id?, offset?);
    let offset = Offset::parse(offset).filter(|_| auth::is_private_id(private_id));
    let session = match offset {
        Some(offset) => find(shared, private_id, offset).await,
        None => None,
    };
    if session.is_none() {
        count("unknown");
    }
    session
}

/// Notes how a client's coming back went.
pub(super) fn count(outcome: &'static str) {
    metrics::counter!("parlor_resumes_total", "outcome" => outcome).increment(1);
}

async fn find(shared: &Arc<Shared>, private_id: &str, offset: Offset) -> Option<Session> {
    let loaded = load(shared, private_id, &offset.snapshot).await?;
    let snapshot = parlor_proto::decode_snapshot(&loaded.snapshot)
        .inspect_err(|error| tracing::debug!(%error, "a snapshot cannot be read"))
        .ok()?;
    let key = Key(snapshot.key);
    let places = places(&snapshot, &offset).filter(|_| offset.is_sealed_by(key))?;
    let base = Base { snapshot: offset.snapshot, key };
    Some(Session { private_id: private_id.to_owned(), snapshot, base, others: loaded.others, places, plan: None })
}

/// When the memory of sessions last answered anybody here, in ms since some moment.
#[derive(Debug)]
pub(crate) struct Pulse {
    since: Instant,
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn beats(&self) -> bool {
        let silent = self.now().saturating_sub(self.last.load(Ordering::Relaxed));
        u128::from(silent) < PATIENCE.as_millis()
    }
}

async fn load(shared: &Arc<Shared>, private_id: &str, key: &str) -> Option<Loaded> {
    let began = Instant::now();
    let mut loading = std::pin::pin!(shared.ports.sessions.load(private_id, key, ttl(shared)));
    loop {
        match tokio::time::timeout(PATIENCE, &mut loading).await {
            Ok(Ok(loaded)) => {
                shared.pulse.beat();
                return loaded;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a session cannot be recalled");
                return None;
            }
            Err(_) if shared.pulse.beats() && began.elapsed() < BUSY => {}
            Err(_) => return None,
        }
    }
}

/// Where the client stands. `None`: the offset says of the snapshot what it cannot.
fn places(snapshot: &Snapshot, offset: &Offset) -> Option<Vec<Place>> {
    let mut places = Vec::with_capacity(snapshot.rooms.len());
    for (index, standing) in snapshot.rooms.iter().enumerate() {
        places.push(Place {
            room: standing.room.clone(),
            channel: standing.kind.map_or_else(|| standing.room.is_of_channel(), |kind| kind == RoomKind::Channel),
            seq: standing.seq,
            base: Some((u32::try_from(index).ok()?, standing.seq)),
            left: false,
        });
    }
    for change in &offset.changes {
        match change {
            Change::Moved(index, by) => {
                let place = places.get_mut(*index)?;
                place.seq = Seq(place.seq.0.checked_add(*by)?);
            }
            Change::Left(index) => places.get_mut(*index)?.left = true,
            Change::Entered { room, channel, seq } => {
                places.push(Place { room: room.clone(), channel: *channel, seq: *seq, base: None, left: false });
            }
        }
    }
    Some(places)
}

impl Session {
    /// Whether `user` may go on with it.
    pub(crate) fn belongs_to(&self, user: &UserId) -> bool {
        self.snapshot.user.id == *user
    }

    /// Whether the client can be given what it missed.
    pub(crate) async fn can_go_on(&mut self, shared: &Arc<Shared>) -> bool {
        match self.look(shared).await {
            Ok(Some(plan)) => self.plan = Some((Instant::now(), plan)),
            Ok(None) => {
                tracing::debug!("a returning client has missed too much");
                count("too_long");
            }
            Err(error) => {
                tracing::info!(%error, "what a returning client missed cannot be told");
                count("unreadable");
            }
        }
        self.plan.is_some()
    }

    /// What the client is to be given. `None`: it has missed too much by now, or nobody can tell what.
    pub(super) async fn plan(&mut self, shared: &Arc<Shared>) -> Option<Plan> {
        // One that authenticates later has missed more since.
        if self.plan.as_ref().is_some_and(|(at, _)| at.elapsed() > FRESH) {
            self.plan = None;
            self.can_go_on(shared).await;
        }
        self.plan.take().map(|(_, plan)| plan)
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::Role;
    use parlor_core::ids::RoomId;
    use parlor_core::membership::nameless;
    use parlor_core::session::Standing;

    use super::*;
    use crate::hub;

    fn snapshot() -> Snapshot {
        let room = |id: &str, seq, kind| Standing {
            room: RoomId::trusted(id),
            seq: Seq(seq),
            kind,
            role: kind.map(|_| Role::Member),
            version: 4,
            members: 2,
        };
        Snapshot {
            user: nameless(&UserId::trusted("u1")),
            guest: false,
            vocabulary: None,
            socket: "s".into(),
            key: [0; 16],
            status: parlor_core::event::Status::Online,
            rooms: vec![
                room("user:u1", 10, None),
                room("g", 20, Some(RoomKind::Group)),
                room("c", 30, Some(RoomKind::Channel)),
            ],
        }
    }

    fn read(changes: &str) -> Option<Vec<Place>> {
        places(&snapshot(), &Offset::parse(&format!("abc.1.{changes}.aaaaaaaaaaa")).expect("well formed"))
    }

    #[test]
    fn an_offset_says_what_has_moved_since_its_snapshot() {
        let places = read("1:5,2:-,+Zw:7").expect("sound");
        let stands: Vec<_> = places.iter().map(|place| (place.room.as_str(), place.seq.0, place.left)).collect();
        assert_eq!(stands, [("user:u1", 10, false), ("g", 25, false), ("c", 30, true), ("g", 7, false)]);
        assert_eq!(places[1].base, Some((1, Seq(20))), "and counts from the snapshot's place");
        assert!(places[2].channel && !places[1].channel);
    }

    #[test]
    fn an_offset_that_does_not_fit_its_snapshot_is_of_no_use() {
        assert!(read("").is_some());
        for changes in ["3:1", "99999999999:1", "3:-", "1:18446744073709551615"] {
            assert_eq!(read(changes), None, "{changes}");
        }
    }

    #[test]
    fn a_room_is_returned_to_by_the_membership_that_the_snapshot_knows() {
        let base = Base { snapshot: "abc.1".into(), key: Key([0; 16]) };
        let places = read("2:3,1:-,+Zw:7").expect("sound");
        let session =
            Session { private_id: String::new(), snapshot: snapshot(), base, others: vec![], places, plan: None };
        let returns: Vec<_> =
            session.returns().map(|place| (place.room.to_string(), place.after.0, place.version)).collect();
        let expected = [("user:u1", 10, hub::ALWAYS), ("c", 33, hub::ALWAYS), ("g", 7, 0)];
        assert_eq!(returns, expected.map(|(room, after, version)| (room.to_owned(), after, version)));
        assert!(session.belongs_to(&UserId::trusted("u1")) && !session.belongs_to(&UserId::trusted("u2")));
    }

    #[test]
    fn a_memory_that_answers_others_is_waited_for() {
        let pulse = Pulse { since: Instant::now() - Duration::from_secs(9), last: AtomicU64::new(0) };
        assert!(!pulse.beats());
        pulse.beat();
        assert!(pulse.beats());
    }
}
