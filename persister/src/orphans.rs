use std::time::Duration;

use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::Key;
use parlor_core::ports::files::{Orphan, Storage};
use parlor_core::time::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Files removed at a time.
const PAGE: usize = 100;
/// The longest between two looks.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// After so long nobody can bring bytes for an upload that was cancelled: longer than any address is good.
const EXPIRED: Duration = Duration::from_secs(60 * 60);

/// Removes files that were declared long ago and to which no message refers, bytes first, until `stop`. Several
/// persisters may do so at once. What fails is tried again at the next look: a record goes only once its bytes are gone.
pub(crate) async fn remove(storage: &Storage, config: &Config, stop: &CancellationToken) {
    let age = Duration::from_secs(config.orphan_age_s.max(1));
    let every = (age / 4).clamp(Duration::from_secs(1), LONGEST);
    loop {
        if let Err(away) = look(storage, age, stop).await {
            metrics::counter!("parlor_files_orphans_failures_total").increment(1);
            tracing::warn!("files that nobody refers to could not be removed: {away}");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(every) => {}
        }
    }
}

async fn look(storage: &Storage, age: Duration, stop: &CancellationToken) -> Result<(), Unavailable> {
    let ago = |span: Duration| Timestamp::now().plus_millis(-i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    while !stop.is_cancelled() {
        let orphans = storage.files.orphans(ago(age), ago(age.min(EXPIRED)), PAGE).await?;
        for orphan in &orphans {
            bytes(storage, orphan).await?;
        }
        if !orphans.is_empty() {
            let ids: Vec<_> = orphans.iter().map(|orphan| orphan.id).collect();
            storage.files.removed(&ids).await?;
            metrics::counter!("parlor_files_orphans_removed_total")
                .increment(u64::try_from(ids.len()).unwrap_or(u64::MAX));
            tracing::info!(files = ids.len(), "files that nobody refers to were removed");
        }
        if orphans.len() < PAGE {
            break;
        }
    }
    Ok(())
}

async fn bytes(storage: &Storage, orphan: &Orphan) -> Result<(), Unavailable> {
    storage.blobs.remove(&Key::incoming(orphan.id)).await?;
    match orphan.blob {
        Some(blob) => storage.blobs.remove(&Key::settled(blob)).await,
        None => Ok(()),
    }
}
