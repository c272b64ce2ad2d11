//! Hands what a client sends to the application, one thing at a time, in order.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::link::Link;
use crate::packet::{self, Awaited, Body, Content, Limits};
use crate::rooms::Namespace;
use crate::{
    Ack, Answer, Application, CloseReason, Config, Connect, Event, Fault, Frame, Refusal, Server, Session, Socket,
    metric,
};

type Running<S> = Pin<Box<dyn Future<Output = Done<S>> + Send>>;

/// What one connection's client is doing in its namespaces.
pub(crate) struct Dispatch<A: Application> {
    server: Arc<Server<A>>,
    link: Arc<Link>,
    attached: Vec<Attached<A::Session>>,
    queue: VecDeque<Work<A::Session>>,
    /// Bytes of the events in `queue`.
    bytes: usize,
    running: Option<Running<A::Session>>,
    refusals: usize,
    /// A packet whose attachments are not all there. Boxed: most clients never send one.
    incomplete: Option<Box<Incomplete>>,
    /// Namespaces that the application put the client out of, which the client may not have heard when it spoke.
    lost: Vec<Arc<Namespace>>,
}

struct Incomplete {
    /// None: of a namespace that the client was put out of.
    packet: Option<Bare>,
    awaited: Awaited,
}

/// A packet without its attachments.
struct Bare {
    socket: Socket,
    kind: Kind,
    args: Result<Vec<Box<RawValue>>, Fault>,
}

/// What a packet's content is for.
enum Kind {
    Event { id: Option<u64>, name: String },
    Ack { id: u64 },
}

struct Attached<S> {
    socket: Socket,
    /// None until the application has taken the client in.
    session: Option<Arc<S>>,
}

enum Work<S> {
    Connect { socket: Socket, auth: Option<Box<RawValue>> },
    Event { session: Arc<S>, event: Event },
    Left { session: Arc<S>, reason: CloseReason },
}

enum Done<S> {
    Connected(Socket, S),
    Refused(Socket, Refusal),
    Handled,
    Panicked,
}

impl<A: Application> Dispatch<A> {
    pub(crate) fn new(server: Arc<Server<A>>, link: Arc<Link>) -> Self {
        Self {
            server,
            link,
            attached: Vec::new(),
            queue: VecDeque::new(),
            bytes: 0,
            running: None,
            refusals: 0,
            incomplete: None,
            lost: Vec::new(),
        }
    }

    fn config(&self) -> &Config {
        self.server.config()
    }

    /// Whether the client is in no namespace and not about to be.
    pub(crate) fn is_alone(&self) -> bool {
        self.attached.is_empty()
    }

    /// Whether reading should pause until handlers have caught up. It goes on at half the bound, so that what is held
    /// back is not moved for every single event.
    pub(crate) fn is_full(&self, paused: bool) -> bool {
        let part = if paused { 2 } else { 1 };
        let config = self.config();
        self.queue.len() >= config.inbound_events.div_ceil(part) || self.bytes >= config.inbound_bytes.div_ceil(part)
    }

    /// Takes a Socket.IO packet.
    ///
    /// # Errors
    /// Why the transport must be closed.
    pub(crate) fn packet(&mut self, text: &str) -> Result<(), CloseReason> {
        if self.incomplete.is_some() {
            // Nothing may stand between a packet and its attachments (socket.io-parser, `Decoder.add`).
            return Err(CloseReason::ParseError);
        }
        let config = self.config();
        let limits = Limits { payload: config.max_payload, attachments: config.max_attachments };
        let packet = packet::decode(text, limits).map_err(|error| {
            tracing::debug!(%error, "undecodable packet");
            CloseReason::ParseError
        })?;
        let at = self.attached.iter().position(|a| a.socket.namespace() == packet.namespace);
        // The reference server closes on these too (socket.io, `Client.ondecoded`): a second CONNECT, and anything for a
        // namespace that the client is not in, or not yet.
        let Some(at) = at else {
            return match packet.body {
                Body::Connect { auth } => self.connect(packet.namespace, auth),
                body if self.lost.iter().any(|n| *n.name == *packet.namespace) => {
                    self.ignore(&body);
                    Ok(())
                }
                _ => Err(CloseReason::ParseError),
            };
        };
        let Some(session) = self.attached[at].session.clone() else { return Err(CloseReason::ParseError) };
        let (kind, content) = match packet.body {
            Body::Connect { .. } => return Err(CloseReason::ParseError),
            Body::Disconnect => {
                self.attached.swap_remove(at).socket.shut();
                self.queue.push_back(Work::Left { session, reason: CloseReason::ClientDisconnect });
                return Ok(());
            }
            Body::Event { id, name, content } => (Kind::Event { id, name }, content),
            Body::Ack { id, content } => (Kind::Ack { id }, content),
        };
        let Content { args, attachments } = content;
        if attachments == 0 {
            let answer = args.map(|args| Answer { args, attachments: Vec::new() });
            self.content(at, session, text.len(), kind, answer);
            return Ok(());
        }
        let awaited = Awaited::new(attachments, text.len(), args.is_ok());
        let socket = self.attached[at].socket.clone();
        self.incomplete = Some(Box::new(Incomplete { packet: Some(Bare { socket, kind, args }), awaited }));
        Ok(())
    }

