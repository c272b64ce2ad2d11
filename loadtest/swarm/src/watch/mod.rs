//! The servers, seen from outside: their processes' time and memory, and what they say of their lag.

mod clock;
mod kernel;
mod memory;
mod processes;
mod sampler;
mod scrape;

pub(crate) use clock::Clock;
pub(crate) use memory::Memory;
pub(crate) use processes::{Cost, Process, Processes};
pub(crate) use sampler::{Lag, Sampler};
pub(crate) use scrape::{Consumers, MESSAGES_STORED};
