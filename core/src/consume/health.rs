use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::Partition;

/// A member of the group that gets no partition within this time is a standby, and ready as such.
const STANDBY_AFTER: Duration = Duration::from_secs(15);

/// Whether a consuming role is ready. Handed to [`super::run`], which writes it, and kept by whoever answers health
/// checks. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The log is being consumed, and each assigned partition's sink answers.
    pub ready: bool,
    /// Partitions assigned to this process.
    pub assigned: usize,
    /// Why it is not ready; or, of one that is, anything worth knowing. For operators: driver errors may be in it.
    pub why: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    joined: Option<Instant>,
    log: Option<String>,
    partitions: BTreeMap<Partition, Option<String>>,
    ended: Option<String>,
}

impl Health {
    /// Not ready: not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of this moment.
    pub fn report(&self) -> Report {
        let state = self.state();
        let assigned = state.partitions.len();
        let not = |why: String| Report { ready: false, assigned, why: Some(why) };
        if let Some(why) = &state.ended {
            return not(why.clone());
        }
        if let Some(why) = &state.log {
            return not(why.clone());
        }
        let Some(joined) = state.joined else { return not("has not joined its consumer group yet".to_owned()) };
        if let Some((partition, why)) = state.partitions.iter().find_map(|(p, why)| Some((p, why.as_ref()?))) {
            return not(format!("partition {partition}: {why}"));
        }
        if assigned == 0 {
            let ready = joined.elapsed() >= STANDBY_AFTER;
            return Report { ready, assigned, why: Some("no partition is assigned".to_owned()) };
        }
        Report { ready: true, assigned, why: None }
    }

    pub(super) fn joined(&self) {
        let mut state = self.state();
        state.joined = Some(Instant::now());
        state.log = None;
        state.partitions.clear();
    }

    pub(super) fn log(&self, trouble: Option<String>) {
        self.state().log = trouble;
    }

    pub(super) fn partition(&self, partition: Partition, trouble: Option<&str>) {
        let mut state = self.state();
        let entry = state.partitions.entry(partition).or_default();
        if entry.as_deref() != trouble {
            *entry = trouble.map(ToOwned::to_owned);
        }
    }

    pub(super) fn lost(&self, partition: Partition) {
        self.state().partitions.remove(&partition);
    }

    pub(super) fn ended(&self, why: String) {
        self.state().ended = Some(why);
    }

    /// A panic while it was held cannot leave it half written: each write is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