    /// It was on its way when the application put the client out; its attachments still are.
    fn ignore(&mut self, body: &Body) {
        if let Body::Event { content, .. } | Body::Ack { content, .. } = body
            && content.attachments > 0
        {
            let awaited = Awaited::new(content.attachments, 0, false);
            self.incomplete = Some(Box::new(Incomplete { packet: None, awaited }));
        }
    }

    /// Takes a binary message: an attachment of the packet before it.
    ///
    /// # Errors
    /// Why the transport must be closed.
    pub(crate) fn binary(&mut self, data: Bytes) -> Result<(), CloseReason> {
        let (max_payload, max_frame) = (self.config().max_payload, self.config().max_frame);
        let incomplete = self.incomplete.as_mut().ok_or(CloseReason::ParseError)?;
        incomplete.awaited.take(data, max_payload, max_frame)?;
        if !incomplete.awaited.is_complete() {
            return Ok(());
        }
        let Some(complete) = self.incomplete.take() else { return Ok(()) };
        let Incomplete { packet: Some(Bare { socket, kind, args }), awaited } = *complete else { return Ok(()) };
        // Unless it has left the namespace meanwhile.
        let attached = self.attached.iter().enumerate().find(|(_, a)| a.socket.key() == socket.key());
        if let Some((at, Attached { session: Some(session), .. })) = attached {
            let bytes = awaited.bytes();
            let answer = args.and_then(|args| Ok(Answer { args, attachments: awaited.finish()? }));
            self.content(at, session.clone(), bytes, kind, answer);
        }
        Ok(())
    }

    fn content(
        &mut self,
        at: usize,
        session: Arc<A::Session>,
        bytes: usize,
        kind: Kind,
        content: Result<Answer, Fault>,
    ) {
        let socket = &self.attached[at].socket;
        match kind {
            // At once: a handler may be waiting for it.
            Kind::Ack { id } => socket.answered(id, content),
            Kind::Event { id, name } => {
                let (Answer { args, attachments }, fault) = match content {
                    Ok(answer) => (answer, None),
                    Err(fault) => (Answer { args: Vec::new(), attachments: Vec::new() }, Some(fault)),
                };
                let ack = id.map(|id| Ack::new(socket.clone(), id));
                let event = Event { name, args, attachments, bytes, fault, ack };
                self.bytes += weight(&event);
                metric::event_in();
                self.queue.push_back(Work::Event { session, event });
            }
        }
    }

    fn connect(&mut self, namespace: &str, auth: Option<Box<RawValue>>) -> Result<(), CloseReason> {
        let Some(namespace) = self.server.namespace(namespace) else {
            let frame = Frame::text(&packet::refused(namespace, &Refusal::new("Invalid namespace")));
            let _ = self.link.push(frame);
            return self.refused();
        };
        if self.attached.len() >= self.config().max_namespaces {
            let frame = Frame::text(&packet::refused(&namespace.name, &Refusal::new("Too many namespaces")));
            let _ = self.link.push(frame);
            return self.refused();
        }
        let socket = Socket::new(namespace, self.link.clone(), self.config().max_pending_acks);
        if self.link.turned_away {
            self.turn_away(&socket);
            return Ok(());
        }
        self.lost.retain(|n| *n.name != *socket.namespace());
        self.attached.push(Attached { socket: socket.clone(), session: None });
        self.queue.push_back(Work::Connect { socket, auth });
        Ok(())
    }

    fn refused(&mut self) -> Result<(), CloseReason> {
        self.refusals += 1;
        if self.refusals > self.config().max_refusals { Err(CloseReason::TooManyRefusals) } else { Ok(()) }
    }

    /// Tells a newcomer that the server is full, without asking the application.
    fn turn_away(&self, socket: &Socket) {
        socket.open();
        if let Some(full) = &self.config().full_event {
            let _ = socket.emit_event(&full.name, &full.arg);
        }
        socket.close(CloseReason::ServerFull);
        socket.shut();
    }

