//! Where one client stands: what has gone out to it of each of its rooms, and what it is told of that.
//!
//! A small machine without I/O. The transport's write path says what went out and gets the offset that goes behind it;
//! [`keeper`](super::keeper) writes the snapshots that offsets are counted from.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use parlor_core::ids::{RoomId, Seq};
use parlor_socketio::{Mark, Offsets};
use tokio::time::Instant;

use super::keeper::Due;
use super::offset::{Key, Writer};
use crate::client::Client;

/// Changes that an offset lists before a new snapshot is due.
const LISTED: usize = 16;
/// Rooms that an offset names. A client that has entered more since its snapshot is told its place with the next.
const NAMED: usize = 256;
/// Between two snapshots of one client.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// The place of a client in a room that it was added to and has nothing of yet: before the event that added it.
pub(crate) const ADDED: Seq = Seq::ZERO;

/// Follows one client from its CONNECT on.
pub(crate) struct Track {
    /// Names this connection among those of its session.
    connection: String,
    due: Arc<Due>,
    me: Weak<Self>,
    client: OnceLock<Weak<Client>>,
    state: Mutex<State>,
}

struct State {
    entries: Vec<Entry>,
    /// Stream → entry, sorted.
    streams: Vec<(u64, u32)>,
    /// Entries of which the offset has something to say.
    listed: Vec<u32>,
    /// Listed rooms that must be named.
    named: usize,
    /// Some room was entered or left since the snapshot.
    reshaped: bool,
    base: Option<Base>,
    /// The number of the next snapshot of this connection.
    next: u32,
    /// A snapshot is being written.
    saving: bool,
    saved_at: Option<Instant>,
    confirm: Confirm,
    /// Snapshots that nobody needs once the base is confirmed.
    obsolete: Vec<String>,
    /// It waits for the keeper.
    queued: bool,
    /// Rooms are entered: snapshots may be taken.
    begun: bool,
    arrivals: Arrivals,
    closed: bool,
}

/// What has gone out to the client of its members' rooms, and what it has answered a ping behind: that has reached it.
#[derive(Default)]
struct Arrivals {
    /// What waited for the client is on its queue. Before that nothing counts as delivered: a pointer would pass it.
    released: bool,
    /// Something went out since the last ping.
    out: bool,
    /// It waits for whoever decides whether a ping is worth while.
    waiting: bool,
    /// What went out before the ping that is not answered yet.
    asked: Vec<(RoomId, Seq)>,
    /// What has reached the client, until somebody takes it.
    arrived: Vec<(RoomId, Seq)>,
}

/// The snapshot that offsets are counted from: known to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// `<connection>.<k>`.
    pub(crate) snapshot: String,
    pub(crate) key: Key,
}

/// How far the client is known to have the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirm {
    /// No offset has named it yet.
    Saved,
    /// One went out.
    Told,
    /// And a ping behind it.
    Pinged,
    /// Which the client has answered: it will not come back with an offset of an older one.
    Confirmed,
}

struct Entry {
    room: RoomId,
    channel: bool,
    /// Of the hub's room; 0 until the first of it is delivered.
    stream: u64,
    place: Seq,
    /// Index and place in the base.
    base: Option<(u32, Seq)>,
    /// The same in the snapshot that is being written.
    next: Option<(u32, Seq)>,
    left: bool,
    listed: bool,
    /// It has members whose receipts are kept.
    member: bool,
    /// Something of it went out since the last ping.
    out: bool,
    /// Where the client entered it: it hears what lies behind.
    from: Seq,
}

/// A room that a session comes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) room: RoomId,
    pub(crate) channel: bool,
    /// Up to where the client has it.
    pub(crate) seq: Seq,
    /// Index and place in the snapshot; `None`: entered since.
    pub(crate) base: Option<(u32, Seq)>,
    /// It has left it since.
    pub(crate) left: bool,
}

/// What there is to be done for a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Save a snapshot of these rooms, then say [`Track::saved`] or [`Track::not_saved`].
    Save {
        base: Base,
        rooms: Vec<(RoomId, Seq)>,
    },
    /// Forget these snapshots.
    Forget(Vec<String>),
    /// Something, but not yet: ask again in a moment.
    Later,
    Nothing,
}

