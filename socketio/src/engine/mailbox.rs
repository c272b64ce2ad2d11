//! Where the requests of a polling client and its connection's task meet.

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::ws::Incoming;

/// Where the requests of a polling client and its connection's task meet.
#[derive(Default)]
pub(crate) struct Mailbox {
    /// Wakes the GET that waits for packets.
    pub(crate) poller: AtomicWaker,
    /// Wakes the WebSocket that is being tried.
    pub(crate) prober: AtomicWaker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    polling: bool,
    posting: bool,
    payload: Option<Payload>,
    /// The client has been told that the session is over.
    told: bool,
    /// A WebSocket is being tried.
    probing: bool,
    /// The client has gone over to a WebSocket.
    over: bool,
    /// The task takes nothing any more.
    shut: bool,
    /// What the WebSocket brings, until the task takes it.
    upgraded: Option<Box<Incoming>>,
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

/// Shows that a GET is waiting, a POST under way, or a WebSocket being tried; there may be one of each.
pub(crate) struct Turn<'a> {
    mailbox: &'a Mailbox,
    of: Of,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Poll,
    Post,
    Probe,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.mailbox.state.lock();
        match self.of {
            Of::Poll => state.polling = false,
            Of::Post => state.posting = false,
            Of::Probe => state.probing = false,
        }
    }
}

impl Mailbox {
    pub(crate) fn begin_poll(&self) -> Option<Turn<'_>> {
        let busy = std::mem::replace(&mut self.state.lock().polling, true);
        (!busy).then(|| Turn { mailbox: self, of: Of::Poll })
    }

    pub(crate) fn begin_post(&self) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        // The payload of a POST whose client went away may still be here.
        if state.payload.is_some() {
            return None;
        }
        let busy = std::mem::replace(&mut state.posting, true);
        (!busy).then(|| Turn { mailbox: self, of: Of::Post })
    }

    pub(crate) fn begin_probe(&self) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        let busy = state.over || std::mem::replace(&mut state.probing, true);
        (!busy).then(|| Turn { mailbox: self, of: Of::Probe })
    }

    /// Whether a GET is waiting.
    pub(crate) fn is_polled(&self) -> bool {
        self.state.lock().polling
    }

    /// The client has gone over to a WebSocket: requests are refused from now on.
    pub(crate) fn end(&self) {
        self.state.lock().over = true;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Leaves the reading side of the WebSocket for the task.
    pub(crate) fn hand_over(&self, incoming: Incoming) {
        let mut state = self.state.lock();
        if !state.shut {
            state.upgraded = Some(Box::new(incoming));
        }
    }

    pub(crate) fn take_over(&self) -> Option<Box<Incoming>> {
        self.state.lock().upgraded.take()
    }

    /// Leaves a payload for the task. Only within a turn, in which the place is free. False: nobody will take it, for
    /// the session has gone over to a WebSocket, or has ended.
    pub(crate) fn put(&self, payload: Payload) -> bool {
        let mut state = self.state.lock();
        let open = !state.over && !state.shut;
        if open {
            state.payload = Some(payload);
        }
        open
    }

    /// The task takes nothing any more: whoever waits for it hears so.
    pub(crate) fn shut(&self) {
        let left = {
            let mut state = self.state.lock();
            state.shut = true;
            (state.payload.take(), state.upgraded.take())
        };
        drop(left);
    }

    pub(crate) fn take_payload(&self) -> Option<Payload> {
        self.state.lock().payload.take()
    }

    pub(crate) fn holds_payload(&self) -> bool {
        self.state.lock().payload.is_some()
    }

    pub(crate) fn tell(&self) {
        self.state.lock().told = true;
    }

    pub(crate) fn told(&self) -> bool {
        self.state.lock().told
    }
}
