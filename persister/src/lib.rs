//! The persister: from the log into the store, where history is.
//!
//! [`run`] is five things that share nothing but the ports: the consuming loop of [`parlor_core::consume`] over
//! [`StoreSink`], a second one over [`ReceiptSink`] for the log of receipts, the relay of what dead gateways left in the
//! outbox from the store into the log, the store's upkeep, and the removal of files that nobody refers to.

mod config;
mod maintenance;
mod orphans;
mod outbox;
mod receipts;
mod sink;

use std::sync::Arc;

use parlor_core::consume;
use parlor_core::ports::files::Storage;
use parlor_core::ports::log::Log;
use parlor_core::ports::progress::Progress;
use parlor_core::ports::store::Store;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use parlor_core::consume::{Health, Report};
pub use receipts::ReceiptSink;
pub use sink::StoreSink;

/// The role's name in metrics and logs.
pub const ROLE: &str = "persister";
/// What its consuming of receipts is called there.
pub const RECEIPTS: &str = "persister-receipts";

/// What the persister works with.
#[derive(Clone)]
pub struct Ports {
    /// Where events come from, and where the relay appends to.
    pub log: Arc<dyn Log>,
    /// Where they go.
    pub store: Arc<dyn Store>,
    /// Where files are, if there are any: those that nobody refers to are removed.
    pub files: Option<Storage>,
    /// Where receipts come from.
    pub receipts: Arc<dyn Log>,
    /// Where they go.
    pub progress: Arc<dyn Progress>,
}

/// Why the persister has ended by itself. The process must say so and exit.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The consuming loop has ended.
    #[error(transparent)]
    Consuming(#[from] consume::Fatal),
    /// The relay cannot append any more.
    #[error("the log's producer has failed: {0}")]
    Producer(String),
}

/// Persists until `shutdown`, then finishes what is in flight, commits and leaves the group (10 s at most).
///
/// `health` tells of the messages' loop, `receipts` of the receipts'.
///
/// The failure of any part ends them all: half a persister would look alive.
///
/// # Errors
/// [`Fatal`]: the process must say so and exit.
pub async fn run(
    config: Config,
    ports: Ports,
    health: Health,
    receipts: Health,
    shutdown: CancellationToken,
) -> Result<(), Fatal> {
    let stop = shutdown.child_token();
    let sink = Arc::new(StoreSink::new(Arc::clone(&ports.store)));
    let consuming = async {
        // Whatever it ends with, the others are not to go on alone.
        let _stops = stop.clone().drop_guard();
        consume::run(Arc::clone(&ports.log), sink, config.consuming(), health, stop.clone()).await
    };
    let noting = async {
        let _stops = stop.clone().drop_guard();
        let config = config.noting();
        let (log, progress) = (Arc::clone(&ports.receipts), Arc::clone(&ports.progress));
        let sink = ReceiptSink::new(Arc::clone(&log), config.group.clone(), Arc::clone(&ports.store), progress);
        let sink = Arc::new(sink);
        consume::run(log, sink, config, receipts, stop.clone()).await
    };
    let relaying = async {
        let _stops = stop.clone().drop_guard();
        outbox::relay(&*ports.log, &*ports.store, &config, &stop).await
    };
    let removing = async {
        if let Some(storage) = &ports.files {
            orphans::remove(storage, &config, &stop).await;
        }
    };
    // One task, so a panic in any part reaches the caller; none of them computes.
    let upkeep = maintenance::maintain(&*ports.store, &config, &stop);
    let (consumed, noted, relayed, (), ()) = tokio::join!(consuming, noting, relaying, upkeep, removing);
    consumed?;
    noted?;
    relayed
}
