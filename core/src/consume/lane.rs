//! One assigned partition: where its sink stands, what waits, what is tried next. It does no I/O and has no clock; the
//! loop runs the [`Step`]s that it asks for, one at a time, and does what it says with the consumer.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::config::backoff;
use super::poison::{Poison, Verdict};
use super::step::Step;
use super::verify::{Mismatch, Unlocated};
use super::{Outcome, SinkError};
use crate::ids::Offset;
use crate::ports::Unavailable;
use crate::ports::log::{Position, Record};
use crate::time::Timestamp;

/// What a waiting record costs beside its encoded bytes: the decoded event, estimated.
const OVERHEAD: usize = 512;

/// Bounds that the loop sets, this lane's share of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) batch_records: usize,
    pub(super) batch_bytes: usize,
    pub(super) linger: Duration,
    /// Above either, the partition is paused; below half of both, it goes on.
    pub(super) ahead_records: usize,
    pub(super) ahead_bytes: usize,
}

/// What a lane wants now.
#[derive(Debug)]
pub(super) enum Want {
    Run(Step),
    /// Nothing before this time.
    Wake(Instant),
    /// Nothing until something happens.
    Nothing,
}

/// What the loop is to do with the consumer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    Start(Offset),
    Pause,
    Refuse(Mismatch),
}

/// What a finished batch changed.
pub(super) struct Settled {
    pub(super) todo: Todo,
    /// Records of the batch that the sink has applied.
    pub(super) applied: usize,
    pub(super) duplicates: usize,
}

pub(super) struct Lane {
    /// Tells this assignment's steps from those of an earlier one.
    pub(super) epoch: u64,
    phase: Phase,
    /// A step is under way.
    busy: bool,
    /// Where the sink stands; `None` until it has answered once.
    position: Option<Position>,
    /// The last position known to have been applied, by whomever: what may be committed. A claimed one is not.
    applied: Option<Position>,
    applied_time: Option<Timestamp>,
    committed: Option<Offset>,
    waiting: VecDeque<Record>,
    waiting_bytes: usize,
    /// Since when the oldest of them waits.
    waiting_since: Option<Instant>,
    /// The time of the oldest record in the step under way.
    in_hand: Option<Timestamp>,
    /// The last offset accepted from the consumer (or skipped because the sink is beyond it).
    newest: Offset,
    /// Paused because enough waits; go on from here.
    resume: Option<Offset>,
    /// Failures in a row, of whatever kind but poison.
    failures: u32,
    /// No step before this.
    not_before: Option<Instant>,
    trouble: Option<(Cause, String)>,
    poison: Poison,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The sink is asked where it stands; records are not wanted.
    Locating,
    /// Records flow from the position on.
    Started,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Locating,
    Applying,
}

