//! Latencies, in microseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counts latencies up to a minute, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Histogram(hdrhistogram::Histogram<u32>);

/// Percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(hdrhistogram::Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are sound"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        let max = self.0.max() as f64 / 1000.0;
        Percentiles { count: self.0.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut histogram = Histogram::new();
        for millisecond in 1..=100 {
            histogram.record(Duration::from_millis(millisecond));
        }
        histogram.record(Duration::from_secs(3600));
        let percentiles = histogram.percentiles();
        assert_eq!(percentiles.count, 101);
        assert!((percentiles.p50 - 51.0).abs() < 0.1, "{percentiles:?}");
        assert!((percentiles.max - 60_000.0).abs() < 100.0, "{percentiles:?}");
    }
}
