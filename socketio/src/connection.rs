//! The one task of a connection: reads, runs handlers, writes and keeps time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::dispatch::Dispatch;
use crate::engine::Payload;
use crate::engine::packet::{self, Packet, SEPARATOR};
use crate::heartbeat::{Beat, Heartbeat};
use crate::link::Link;
use crate::ws::{self, Flow, Message, Wire};
use crate::{Application, CloseReason, Config, Frame, Server};

/// For the peer to end its side, once ours has ended.
const LINGER: Duration = Duration::from_secs(1);
/// Reads between two writes, so that a client that floods still hears answers.
const READS: usize = 8;

/// What carries a connection's packets. An upgrade will put a wire in the place of polling.
pub(crate) enum Carrier {
    WebSocket(Wire),
    /// With the payload that is being worked through.
    Polling(Option<Payload>),
    Gone,
}

/// One Engine.IO session, as a future to be spawned: it ends when all its sockets have been closed.
pub(crate) struct Connection<A: Application> {
    server: Arc<Server<A>>,
    link: Arc<Link>,
    carrier: Carrier,
    phase: Phase,
    dispatch: Dispatch<A>,
    heart: Heartbeat,
    /// When the client must be in a namespace; none while it is in one.
    connect_by: Option<Instant>,
    /// Reading waits for handlers.
    paused: bool,
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Open,
    /// Writing what is queued.
    Flushing(CloseReason, Instant),
    /// Writing the close frame.
    Finishing(CloseReason, Instant),
    /// Our side has ended; waiting for the peer's end.
    Lingering(CloseReason, Instant),
    /// The transport is gone; handlers finish.
    Gone(CloseReason),
}

impl<A: Application> Connection<A> {
    pub(crate) fn new(server: Arc<Server<A>>, link: Arc<Link>, carrier: Carrier) -> Self {
        let now = Instant::now();
        let heart = Heartbeat::new(now, server.config().ping_interval);
        let connect_by = now + server.config().connect_timeout;
        let timer = Box::pin(tokio::time::sleep_until(heart.at.min(connect_by)));
        Self {
            dispatch: Dispatch::new(server.clone(), link.clone()),
            server,
            link,
            carrier,
            phase: Phase::Open,
            heart,
            connect_by: Some(connect_by),
            paused: false,
            timer,
        }
    }

