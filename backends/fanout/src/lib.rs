//! The ports [`Fanout`], [`Presence`], [`Receipts`], [`Sessions`] and [`Limits`], twice: [`redis`] for a cluster, [`memory`] for one
//! process and for tests. Both pass the contract suites of `parlor_core::ports`.
//!
//! [`Fanout`]: parlor_core::ports::fanout::Fanout
//! [`Presence`]: parlor_core::ports::presence::Presence
//! [`Receipts`]: parlor_core::ports::receipts::Receipts
//! [`Sessions`]: parlor_core::ports::sessions::Sessions
//! [`Limits`]: parlor_core::ports::limits::Limits

pub mod memory;
pub mod redis;

mod outlet;