impl Lane {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            phase: Phase::Locating,
            busy: false,
            position: None,
            applied: None,
            applied_time: None,
            committed: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_since: None,
            in_hand: None,
            newest: Offset::NONE,
            resume: None,
            failures: 0,
            not_before: None,
            trouble: Some((Cause::Locating, "its position is not known yet".to_owned())),
            poison: Poison::default(),
        }
    }

    /// Records are wanted.
    pub(super) fn is_started(&self) -> bool {
        self.phase == Phase::Started
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    pub(super) fn applied_time(&self) -> Option<Timestamp> {
        self.applied_time
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|(_, text)| text.as_str())
    }

    /// The time of the oldest record that has come and is not applied.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.in_hand.or_else(|| self.waiting.front().map(|record| record.time))
    }

    /// The offset to commit, if it was not committed before: nothing from `unfinished` on.
    pub(super) fn committable(&self, unfinished: Option<Offset>) -> Option<Offset> {
        let next = self.applied.map(|position| position.offset.next())?;
        match unfinished.filter(|unfinished| *unfinished < next) {
            // What was committed before stays: it was done then.
            Some(unfinished) => Some(unfinished).filter(|next| self.committed.is_none_or(|before| before < *next)),
            None => Some(next).filter(|next| self.committed != Some(*next)),
        }
    }

    pub(super) fn set_committed(&mut self, next: Offset) {
        self.committed = Some(next);
    }

    // ---- what is wanted --------------------------------------------------------------------------------------------

    pub(super) fn next(&mut self, now: Instant, bounds: &Bounds) -> Want {
        if self.busy {
            return Want::Nothing;
        }
        if let Some(at) = self.not_before {
            if now < at {
                return Want::Wake(at);
            }
            self.not_before = None;
        }
        if self.phase == Phase::Locating {
            self.busy = true;
            return Want::Run(Step::Locate { applied: self.applied });
        }
        let (Some(previous), Some(first)) = (self.position, self.waiting.front()) else { return Want::Nothing };
        if let Some(reason) = self.poison.to_be_set_aside(first) {
            let record = first.clone();
            self.busy = true;
            self.in_hand = Some(record.time);
            return Want::Run(Step::SetAside { record, reason });
        }
        let full = self.waiting.len() >= bounds.batch_records || self.waiting_bytes >= bounds.batch_bytes;
        if !full
            && !self.poison.suspects()
            && let Some(ready) = self.waiting_since.and_then(|since| since.checked_add(bounds.linger))
            && now < ready
        {
            return Want::Wake(ready);
        }
        let records = self.take_batch(bounds);
        self.busy = true;
        self.in_hand = records.first().map(|record| record.time);
        Want::Run(Step::Apply { previous, records })
    }

    /// The next records that can go together, at least one.
    fn take_batch(&mut self, bounds: &Bounds) -> Vec<Record> {
        let most = self.poison.most(bounds.batch_records).max(1);
        let mut batch = Vec::with_capacity(most.min(self.waiting.len()));
        let mut bytes = 0;
        while let Some(first) = self.waiting.front() {
            bytes += first.encoded.len();
            let fits = batch.len() < most && bytes <= bounds.batch_bytes;
            if !batch.is_empty() && (!fits || self.poison.to_be_set_aside(first).is_some()) {
                break;
            }
            let Some(record) = self.pop() else { break };
            batch.push(self.poison.defuse(record));
        }
        batch
    }

    // ---- what comes ------------------------------------------------------------------------------------------------

    /// Takes records that the consumer hands over. Those that a later start will bring again are not kept.
    pub(super) fn receive(&mut self, records: Vec<Record>, now: Instant, bounds: &Bounds) -> Todo {
        if self.phase != Phase::Started || self.resume.is_some() {
            return Todo::Nothing;
        }
        for record in records {
            if record.offset() > self.newest {
                self.newest = record.offset();
                self.waiting_bytes += weight(&record);
                self.waiting.push_back(record);
            }
        }
        if self.waiting_since.is_none() && !self.waiting.is_empty() {
            self.waiting_since = Some(now);
        }
        if self.waiting.len() >= bounds.ahead_records || self.waiting_bytes >= bounds.ahead_bytes {
            self.resume = Some(self.newest.next());
            return Todo::Pause;
        }
        Todo::Nothing
    }

    pub(super) fn located(&mut self, answer: Result<Position, Unlocated>, now: Instant) -> Todo {
        self.busy = false;
        match answer {
            Ok(position) => {
                let moved = self.position.is_some_and(|before| position.offset > before.offset);
                if moved || self.trouble.as_ref().is_some_and(|(cause, _)| *cause == Cause::Locating) {
                    self.trouble = None;
                }
                self.stand_at(position);
                self.newest = position.offset;
                self.phase = Phase::Started;
                Todo::Start(position.offset.next())
            }
            Err(Unlocated::Away(reason)) => self.fail(Cause::Locating, reason, now),
            Err(Unlocated::Refused(mismatch)) => Todo::Refuse(mismatch),
        }
    }

    pub(super) fn settled(
        &mut self,
        records: Vec<Record>,
        result: Result<Outcome, SinkError>,
        now: Instant,
        bounds: &Bounds,
    ) -> Settled {
        self.busy = false;
        self.in_hand = None;
        let nothing = |todo| Settled { todo, applied: 0, duplicates: 0 };
        if self.phase == Phase::Locating {
            // Sent to look again meanwhile, so `position` is about to say what became of these.
            return nothing(Todo::Nothing);
        }
        match result {
            Ok(Outcome::Applied { position, duplicates }) => self.moved_to(position, duplicates, records, now, bounds),
            Ok(Outcome::Elsewhere(stands)) => {
                let known = self.position.map_or(Offset::NONE, |position| position.offset);
                match stands {
                    // Another consumer was here, and what it did is within what waits: go on behind it.
                    Some(ahead) if ahead.offset > known && ahead.offset <= self.newest => {
                        self.put_back(records);
                        self.stand_at(ahead);
                        self.forget_through(ahead.offset);
                        nothing(self.flow(bounds))
                    }
                    _ => {
                        tracing::info!(known = known.0, stands = ?stands.map(|p| p.offset.0), "the sink is elsewhere");
                        nothing(self.look_again(now))
                    }
                }
            }
            Err(SinkError::Unavailable(away)) => nothing(self.fail(Cause::Applying, away.to_string(), now)),
            Err(SinkError::Poison(reason)) => nothing(self.poisoned(records, reason, now)),
        }
    }

    fn moved_to(
        &mut self,
        position: Position,
        duplicates: usize,
        records: Vec<Record>,
        now: Instant,
        bounds: &Bounds,
    ) -> Settled {
        let applied = records.iter().take_while(|record| record.offset() <= position.offset).count();
        let Some(last) = applied.checked_sub(1).and_then(|last| records.get(last)) else {
            // An implementation's fault; asking again at once could go on for ever.
            let todo = self.fail(Cause::Applying, "the sink applied nothing".to_owned(), now);
            return Settled { todo, applied: 0, duplicates: 0 };
        };
        self.applied_time = Some(last.time);
        self.failures = 0;
        self.trouble = None;
        self.stand_at(position);
        self.put_back(records.into_iter().skip(applied).collect());
        self.forget_through(position.offset);
        Settled { todo: self.flow(bounds), applied, duplicates }
    }

    fn stand_at(&mut self, position: Position) {
        self.position = Some(position);
        if position.digest != 0 {
            self.applied = Some(position);
        }
    }

    /// The loop of isolating a record that cannot be applied; see [`Poison`].
    fn poisoned(&mut self, records: Vec<Record>, reason: String, now: Instant) -> Todo {
        match self.poison.blame(&records, reason) {
            Verdict::Halve => {}
            Verdict::Again { tries, trouble } => {
                self.not_before = Some(now + backoff(tries));
                self.trouble = Some((Cause::Applying, trouble));
            }
            Verdict::SinkAtFault(trouble) => return self.fail(Cause::Applying, trouble, now),
        }
        self.put_back(records);
        Todo::Nothing
    }

    /// A record was put aside, or could not be: then it is tried again, for nothing may be skipped that is not kept.
    pub(super) fn put_aside(&mut self, record: &Record, reason: String, result: Result<(), Unavailable>, now: Instant) {
        self.busy = false;
        self.in_hand = None;
        match result {
            Ok(()) => self.poison.was_set_aside(record.offset(), reason),
            Err(away) => {
                self.failures += 1;
                self.not_before = Some(now + backoff(self.failures));
                self.trouble = Some((Cause::Applying, format!("a record cannot be set aside: {away}")));
            }
        }
    }

    /// Drops what waits and asks the sink where it stands: after a pause that grows with failures, at once where there
    /// were none.
    pub(super) fn look_again(&mut self, now: Instant) -> Todo {
        self.phase = Phase::Locating;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.waiting_since = None;
        self.resume = None;
        self.not_before = (self.failures > 0).then(|| now + backoff(self.failures));
        self.failures += 1;
        Todo::Pause
    }

    /// The consumer could not be told to start.
    pub(super) fn not_started(&mut self, away: &Unavailable, now: Instant) {
        self.fail(Cause::Locating, away.to_string(), now);
    }

    fn fail(&mut self, cause: Cause, reason: String, now: Instant) -> Todo {
        self.trouble = Some((cause, reason));
        let failures = self.failures + 1;
        let todo = self.look_again(now);
        self.failures = failures;
        self.not_before = Some(now + backoff(failures));
        todo
    }

    // ---- what waits ------------------------------------------------------------------------------------------------

    fn pop(&mut self) -> Option<Record> {
        let record = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(&record));
        if self.waiting.is_empty() {
            self.waiting_since = None;
        }
        Some(record)
    }

    fn put_back(&mut self, records: Vec<Record>) {
        for record in records.into_iter().rev() {
            self.waiting_bytes += weight(&record);
            self.waiting.push_front(record);
        }
    }

    fn forget_through(&mut self, offset: Offset) {
        while self.waiting.front().is_some_and(|record| record.offset() <= offset) {
            self.pop();
        }
        self.newest = self.newest.max(offset);
        self.poison.past(offset, &self.waiting);
    }

    /// Lets records come again once enough of them are gone.
    fn flow(&mut self, bounds: &Bounds) -> Todo {
        let few = self.waiting.len() <= bounds.ahead_records / 2 && self.waiting_bytes <= bounds.ahead_bytes / 2;
        match self.resume.take_if(|_| few) {
            Some(from) => Todo::Start(from.max(self.newest.next())),
            None => Todo::Nothing,
        }
    }
}

fn weight(record: &Record) -> usize {
    record.encoded.len() + OVERHEAD
}