    /// Takes bytes that came along with the HTTP request.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let (mut inbound, carrier) = self.inbound();
        if let Carrier::WebSocket(wire) = carrier
            && let Err(reason) = wire.feed(&mut bytes, inbound.max(), &mut |m| inbound.message(m))
        {
            self.leave(reason, false);
        }
    }

    fn inbound(&mut self) -> (Inbound<'_, A>, &mut Carrier) {
        let inbound = Inbound {
            config: self.server.config(),
            link: &self.link,
            dispatch: &mut self.dispatch,
            heart: &mut self.heart,
            paused: &mut self.paused,
        };
        (inbound, &mut self.carrier)
    }

    /// One round of an open connection. A reason: it must be closed.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Option<CloseReason> {
        let mut reads = 0;
        loop {
            // Whether handlers are done does not matter here: each that waits has the waker.
            let _ = self.dispatch.poll(cx);
            if self.link.closing().is_some() {
                break;
            }
            if reads == READS {
                cx.waker().wake_by_ref();
                break;
            }
            match self.poll_read(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => reads += 1,
                Poll::Ready(Err(reason)) => return Some(reason),
            }
        }
        if let Carrier::WebSocket(wire) = &mut self.carrier
            && let Poll::Ready(Err(_)) = wire.poll_flush(cx, &self.link)
        {
            return Some(CloseReason::TransportError);
        }
        self.poll_times(cx)
    }

    /// Reads once, unless handlers have enough to do: then one of them is waiting and will wake this task.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let was_paused = self.paused;
        self.paused = self.dispatch.is_full(was_paused);
        if self.paused {
            return Poll::Pending;
        }
        let (mut inbound, carrier) = self.inbound();
        let max = inbound.max();
        match carrier {
            Carrier::WebSocket(wire) if was_paused => Poll::Ready(wire.feed(&mut [], max, &mut |m| inbound.message(m))),
            Carrier::WebSocket(wire) => wire.poll_read(cx, max, &mut |m| inbound.message(m)),
            Carrier::Polling(payload) => inbound.poll_payload(payload),
            Carrier::Gone => Poll::Pending,
        }
    }

    /// Does what is due. A reason: a time limit has passed.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Option<CloseReason> {
        loop {
            let now = Instant::now();
            self.connect_by = match self.connect_by {
                _ if !self.dispatch.is_alone() => None,
                None => Some(now + self.config().connect_timeout),
                some => some,
            };
            let stall_by = match &self.carrier {
                Carrier::WebSocket(wire) => wire.stalled.map(|since| since + self.config().write_stall),
                _ => None,
            };
            let mut next = self.heart.at;
            for limit in [self.connect_by, stall_by].into_iter().flatten() {
                next = next.min(limit);
            }
            if !self.is_due(cx, next) {
                return None;
            }
            let now = Instant::now();
            if self.connect_by.is_some_and(|by| by <= now) {
                return Some(CloseReason::ConnectTimeout);
            }
            if stall_by.is_some_and(|by| by <= now) {
                return Some(CloseReason::SlowConsumer);
            }
            let held = self.paused || matches!(self.carrier, Carrier::Polling(Some(_)));
            match self.heart.beat(now, self.server.config().ping_timeout, held) {
                Beat::Dead => return Some(CloseReason::PingTimeout),
                // Refused only while the link is being closed, of which this task hears.
                Beat::Ping => drop(self.link.push(Frame::ping())),
                Beat::Nothing => {}
            }
        }
    }

    /// Whether `time` has come; if not, the task will be woken then. The timer is set anew only to an earlier time or
    /// once it has fired: waking early now and then costs less than moving it with every write.
    fn is_due(&mut self, cx: &mut Context<'_>, time: Instant) -> bool {
        let mut timer = self.timer.as_mut();
        if time < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(time);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= time {
                return true;
            }
            timer.as_mut().reset(time);
        }
        false
    }

    fn config(&self) -> &Config {
        self.server.config()
    }

    /// Begins to close. What the peer caused leaves its events to be handled; what the server wants, drops them.
    fn leave(&mut self, reason: CloseReason, by_server: bool) {
        self.link.close(reason, false);
        if by_server {
            self.dispatch.drop_events();
        }
        self.dispatch.shut();
        let over = match &mut self.carrier {
            Carrier::WebSocket(_) => reason.abrupt(),
            Carrier::Polling(payload) => {
                if let Some(payload) = payload.take()
                    && reason == CloseReason::TransportClose
                {
                    // The POST that said so. It may have gone away meanwhile.
                    let _ = payload.done.send(());
                }
                reason.abrupt() || reason == CloseReason::TransportClose
            }
            Carrier::Gone => true,
        };
        if over {
            self.gone(reason);
        } else {
            self.phase = Phase::Flushing(reason, Instant::now() + self.config().close_timeout);
        }
    }

    /// One step of closing. False: nothing more can be done now.
    fn poll_close(&mut self, cx: &mut Context<'_>, reason: CloseReason, by: Instant) -> bool {
        // Whether handlers are done does not matter here either.
        let _ = self.dispatch.poll(cx);
        let aborted = self.link.closing().is_some_and(|c| c.abort);
        if aborted || self.is_due(cx, by) {
            self.gone(reason);
            return true;
        }
        let step = match (&mut self.carrier, self.phase) {
            (Carrier::WebSocket(wire), Phase::Flushing(..)) => {
                let flushed = wire.poll_flush(cx, &self.link);
                if let Poll::Ready(Ok(())) = flushed {
                    wire.finish_with(Frame::control(ws::Opcode::Close, &ws::close_payload(reason)));
                }
                flushed.map_ok(|()| Phase::Finishing(reason, by))
            }
            (Carrier::WebSocket(wire), Phase::Finishing(..)) => {
                let linger = by.min(Instant::now() + LINGER);
                wire.poll_finish(cx, &self.link).map_ok(|()| Phase::Lingering(reason, linger))
            }
            (Carrier::WebSocket(wire), _) => wire.poll_discard(cx).map(|()| Ok(Phase::Gone(reason))),
            // Pending GETs take the rest; the last of them wakes this task.
            (Carrier::Polling(_), _) if self.link.mailbox.as_ref().is_some_and(|m| !m.told()) => Poll::Pending,
            _ => Poll::Ready(Ok(Phase::Gone(reason))),
        };
        match step {
            Poll::Pending => return false,
            Poll::Ready(Ok(Phase::Gone(_)) | Err(_)) => self.gone(reason),
            Poll::Ready(Ok(phase)) => self.phase = phase,
        }
        true
    }

    /// Gives up the transport and its place on the server.
    fn gone(&mut self, reason: CloseReason) {
        if let Carrier::WebSocket(wire) = &mut self.carrier {
            // Whatever the kernel still holds, this peer has not read in time.
            if !matches!(self.phase, Phase::Lingering(..)) {
                wire.reset();
            }
            wire.abandon(&self.link);
        }
        self.carrier = Carrier::Gone;
        self.phase = Phase::Gone(reason);
        self.link.clear();
        self.server.leave(&self.link, reason);
    }
}

