//! The two logs behind [`parlor_core::ports::log::Log`]: [`kafka`] for a cluster, [`sqlite`] for one process. Both
//! pass the contract suite beside the port.

pub mod kafka;
pub mod sqlite;
pub mod trace;

use std::sync::Arc;

use bytes::Bytes;
use parlor_core::ids::{Generation, Offset, Partition, Seq};
use parlor_core::ports::log::Record;
use parlor_core::time::Timestamp;

/// The most that one record may hold, key and encoded event together, in bytes. The topic takes batches of 128 KiB;
/// what is left is for Kafka's framing and for the headers that a dead letter carries.
pub const MAX_RECORD_BYTES: usize = 124 * 1024;

/// The most records in one [`parlor_core::ports::log::Polled::Records`].
const BATCH_RECORDS: usize = 1_000;

/// The most bytes of encoded records in one [`parlor_core::ports::log::Polled::Records`]; one record may pass it alone.
const BATCH_BYTES: usize = 1024 * 1024;

/// A record as both logs hand it out.
fn record(
    generation: Generation,
    partition: Partition,
    offset: Offset,
    time: Timestamp,
    encoded: Bytes,
    trace: Option<String>,
) -> Record {
    let event = parlor_proto::decode(&encoded).map(Arc::new);
    Record { partition, seq: Seq::new(generation, offset), time, encoded, event, trace }
}

/// The partition at this place of a list that holds one entry for each.
fn partition_at(index: usize) -> Partition {
    Partition(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The place of a partition in a list that holds one entry for each.
fn index_of(partition: Partition) -> usize {
    usize::try_from(partition.0).unwrap_or(usize::MAX)
}
