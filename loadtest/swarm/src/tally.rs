//! What is known of the run under way: the checker's part, and when things happened.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::checker::{Checker, Number};
use crate::client::Arrival;
use crate::histogram::Histogram;
use crate::temp_id::TempIds;
use crate::wire;

/// One run's books.
pub(crate) struct Tally {
    pub(crate) ids: TempIds,
    pub(crate) checker: Checker,
    /// Which gateway each socket is connected to.
    gateways: Vec<u16>,
    messages: Vec<Due>,
    /// What is measured: latencies of messages that were due in it, rates of what happened in it.
    window: Range<Instant>,
    pub(crate) to_ack: Histogram,
    pub(crate) to_device: Histogram,
    /// The part of `to_device` that went to sockets of another gateway than the sender's.
    pub(crate) to_other_gateway: Histogram,
    /// How late this program itself was.
    pub(crate) late: Histogram,
    /// Answers that were no, by code.
    pub(crate) errors: BTreeMap<String, u64>,
    /// In the window.
    pub(crate) sent: u64,
    pub(crate) acks: u64,
    pub(crate) deliveries: u64,
    /// Of all deliveries, on the wire.
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    /// When the last of what was expected came.
    pub(crate) last: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    sender: u32,
}

impl Tally {
    pub(crate) fn new(ids: TempIds, checker: Checker, gateways: Vec<u16>, window: Range<Instant>) -> Self {
        Self {
            ids,
            checker,
            gateways,
            messages: Vec::new(),
            window,
            to_ack: Histogram::new(),
            to_device: Histogram::new(),
            to_other_gateway: Histogram::new(),
            late: Histogram::new(),
            errors: BTreeMap::new(),
            sent: 0,
            acks: 0,
            deliveries: 0,
            bytes: 0,
            frames: 0,
            last: None,
        }
    }

    /// `sender` is about to send a message that was due at `due`.
    pub(crate) fn sending(&mut self, sender: u32, due: Instant, now: Instant) -> Number {
        self.messages.push(Due { at: due, sender });
        if self.window.contains(&due) {
            self.late.record(now.saturating_duration_since(due));
        }
        if self.window.contains(&now) {
            self.sent += 1;
        }
        self.checker.sent(sender)
    }

    fn due(&self, number: Number) -> Option<Due> {
        self.messages.get(number as usize).copied()
    }

    fn latency(&self, due: Due, at: Instant) -> Option<Duration> {
        self.window.contains(&due.at).then(|| at.saturating_duration_since(due.at))
    }

    pub(crate) fn ack(&mut self, id: u64, args: &[u8], arrival: Arrival) {
        let Some((number, due)) = Number::try_from(id).ok().and_then(|number| Some((number, self.due(number)?))) else {
            return;
        };
        self.last = Some(arrival.at);
        if let Some(refusal) = wire::refusal(args) {
            // Codes that leave open whether it was done.
            let unknown = matches!(refusal.error.as_str(), "UNKNOWN" | "internal");
            if self.checker.refused(number, unknown) {
                *self.errors.entry(refusal.error).or_default() += 1;
            }
        } else if self.checker.acked(number, wire::seq_of_ack(args)) {
            self.acks += u64::from(self.window.contains(&arrival.at));
            if let Some(latency) = self.latency(due, arrival.at) {
                self.to_ack.record(latency);
            }
        }
    }

    /// The arguments of a `message.received` on `socket`.
    pub(crate) fn delivery(&mut self, socket: u32, args: &[u8], arrival: Arrival) {
        let delivered = wire::delivered(args);
        let known = delivered.and_then(|delivered| Some((self.ids.number(delivered.temp_id)?, delivered.seq)));
        let Some((number, seq)) = known else { return self.checker.strange() };
        self.bytes += arrival.size as u64;
        self.frames += 1;
        if !self.checker.received(socket, number, seq) {
            return;
        }
        self.last = Some(arrival.at);
        self.deliveries += u64::from(self.window.contains(&arrival.at));
        let Some(due) = self.due(number) else { return };
        if let Some(latency) = self.latency(due, arrival.at) {
            self.to_device.record(latency);
            if self.gateways[socket as usize] != self.gateways[due.sender as usize] {
                self.to_other_gateway.record(latency);
            }
        }
    }
}
