//! One socket as the hub and the commands see it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use parlor_core::event::{Actor, Delivery, Ephemeral, Status};
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::time::Timestamp;
use parlor_socketio::{CloseReason, Frame, Mark, Socket};

use crate::auth::{self, Identity};
use crate::closing::Closing;
use crate::hub::Frames;
use crate::resume::Track;
use crate::stays::{ALWAYS, Leaving, Stays, WasIn};
use crate::vocabularies::{News, Outgoing, Vocabulary};

/// Room events remembered for a socket whose vocabulary is not known yet.
const UNDECIDED_EVENTS: usize = 256;
/// Presence changes remembered, to tell copies through several shared rooms apart.
const TOLD: usize = 64;

/// A socket, who it is, how it speaks and where it is.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    /// The name of its session, and the key to it: told to the client alone.
    pub(crate) private_id: Box<str>,
    /// The first part of its private id.
    pub(crate) lineage: Box<str>,
    /// Where it stands, for when it comes back.
    pub(crate) track: Arc<Track>,
    foreign: AtomicBool,
    state: Mutex<State>,
}

struct State {
    identity: Option<Identity>,
    /// The token's expiry was told.
    warned: bool,
    vocabulary: Vocabulary,
    /// What was sent while the vocabulary was a guess; `None` once it is known.
    undecided: Option<Undecided>,
    stays: Stays,
    typing: crate::commands::Typing,
    told: Told,
    /// What its inbox said up to here was taken into account when it came back.
    heard_inbox: Seq,
    /// What its user has said they are, on this device.
    status: Status,
    /// How far it has read in channels: they have no members whose pointers are kept.
    read: HashMap<RoomId, Seq>,
}

/// By how much, in milliseconds, news of one room may be overtaken by later news of another.
const OVERTAKES: i64 = 2_000;

/// Presence changes that a client was told last.
#[derive(Default)]
struct Told(Vec<(UserId, Option<RoomId>, Timestamp)>);

impl Told {
    /// Notes a change of a user's presence, in `room` if the event names it. False: this one or a later one was told. What
    /// seems to be older by more than [`OVERTAKES`] comes from a gateway whose clock is behind, and is news.
    fn is_new(&mut self, user: &UserId, room: Option<&RoomId>, at: Timestamp) -> bool {
        match self.0.iter_mut().find(|(told, through, _)| told == user && through.as_ref() == room) {
            Some((_, _, last)) if *last >= at && last.0 - at.0 < OVERTAKES => return false,
            Some((_, _, last)) => *last = at,
            None => {
                if self.0.len() >= TOLD {
                    self.0.remove(0);
                }
                self.0.push((user.clone(), room.cloned(), at));
            }
        }
        true
    }
}

/// What was sent while the vocabulary was a guess.
enum Undecided {
    Sent(Vec<Delivery>),
    /// More than is kept.
    TooMuch,
}

impl Undecided {
    fn note(&mut self, delivery: &Delivery) {
        match self {
            Self::Sent(sent) if sent.len() < UNDECIDED_EVENTS => sent.push(delivery.clone()),
            _ => *self = Self::TooMuch,
        }
    }
}

