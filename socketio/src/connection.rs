//! The one task of a connection: reads, runs handlers, writes and keeps time.

use std::future::Future;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::dispatch::Dispatch;
use crate::engine::Payload;
use crate::heartbeat::{Beat, Heartbeat};
use crate::inbound::Inbound;
use crate::link::Link;
use crate::ws::{self, Flushed, Incoming, outgoing};
use crate::{Application, CloseReason, Config, Frame, Server};

/// Reads between two writes, so that a client that floods still hears answers.
const READS: usize = 8;

/// What brings a connection's packets. An upgrade puts a WebSocket in the place of polling.
pub(crate) enum Carrier {
    WebSocket(Incoming),
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
    /// So have they.
    Ended,
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
    pub(crate) fn feed(&mut self, mut bytes: Vec<u8>) {
        let (mut inbound, carrier) = self.inbound();
        if let Carrier::WebSocket(incoming) = carrier
            && let Err(reason) = incoming.feed(&mut bytes, inbound.max(), &mut |m| inbound.message(m))
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
        if let Some(reason) = self.poll_times(cx) {
            return Some(reason);
        }
        // The time limit of a write that the kernel refuses begins with it.
        if self.poll_flush(cx).is_pending() { self.poll_times(cx) } else { None }
    }

    /// Writes what is queued. Pending: the kernel takes no more for now, or somebody else is writing.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Carrier::WebSocket(incoming) = &self.carrier else { return Poll::Ready(()) };
        loop {
            match outgoing::flush(&self.link) {
                Flushed::Done => return Poll::Ready(()),
                Flushed::Busy => return Poll::Pending,
                Flushed::Blocked => {}
            }
            // An error shows itself at the next write.
            let _ = ready!(incoming.stream.tcp.poll_write_ready(cx));
            self.link.unblock();
        }
    }

    /// Reads once, unless handlers have enough to do: then one of them is waiting and will wake this task.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let was_paused = self.paused;
        self.paused = self.dispatch.is_full(was_paused);
        if self.paused {
            return Poll::Pending;
        }
        let upgraded = self.take_over();
        let (mut inbound, carrier) = self.inbound();
        let max = inbound.max();
        match carrier {
            Carrier::WebSocket(incoming) if was_paused || upgraded => {
                Poll::Ready(incoming.feed(&mut [], max, &mut |m| inbound.message(m)))
            }
            Carrier::WebSocket(incoming) => incoming.poll_read(cx, max, &mut |m| inbound.message(m)),
            Carrier::Polling(payload) => inbound.poll_payload(payload),
            Carrier::Gone => Poll::Pending,
        }
    }

    /// Goes over to the WebSocket that has taken polling's place, once what polling brought is handled. True: just now,
    /// and what came behind the upgrade is still held back.
    fn take_over(&mut self) -> bool {
        if let Carrier::Polling(None) = self.carrier
            && let Some(mailbox) = &self.link.mailbox
            && !mailbox.holds_payload()
            && let Some(incoming) = mailbox.take_over()
        {
            self.carrier = Carrier::WebSocket(*incoming);
            return true;
        }
        false
    }

    /// Does what is due. A reason: a time limit has passed.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Option<CloseReason> {
        if self.link.takes_ping() {
            self.heart.hurry(Instant::now());
        }
        loop {
            let now = Instant::now();
            self.connect_by = match self.connect_by {
                _ if !self.dispatch.is_alone() || self.config().engine.is_some() => None,
                None => Some(now + self.config().connect_timeout),
                some => some,
            };
            let stall_by = self.link.stalled().map(|since| since + self.config().write_stall);
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
            if aborted {
                // Not at its end in good order, however far it got.
                self.phase = Phase::Flushing(reason, by);
            }
            self.gone(reason);
            return true;
        }
        self.take_over();
        let flushed = self.poll_flush(cx);
        let step = match (&self.carrier, self.phase) {
            (Carrier::WebSocket(_), Phase::Flushing(..)) => flushed.map(|()| {
                // Past the queue's bound: it is the last.
                self.link.push_last(Frame::control(ws::Opcode::Close, &ws::close_payload(reason)));
                Phase::Finishing(reason, by)
            }),
            (Carrier::WebSocket(incoming), Phase::Finishing(..)) => flushed.map(|()| {
                // Failing, it is shut already.
                let _ = socket2::SockRef::from(&incoming.stream.tcp).shutdown(Shutdown::Write);
                Phase::Lingering(reason, by)
            }),
            (Carrier::WebSocket(incoming), _) => incoming.poll_discard(cx).map(|()| Phase::Gone(reason)),
            // Pending GETs take the rest; the last of them wakes this task.
            (Carrier::Polling(_), _) if self.link.mailbox.as_ref().is_some_and(|m| !m.told()) => Poll::Pending,
            _ => Poll::Ready(Phase::Gone(reason)),
        };
        match step {
            Poll::Pending => return false,
            Poll::Ready(Phase::Gone(_)) => self.gone(reason),
            Poll::Ready(phase) => self.phase = phase,
        }
        true
    }

    /// Gives up the transport and its place on the server.
    fn gone(&mut self, reason: CloseReason) {
        if let Carrier::WebSocket(incoming) = &self.carrier
            && !matches!(self.phase, Phase::Lingering(..))
        {
            // What was not even taken by the kernel, this peer does not read: all of it is dropped, not tried for minutes.
            // Once all is on its way nothing is reset: a peer that is only busy still finds the last frames.
            let _ = socket2::SockRef::from(&incoming.stream.tcp).set_linger(Some(Duration::ZERO));
        }
        self.carrier = Carrier::Gone;
        self.phase = Phase::Gone(reason);
        self.link.clear();
        if let Some(mailbox) = &self.link.mailbox {
            mailbox.shut();
        }
        self.server.leave(&self.link, reason);
    }
}

impl<A: Application> Future for Connection<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.task.register(cx.waker());
        let _running = this.link.running();
        loop {
            match this.phase {
                Phase::Open => {
                    let end = match this.link.closing() {
                        // A write that failed is the peer's doing, found by whoever wrote.
                        Some(closing) => Some((closing.reason, closing.reason != CloseReason::TransportError)),
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
                Phase::Gone(reason) => {
                    ready!(this.dispatch.poll_end(cx, reason));
                    this.phase = Phase::Ended;
                    this.server.end(&this.link);
                }
                Phase::Ended => return Poll::Ready(()),
            }
        }
    }
}

impl<A: Application> Drop for Connection<A> {
    /// The runtime is shutting down, if the transport is still there.
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Gone(_) | Phase::Ended) {
            self.link.close(CloseReason::Draining, true);
            self.gone(CloseReason::Draining);
        }
        if !matches!(self.phase, Phase::Ended) {
            self.server.end(&self.link);
        }
    }
}
