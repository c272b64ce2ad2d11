use std::time::Duration;

use metrics::counter;
use parlor_core::ports::log::{AppendError, Log};
use parlor_core::ports::store::{Outgoing, Store};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Fatal;
use crate::config::Config;

/// Rows relayed at a time.
const PAGE: usize = 100;

/// Appends what a gateway decided but died before appending, oldest first, until `stop`.
///
/// Events go one after the other, each awaited, so that a failure never lets a later one overtake; what was appended is
/// marked even then. A second copy, appended by two relays or by a gateway that was merely slow, is harmless: it has
/// the same event id. A store or log that is away is tried again at the next tick.
///
/// # Errors
/// The producer has ended for good.
pub(crate) async fn relay(
    log: &dyn Log,
    store: &dyn Store,
    config: &Config,
    stop: &CancellationToken,
) -> Result<(), Fatal> {
    let age = Duration::from_millis(config.outbox_age_ms);
    let mut ticks = interval(Duration::from_millis(config.outbox_every_ms.max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // A full page may have more behind it.
        while !stop.is_cancelled() {
            let page = match store.stale_outbox(age, PAGE).await {
                Ok(page) => page,
                Err(away) => {
                    tracing::debug!("the outbox cannot be read: {away}");
                    break;
                }
            };
            let count = page.len();
            if count == 0 {
                break;
            }
            let (sent, end) = append(log, page, stop).await;
            counter!("parlor_outbox_relayed_total").increment(u64::try_from(sent.len()).unwrap_or(u64::MAX));
            let marked = if sent.is_empty() { Ok(()) } else { store.outbox_sent(&sent).await };
            if let Err(away) = &marked {
                tracing::warn!("relayed events could not be marked and will be appended again: {away}");
            }
            end?;
            if sent.len() < PAGE || marked.is_err() {
                break;
            }
        }
    }
}

/// Appends in order up to the first failure. Returns the rows that are in the log.
async fn append(log: &dyn Log, page: Vec<Outgoing>, stop: &CancellationToken) -> (Vec<i64>, Result<(), Fatal>) {
    let mut sent = Vec::with_capacity(page.len());
    for Outgoing { row, event } in page {
        if stop.is_cancelled() {
            break;
        }
        match log.append(&event) {
            Ok(pending) => match pending.await {
                Ok(_) => sent.push(row),
                Err(unknown) => {
                    tracing::warn!(row, "an outbox event may not be in the log and is tried again: {unknown}");
                    break;
                }
            },
            // It would stand in the way of all others for ever. The row stays for an operator to find; members are in
            // the store all the same, and consumers go by the version of whatever event comes next.
            Err(error @ AppendError::TooLarge) => {
                counter!("parlor_outbox_refused_total").increment(1);
                tracing::error!(row, room = %event.room, "an outbox event cannot be appended: {error}");
            }
            Err(AppendError::Full) => break,
            Err(AppendError::Fatal(reason)) => return (sent, Err(Fatal::Producer(reason))),
        }
    }
    (sent, Ok(()))
}

#[cfg(test)]
mod tests;
