//! Writes what is queued, for many connections in one go: a broadcast costs one wake-up and a loop of system calls, not
//! a task per socket.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::link::Link;
use crate::ws::outgoing;

/// Connections flushed before other tasks get their turn: some hundred microseconds' worth of system calls.
const ROUND: usize = 64;

/// A list of connections that have something to write, and the task that works through it. A server has one for each
/// core, and every connection belongs to one of them.
#[derive(Default)]
pub(crate) struct Flusher {
    waiting: Mutex<Vec<Arc<Link>>>,
    task: AtomicWaker,
    stopped: AtomicBool,
}

impl Flusher {
    /// Has a link flushed soon. The caller has noted in it that it is scheduled, so it is in one list once.
    pub(crate) fn add(&self, link: Arc<Link>) {
        let first = {
            let mut waiting = self.waiting.lock();
            waiting.push(link);
            waiting.len() == 1
        };
        // Later ones find the task woken already: it takes the whole list.
        if first {
            self.task.wake();
        }
    }

    /// Ends the task once its list is empty.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.task.wake();
    }

    /// The task. It has no way to fail: what goes wrong with one link is that link's own matter.
    pub(crate) fn run(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        let mut batch: Vec<Arc<Link>> = Vec::new();
        let mut next = 0;
        poll_fn(move |cx| {
            self.task.register(cx.waker());
            if next == batch.len() {
                batch.clear();
                // A list that a large broadcast has blown up is not kept.
                if batch.capacity() > 4 * ROUND {
                    batch.shrink_to(ROUND);
                }
                std::mem::swap(&mut *self.waiting.lock(), &mut batch);
                next = 0;
            }
            if batch.is_empty() {
                return if self.stopped.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending };
            }
            let round = (next + ROUND).min(batch.len());
            outgoing::flush_all(&batch[next..round]);
            next = round;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}
