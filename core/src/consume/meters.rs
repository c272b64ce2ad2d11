//! What a role counts; how far behind it is, is [`super::lag`]'s.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

pub(super) struct Meters {
    batches: Histogram,
    seconds: Histogram,
    applied: Counter,
    duplicates: Counter,
    pub(super) dead_letters: Counter,
}

impl Meters {
    pub(super) fn new(role: &'static str) -> Self {
        Self {
            batches: histogram!("parlor_consumer_batch_records", "role" => role),
            seconds: histogram!("parlor_consumer_apply_seconds", "role" => role),
            applied: counter!("parlor_consumer_applied_total", "role" => role),
            duplicates: counter!("parlor_consumer_duplicates_total", "role" => role),
            dead_letters: counter!("parlor_dead_letters_total", "role" => role),
        }
    }

    /// A batch that came back, after how long, and what it came to.
    pub(super) fn batch(&self, applied: usize, duplicates: usize, took: Duration) {
        self.seconds.record(took);
        if applied > 0 {
            self.batches.record(u32::try_from(applied).map_or(f64::MAX, f64::from));
            self.applied.increment(u64::try_from(applied).unwrap_or(u64::MAX));
            self.duplicates.increment(u64::try_from(duplicates).unwrap_or(u64::MAX));
        }
    }
}

pub(super) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("parlor_consumer_lag_records", "Records of the log that the role has not applied yet");
    describe_gauge!("parlor_consumer_lag_seconds", Unit::Seconds, "Age of the oldest record not applied; 0: none");
    describe_histogram!("parlor_consumer_batch_records", "Records applied at once");
    describe_histogram!("parlor_consumer_apply_seconds", Unit::Seconds, "How long the sink took for a batch");
    describe_counter!("parlor_consumer_applied_total", "Records applied, those without effect included");
    describe_counter!("parlor_consumer_duplicates_total", "Records whose event was applied before under another seq");
    describe_counter!("parlor_dead_letters_total", "Records set aside: they can never be applied");
}