impl Track {
    pub(crate) fn new(due: Arc<Due>) -> Arc<Self> {
        use base64::Engine;
        let connection = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 6]>());
        Arc::new_cyclic(|me| Self {
            connection,
            due,
            me: me.clone(),
            client: OnceLock::new(),
            state: Mutex::new(State {
                entries: Vec::new(),
                streams: Vec::new(),
                listed: Vec::new(),
                named: 0,
                reshaped: false,
                base: None,
                next: 1,
                saving: false,
                saved_at: None,
                confirm: Confirm::Confirmed,
                obsolete: Vec::new(),
                queued: false,
                begun: false,
                arrivals: Arrivals::default(),
                closed: false,
            }),
        })
    }

    /// Whose track it is.
    pub(crate) fn belongs_to(&self, client: &Arc<Client>) {
        // Told once, right after the client was made.
        let _ = self.client.set(Arc::downgrade(client));
    }

    pub(crate) fn client(&self) -> Option<Arc<Client>> {
        self.client.get().and_then(Weak::upgrade)
    }

    /// What names this connection among those of its session.
    pub(crate) fn connection(&self) -> &str {
        &self.connection
    }

    /// The client goes on with a session: its offsets are counted from the snapshot that it came back with, until there
    /// is reason for a new one. `others` are the session's snapshots beside it.
    pub(crate) fn resume(&self, base: Base, places: impl IntoIterator<Item = Place>, others: Vec<String>) {
        let mut state = self.state.lock();
        for place in places {
            let moved = place.base.is_none_or(|(_, seq)| seq < place.seq);
            let entered = place.base.is_none();
            let at = state.add(Entry {
                room: place.room,
                channel: place.channel,
                stream: 0,
                place: place.seq,
                base: place.base,
                next: None,
                left: place.left,
                listed: false,
                // The offset that it came back with says that it has this.
                out: moved,
                member: false,
                from: place.seq,
            });
            state.arrivals.out |= moved;
            if moved || place.left {
                state.list(at);
            }
            state.reshaped |= entered || place.left;
        }
        state.base = Some(base);
        state.obsolete = others;
        state.confirm = Confirm::Saved;
    }

    /// The rooms that the client came for are entered: it may be told where it stands.
    pub(crate) fn begin(&self) {
        let mut state = self.state.lock();
        state.begun = true;
        if state.base.is_none() || state.is_due() {
            self.queue(&mut state);
        }
    }

    /// The client is in a room, and has it up to `place`. True: it can be told so.
    pub(crate) fn enter(&self, room: &RoomId, channel: bool, stream: u64, place: Seq) -> bool {
        let mut state = self.state.lock();
        let at = match state.find(room) {
            Some(at) if state.entries[at].place != ADDED => {
                state.bind(at, stream);
                return false;
            }
            Some(at) => at,
            None => state.come(room, channel),
        };
        state.entries[at].place = place;
        state.entries[at].from = place;
        state.bind(at, stream);
        self.reshaped(&mut state)
    }

    /// Where the client entered a room that it is in.
    pub(crate) fn entered_at(&self, room: &RoomId) -> Option<Seq> {
        let state = self.state.lock();
        state.find(room).map(|at| state.entries[at].from)
    }

    /// What waited for the client is on its queue: from here on what it answers for has been delivered.
    pub(crate) fn release(&self) {
        let mut state = self.state.lock();
        state.arrivals.released = true;
        self.expect_pong(&mut state);
    }

    /// Something went out that a ping might confirm: whoever decides that is told, once.
    fn expect_pong(&self, state: &mut State) {
        let arrivals = &mut state.arrivals;
        if arrivals.out && arrivals.released && !arrivals.waiting && !state.closed {
            state.arrivals.waiting = true;
            self.due.deliveries.wait(&self.me);
        }
    }

    /// The rooms of which something went out that no ping has followed yet, and up to where.
    pub(crate) fn unconfirmed(&self) -> Vec<(RoomId, Seq)> {
        let mut state = self.state.lock();
        state.arrivals.waiting = false;
        state.entries.iter().filter(|entry| entry.out).map(|entry| (entry.room.clone(), entry.place)).collect()
    }

    /// What has reached the client since this was last asked.
    pub(crate) fn arrived(&self) -> Vec<(RoomId, Seq)> {
        std::mem::take(&mut self.state.lock().arrivals.arrived)
    }

    /// The client's inbox is about to tell it of a room that it was added to and will enter. From now on no offset may
    /// leave that room out, for what the inbox has told once it does not tell again.
    pub(crate) fn expect(&self, room: &RoomId) {
        let mut state = self.state.lock();
        if state.find(room).is_none() {
            state.come(room, false);
            self.reshaped(&mut state);
        }
    }

    /// What comes next of a room that the client is in already comes from this stream.
    pub(crate) fn bind(&self, room: &RoomId, stream: u64) {
        let mut state = self.state.lock();
        if let Some(at) = state.find(room) {
            state.bind(at, stream);
        }
    }

    /// The client is in a room no more. True: it can be told so.
    pub(crate) fn leave(&self, room: &RoomId) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.find(room) else { return false };
        state.unbind(at);
        state.entries[at].left = true;
        state.list(at);
        state.reshaped = true;
        self.reshaped(&mut state)
    }

    fn reshaped(&self, state: &mut State) -> bool {
        if state.begun {
            self.queue(state);
        }
        state.base.is_some() && state.begun
    }

    /// What a snapshot says of the session, other than of its rooms, is not so any more. The next one is not put off.
    pub(crate) fn changed(&self) {
        let mut state = self.state.lock();
        state.reshaped = true;
        state.saved_at = None;
        self.reshaped(&mut state);
    }

    /// The socket is gone: nothing is told or saved any more.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.entries = Vec::new();
        state.streams = Vec::new();
        state.listed = Vec::new();
    }

    /// The session's memory is gone where it was kept: it is written anew.
    pub(crate) fn lost(&self) {
        let mut state = self.state.lock();
        if !state.saving && state.base.take().is_some() {
            state.saved_at = None;
            state.obsolete.clear();
            self.queue(&mut state);
        }
    }

    fn queue(&self, state: &mut State) {
        if !state.queued && !state.closed {
            state.queued = self.due.push(&self.me);
        }
    }

    /// What is to be done now. Asked by the keeper, of a track that it took from its queue.
    pub(crate) fn work(&self) -> Work {
        let mut state = self.state.lock();
        if state.closed {
            return Work::Nothing;
        }
        if state.confirm == Confirm::Confirmed && !state.obsolete.is_empty() {
            return Work::Forget(std::mem::take(&mut state.obsolete));
        }
        if state.saving {
            return Work::Later;
        }
        let due = state.base.is_none() || state.is_due();
        if !due || !state.begun {
            state.queued = false;
            return Work::Nothing;
        }
        let early = state.saved_at.is_some_and(|at| at.elapsed() < SNAPSHOT_EVERY);
        if state.base.is_some() && (early || state.confirm != Confirm::Confirmed) {
            return Work::Later;
        }
        state.saving = true;
        let snapshot = format!("{}.{}", self.connection, state.next);
        state.next += 1;
        let mut rooms = Vec::with_capacity(state.entries.len());
        for entry in state.entries.iter_mut().filter(|entry| !entry.left) {
            entry.next = Some((u32::try_from(rooms.len()).unwrap_or(u32::MAX), entry.place));
            rooms.push((entry.room.clone(), entry.place));
        }
        Work::Save { base: Base { snapshot, key: Key::new() }, rooms }
    }

    /// A snapshot is saved: from now on offsets are counted from it.
    pub(crate) fn saved(&self, base: Base) {
        let mut state = self.state.lock();
        state.saving = false;
        state.saved_at = Some(Instant::now());
        if state.closed {
            return;
        }
        if let Some(before) = state.base.replace(base) {
            state.obsolete.push(before.snapshot);
        }
        state.confirm = Confirm::Saved;
        state.rebase();
    }

    /// The client is in more rooms than can be remembered: its place is kept as far as it is, and no further.
    pub(crate) fn too_large(&self) {
        self.not_saved();
        self.state.lock().begun = false;
    }

    /// A snapshot could not be saved.
    pub(crate) fn not_saved(&self) {
        let mut state = self.state.lock();
        state.saving = false;
        for entry in &mut state.entries {
            entry.next = None;
        }
    }
}

