//! What is measured of every call, on either database.

use std::time::{Duration, Instant};

use log::LevelFilter;
use metrics::{Unit, describe_counter, describe_histogram};
use parlor_core::ports::Unavailable;
use sqlx::ConnectOptions;

/// Says what the numbers below mean.
pub(crate) fn describe() {
    let help = "How long calls of the database took, the wait for a connection included";
    describe_histogram!("parlor_store_call_seconds", Unit::Seconds, help);
    describe_counter!("parlor_store_unavailable_total", "Calls that the database did not answer");
}

/// Has statements that take `slow` or longer logged as warnings, with their text and without their values; zero: none.
pub(crate) fn telling_slow<O: ConnectOptions>(options: O, slow: Duration) -> O {
    options.log_slow_statements(LevelFilter::Warn, if slow.is_zero() { Duration::MAX } else { slow })
}

/// Runs a call of the port and records how long it took and whether the database answered:
/// `parlor_store_call_seconds{backend, call}` and `parlor_store_unavailable_total{backend, call}`.
pub(crate) async fn timed<T, E>(
    backend: &'static str,
    call: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: Refusal,
{
    let started = Instant::now();
    let answer = work.await;
    metrics::histogram!("parlor_store_call_seconds", "backend" => backend, "call" => call)
        .record(started.elapsed().as_secs_f64());
    if answer.as_ref().is_err_and(Refusal::is_unavailable) {
        metrics::counter!("parlor_store_unavailable_total", "backend" => backend, "call" => call).increment(1);
    }
    answer
}

/// An error of the port.
pub(crate) trait Refusal {
    /// Whether the database was away, as opposed to an answer that the caller earned.
    fn is_unavailable(&self) -> bool;
}

impl Refusal for Unavailable {
    fn is_unavailable(&self) -> bool {
        true
    }
}

impl Refusal for parlor_core::ports::store::ApplyError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Refusal for parlor_core::ports::store::ChangeError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
