//! What comes in, one packet after the other.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::time::Instant;

use crate::dispatch::Dispatch;
use crate::engine::Payload;
use crate::engine::packet::{self, Packet};
use crate::engine::raw;
use crate::heartbeat::Heartbeat;
use crate::link::Link;
use crate::ws::{self, Flow, Message};
use crate::{Application, CloseReason, Config, Frame};

/// What takes a client's packets.
pub(crate) struct Inbound<'a, A: Application> {
    pub(crate) config: &'a Config,
    pub(crate) link: &'a Arc<Link>,
    pub(crate) dispatch: &'a mut Dispatch<A>,
    pub(crate) heart: &'a mut Heartbeat,
    pub(crate) paused: &'a mut bool,
}

impl<A: Application> Inbound<'_, A> {
    /// Bytes of the largest message: a client that is in no namespace has no use for one that is refused by ack.
    pub(crate) fn max(&self) -> usize {
        if self.dispatch.is_alone() && self.config.engine.is_none() {
            self.config.max_payload
        } else {
            self.config.max_frame
        }
    }

    pub(crate) fn message(&mut self, message: Message<'_>) -> Result<Flow, CloseReason> {
        match message {
            Message::Text(text) => return self.text(text),
            Message::Binary(data) => return self.binary(Bytes::copy_from_slice(data)),
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
            Packet::Binary(data) => return self.binary(data),
            Packet::Message(message) => match &self.config.engine {
                Some(engine) => engine.message(&raw::Client::new(self.link), raw::Message::Text(message)),
                None => self.dispatch.packet(message)?,
            },
        }
        Ok(self.flow())
    }

    fn binary(&mut self, data: Bytes) -> Result<Flow, CloseReason> {
        match &self.config.engine {
            Some(engine) => engine.message(&raw::Client::new(self.link), raw::Message::Binary(&data)),
            None => self.dispatch.binary(data)?,
        }
        Ok(self.flow())
    }

    fn flow(&mut self) -> Flow {
        *self.paused = self.dispatch.is_full(false);
        if *self.paused { Flow::Pause } else { Flow::More }
    }

    /// A client that answers has read all that was written before the ping.
    fn pong(&mut self) {
        if self.heart.pong(Instant::now(), self.config.ping_interval)
            && let Some(tracker) = self.link.tracker.get()
        {
            tracker.ponged();
        }
    }

    pub(crate) fn poll_payload(&mut self, place: &mut Option<Payload>) -> Poll<Result<(), CloseReason>> {
        if place.is_none() {
            *place = self.link.mailbox.as_ref().and_then(|m| m.take_payload());
        }
        let Some(payload) = place else { return Poll::Pending };
        while let Some((packet, next)) = packet::split(&payload.text, payload.at) {
            payload.at = next;
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
