//! What Parlor asks of the world. Seams are cut by guarantee: each trait's docs are its specification, and the contract
//! suite beside it (feature `contract`) runs unchanged on every implementation.

pub mod accounts;
pub mod blobs;
pub mod contacts;
pub mod devices;
pub mod fanout;
pub mod files;
pub mod keys;
pub mod limits;
pub mod log;
pub mod presence;
pub mod progress;
pub mod push;
pub mod receipts;
pub mod safety;
pub mod search;
pub mod sessions;
pub mod store;
pub mod topics;

#[cfg(feature = "contract")]
pub mod accounts_contract;
#[cfg(feature = "contract")]
pub mod blobs_contract;
#[cfg(feature = "contract")]
pub mod devices_contract;
#[cfg(feature = "contract")]
pub mod fanout_contract;
#[cfg(feature = "contract")]
pub mod files_contract;
#[cfg(feature = "contract")]
pub mod keys_contract;
#[cfg(feature = "contract")]
pub mod limits_contract;
#[cfg(feature = "contract")]
pub mod log_contract;
#[cfg(feature = "contract")]
pub mod presence_contract;
#[cfg(feature = "contract")]
pub mod progress_contract;
#[cfg(feature = "contract")]
pub mod push_contract;
#[cfg(feature = "contract")]
pub mod receipts_contract;
#[cfg(feature = "contract")]
pub mod sessions_contract;
#[cfg(feature = "contract")]
pub mod store_contract;
#[cfg(feature = "contract")]
pub mod topics_contract;

/// A dependency is away, or answered with what is no fault of the request. Nothing is known to have changed; the same
/// call may succeed later.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{dependency} is unavailable: {reason}")]
pub struct Unavailable {
    /// Which, as an operator calls it: `kafka`, `redis`, `postgres`, `sqlite`.
    pub dependency: &'static str,
    /// The driver's words, for logs alone: they never reach a client.
    pub reason: String,
}

impl Unavailable {
    /// Wraps a driver's error.
    pub fn new(dependency: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { dependency, reason: reason.to_string() }
    }
}
