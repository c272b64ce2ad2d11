//! A client in a namespace, as the application speaks to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::ack::{self, Pending};
use crate::app::Fault;
use crate::handshake::random_id;
use crate::link::Link;
use crate::offsets::Tracker;
use crate::packet;
use crate::rooms::Namespace;
use crate::{AckError, Answer, Broadcast, CloseReason, Frame, Offsets, Refusal, Transport};

/// The socket is closed, being closed, or not connected yet: nothing was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the socket is not open")]
pub struct Closed;

/// Why an event was not sent.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The socket is not open.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The argument cannot be written as JSON.
    #[error("the argument cannot be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
}

const CONNECTING: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;
/// The application put it out of the namespace; the connection's task has not seen it yet.
const PUT_OUT: u8 = 3;

/// A client in a namespace. Cloning it copies a reference; a clone may outlive the connection, and is then closed.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: OnceLock<Box<str>>,
    namespace: Arc<Namespace>,
    link: Arc<Link>,
    state: AtomicU8,
    max_acks: usize,
    acks: Mutex<Option<Box<Pending>>>,
    private_id: Mutex<Option<Box<str>>>,
}

impl Socket {
    pub(crate) fn new(namespace: Arc<Namespace>, link: Arc<Link>, max_acks: usize) -> Self {
        Self(Arc::new(Inner {
            id: OnceLock::new(),
            namespace,
            link,
            state: AtomicU8::new(CONNECTING),
            max_acks,
            acks: Mutex::default(),
            private_id: Mutex::default(),
        }))
    }

    /// The socket's public id, new for every CONNECT unless [`set_id`](Self::set_id) restored one.
    pub fn id(&self) -> &str {
        self.0.id.get_or_init(|| random_id().into_boxed_str())
    }

    /// The namespace that the client is in.
    pub fn namespace(&self) -> &str {
        &self.0.namespace.name
    }

    /// The Engine.IO session id, which other namespaces of the same connection share. A polling client's credential:
    /// not for logs.
    pub fn sid(&self) -> &str {
        &self.0.link.sid
    }

    /// The TCP peer.
    pub fn remote(&self) -> SocketAddr {
        self.0.link.handshake.remote
    }

    /// The client's address, as [`Config::client_address`](crate::Config::client_address) told it.
    pub fn client(&self) -> IpAddr {
        self.0.link.handshake.client
    }

    /// How the client is connected now: an upgrade changes it.
    pub fn transport(&self) -> Transport {
        self.0.link.transport()
    }

    /// Sets the private id that the CONNECT answer will carry as `pid`. Of use only within
    /// [`Application::connect`](crate::Application::connect); without it no `pid` is sent.
    pub fn set_private_id(&self, id: impl Into<String>) {
        *self.0.private_id.lock() = Some(id.into().into_boxed_str());
    }

    /// Restores the public id of a socket that comes back. Of use only within
    /// [`Application::connect`](crate::Application::connect), before the id was asked for.
    pub fn set_id(&self, id: impl Into<String>) {
        // Asked for already: then the client has another.
        let _ = self.0.id.set(id.into().into_boxed_str());
    }

    /// Has `offsets` told what goes out on this connection, and what it says sent as an event of that name in this
    /// namespace. Once for a connection: of its namespaces, one is followed.
    pub fn set_offsets(&self, event: &str, offsets: Arc<dyn Offsets>) {
        // Set already: the first one stays.
        let _ = self.0.link.tracker.set(Tracker::new(self.namespace(), event, offsets));
    }

    /// Asks for an offset event behind what is queued, although nothing with a mark may be.
    pub fn emit_offset(&self) {
        self.0.link.ask_for_offset();
    }

    /// Pings the client before the ping interval is over, unless it is being pinged: its answer confirms what went out
    /// before ([`Offsets::ponged`](crate::Offsets::ponged)), and the interval begins anew.
    pub fn ping(&self) {
        self.0.link.ask_for_ping();
    }

    /// Puts the socket into a room of its namespace on this server; it leaves all of them when it closes. False: it is
    /// not open, or in the room already.
    pub fn join(&self, room: &str) -> bool {
        self.0.namespace.join(self, room)
    }

    /// Takes the socket out of a room. False: it was not in it.
    pub fn leave(&self, room: &str) -> bool {
        self.0.namespace.quit(self, room)
    }

    /// An operation on the other sockets in a room of its namespace: its own news for them.
    pub fn to(&self, room: &str) -> Broadcast {
        Broadcast::new(Some(self.0.namespace.clone())).to(room).except_socket(self)
    }

    /// The rooms that the socket is in, in the order of joining.
    pub fn rooms(&self) -> Vec<Box<str>> {
        self.0.namespace.rooms_of(self)
    }

    /// Queues a reference to bytes encoded for this namespace. Never blocks.
    ///
    /// # Errors
    /// [`Closed`]: nothing was queued. A frame that does not fit into the queue closes the connection.
    pub fn emit(&self, frame: &Frame) -> Result<(), Closed> {
        debug_assert!(
            self.namespace() == "/" || frame.packets().contains(self.namespace()),
            "a frame of another namespace"
        );
        if self.0.state.load(Ordering::Acquire) != OPEN {
            return Err(Closed);
        }
        self.0.link.push(frame.clone())
    }