impl Client {
    pub(crate) fn new(
        socket: Socket,
        private_id: Box<str>,
        track: Arc<Track>,
        vocabulary: Vocabulary,
        decided: bool,
    ) -> Arc<Self> {
        let lineage = auth::lineage(Some(&private_id));
        let state = State {
            identity: None,
            warned: false,
            vocabulary,
            undecided: (!decided).then(|| Undecided::Sent(Vec::new())),
            stays: Stays::default(),
            typing: crate::commands::Typing::default(),
            told: Told::default(),
            heard_inbox: Seq::ZERO,
            status: Status::Online,
            read: HashMap::new(),
        };
        let client = Arc::new(Self {
            socket,
            private_id,
            lineage,
            track,
            foreign: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        client.track.belongs_to(&client);
        client
    }

    /// Who it is. `None`: nobody yet.
    pub(crate) fn user(&self) -> Option<Actor> {
        self.state.lock().identity.as_ref().map(|identity| identity.user.clone())
    }

    /// What it presented. `None`: nothing yet.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.state.lock().identity.clone()
    }

    /// Whether it is a guest, with a token or without one.
    pub(crate) fn is_guest(&self) -> bool {
        self.state.lock().identity.as_ref().is_some_and(|identity| identity.guest)
    }

    pub(crate) fn is(&self, user: &UserId) -> bool {
        self.state.lock().identity.as_ref().is_some_and(|identity| identity.user.id == *user)
    }

    /// Takes an identity on. `Some(true)`: it was nobody before. `None`: it is another user; a socket stays who it is.
    pub(crate) fn identify(&self, identity: Identity) -> Option<bool> {
        let mut state = self.state.lock();
        let first = state.identity.is_none();
        if state.identity.as_ref().is_some_and(|current| current.user.id != identity.user.id) {
            return None;
        }
        state.identity = Some(identity);
        state.warned = false;
        Some(first)
    }

    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.state.lock().identity.as_ref().and_then(|identity| identity.expires)
    }

    /// Whether the end of a session (`None`: of all that began up to `at`) concerns it.
    pub(crate) fn was_logged_out(&self, session: Option<&str>, at: Timestamp) -> bool {
        self.state.lock().identity.as_ref().is_some_and(|identity| match session {
            Some(session) => identity.session.as_deref() == Some(session),
            None => identity.issued <= at,
        })
    }

