//! The servers, seen from outside: their processes' time and memory, and what they say of their lag.

mod kernel;
mod processes;
mod sampler;
mod scrape;

pub(crate) use processes::{Cost, Processes, settled_memory};
pub(crate) use sampler::{Lag, Sampler};
pub(crate) use scrape::{Consumers, MESSAGES_STORED};