impl State {
    fn find(&self, room: &RoomId) -> Option<usize> {
        self.entries.iter().position(|entry| !entry.left && entry.room == *room)
    }

    /// A room that the snapshot does not have, at a place to be told.
    fn come(&mut self, room: &RoomId, channel: bool) -> usize {
        let at = self.add(Entry {
            room: room.clone(),
            channel,
            stream: 0,
            place: ADDED,
            base: None,
            next: None,
            left: false,
            listed: false,
            out: false,
            member: false,
            from: ADDED,
        });
        self.list(at);
        self.reshaped = true;
        at
    }

    fn add(&mut self, mut entry: Entry) -> usize {
        entry.member = !entry.channel && entry.room.inbox_owner().is_none();
        entry.out &= entry.member;
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn bind(&mut self, at: usize, stream: u64) {
        if stream == 0 || self.entries[at].stream == stream {
            return;
        }
        self.unbind(at);
        self.entries[at].stream = stream;
        if let Err(place) = self.streams.binary_search_by_key(&stream, |(stream, _)| *stream) {
            self.streams.insert(place, (stream, u32::try_from(at).unwrap_or(u32::MAX)));
        }
    }

    fn unbind(&mut self, at: usize) {
        let stream = std::mem::take(&mut self.entries[at].stream);
        if let Ok(place) = self.streams.binary_search_by_key(&stream, |(stream, _)| *stream) {
            self.streams.remove(place);
        }
    }

    fn list(&mut self, at: usize) {
        let entry = &mut self.entries[at];
        if !std::mem::replace(&mut entry.listed, true) {
            self.named += usize::from(entry.base.is_none());
            self.listed.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }

    fn is_due(&self) -> bool {
        self.reshaped || self.listed.len() > LISTED
    }

    /// Notes that a place has gone out. False: it is of no room that the client is in.
    fn pass(&mut self, mark: Mark) -> bool {
        let Ok(place) = self.streams.binary_search_by_key(&mark.stream, |(stream, _)| *stream) else { return false };
        let at = usize::try_from(self.streams[place].1).unwrap_or(usize::MAX);
        let Some(entry) = self.entries.get_mut(at) else { return false };
        entry.place = entry.place.max(Seq(mark.place));
        entry.out = entry.member;
        self.arrivals.out |= entry.member;
        if !entry.listed {
            self.list(at);
        }
        true
    }

    /// Counts from the snapshot that was being written. What was left before it was taken is in it no more.
    fn rebase(&mut self) {
        self.entries.retain(|entry| !(entry.left && entry.next.is_none()));
        self.streams.clear();
        self.listed.clear();
        self.named = 0;
        self.reshaped = false;
        for at in 0..self.entries.len() {
            let entry = &mut self.entries[at];
            entry.base = entry.next.take();
            entry.listed = false;
            let stream = (entry.stream != 0).then_some(entry.stream);
            let entered = entry.base.is_none();
            let reshaped = entered || entry.left;
            let moved = entry.base.is_some_and(|(_, seq)| seq < entry.place);
            if let Some(stream) = stream {
                self.streams.push((stream, u32::try_from(at).unwrap_or(u32::MAX)));
            }
            if reshaped || moved {
                self.list(at);
            }
            self.reshaped |= reshaped;
        }
        self.streams.sort_unstable();
    }

    /// Where the client stands, as far as what went out to it says.
    fn write(&mut self, offset: &mut String) {
        let Some(base) = &self.base else { return };
        if self.named > NAMED || self.closed {
            return;
        }
        let mut writer = Writer::new(offset, &base.snapshot);
        for at in &self.listed {
            let Some(entry) = usize::try_from(*at).ok().and_then(|at| self.entries.get(at)) else { continue };
            match entry.base {
                Some((index, _)) if entry.left => writer.left(index),
                Some((index, seq)) => writer.moved(index, entry.place.0.saturating_sub(seq.0)),
                None if entry.left => {}
                None => writer.entered(&entry.room, entry.channel, entry.place),
            }
        }
        writer.seal(base.key);
        if self.confirm == Confirm::Saved {
            self.confirm = Confirm::Told;
        }
    }
}

impl Offsets for Track {
    fn passed(&self, marks: &[Mark], offset: &mut String) {
        let mut state = self.state.lock();
        let mut tell = marks.is_empty();
        for mark in marks {
            tell |= state.pass(*mark);
        }
        if tell {
            state.write(offset);
        }
        if state.listed.len() > LISTED && state.begun {
            self.queue(&mut state);
        }
        self.expect_pong(&mut state);
    }

    fn pinged(&self) {
        let mut state = self.state.lock();
        if state.confirm == Confirm::Told {
            state.confirm = Confirm::Pinged;
        }
        if state.arrivals.out && state.arrivals.released {
            state.arrivals.out = false;
            let State { entries, arrivals, .. } = &mut *state;
            for entry in entries {
                if std::mem::take(&mut entry.out) {
                    arrivals.asked.push((entry.room.clone(), entry.place));
                }
            }
        }
    }

    fn ponged(&self) {
        let mut state = self.state.lock();
        let arrivals = &mut state.arrivals;
        if !arrivals.asked.is_empty() {
            let told = !arrivals.arrived.is_empty();
            arrivals.arrived.append(&mut arrivals.asked);
            if !told {
                self.due.deliveries.arrive(&self.me);
            }
        }
        if state.confirm == Confirm::Pinged {
            state.confirm = Confirm::Confirmed;
            if !state.obsolete.is_empty() {
                self.queue(&mut state);
            }
        }
    }
}

#[cfg(test)]
mod tests;