    /// True once per identity: the expiry has not been told before.
    pub(crate) fn expiry_told(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().warned, true)
    }

    pub(crate) fn vocabulary(&self) -> Vocabulary {
        self.state.lock().vocabulary
    }

    /// Decides the vocabulary, once. If it is not the one that was guessed, what was sent goes out again, before
    /// anything newer: both happen under the lock. If more was sent than was kept, the client comes back instead, and
    /// reads what it needs.
    pub(crate) fn decide(&self, vocabulary: Vocabulary) {
        let too_much = {
            let mut state = self.state.lock();
            let Some(undecided) = state.undecided.take() else { return };
            if state.vocabulary == vocabulary {
                return;
            }
            state.vocabulary = vocabulary;
            if let Undecided::Sent(sent) = &undecided {
                for delivery in sent {
                    self.send(vocabulary.render(&News::Delivery(delivery)));
                }
            }
            matches!(undecided, Undecided::TooMuch)
        };
        if too_much {
            self.end(Closing::VocabularyLate);
        }
    }

    /// Whether its vocabulary is still a guess.
    pub(crate) fn undecided(&self) -> bool {
        self.state.lock().undecided.is_some()
    }

    /// Puts a delivery on the socket's queue, in its vocabulary.
    /// `stream` is the room's, for the marks on its frames.
    pub(crate) fn deliver(&self, delivery: &Delivery, stream: u64, frames: &mut Frames) {
        let mut state = self.state.lock();
        if let Some(undecided) = &mut state.undecided {
            undecided.note(delivery);
        }
        let mark = Mark { stream, place: delivery.seq.0 };
        for frame in frames.of(state.vocabulary, &News::Delivery(delivery), Some(mark)) {
            // A closed socket's session ends by itself; a full queue closes it.
            let _ = self.socket.emit(frame);
        }
    }

    /// The vocabulary for ephemeral news of `room`; `None`: not for this client, or it was told before.
    pub(crate) fn ephemeral_as(&self, room: &RoomId, news: &Ephemeral) -> Option<Vocabulary> {
        let mut state = self.state.lock();
        let own = |user: &UserId| state.identity.as_ref().is_some_and(|identity| identity.user.id == *user);
        match news {
            Ephemeral::Typing { user, .. } | Ephemeral::Exited { user, .. } if own(&user.id) => return None,
            // A café tells the others alone (`cafe.md`, Key Features 5).
            Ephemeral::Entered { user, .. } if state.vocabulary == Vocabulary::Cafe && own(&user.id) => return None,
            Ephemeral::Receipt { user, .. } if own(user) => return None,
            Ephemeral::Superseded { .. } => return None,
            Ephemeral::Presence { user, at, .. } => {
                if own(user) {
                    return None;
                }
                // A café's event names the café, so each that is shared tells; elsewhere one copy is the others too.
                let named = (state.vocabulary == Vocabulary::Cafe).then_some(room);
                if !state.told.is_new(user, named, *at) {
                    return None;
                }
            }
            _ => {}
        }
        Some(state.vocabulary)
    }

    /// Tells this socket alone, in its vocabulary.
    pub(crate) fn tell(&self, news: &News<'_>) {
        self.send(self.vocabulary().render(news));
    }

    /// Tells this socket alone; while its vocabulary is a guess, in every enabled one. For connection events.
    pub(crate) fn tell_all(&self, news: &News<'_>) {
        if self.undecided() {
            let mut events: Vec<Outgoing> = Vec::new();
            for event in Vocabulary::ALL.into_iter().flat_map(|vocabulary| vocabulary.render(news)) {
                // Some say it in the same words.
                if !events.contains(&event) {
                    events.push(event);
                }
            }
            self.send(events);
        } else {
            self.tell(news);
        }
    }

    /// Closes the socket, having said why. A stock client comes back.
    pub(crate) fn end(&self, reason: impl Into<CloseReason>) {
        let reason = reason.into();
        self.tell_all(&News::Closing(reason));
        self.socket.close(reason);
    }

    /// Puts the client out: what it presented does not let it in, or no longer. A stock client does not come back.
    pub(crate) fn put_out(&self, message: &str) {
        let reason = CloseReason::ServerDisconnect;
        self.tell_all(&News::Unauthorized { message });
        self.tell_all(&News::Closing(reason));
        self.socket.disconnect(reason);
    }

    pub(crate) fn send(&self, events: impl IntoIterator<Item = Outgoing>) {
        for event in events {
            // A closed socket's session ends by itself.
            let _ = self.socket.emit(&Frame::event_raw("/", event.name, &event.body));
        }
    }

    /// Notes that it is in a room, by that membership version or a later one that is known. False: it is closed, was in it
    /// already, or its inbox has told of a removal since.
    pub(crate) fn entered(&self, room: &RoomId, version: u64) -> bool {
        let (entered, raised) = {
            let mut state = self.state.lock();
            let before = state.stays.by(room);
            (state.stays.enter(room, version), before.is_some() && state.stays.by(room) != before)
        };
        if raised {
            self.track.changed();
        }
        entered
    }

    /// Notes that it is in a room by that version at least. False: it is not in it.
    pub(crate) fn raise(&self, room: &RoomId, version: u64) -> bool {
        let is_in = self.state.lock().stays.raise(room, version);
        if is_in {
            self.track.changed();
        }
        is_in
    }

    /// What its inbox says up to `seq` needs no acting on.
    pub(crate) fn heard_inbox_through(&self, seq: Seq) {
        self.state.lock().heard_inbox = seq;
    }

    pub(crate) fn has_heard_inbox(&self, seq: Seq) -> bool {
        seq <= self.state.lock().heard_inbox
    }

    /// Its inbox has told it of a room that it is about to enter. To others it is there from now on, in what they are told
    /// of its user's coming and going.
    pub(crate) fn enters(&self, room: &RoomId) {
        self.state.lock().stays.expect(room);
    }

    /// It is in the room, or will not be.
    pub(crate) fn enters_no_more(&self, room: &RoomId) {
        self.state.lock().stays.expect_no_more(room);
    }

    /// Its inbox told that the user is out of a room since this version. It stays if it has come in again by a later one.
    pub(crate) fn removed(&self, room: &RoomId, version: u64) {
        if self.state.lock().stays.remove(room, version) {
            self.track.leave(room);
        }
    }

    /// Notes a leaving that made this version of the room's membership.
    pub(crate) fn left_by(&self, room: &RoomId, version: u64) -> Leaving {
        let leaving = {
            let mut state = self.state.lock();
            let leaving = state.stays.leave(room, version);
            if leaving == Leaving::Out {
                state.read.remove(room);
            }
            leaving
        };
        if leaving == Leaving::Out && self.track.leave(room) {
            self.socket.emit_offset();
        }
        leaving
    }

    /// Notes that this gateway cannot serve it in a room. Where it stands there is kept, for when it comes back.
    pub(crate) fn dropped(&self, room: &RoomId) {
        self.state.lock().stays.leave(room, ALWAYS);
    }

    /// It goes by the private id of a session that is another user's: nothing is written, renewed or ended there.
    pub(crate) fn disown(&self) {
        self.foreign.store(true, Ordering::Release);
        self.track.close();
    }

    /// Whether the session of its private id is its own.
    pub(crate) fn owns_session(&self) -> bool {
        !self.foreign.load(Ordering::Acquire)
    }

    /// What its user has said they are, on this device.
    pub(crate) fn status(&self) -> Status {
        self.state.lock().status
    }

    pub(crate) fn set_status(&self, status: Status) {
        self.state.lock().status = status;
    }

    /// Notes how far it has read in a channel that it is in. Returns where that was before.
    pub(crate) fn read_channel(&self, room: &RoomId, seq: Seq) -> Seq {
        let mut state = self.state.lock();
        if state.stays.by(room).is_none() {
            return seq;
        }
        let read = state.read.entry(room.clone()).or_insert(Seq::ZERO);
        std::mem::replace(read, seq.max(*read))
    }

    pub(crate) fn is_in(&self, room: &RoomId) -> bool {
        self.by(room).is_some()
    }

    /// The membership version by which it is in a room. `None`: it is not.
    pub(crate) fn by(&self, room: &RoomId) -> Option<u64> {
        self.state.lock().stays.by(room)
    }

    pub(crate) fn room_count(&self) -> usize {
        self.state.lock().stays.len()
    }

    /// The rooms it is in, its inbox included, and those it is about to enter.
    pub(crate) fn rooms(&self) -> Vec<RoomId> {
        self.state.lock().stays.all()
    }

    /// The channels it is in.
    pub(crate) fn channels(&self) -> Vec<RoomId> {
        self.state.lock().stays.channels()
    }

    /// The socket is gone: it enters no room any more. Returns those it was in, or about to enter.
    pub(crate) fn close(&self) -> Vec<WasIn> {
        self.state.lock().stays.close()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().stays.is_closed()
    }

    pub(crate) fn with_typing<T>(&self, act: impl FnOnce(&mut crate::commands::Typing) -> T) -> T {
        act(&mut self.state.lock().typing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_presence_is_told_once_or_once_for_each_room_that_is_named() {
        let mut told = Told::default();
        let (user, one, other) = (UserId::trusted("ann"), RoomId::trusted("one"), RoomId::trusted("other"));
        let (now, later) = (Timestamp(1), Timestamp(2));
        assert!(told.is_new(&user, None, now));
        assert!(!told.is_new(&user, None, now), "a copy through another room");
        assert!(told.is_new(&user, Some(&one), now) && told.is_new(&user, Some(&other), now));
        assert!(!told.is_new(&user, Some(&one), now));
        assert!(told.is_new(&user, Some(&one), later) && told.is_new(&user, None, later));
        assert!(!told.is_new(&user, Some(&one), now), "older than what was told");
        for n in 0..=TOLD {
            told.is_new(&UserId::trusted(format!("{n}")), None, now);
        }
        assert!(told.0.len() <= TOLD);
    }
}
