//! The server's end of one Engine.IO session: the queue of what goes out, and whether it is being closed.
//!
//! Frames are queued by anybody and written by one at a time: the connection's own task at the end of its round, or a
//! [`Flusher`](crate::flusher::Flusher) for all others. Where the kernel takes no more, the task waits for it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::engine::Mailbox;
use crate::flusher::Flusher;
use crate::handshake::Kept;
use crate::offsets::Tracker;
use crate::ws::Stream;
use crate::{CloseReason, Closed, Frame, Transport};

/// A queue that held more slots than this gives them back once it is empty.
const SLOTS_KEPT: usize = 8;

/// Packets of one polling response: python-engineio, for one, takes no more (`Payload.max_decode_packets`).
const RESPONSE: usize = 16;

thread_local! {
    /// The link whose task runs on this thread now: it flushes at the end of its round by itself.
    static CURRENT: Cell<*const Link> = const { Cell::new(ptr::null()) };
}

/// What sockets, the connection's task, flushers and polling requests share.
pub(crate) struct Link {
    pub(crate) sid: Box<str>,
    pub(crate) handshake: Kept,
    /// Wakes the connection's task.
    pub(crate) task: AtomicWaker,
    /// Where polling requests and the task meet; none for a connection that began as a WebSocket.
    pub(crate) mailbox: Option<Box<Mailbox>>,
    /// The server was full when this client came: it is told so at CONNECT, then closed.
    pub(crate) turned_away: bool,
    pub(super) outbox: Mutex<Outbox>,
    /// Told what goes out, where the application asked for that.
    pub(super) tracker: OnceLock<Tracker>,
    /// The application wants a ping before its time.
    ping_due: AtomicBool,
    flusher: Arc<Flusher>,
    limit: usize,
}

#[derive(Default)]
pub(super) struct Outbox {
    pub(super) frames: VecDeque<Frame>,
    /// Bytes of the first frame that are written already.
    pub(super) written: usize,
    /// Cost of all frames queued and not yet written.
    pub(super) bytes: usize,
    pub(super) closing: Option<Closing>,
    /// The WebSocket, while there is one.
    pub(super) stream: Option<Arc<Stream>>,
    /// Somebody has been told to flush and has not begun.
    pub(super) scheduled: bool,
    /// Frames are out of the queue, on their way to the kernel or into a polling response: nobody else may take any.
    pub(super) writing: bool,
    /// The task closes the link and waits for whoever writes.
    pub(super) awaited: bool,
    /// The kernel refused; the task waits until it takes more.
    pub(super) blocked: bool,
    /// Since when the kernel has refused, until everything queued was written.
    pub(super) stalled: Option<Instant>,
    /// An offset event goes out with the next flush, whatever else does.
    pub(super) offset_due: bool,
    /// A polling client is changing to a WebSocket: its GETs do not wait.
    upgrading: bool,
}

/// Why a link is being closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// Nothing is flushed, and the connection is reset.
    pub(crate) abort: bool,
}

impl Outbox {
    /// Notes that there is something to flush. True: somebody must be told.
    fn schedule(&mut self) -> bool {
        let idle = !self.scheduled && !self.writing && !self.blocked;
        self.scheduled |= idle;
        idle
    }

    /// Gives slots back once the queue is empty.
    pub(super) fn shrink(&mut self) {
        if self.frames.is_empty() && self.frames.capacity() > SLOTS_KEPT {
            self.frames = VecDeque::new();
        }
    }

    /// Nothing can be taken from the queue now.
    pub(super) fn is_busy(&self) -> bool {
        self.writing || self.closing.is_some_and(|closing| closing.abort)
    }

    fn close(&mut self, reason: CloseReason, abort: bool) -> bool {
        match &mut self.closing {
            Some(closing) if abort && !closing.abort => closing.abort = true,
            Some(_) => return false,
            none => *none = Some(Closing { reason, abort: abort || reason.abrupt() }),
        }
        true
    }
}

