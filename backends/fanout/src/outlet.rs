//! What one process hears from its subscriptions: bounded, and honest about what it had to drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use parlor_core::ports::fanout::Signal;
use tokio::sync::mpsc;

/// How many signals may wait for the listener.
pub(crate) const CAPACITY: usize = 16_384;

/// Hands signals to the one listener. Past [`CAPACITY`] signals are dropped, and a [`Signal::Gap`] follows as soon as
/// there is room.
#[derive(Default)]
pub(crate) struct Outlet {
    listener: Mutex<Option<Listener>>,
}

struct Listener {
    queue: mpsc::Sender<Signal>,
    /// Something was dropped and the gap is not queued yet.
    owes_gap: Arc<AtomicBool>,
}

impl Outlet {
    /// A new listener, which takes over from the one before.
    pub(crate) fn listen(&self) -> mpsc::Receiver<Signal> {
        self.listen_with(CAPACITY)
    }

    fn listen_with(&self, capacity: usize) -> mpsc::Receiver<Signal> {
        let (queue, receiver) = mpsc::channel(capacity);
        *self.listener.lock() = Some(Listener { queue, owes_gap: Arc::default() });
        receiver
    }

    /// Queues a signal without waiting. Must be called on a tokio runtime.
    pub(crate) fn offer(&self, signal: Signal) {
        let listener = self.listener.lock();
        let Some(listener) = &*listener else { return };
        // While a gap is owed everything is dropped: it is part of that gap.
        if listener.owes_gap.load(Ordering::Acquire) {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = listener.queue.try_send(signal) {
            metrics::counter!("parlor_bus_gaps_total", "reason" => "overflow").increment(1);
            listener.owes_gap.store(true, Ordering::Release);
            let (queue, owes_gap) = (listener.queue.clone(), Arc::clone(&listener.owes_gap));
            // One task per overflow; it ends with the listener, or once the gap is told.
            tokio::spawn(async move {
                if let Ok(room) = queue.reserve().await {
                    // Cleared first: what is offered from now on stands behind the gap or, at worst, just before it,
                    // and a gap asks for all that came before it.
                    owes_gap.store(false, Ordering::Release);
                    room.send(Signal::Gap);
                }
            });
        }
    }

    /// Says that anything may have been missed.
    pub(crate) fn gap(&self, reason: &'static str) {
        metrics::counter!("parlor_bus_gaps_total", "reason" => reason).increment(1);
        self.offer(Signal::Gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_core::event::{Ephemeral, Status};
    use parlor_core::ids::{RoomId, UserId};
    use parlor_core::time::Timestamp;

    fn news(at: i64) -> Signal {
        let (user, name, status) = (UserId::trusted("u"), "U".into(), Status::Online);
        let news = Ephemeral::Presence { user, name, status, count: None, gone: false, at: Timestamp(at) };
        Signal::Ephemeral(RoomId::trusted("r"), news)
    }

    #[tokio::test]
    async fn an_overflow_becomes_one_gap_behind_what_was_queued() {
        let outlet = Outlet::default();
        let mut heard = outlet.listen_with(2);
        for at in 0..5 {
            outlet.offer(news(at));
        }
        assert!(matches!(heard.recv().await, Some(Signal::Ephemeral(..))));
        assert!(matches!(heard.recv().await, Some(Signal::Ephemeral(..))));
        assert!(matches!(heard.recv().await, Some(Signal::Gap)));
        outlet.offer(news(9));
        assert!(matches!(heard.recv().await, Some(Signal::Ephemeral(..))));
    }

    #[tokio::test]
    async fn a_later_listener_takes_over() {
        let outlet = Outlet::default();
        let mut first = outlet.listen();
        let mut second = outlet.listen();
        outlet.offer(news(1));
        assert!(first.recv().await.is_none());
        assert!(second.recv().await.is_some());
    }
}
