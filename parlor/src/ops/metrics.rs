//! Numbers for Prometheus. Histograms have the same buckets in every process, so that they can be added up.

use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of histograms of time (names in `_seconds`): half a millisecond to ten seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of histograms of counts (batches and the like).
const COUNTS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];
/// Bounds of histograms of sizes (names in `_bytes`).
const BYTES: [f64; 9] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 33_554_432.0];

/// The process's recorder.
#[derive(Clone)]
pub(crate) struct Recorder(PrometheusHandle);

impl Recorder {
    /// Takes every metric of this process from now on. Once per process.
    pub(crate) fn install(role: &str, version: &'static str) -> Result<Self> {
        let handle = builder()?.install_recorder().context("metrics have a recorder already")?;
        metrics::gauge!("parlor_build_info", "role" => role.to_owned(), "version" => version).set(1.0);
        // Folds samples into buckets, which reading does too: without a reader they would pile up.
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(5));
            loop {
                every.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// All numbers, in Prometheus's text form.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }
}

fn builder() -> Result<PrometheusBuilder> {
    Ok(PrometheusBuilder::new()
        .set_buckets(&COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_buckets_that_add_up_over_processes_never_summaries() {
        let recorder = builder().expect("bounds").build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("parlor_send_to_ack_seconds").record(0.003);
            metrics::histogram!("parlor_batch_records").record(7.0);
        });
        let text = recorder.handle().render();
        assert!(text.contains(r#"parlor_send_to_ack_seconds_bucket{le="0.005"} 1"#), "{text}");
        assert!(text.contains(r#"parlor_batch_records_bucket{le="10"} 1"#), "{text}");
        assert!(!text.contains("quantile"), "{text}");
    }
}