impl Link {
    pub(crate) fn new(
        sid: String,
        handshake: Kept,
        limit: usize,
        mailbox: Option<Box<Mailbox>>,
        turned_away: bool,
        flusher: Arc<Flusher>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sid: sid.into_boxed_str(),
            handshake,
            task: AtomicWaker::new(),
            mailbox,
            turned_away,
            outbox: Mutex::default(),
            tracker: OnceLock::new(),
            ping_due: AtomicBool::new(false),
            flusher,
            limit,
        })
    }

    /// Queues a frame. Past the bound the link is closed as a slow consumer's.
    pub(crate) fn push(self: &Arc<Self>, frame: Frame) -> Result<(), Closed> {
        let schedule = {
            let mut outbox = self.outbox.lock();
            if outbox.closing.is_some() {
                return Err(Closed);
            }
            let bytes = outbox.bytes + frame.cost();
            if bytes > self.limit {
                outbox.close(CloseReason::SlowConsumer, true);
                let frames = outbox.drop_frames();
                drop(outbox);
                drop(frames);
                self.wake();
                return Err(Closed);
            }
            outbox.bytes = bytes;
            outbox.frames.push_back(frame);
            outbox.schedule()
        };
        if schedule {
            self.schedule();
        }
        Ok(())
    }

    /// Queues a frame unless something waits already: then it is dropped.
    ///
    /// # Errors
    /// `Closed`. `Ok(false)`: it was dropped.
    pub(crate) fn push_volatile(self: &Arc<Self>, frame: &Frame) -> Result<bool, Closed> {
        let idle = {
            let outbox = self.outbox.lock();
            if outbox.closing.is_some() {
                return Err(Closed);
            }
            outbox.frames.is_empty() && !outbox.blocked
        };
        if idle && self.mailbox.as_ref().is_none_or(|mailbox| self.is_websocket() || mailbox.is_polled()) {
            self.push(frame.clone())?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Queues a last frame, past the bound, of a link that is being closed.
    pub(crate) fn push_last(&self, frame: Frame) {
        let mut outbox = self.outbox.lock();
        outbox.bytes += frame.cost();
        outbox.frames.push_back(frame);
    }

    /// The kernel takes more again.
    pub(crate) fn unblock(&self) {
        self.outbox.lock().blocked = false;
    }

    /// Has an offset event sent behind what is queued.
    pub(crate) fn ask_for_offset(self: &Arc<Self>) {
        let schedule = {
            let mut outbox = self.outbox.lock();
            outbox.offset_due = true;
            outbox.schedule()
        };
        if schedule {
            self.schedule();
        }
    }

    /// Has the connection's task ping the client now.
    pub(crate) fn ask_for_ping(&self) {
        if !self.ping_due.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }

    /// Whether that was asked for; once.
    pub(crate) fn takes_ping(&self) -> bool {
        self.ping_due.load(Ordering::Relaxed) && self.ping_due.swap(false, Ordering::AcqRel)
    }

    /// Tells whoever flushes.
    fn schedule(self: &Arc<Self>) {
        match &self.mailbox {
            Some(mailbox) if !self.is_websocket() => mailbox.poller.wake(),
            _ if ptr::eq(CURRENT.get(), Arc::as_ptr(self)) => {}
            _ => self.flusher.add(self.clone()),
        }
    }

    /// Notes that this link's own task runs on this thread, until the guard is dropped.
    pub(crate) fn running(&self) -> Running {
        CURRENT.set(self);
        Running
    }

    /// Takes packets for one polling response, as many as fit into `max` bytes and [`RESPONSE`], at least one, with the
    /// offset event that follows them. Empty where there is nothing, or the client has gone over to a WebSocket.
    pub(crate) fn take_packets(self: &Arc<Self>, max: usize) -> Vec<Frame> {
        loop {
            let mut taken = Vec::new();
            let offset_due = {
                let mut outbox = self.outbox.lock();
                if outbox.is_busy() || outbox.stream.is_some() {
                    return taken;
                }
                outbox.scheduled = false;
                // One packet is left for the offset event.
                let (mut size, mut count) = (0, 1);
                while let Some(next) = outbox.frames.front() {
                    size += next.packets().len() + 1;
                    count += next.count();
                    if !taken.is_empty() && (size > max || count > RESPONSE) {
                        break;
                    }
                    taken.extend(outbox.frames.pop_front());
                }
                outbox.shrink();
                // Nothing is held, so that whoever queues something next wakes the poll.
                if taken.is_empty() && !outbox.offset_due {
                    return taken;
                }
                outbox.writing = true;
                std::mem::take(&mut outbox.offset_due)
            };
            let cost = taken.iter().map(Frame::cost).sum();
            if let Some(tracker) = self.tracker.get() {
                taken.extend(tracker.after(&taken, offset_due));
            }
            let upgraded = {
                let mut outbox = self.outbox.lock();
                outbox.writing = false;
                outbox.bytes = outbox.bytes.saturating_sub(cost);
                if std::mem::take(&mut outbox.awaited) {
                    self.task.wake();
                }
                outbox.stream.is_some() && outbox.schedule()
            };
            if upgraded {
                self.schedule();
            }
            if !taken.is_empty() {
                return taken;
            }
            // The offset had nothing to say, and what was queued meanwhile woke nobody: once more.
        }
    }

    /// Gives up the transport and drops what is queued, while sockets may live on in the application.
    pub(crate) fn clear(&self) {
        let (frames, stream) = {
            let mut outbox = self.outbox.lock();
            outbox.blocked = false;
            (outbox.drop_frames(), outbox.stream.take())
        };
        drop((frames, stream));
    }

    /// Begins to close: nothing more is queued. The first reason stays; `abort` may still follow.
    pub(crate) fn close(&self, reason: CloseReason, abort: bool) {
        let changed = self.outbox.lock().close(reason, abort);
        if changed {
            self.wake();
        }
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        self.outbox.lock().closing
    }

    pub(crate) fn is_empty(&self) -> bool {
        let outbox = self.outbox.lock();
        outbox.frames.is_empty() && !outbox.writing
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbox.lock().bytes
    }

    /// Since when the kernel has refused writes, until everything queued was written.
    pub(crate) fn stalled(&self) -> Option<Instant> {
        self.outbox.lock().stalled
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.is_websocket() { Transport::WebSocket } else { Transport::Polling }
    }

    fn is_websocket(&self) -> bool {
        self.mailbox.as_ref().is_none_or(|mailbox| mailbox.is_over())
    }

    /// The WebSocket is there: everything goes out on it from now on. False: the link is being closed.
    pub(crate) fn attach(self: &Arc<Self>, stream: Arc<Stream>) -> bool {
        let schedule = {
            let mut outbox = self.outbox.lock();
            if outbox.closing.is_some() {
                return false;
            }
            outbox.stream = Some(stream);
            outbox.upgrading = false;
            outbox.scheduled = false;
            if let Some(mailbox) = &self.mailbox {
                mailbox.end();
            }
            outbox.schedule()
        };
        self.wake();
        if schedule {
            self.schedule();
        }
        true
    }

    /// A WebSocket has shown that it works, or (`false`) was given up: while one is, GETs are answered at once, so that
    /// the client can stop polling (EIO4 § "Upgrade").
    pub(crate) fn upgrading(&self, is: bool) {
        self.outbox.lock().upgrading = is;
        self.wake();
    }

    /// Whether a GET is to be answered even if there is nothing to say.
    pub(crate) fn hurries_polling(&self) -> bool {
        let outbox = self.outbox.lock();
        outbox.upgrading || outbox.stream.is_some()
    }

    /// Wakes whoever waits: the task, a polling request, and a WebSocket that is being tried.
    pub(crate) fn wake(&self) {
        self.task.wake();
        if let Some(mailbox) = &self.mailbox {
            mailbox.poller.wake();
            mailbox.prober.wake();
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The sid is a polling client's credential: not for logs.
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Outbox {
    fn drop_frames(&mut self) -> VecDeque<Frame> {
        self.bytes = 0;
        self.written = 0;
        self.stalled = None;
        std::mem::take(&mut self.frames)
    }
}

/// While it lives, a link's task runs on this thread.
pub(crate) struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
    }
}

#[cfg(test)]
pub(crate) fn for_testing(limit: usize, mailbox: bool) -> Arc<Link> {
    let remote: std::net::SocketAddr = ([127, 0, 0, 1], 1).into();
    let kept = Kept::new(&hyper::HeaderMap::new(), "", remote, remote.ip(), Transport::WebSocket);
    let mailbox = mailbox.then(Box::default);
    Link::new("test.x".into(), kept, limit, mailbox, false, Arc::new(Flusher::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_past_its_bound_closes_and_takes_nothing_more() {
        let link = for_testing(1000, false);
        let frame = Frame::text(&"x".repeat(200));
        let fit = 1000 / frame.cost();
        for _ in 0..fit {
            assert_eq!(link.push(frame.clone()), Ok(()));
        }
        assert_eq!(link.queued_bytes(), fit * frame.cost());
        assert_eq!(link.push(frame.clone()), Err(Closed));
        assert_eq!(link.closing(), Some(Closing { reason: CloseReason::SlowConsumer, abort: true }));
        assert_eq!(link.queued_bytes(), 0);
        assert_eq!(link.push(Frame::text("x")), Err(Closed));
    }

    #[test]
    fn packets_of_one_response_fit_its_size_and_keep_their_order() {
        let link = for_testing(100_000, true);
        for i in 0..10 {
            link.push(Frame::text(&format!("{i}{}", "x".repeat(99)))).unwrap();
        }
        link.push(Frame::text(&"y".repeat(1000))).unwrap();
        let sizes: Vec<usize> = std::iter::from_fn(|| Some(link.take_packets(450).len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [4, 4, 2, 1]);
        assert_eq!(link.queued_bytes(), 0);
        for _ in 0..20 {
            link.push(Frame::text("4")).unwrap();
        }
        let sizes: Vec<usize> = std::iter::from_fn(|| Some(link.take_packets(450).len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [15, 5], "some clients take 16 packets at a time, the offset event among them");
    }

    #[test]
    fn what_is_queued_while_a_poll_looks_is_taken_or_wakes_it() {
        let link = for_testing(1 << 20, true);
        let (rounds, taken) = (200_000, std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for round in 0..rounds {
                    link.push(Frame::text("4")).unwrap();
                    while taken.load(std::sync::atomic::Ordering::Acquire) <= round {
                        std::hint::spin_loop();
                    }
                }
            });
            let woken = Arc::new(Woken::default());
            let waker = std::task::Waker::from(woken.clone());
            let poller = &link.mailbox.as_ref().unwrap().poller;
            while taken.load(std::sync::atomic::Ordering::Acquire) < rounds {
                woken.0.store(false, std::sync::atomic::Ordering::Release);
                poller.register(&waker);
                let got = link.take_packets(1000).len();
                taken.fetch_add(got, std::sync::atomic::Ordering::AcqRel);
                let began = std::time::Instant::now();
                while got == 0 && !woken.0.load(std::sync::atomic::Ordering::Acquire) {
                    assert!(began.elapsed().as_secs() < 10, "something is queued and nobody was woken");
                    std::hint::spin_loop();
                }
            }
        });
    }

    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Release);
        }
    }

    #[test]
    fn the_first_reason_stays() {
        let link = for_testing(1000, false);
        link.close(CloseReason::Draining, false);
        link.close(CloseReason::ServerDisconnect, false);
        assert_eq!(link.closing(), Some(Closing { reason: CloseReason::Draining, abort: false }));
        link.close(CloseReason::ServerDisconnect, true);
        assert_eq!(link.closing(), Some(Closing { reason: CloseReason::Draining, abort: true }));
    }

    #[test]
    fn a_volatile_frame_is_dropped_where_others_wait() {
        let link = for_testing(1000, false);
        assert_eq!(link.push_volatile(&Frame::text("1")), Ok(true));
        assert_eq!(link.push_volatile(&Frame::text("2")), Ok(false));
        let unpolled = for_testing(1000, true);
        assert_eq!(unpolled.push_volatile(&Frame::text("1")), Ok(false));
        link.close(CloseReason::Draining, false);
        assert_eq!(link.push_volatile(&Frame::text("3")), Err(Closed));
    }
}
