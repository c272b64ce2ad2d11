//! What can be measured. A scenario is its arguments, a run and a report.

mod beside_kernel;
pub(crate) mod broadcast;
pub(crate) mod drain;
pub(crate) mod fanout;
pub(crate) mod handshakes;
pub(crate) mod idle;
mod kernel_alone;
pub(crate) mod ramp;
pub(crate) mod rooms;
pub(crate) mod storm;

pub(crate) use beside_kernel::BesideKernel;
