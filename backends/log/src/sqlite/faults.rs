//! What tests can make go wrong.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Each counts down: after so many it is over.
#[derive(Debug, Default)]
pub struct Faults {
    lost_reports: AtomicU32,
    skipped_offsets: AtomicU32,
    failed_batches: AtomicU32,
}

impl Faults {
    /// The next `count` appends succeed, and their callers are told [`Unknown`](parlor_core::ports::log::ReportError).
    pub fn lose_reports(&self, count: u32) {
        self.lost_reports.store(count, Relaxed);
    }

    /// After each of the next `count` records an offset stays unused, as Kafka leaves them after a transaction.
    pub fn skip_offsets(&self, count: u32) {
        self.skipped_offsets.store(count, Relaxed);
    }

    /// The next `count` batches are not written, as if the disk were full.
    pub fn fail_batches(&self, count: u32) {
        self.failed_batches.store(count, Relaxed);
    }

    pub(super) fn loses_report(&self) -> bool {
        take(&self.lost_reports)
    }

    pub(super) fn skips_offset(&self) -> bool {
        take(&self.skipped_offsets)
    }

    pub(super) fn fails_batch(&self) -> bool {
        take(&self.failed_batches)
    }
}

fn take(left: &AtomicU32) -> bool {
    left.load(Relaxed) > 0 && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}
