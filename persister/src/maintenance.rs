use std::time::Duration;

use parlor_core::ports::store::Store;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// After a failure, however rare the upkeep is otherwise.
const RETRY: Duration = Duration::from_secs(30);

/// Runs the store's upkeep at the start and then at its interval, until `stop`. A failure is said, counted and tried
/// again soon; nothing depends on any single run, since partitions are made months ahead.
pub(crate) async fn maintain(store: &dyn Store, config: &Config, stop: &CancellationToken) {
    let every = Duration::from_secs(config.maintain_every_s.max(1));
    loop {
        let pause = match store.maintain().await {
            Ok(()) => every,
            Err(away) => {
                metrics::counter!("parlor_store_maintenance_failures_total").increment(1);
                tracing::warn!("the store's upkeep failed: {away}");
                RETRY.min(every)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}
