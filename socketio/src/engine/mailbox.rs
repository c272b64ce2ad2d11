//! Where the requests of a polling client and its connection's task meet.

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Where the requests of a polling client and its connection's task meet.
#[derive(Default)]
pub(crate) struct Mailbox {
    /// Wakes the GET that waits for packets.
    pub(crate) poller: AtomicWaker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    polling: bool,
    posting: bool,
    payload: Option<Payload>,
    /// The client has been told that the session is over.
    told: bool,
}

/// The body of a POST, while the task works through it.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) text: String,
    /// Where the next packet begins.
    pub(crate) at: usize,
    /// Hears when all packets have been taken; dropped when the session ends first.
    pub(crate) done: oneshot::Sender<()>,
}

/// Shows that a GET is waiting, or a POST under way; there may be one of each.
pub(crate) struct Turn<'a> {
    mailbox: &'a Mailbox,
    posting: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.mailbox.state.lock();
        if self.posting {
            state.posting = false;
        } else {
            state.polling = false;
        }
    }
}

impl Mailbox {
    pub(crate) fn begin_poll(&self) -> Option<Turn<'_>> {
        let busy = std::mem::replace(&mut self.state.lock().polling, true);
        (!busy).then(|| Turn { mailbox: self, posting: false })
    }

    pub(crate) fn begin_post(&self) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        // The payload of a POST whose client went away may still be here.
        if state.payload.is_some() {
            return None;
        }
        let busy = std::mem::replace(&mut state.posting, true);
        (!busy).then(|| Turn { mailbox: self, posting: true })
    }

    /// Leaves a payload for the task. Only within a turn, in which the place is free.
    pub(crate) fn put(&self, payload: Payload) {
        self.state.lock().payload = Some(payload);
    }

    pub(crate) fn take(&self) -> Option<Payload> {
        self.state.lock().payload.take()
    }

    pub(crate) fn tell(&self) {
        self.state.lock().told = true;
    }

    pub(crate) fn told(&self) -> bool {
        self.state.lock().told
    }
}
