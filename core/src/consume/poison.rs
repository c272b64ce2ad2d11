//! Isolating a record that can never be applied: the batch is halved until the record stands alone, tried five times,
//! set aside, and then handed over without effect so that the position moves over its place.

use std::collections::VecDeque;

use crate::ids::Offset;
use crate::ports::log::{Malformed, Record};

/// A record that fails alone this often with a data error is set aside.
const TRIES: u32 = 5;

/// What is known about one partition's records that cannot be applied. It survives a new look at the position, so that
/// a sink that is away in between neither adds a try nor takes one back.
#[derive(Default)]
pub(super) struct Poison {
    /// A poisoned batch ended here; until it is past, batches hold at most this many records.
    suspect: Option<(Offset, usize)>,
    /// The record that failed alone, and how often.
    tried: Option<(Offset, u32)>,
    /// It is to be set aside, because of this.
    condemned: Option<(Offset, String)>,
    /// It was set aside: only its place is handed over.
    aside: Option<(Offset, String)>,
}

/// What a data error means.
pub(super) enum Verdict {
    /// The batch goes again, in halves.
    Halve,
    /// The record stands alone: it goes again after a pause, or is set aside.
    Again { tries: u32, trouble: String },
    /// It is no data error: the record has no effect any more, and the sink promised to move over it.
    SinkAtFault(String),
}

impl Poison {
    /// Something that waits is suspected: batches go without waiting for more.
    pub(super) fn suspects(&self) -> bool {
        self.suspect.is_some()
    }

    /// How large the next batch may be, where `most` is the usual.
    pub(super) fn most(&self, most: usize) -> usize {
        self.suspect.map_or(most, |(_, suspected)| suspected.min(most))
    }

    /// Takes the effect from a record that was set aside; only its place is handed over.
    pub(super) fn defuse(&self, mut record: Record) -> Record {
        if let Some((_, reason)) = self.aside.as_ref().filter(|(aside, _)| *aside == record.offset()) {
            record.event = Err(Malformed(reason.clone()));
        }
        record
    }

    /// The sink says that one of `records` can never be applied.
    pub(super) fn blame(&mut self, records: &[Record], reason: String) -> Verdict {
        let (first, last) = match records {
            [] => return Verdict::SinkAtFault(format!("nothing was refused: {reason}")),
            [record] if record.event.is_err() => {
                return Verdict::SinkAtFault(format!(
                    "record {} has no effect and is refused: {reason}",
                    record.offset()
                ));
            }
            [record] => (record.offset(), record.offset()),
            [first, .., last] => (first.offset(), last.offset()),
        };
        let through = self.suspect.map_or(last, |(through, _)| through.max(last));
        self.suspect = Some((through, (records.len() / 2).max(1)));
        if records.len() > 1 {
            return Verdict::Halve;
        }
        let tries = match self.tried {
            Some((offset, tries)) if offset == first => tries + 1,
            _ => 1,
        };
        self.tried = Some((first, tries));
        let trouble = format!("record {first} cannot be applied (try {tries} of {TRIES}): {reason}");
        if tries >= TRIES {
            self.condemned = Some((first, reason));
        }
        Verdict::Again { tries, trouble }
    }

    /// The record is in the dead letters.
    pub(super) fn was_set_aside(&mut self, offset: Offset, reason: String) {
        self.aside = Some((offset, reason));
    }

    /// Why this record has to be put aside before its place is passed; `None`: it has not, or was.
    pub(super) fn to_be_set_aside(&self, record: &Record) -> Option<String> {
        let offset = record.offset();
        if self.aside.as_ref().is_some_and(|(aside, _)| *aside == offset) {
            return None;
        }
        if let Some((_, reason)) = self.condemned.as_ref().filter(|(condemned, _)| *condemned == offset) {
            return Some(reason.clone());
        }
        record.event.as_ref().err().map(ToString::to_string)
    }

    /// Everything through `offset` is settled: what was suspected behind it is halved again.
    pub(super) fn past(&mut self, offset: Offset, waiting: &VecDeque<Record>) {
        self.tried.take_if(|(at, _)| *at <= offset);
        self.condemned.take_if(|(at, _)| *at <= offset);
        self.aside.take_if(|(at, _)| *at <= offset);
        if let Some((through, _)) = self.suspect {
            let left = waiting.iter().take_while(|record| record.offset() <= through).count();
            self.suspect = (offset < through && left > 0).then(|| (through, (left / 2).max(1)));
        }
    }
}