    /// Queues a frame only if it can go out at once: nothing else waits for this client, and it is listening. For what
    /// is worth something only now. False: it was dropped.
    ///
    /// # Errors
    /// [`Closed`], as [`emit`](Self::emit).
    pub fn emit_volatile(&self, frame: &Frame) -> Result<bool, Closed> {
        if self.0.state.load(Ordering::Acquire) != OPEN {
            return Err(Closed);
        }
        self.0.link.push_volatile(frame)
    }

    /// Encodes and queues an event with one argument, for this socket alone.
    ///
    /// # Errors
    /// The socket is not open, or the argument cannot be written as JSON.
    pub fn emit_event(&self, name: &str, arg: &(impl Serialize + ?Sized)) -> Result<(), EmitError> {
        Ok(self.emit(&Frame::event(self.namespace(), name, arg)?)?)
    }

    /// Queues an event with one argument and waits for the client's answer. Dropping the future gives up waiting.
    ///
    /// # Errors
    /// See [`AckError`].
    pub async fn emit_with_ack(
        &self,
        name: &str,
        arg: &(impl Serialize + ?Sized),
        timeout: Duration,
    ) -> Result<Answer, AckError> {
        let json = serde_json::to_string(arg).map_err(EmitError::from)?;
        self.ask(timeout, |id| Frame::text(&packet::event(self.namespace(), name, Some(id), &[&json]))).await
    }

    /// Queues an event with binary data, as [`Frame::event_binary`] has it, and waits for the client's answer. Dropping
    /// the future gives up waiting.
    ///
    /// # Errors
    /// See [`AckError`].
    pub async fn emit_binary_with_ack(
        &self,
        name: &str,
        args: &[&RawValue],
        attachments: &[Bytes],
        timeout: Duration,
    ) -> Result<Answer, AckError> {
        self.ask(timeout, |id| Frame::binary_event(self.namespace(), name, Some(id), args, attachments)).await
    }

    async fn ask(&self, timeout: Duration, frame: impl FnOnce(u64) -> Frame) -> Result<Answer, AckError> {
        let added = self.0.acks.lock().get_or_insert_default().add(self.0.max_acks);
        let (id, receiver) = added.ok_or(AckError::TooMany)?;
        if let Err(closed) = self.emit(&frame(id)) {
            self.forget_ack(id);
            return Err(EmitError::from(closed).into());
        }
        ack::wait(self, id, receiver, timeout).await
    }

    /// Puts the client out: DISCONNECT of this namespace, then, what is queued having been flushed, the transport is
    /// closed. A stock client does not come back by itself.
    pub fn disconnect(&self, reason: CloseReason) {
        // Closed already: then the client hears of it in another way.
        let _ = self.emit(&Frame::text(&packet::disconnect(self.namespace())));
        self.0.link.close(reason, false);
    }

    /// Puts the client out of this namespace alone (SIO5 § "Disconnection from a namespace"): the connection and its
    /// other namespaces live on.
    pub fn disconnect_namespace(&self) {
        // Closed already: then the client hears of it in another way.
        let _ = self.emit(&Frame::text(&packet::disconnect(self.namespace())));
        if self.0.state.compare_exchange(OPEN, PUT_OUT, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.0.link.wake();
        }
    }

    /// Closes the transport once what is queued has been flushed. A stock client comes back.
    pub fn close(&self, reason: CloseReason) {
        self.0.link.close(reason, false);
    }

    /// What is queued for this client and not yet written, in bytes; each frame counts 32 more than it holds.
    pub fn queued_bytes(&self) -> usize {
        self.0.link.queued_bytes()
    }

    /// Whether an emit would be taken.
    pub fn is_open(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == OPEN && self.0.link.closing().is_none()
    }

    /// The application took the client in: queues the CONNECT answer, then lets emits through.
    pub(crate) fn open(&self) {
        let pid = self.0.private_id.lock().take();
        let answer = packet::connected(self.namespace(), self.id(), pid.as_deref());
        // Closed meanwhile: the session will hear of it.
        let _ = self.0.link.push(Frame::text(&answer));
        if self.0.state.compare_exchange(CONNECTING, OPEN, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.0.namespace.enter(self);
        }
    }

    /// Whether the application put it out of the namespace, and it has not been shut since.
    pub(crate) fn is_put_out(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == PUT_OUT
    }

    /// A number that is this socket's alone while it lives.
    pub(crate) fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The application refused the client: queues CONNECT_ERROR.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        self.shut();
        let _ = self.0.link.push(Frame::text(&packet::refused(self.namespace(), refusal)));
    }

    /// The client is no longer in the namespace: emits are refused, and waiting acks end.
    pub(crate) fn shut(&self) {
        if self.0.state.swap(CLOSED, Ordering::AcqRel) != CONNECTING {
            self.0.namespace.leave(self);
        }
        drop(self.0.acks.lock().take());
    }

    pub(crate) fn answered(&self, id: u64, answer: Result<Answer, Fault>) {
        if let Some(pending) = self.0.acks.lock().as_mut() {
            pending.answer(id, answer);
        }
    }

    pub(crate) fn forget_ack(&self, id: u64) {
        if let Some(pending) = self.0.acks.lock().as_mut() {
            pending.forget(id);
        }
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}