    /// Takes note of sockets that the application has put out of their namespace.
    fn put_out(&mut self) {
        while let Some(at) = self.attached.iter().position(|a| a.socket.is_put_out()) {
            let Attached { socket, session } = self.attached.swap_remove(at);
            socket.shut();
            self.lost.extend(self.server.namespace(socket.namespace()));
            if let Some(session) = session {
                self.queue.push_back(Work::Left { session, reason: CloseReason::ServerDisconnect });
            }
        }
    }

    /// Runs handlers until one has to wait, or all is done (then ready).
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.put_out();
            if let Some(running) = &mut self.running {
                let done = ready!(running.as_mut().poll(cx));
                self.running = None;
                // It may have left something to run next.
                self.finish(done);
                continue;
            }
            let Some(work) = self.queue.pop_front() else {
                if self.queue.capacity() > 0 {
                    self.queue = VecDeque::new();
                }
                return Poll::Ready(());
            };
            self.start(work);
        }
    }

    fn start(&mut self, work: Work<A::Session>) {
        match work {
            // It will never hear the answer.
            Work::Connect { socket, .. } if self.link.closing().is_some() => self.detach(&socket),
            Work::Connect { socket, auth } => {
                let request = request(&self.link, auth);
                let server = self.server.clone();
                self.run(async move {
                    match server.app().connect(socket.clone(), request).await {
                        Ok(session) => Done::Connected(socket, session),
                        Err(refusal) => Done::Refused(socket, refusal),
                    }
                });
            }
            Work::Event { session, event } => {
                self.bytes -= weight(&event);
                self.run(async move {
                    session.event(event).await;
                    Done::Handled
                });
            }
            Work::Left { session, reason } => self.run(async move {
                session.closed(reason).await;
                Done::Handled
            }),
        }
    }

    fn run(&mut self, future: impl Future<Output = Done<A::Session>> + Send + 'static) {
        let future = AssertUnwindSafe(future).catch_unwind();
        self.running = Some(Box::pin(async move { future.await.unwrap_or(Done::Panicked) }));
    }

    fn finish(&mut self, done: Done<A::Session>) {
        match done {
            Done::Handled => {}
            Done::Panicked => self.link.close(CloseReason::Internal, false),
            Done::Connected(socket, session) => {
                let session = Arc::new(session);
                if let Some(attached) = self.attached.iter_mut().find(|a| a.socket.key() == socket.key()) {
                    attached.session = Some(session.clone());
                }
                socket.open();
                self.run(async move {
                    session.opened().await;
                    Done::Handled
                });
            }
            Done::Refused(socket, refusal) => {
                socket.refuse(&refusal);
                self.detach(&socket);
                if let Err(reason) = self.refused() {
                    self.link.close(reason, false);
                }
            }
        }
    }

    fn detach(&mut self, socket: &Socket) {
        self.attached.retain(|a| a.socket.key() != socket.key());
    }

    /// The server closes the transport by its own will: what was read and not handled is dropped.
    pub(crate) fn drop_events(&mut self) {
        self.incomplete = None;
        self.queue.retain(|w| matches!(w, Work::Left { .. }));
        self.bytes = 0;
    }

    /// The transport is gone: no emit is taken any more, and waiting acks end.
    pub(crate) fn shut(&mut self) {
        self.incomplete = None;
        for attached in &self.attached {
            attached.socket.shut();
        }
    }

    /// Runs what is left, then tells every session that it is closed.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>, reason: CloseReason) -> Poll<()> {
        loop {
            ready!(self.poll(cx));
            let Some(Attached { socket, session }) = self.attached.pop() else { return Poll::Ready(()) };
            socket.shut();
            if let Some(session) = session {
                self.run(async move {
                    session.closed(reason).await;
                    Done::Handled
                });
            }
        }
    }
}

/// What a waiting event holds, in bytes: of one with a fault, only the name was kept.
fn weight(event: &Event) -> usize {
    if event.fault.is_some() { event.name.len() } else { event.bytes }
}

/// What stock clients merge into the auth object (socket.io-client, `_sendConnectPacket`).
#[derive(Deserialize, Default)]
struct Resume {
    #[serde(default, deserialize_with = "text_or_nothing")]
    pid: Option<String>,
    #[serde(default, deserialize_with = "text_or_nothing")]
    offset: Option<String>,
}

/// Anything but a string there is the application's own, and none of ours.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(value)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    })
}

fn request(link: &Link, auth: Option<Box<RawValue>>) -> Connect {
    let resume: Resume =
        auth.as_ref().map(|auth| serde_json::from_str(auth.get()).unwrap_or_default()).unwrap_or_default();
    Connect { auth, pid: resume.pid, offset: resume.offset, handshake: Arc::new(link.handshake.restore()) }
}