impl<A: Application> Future for Connection<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.task.register(cx.waker());
        loop {
            match this.phase {
                Phase::Open => {
                    let end = match this.link.closing() {
                        Some(closing) => Some((closing.reason, true)),
                        // If a handler closes the link in this round, it wakes this task for another.
                        None => this.poll_open(cx).map(|reason| (reason, false)),
                    };
                    let Some((reason, by_server)) = end else { return Poll::Pending };
                    this.leave(reason, by_server);
                }
                Phase::Flushing(reason, by) | Phase::Finishing(reason, by) | Phase::Lingering(reason, by) => {
                    if !this.poll_close(cx, reason, by) {
                        return Poll::Pending;
                    }
                }
                Phase::Gone(reason) => return this.dispatch.poll_end(cx, reason),
            }
        }
    }
}

impl<A: Application> Drop for Connection<A> {
    /// The runtime is shutting down, if the transport is still there.
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Gone(_)) {
            self.link.close(CloseReason::Draining, true);
            self.link.clear();
            self.server.leave(&self.link, CloseReason::Draining);
        }
    }
}

/// What takes a client's packets.
struct Inbound<'a, A: Application> {
    config: &'a Config,
    link: &'a Link,
    dispatch: &'a mut Dispatch<A>,
    heart: &'a mut Heartbeat,
    paused: &'a mut bool,
}

impl<A: Application> Inbound<'_, A> {
    /// Bytes of the largest message: a client that is in no namespace has no use for one that is refused by ack.
    fn max(&self) -> usize {
        if self.dispatch.is_alone() { self.config.max_payload } else { self.config.max_frame }
    }

    fn message(&mut self, message: Message<'_>) -> Result<Flow, CloseReason> {
        match message {
            Message::Text(text) => return self.text(text),
            Message::Binary => return Err(CloseReason::Unsupported),
            // Refused only while the link is being closed.
            Message::Ping(payload) => drop(self.link.push(Frame::control(ws::Opcode::Pong, payload))),
            Message::Pong => {}
            Message::Close => return Err(CloseReason::TransportClose),
        }
        Ok(Flow::More)
    }

    fn text(&mut self, text: &str) -> Result<Flow, CloseReason> {
        match packet::decode(text)? {
            Packet::Close => return Err(CloseReason::TransportClose),
            Packet::Pong => self.pong(),
            Packet::Noop => {}
            Packet::Message(message) => self.dispatch.packet(message)?,
        }
        *self.paused = self.dispatch.is_full(false);
        Ok(if *self.paused { Flow::Pause } else { Flow::More })
    }

    /// A client that answers has read all that was written before the ping: the place where the number of confirmed
    /// flushes will rise.
    fn pong(&mut self) {
        self.heart.pong(Instant::now(), self.config.ping_interval);
    }

    fn poll_payload(&mut self, place: &mut Option<Payload>) -> Poll<Result<(), CloseReason>> {
        if place.is_none() {
            *place = self.link.mailbox.as_ref().and_then(|m| m.take());
        }
        let Some(payload) = place else { return Poll::Pending };
        while let Some(rest) = payload.text.get(payload.at..) {
            let packet = rest.split_once(SEPARATOR).map_or(rest, |(packet, _)| packet);
            payload.at += packet.len() + 1;
            if self.text(packet)? == Flow::Pause {
                break;
            }
        }
        if payload.at > payload.text.len()
            && let Some(payload) = place.take()
        {
            // The POST may have gone away meanwhile.
            let _ = payload.done.send(());
        }
        Poll::Ready(Ok(()))
    }
}
