//! What Parlor knows about chat, and what it asks of the world: ids, commands, events, rules, and the ports with their
//! contract suites. Nothing here does I/O.
//!
//! The tree is the data flow: a client's packet becomes a [`command::Command`]; an accepted one becomes an
//! [`event::Event`] in the [`ports::log::Log`]; consumers move it into the [`ports::store::Store`] and the
//! [`ports::fanout::Fanout`] with [`consume`].

pub mod address;
pub mod blank;
pub mod command;
pub mod consume;
pub mod device;
pub mod error;
pub mod event;
pub mod file;
pub mod ids;
pub mod membership;
pub mod partition;
pub mod ports;
pub mod receipts;
pub mod search;
pub mod session;
pub mod time;
