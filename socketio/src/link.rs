//! The server's end of one Engine.IO session: the queue of what goes out, and whether it is being closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::engine::Mailbox;
use crate::handshake::Kept;
use crate::{CloseReason, Closed, Frame};

/// A queue that held more slots than this gives them back once it is empty.
const SLOTS_KEPT: usize = 8;

/// What sockets, the connection's task and polling requests share.
pub(crate) struct Link {
    pub(crate) sid: Box<str>,
    pub(crate) handshake: Kept,
    /// Wakes the connection's task.
    pub(crate) task: AtomicWaker,
    /// Where polling requests and the task meet; none for a WebSocket.
    pub(crate) mailbox: Option<Box<Mailbox>>,
    /// The server was full when this client came: it is told so at CONNECT, then closed.
    pub(crate) turned_away: bool,
    outbox: Mutex<Outbox>,
    /// Cost of all frames queued and not yet written; changed only where a frame joins or leaves.
    bytes: AtomicUsize,
    limit: usize,
}

#[derive(Default)]
struct Outbox {
    frames: VecDeque<Frame>,
    closing: Option<Closing>,
}

/// Why a link is being closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// Nothing is flushed, and the connection is reset.
    pub(crate) abort: bool,
}

impl Link {
    pub(crate) fn new(
        sid: String,
        handshake: Kept,
        limit: usize,
        mailbox: Option<Box<Mailbox>>,
        turned_away: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            sid: sid.into_boxed_str(),
            handshake,
            task: AtomicWaker::new(),
            mailbox,
            turned_away,
            outbox: Mutex::default(),
            bytes: AtomicUsize::new(0),
            limit,
        })
    }

    /// Queues a frame. Past the bound the link is closed as a slow consumer's.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), Closed> {
        let first = {
            let mut outbox = self.outbox.lock();
            if outbox.closing.is_some() {
                return Err(Closed);
            }
            let cost = frame.cost();
            if self.bytes.load(Ordering::Relaxed) + cost > self.limit {
                outbox.closing = Some(Closing { reason: CloseReason::SlowConsumer, abort: true });
                let frames = std::mem::take(&mut outbox.frames);
                drop(outbox);
                self.release(frames.iter().map(Frame::cost).sum());
                self.wake();
                return Err(Closed);
            }
            self.bytes.fetch_add(cost, Ordering::Relaxed);
            outbox.frames.push_back(frame);
            outbox.frames.len() == 1
        };
        // Later frames find the reader woken already: it takes the whole queue.
        if first {
            match &self.mailbox {
                Some(mailbox) => mailbox.poller.wake(),
                None => self.task.wake(),
            }
        }
        Ok(())
    }

    /// Moves everything queued into `into`, which must be empty. Its cost stays counted until [`release`](Self::release).
    pub(crate) fn take(&self, into: &mut VecDeque<Frame>) {
        debug_assert!(into.is_empty());
        if into.capacity() > SLOTS_KEPT {
            *into = VecDeque::new();
        }
        std::mem::swap(&mut self.outbox.lock().frames, into);
    }

    /// Takes packets for one polling response: as many as fit into `max` bytes, at least one. Nothing when none is
    /// queued.
    pub(crate) fn take_packets(&self, max: usize) -> Vec<Frame> {
        let mut taken = Vec::new();
        let mut size = 0;
        {
            let mut outbox = self.outbox.lock();
            while let Some(next) = outbox.frames.front() {
                size += next.packet().len() + 1;
                if !taken.is_empty() && size > max {
                    break;
                }
                taken.extend(outbox.frames.pop_front());
            }
            if outbox.frames.is_empty() && outbox.frames.capacity() > SLOTS_KEPT {
                outbox.frames = VecDeque::new();
            }
        }
        self.release(taken.iter().map(Frame::cost).sum());
        taken
    }

    /// Frames of this cost have left.
    pub(crate) fn release(&self, cost: usize) {
        self.bytes.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Drops what is queued: the transport is gone, while sockets may live on in the application.
    pub(crate) fn clear(&self) {
        let frames = std::mem::take(&mut self.outbox.lock().frames);
        self.release(frames.iter().map(Frame::cost).sum());
    }

    /// Begins to close: nothing more is queued. The first reason stays; `abort` may still follow.
    pub(crate) fn close(&self, reason: CloseReason, abort: bool) {
        {
            let mut outbox = self.outbox.lock();
            match &mut outbox.closing {
                Some(closing) if abort && !closing.abort => closing.abort = true,
                Some(_) => return,
                none => *none = Some(Closing { reason, abort: abort || reason.abrupt() }),
            }
        }
        self.wake();
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        self.outbox.lock().closing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outbox.lock().frames.is_empty()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Wakes whoever waits: the task, and a polling request.
    pub(crate) fn wake(&self) {
        self.task.wake();
        if let Some(mailbox) = &self.mailbox {
            mailbox.poller.wake();
        }
    }
}

#[cfg(test)]
pub(crate) fn for_testing(limit: usize) -> Arc<Link> {
    let remote: std::net::SocketAddr = ([127, 0, 0, 1], 1).into();
    let kept = Kept::new(&hyper::HeaderMap::new(), "", remote, remote.ip(), crate::Transport::WebSocket);
    Link::new("test.x".into(), kept, limit, None, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_past_its_bound_closes_and_takes_nothing_more() {
        let link = for_testing(1000);
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
        let link = for_testing(100_000);
        for i in 0..10 {
            link.push(Frame::text(&format!("{i}{}", "x".repeat(99)))).unwrap();
        }
        link.push(Frame::text(&"y".repeat(1000))).unwrap();
        let sizes: Vec<usize> = std::iter::from_fn(|| Some(link.take_packets(450).len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [4, 4, 2, 1]);
        assert_eq!(link.queued_bytes(), 0);
    }

    #[test]
    fn the_first_reason_stays() {
        let link = for_testing(1000);
        link.close(CloseReason::Draining, false);
        link.close(CloseReason::ServerDisconnect, false);
        assert_eq!(link.closing(), Some(Closing { reason: CloseReason::Draining, abort: false }));
        link.close(CloseReason::ServerDisconnect, true);
        assert_eq!(link.closing(), Some(Closing { reason: CloseReason::Draining, abort: true }));
    }
}
