//! The records that outlive a process, and the only conversions between them and `core`'s types.
//!
//! `proto/parlor/v1/event.proto` is the format; golden bytes in the tests hold it still.

mod convert;
mod ephemeral;
mod session;

#[allow(missing_docs, unreachable_pub, reason = "generated; the .proto file documents it")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/parlor.v1.rs"));
}

use bytes::Bytes;
use parlor_core::event::{Ephemeral, Event};
use parlor_core::ports::log::Malformed;
use prost::Message;

pub use session::{decode_snapshot, encode_snapshot};

/// The event as a record of the log.
pub fn encode(event: &Event) -> Bytes {
    convert::to_wire(event).encode_to_vec().into()
}

/// Reads a record of the log.
///
/// # Errors
/// The bytes are no event, or an event of a known kind with a body that is not one. A kind that this version does not
/// know is no error: it becomes [`parlor_core::event::Kind::Other`] and encodes to the same bytes again.
pub fn decode(bytes: &[u8]) -> Result<Event, Malformed> {
    let event = wire::Event::decode(bytes).map_err(|error| Malformed(error.to_string()))?;
    convert::from_wire(event)
}

/// Ephemeral news as it is published.
pub fn encode_ephemeral(news: &Ephemeral) -> Bytes {
    ephemeral::to_wire(news).encode_to_vec().into()
}

/// Reads ephemeral news.
///
/// # Errors
/// The bytes are no news, or news of a kind that this version does not know: it may be dropped.
pub fn decode_ephemeral(bytes: &[u8]) -> Result<Ephemeral, Malformed> {
    let news = wire::Ephemeral::decode(bytes).map_err(|error| Malformed(error.to_string()))?;
    ephemeral::from_wire(news)
}
